//! From create to signature.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use x509_parser::prelude::FromDer as _;
use x509_parser::prelude::X509Certificate;

use super::*;

#[test]
fn a_first_version_is_a_disabled_placeholder_until_it_is_issued() {
    let mut lab = Lab::new();
    let policy = json!({"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}});
    let reply = lab.send(Method::POST, "certificates/a/create", json!({ "policy": policy }));
    assert_eq!(reply.status, 202);
    assert_eq!(reply.headers["retry-after"], "10");
    let operation = reply.value();
    let id = operation["request_id"].as_str().unwrap();
    let location =
        format!("https://contoso.vault.localhost:8443/certificates/a/pending?api-version=7.6&request_id={id}");
    assert_eq!(reply.headers["location"], location.as_str());
    let placeholder = lab.get("certificates/a/");
    assert_eq!(placeholder["attributes"]["enabled"], false);
    for absent in ["kid", "sid", "x5t", "cer"] {
        assert!(placeholder.get(absent).is_none(), "{absent}");
    }
    lab.wait(2);
    assert_eq!(lab.get("certificates/a/pending")["status"], "inProgress");
    lab.wait(1);
    let done = lab.send(Method::GET, "certificates/a/pending", Value::Null);
    assert_eq!(done.value()["status"], "completed");
    assert_eq!(done.value()["target"], "https://contoso.vault.localhost:8443/certificates/a");
    assert!(!done.headers.contains_key("retry-after"));
    let bundle = lab.get("certificates/a");
    assert_eq!(bundle["id"], placeholder["id"]);
    let members: Vec<_> = bundle.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["id", "kid", "sid", "x5t", "cer", "attributes", "policy", "pending"]);
}

#[test]
fn the_certificate_says_what_the_bundle_says() {
    let mut lab = Lab::new();
    let bundle = lab.create("a", json!({"x509_props": {"validity_months": 6}}));
    let der = STANDARD.decode(bundle["cer"].as_str().unwrap()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let attributes = &bundle["attributes"];
    assert_eq!(attributes["nbf"], certificate.validity().not_before.timestamp());
    assert_eq!(attributes["exp"], certificate.validity().not_after.timestamp());
    assert_eq!(attributes["created"].as_i64().unwrap() - attributes["nbf"].as_i64().unwrap(), 600);
    assert_eq!(bundle["x5t"], crate::domain::Thumbprint::sha1(&der).base64url());
}

#[test]
fn a_signing_key_of_least_privilege_signs_and_verifies() {
    let mut lab = Lab::new();
    lab.create("a", json!({"x509_props": {"key_usage": ["digitalSignature"]}, "key_props": {"exportable": false}}));
    let key = lab.get("keys/a/");
    assert_eq!(key["key"]["key_ops"], json!(["sign", "verify"]));
    let digest = URL_SAFE_NO_PAD.encode([7; 32]);
    let body = json!({"alg": "PS256", "value": digest});
    let signed = lab.send(Method::POST, "keys/a//sign", body).value();
    assert_eq!(signed["kid"], key["key"]["kid"]);
    let mut body = json!({"alg": "PS256", "digest": digest, "value": signed["value"]});
    assert_eq!(lab.send(Method::POST, "keys/a/verify", body.clone()).value()["value"], true);
    body["digest"] = URL_SAFE_NO_PAD.encode([8; 32]).into();
    assert_eq!(lab.send(Method::POST, "keys/a/verify", body).value()["value"], false);
}

#[test]
fn a_key_signs_only_digests_of_its_algorithm_while_it_is_enabled_and_valid() {
    let mut lab = Lab::new();
    lab.create("a", Value::Null);
    let sign = |lab: &mut Lab, alg: &str, length: usize| {
        let value = URL_SAFE_NO_PAD.encode(vec![1; length]);
        error(&lab.send(Method::POST, "keys/a/sign", json!({"alg": alg, "value": value})))
    };
    for (alg, length) in [("RS256", 31), ("ES256", 32), ("HS256", 32)] {
        assert_eq!(sign(&mut lab, alg, length), (400, "BadParameter".to_owned(), None), "{alg}");
    }
    lab.send(Method::PATCH, "certificates/a", json!({"attributes": {"enabled": false}}));
    let forbidden = |inner: &str| (403, "Forbidden".to_owned(), Some(inner.to_owned()));
    assert_eq!(sign(&mut lab, "RS256", 32), forbidden("KeyDisabled"));
    lab.send(Method::PATCH, "certificates/a", json!({"attributes": {"enabled": true, "exp": 1}}));
    assert_eq!(sign(&mut lab, "RS256", 32).0, 200, "a sent `exp` is ignored");
    lab.send(Method::PATCH, "certificates/a/policy", json!({"lifetime_actions": []}));
    lab.wait(400 * 86400);
    assert_eq!(sign(&mut lab, "RS256", 32), forbidden("KeyExpired"));
}

#[test]
fn a_certificate_that_only_wraps_keys_cannot_sign() {
    let mut lab = Lab::new();
    lab.create("a", json!({"x509_props": {"key_usage": ["keyEncipherment"]}}));
    let body = json!({"alg": "RS256", "value": URL_SAFE_NO_PAD.encode([1; 32])});
    let inner = Some("KeyOperationForbidden".to_owned());
    assert_eq!(lab.fails(Method::POST, "keys/a/sign", body), (403, "Forbidden".to_owned(), inner));
}

#[test]
fn a_second_create_waits_for_the_first() {
    let mut lab = Lab::new();
    let body = json!({"policy": {"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}}});
    lab.send(Method::POST, "certificates/a/create", body.clone());
    assert_eq!(lab.fails(Method::POST, "certificates/a/create", body.clone()), (409, "Forbidden".to_owned(), None));
    lab.wait(3);
    let first = lab.get("certificates/a");
    assert_eq!(lab.send(Method::POST, "certificates/a/create", json!({})).status, 202, "the stored policy is used");
    assert_eq!(lab.get("certificates/a")["id"], first["id"], "the current version stays while the next is pending");
    lab.wait(3);
    assert_ne!(lab.get("certificates/a")["id"], first["id"]);
    assert_ne!(lab.get("certificates/a")["x5t"], first["x5t"]);
}

#[test]
fn a_cancelled_operation_shows_it_later_and_issues_nothing() {
    let mut lab = Lab::new();
    let body = json!({"policy": {"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}}});
    lab.send(Method::POST, "certificates/a/create", body);
    let cancel = json!({"cancellation_requested": true});
    let reply = lab.send(Method::PATCH, "certificates/a/pending", cancel.clone());
    assert_eq!(
        (&reply.value()["status"], &reply.value()["cancellation_requested"]),
        (&"inProgress".into(), &true.into())
    );
    assert!(!reply.headers.contains_key("retry-after"));
    lab.wait(3);
    let operation = lab.get("certificates/a/pending");
    assert_eq!(operation["status"], "cancelled");
    assert!(operation.get("status_details").is_none());
    assert_eq!(lab.fails(Method::PATCH, "certificates/a/pending", cancel).0, 400);
    assert!(lab.get("certificates/a").get("cer").is_none());
    lab.send(Method::DELETE, "certificates/a/pending", Value::Null);
    let missing = (404, "PendingCertificateNotFound".to_owned(), None);
    assert_eq!(lab.fails(Method::GET, "certificates/a/pending", Value::Null), missing);
    assert!(lab.get("certificates/a").get("pending").is_none(), "the placeholder stays");
}

#[test]
fn an_operation_of_another_id_is_not_found() {
    let mut lab = Lab::new();
    lab.create("a", Value::Null);
    let path = "certificates/a/pending?request_id=0123456789abcdef0123456789abcdef";
    assert_eq!(lab.fails(Method::GET, path, Value::Null).0, 404);
}

#[test]
fn auto_renewal_makes_new_keys_when_its_time_has_passed() {
    let mut lab = Lab::new();
    let trigger = json!([{"trigger": {"lifetime_percentage": 50}, "action": {"action_type": "AutoRenew"}}]);
    let first = lab.create("a", json!({"lifetime_actions": trigger, "x509_props": {"validity_months": 2}}));
    lab.wait(20 * 86400);
    assert_eq!(lab.get("certificates/a")["id"], first["id"]);
    lab.wait(70 * 86400);
    let renewed = lab.get("certificates/a");
    assert_ne!(renewed["x5t"], first["x5t"]);
    assert_ne!(lab.get("keys/a")["key"]["n"], Value::Null);
    let created = renewed["attributes"]["created"].as_i64().unwrap();
    let now = lab.world.now().unix_timestamp();
    assert!(now - created < 31 * 86400, "it renewed as often as it was due");
}

#[test]
fn a_certificate_that_mails_its_contacts_renews_nothing() {
    let mut lab = Lab::new();
    let trigger = json!([{"trigger": {"days_before_expiry": 30}, "action": {"action_type": "EmailContacts"}}]);
    let first = lab.create("a", json!({ "lifetime_actions": trigger }));
    lab.wait(800 * 86400);
    assert_eq!(lab.get("certificates/a")["id"], first["id"]);
}

#[test]
fn a_policy_that_cannot_be_is_refused() {
    let mut lab = Lab::new();
    for (policy, text) in [
        (
            json!({"x509_props": {"subject": "Self"}}),
            "Property policy.x509_props has invalid value. Invalid X.500 distinguished name\r\n",
        ),
        (json!({"x509_props": {"subject": "CN=a", "key_usage": ["invalid"]}}), "policy.x509_props.key_usage"),
        (json!({"x509_props": {"subject": "CN=a", "validity_months": 0}}), "policy.x509_props"),
        (json!({"x509_props": {}}), "policy.x509_props"),
        (json!({"x509_props": {"subject": "CN=a"}, "key_props": {"key_size": 1024}}), "policy.key_props"),
        (
            json!({"x509_props": {"subject": "CN=a"}, "key_props": {"kty": "RSA-HSM", "exportable": true}}),
            "policy.key_props",
        ),
        (
            json!({"x509_props": {"subject": "CN=a"}, "secret_props": {"contentType": "text/plain"}}),
            "policy.secret_props",
        ),
        (
            json!({"x509_props": {"subject": "CN=a"}, "lifetime_actions": [{"trigger": {"lifetime_percentage": 100}, "action": {"action_type": "AutoRenew"}}]}),
            "policy.lifetime_actions",
        ),
    ] {
        let mut policy = policy;
        policy["issuer"] = json!({"name": "Self"});
        let reply = lab.send(Method::POST, "certificates/a/create", json!({ "policy": policy }));
        assert_eq!(error(&reply), (400, "BadParameter".to_owned(), None), "{policy}");
        assert!(reply.value()["error"]["message"].as_str().unwrap().contains(text), "{}", reply.value());
    }
    assert_eq!(lab.fails(Method::GET, "certificates/a", Value::Null).0, 404, "nothing was left behind");
}

#[test]
fn names_with_an_underscore_are_refused() {
    let mut lab = Lab::new();
    let reply = lab.send(Method::POST, "certificates/a_b/create", json!({}));
    assert_eq!(reply.value()["error"]["message"], "The request URI contains an invalid name: a_b");
}

#[test]
fn state_survives_saving_while_an_operation_is_pending() {
    let mut lab = Lab::new();
    let body = json!({"policy": {"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}}});
    let request_id = lab.send(Method::POST, "certificates/a/create", body).value()["request_id"].clone();
    let saved = serde_json::to_string(&lab.world.keyvault).unwrap();
    lab.world.keyvault = serde_json::from_str(&saved).unwrap();
    lab.wait(3);
    assert_eq!(lab.get("certificates/a/pending")["request_id"], request_id);
    assert!(lab.get("certificates/a").get("cer").is_some());
}

#[test]
fn a_modulus_with_a_leading_zero_is_the_same_key() {
    let mut lab = Lab::new();
    let bundle = lab.create("a", Value::Null);
    let number = |lab: &mut Lab| URL_SAFE_NO_PAD.decode(lab.get("keys/a")["key"]["n"].as_str().unwrap()).unwrap();
    let plain = number(&mut lab);
    lab.world.settings.leading_zero = true;
    assert_eq!(number(&mut lab), [&[0], plain.as_slice()].concat());
    assert_eq!(lab.get("certificates/a")["x5t"], bundle["x5t"]);
}
