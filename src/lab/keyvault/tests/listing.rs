//! Lists and their pages.

use super::*;
use crate::lab::fleet::Fleet;

fn names(page: &Value) -> Vec<String> {
    let name = |item: &Value| item["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    page["value"].as_array().unwrap().iter().map(name).collect()
}

/// Follows the links as a client does and gives the names of each page.
fn pages(lab: &mut Lab, path: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut path = path.to_owned();
    loop {
        let page = lab.get(&path);
        all.push(names(&page));
        let Some(next) = page["nextLink"].as_str() else { return all };
        path = next.strip_prefix("https://contoso.vault.localhost:8443/").unwrap().to_owned();
    }
}

fn secrets(lab: &mut Lab, count: usize) {
    for number in 0..count {
        lab.send(Method::PUT, &format!("secrets/s{number:02}"), json!({"value": "v"}));
    }
}

#[test]
fn pages_are_followed_to_the_end() {
    let mut lab = Lab::new();
    secrets(&mut lab, 30);
    assert_eq!(pages(&mut lab, "secrets").iter().map(Vec::len).collect::<Vec<_>>(), [25, 5]);
    assert_eq!(pages(&mut lab, "secrets?maxresults=10").iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10]);
    for bad in ["0", "26", "x", "-1"] {
        assert_eq!(lab.fails(Method::GET, &format!("secrets?maxresults={bad}"), Value::Null).0, 400, "{bad}");
    }
    assert_eq!(lab.fails(Method::GET, "secrets?$skiptoken=abc", Value::Null).0, 400);
}

#[test]
fn deleted_rows_leave_empty_pages_that_are_not_the_last() {
    let mut lab = Lab::new();
    secrets(&mut lab, 4);
    for name in ["s00", "s01", "s02"] {
        lab.send(Method::DELETE, &format!("secrets/{name}"), Value::Null);
    }
    assert_eq!(pages(&mut lab, "secrets?maxresults=2"), [vec![], vec!["s03".to_owned()]]);
}

#[test]
fn empty_pages_can_be_asked_for() {
    let mut lab = Lab::new();
    secrets(&mut lab, 4);
    lab.world.settings.empty_pages = true;
    lab.world.settings.page_size = 2;
    let all = pages(&mut lab, "secrets");
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 2]);
}

#[test]
fn a_pending_first_version_shows_only_when_asked_for_and_not_on_the_next_page() {
    let mut lab = Lab::new();
    lab.create("a", Value::Null);
    for name in ["b", "c"] {
        let policy = json!({"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Unknown"}});
        lab.send(Method::POST, &format!("certificates/{name}/create"), json!({ "policy": policy }));
    }
    assert_eq!(names(&lab.get("certificates")), ["a"]);
    let page = lab.get("certificates?includePending=true");
    assert_eq!(names(&page), ["a", "b", "c"]);
    assert!(page["value"][1].get("x5t").is_none());
    let page = lab.get("certificates?includePending=true&maxresults=2");
    let next = page["nextLink"].as_str().unwrap();
    assert!(!next.contains("includePending") && next.contains("maxresults=2"), "{next}");
}

#[test]
fn items_have_no_version_no_recovery_level_and_an_empty_subject() {
    let mut lab = Lab::new();
    let bundle = lab.create("a", Value::Null);
    let item = lab.get("certificates")["value"][0].clone();
    assert_eq!(item["id"], "https://contoso.vault.localhost:8443/certificates/a");
    assert_eq!(item["x5t"], bundle["x5t"]);
    assert_eq!(item["subject"], "");
    assert!(item["attributes"].get("recoveryLevel").is_none());
    assert_eq!(lab.get("certificates/a/versions")["value"][0]["id"], bundle["id"]);
    assert_eq!(lab.get("certificates/nobody/versions"), json!({"value": [], "nextLink": null}));
}

#[test]
fn keys_and_secrets_of_certificates_are_listed_as_managed() {
    let mut lab = Lab::new();
    lab.create("a", Value::Null);
    lab.send(Method::POST, "keys/k/create", json!({"kty": "EC"}));
    let keys = lab.get("keys")["value"].clone();
    assert_eq!(keys[0]["managed"], true);
    assert!(keys[1].get("managed").is_none());
    assert_eq!(lab.get("secrets")["value"][0]["contentType"], "application/x-pkcs12");
    assert_eq!(lab.get("keys/a/versions")["value"].as_array().unwrap().len(), 1);
    assert_eq!(lab.get("secrets/a/versions")["value"][0]["managed"], true);
}

#[test]
fn contacts_are_there_only_after_they_were_set() {
    let mut lab = Lab::new();
    let none = (404, "ContactsNotFound".to_owned(), None);
    assert_eq!(lab.fails(Method::GET, "certificates/contacts", Value::Null), none);
    let body = json!({"contacts": [{"name": "A", "email": "a@b.example", "phone": null}]});
    let expected = json!([{"email": "a@b.example", "name": "A"}]);
    assert_eq!(lab.send(Method::PUT, "certificates/contacts", body).value()["contacts"], expected);
    assert_eq!(lab.send(Method::DELETE, "certificates/contacts", Value::Null).value()["contacts"], expected);
    assert_eq!(lab.fails(Method::DELETE, "certificates/contacts", Value::Null), none);
}

#[test]
fn computed_certificates_are_listed_read_used_and_deleted_like_others() {
    let mut lab = Lab::new();
    scale(&mut lab.world, Fleet { seed: 1, vaults: 2, certificates: 30, at: 1_767_225_600 });
    let role = json!({"vault": "scale-00001", "principal": lab.caller.object_id, "role": "Key Vault Administrator"});
    grant(&mut lab.world, &role).unwrap();
    change_vault(&mut lab.world, "scale-00001", &json!({"purge_protection": false})).unwrap();
    lab.vault = "scale-00001".to_owned();
    let page = lab.get("certificates");
    assert_eq!(page["value"].as_array().unwrap().len(), 25);
    assert!(page["nextLink"].is_string());
    let bundle = lab.get("certificates/app-000007");
    assert_eq!(bundle["x5t"], page["value"][7]["x5t"]);
    let key = lab.get("keys/app-000007");
    assert_eq!(key["key"]["kid"], bundle["kid"]);
    assert!(lab.world.keyvault.vault("scale-00001").unwrap().is_untouched(), "what is read is not kept");
    let digest = json!({"alg": "RS256", "value": "A".repeat(43)});
    assert_eq!(lab.fails(Method::POST, "keys/app-000007/sign", digest).0, 501, "nobody has the key");
    for nobody in ["certificates/app-000030", "certificates/app-7"] {
        assert_eq!(lab.fails(Method::GET, nobody, Value::Null).0, 404, "{nobody}");
    }
    assert_eq!(lab.send(Method::DELETE, "certificates/app-000007", Value::Null).status, 200);
    lab.wait(8);
    assert_eq!(lab.send(Method::DELETE, "deletedcertificates/app-000007", Value::Null).status, 204);
    assert_eq!(lab.fails(Method::GET, "certificates/app-000007", Value::Null).0, 404);
    assert_eq!(
        lab.get("certificates")["value"][7]["id"],
        "https://scale-00001.vault.localhost:8443/certificates/app-000008"
    );
}
