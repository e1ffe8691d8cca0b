//! The endpoints of a machine: guards, and which identity answers.

use super::*;

fn imds(lab: &mut Lab, query: &[(&str, &str)]) -> Reply {
    let mut request = request(Method::GET, "metadata/identity/oauth2/token", String::new());
    request.headers.insert("metadata", "true".parse().unwrap());
    let resource = [("api-version", "2018-02-01"), ("resource", "https://vault.localhost:8443")];
    request.query =
        resource.iter().chain(query).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    answer_identity(&mut lab.world, &request)
}

#[test]
fn imds_writes_all_values_as_strings() {
    let mut lab = Lab::new();
    let identity = identity::add(&mut lab.world, "vm", true).unwrap();
    let reply = imds(&mut lab, &[]);
    let body = reply.value();
    assert!(body.as_object().unwrap().values().all(Value::is_string), "{body}");
    assert_eq!(body["client_id"], identity.client_id.to_string());
    assert_eq!(body["expires_on"], (NOW.unix_timestamp() + 86_399).to_string());
    let claims = claims(&reply);
    assert_eq!((&claims["oid"], &claims["xms_mirid"]), (&json!(identity.object_id), &json!(identity.resource_id)));
}

#[test]
fn imds_answers_nobody_who_forgets_the_header_or_stands_behind_a_proxy() {
    let mut lab = Lab::new();
    identity::add(&mut lab.world, "vm", true).unwrap();
    let mut request = request(Method::GET, "metadata/identity/oauth2/token", String::new());
    request.query = vec![
        ("api-version".to_owned(), "2018-02-01".to_owned()),
        ("resource".to_owned(), "https://vault.localhost:8443".to_owned()),
    ];
    assert_eq!(answer_identity(&mut lab.world, &request).status, 400);
    request.headers.insert("metadata", "true".parse().unwrap());
    request.headers.insert("x-forwarded-for", "10.0.0.1".parse().unwrap());
    assert_eq!(answer_identity(&mut lab.world, &request).status, 400);
    request.headers.remove("x-forwarded-for");
    assert_eq!(answer_identity(&mut lab.world, &request).status, 200);
    request.query.remove(0);
    assert_eq!(answer_identity(&mut lab.world, &request).status, 400);
}

#[test]
fn an_assigned_identity_is_named_by_any_of_its_three_ids() {
    let mut lab = Lab::new();
    assert_eq!(imds(&mut lab, &[]).status, 400, "a machine without identities");
    let one = identity::add(&mut lab.world, "one", false).unwrap();
    assert_eq!(imds(&mut lab, &[]).value()["client_id"], one.client_id.to_string(), "the only one needs no name");
    let two = identity::add(&mut lab.world, "two", false).unwrap();
    assert_eq!(imds(&mut lab, &[]).status, 400, "nobody can tell which of two");
    let (client, object) = (two.client_id.to_string(), two.object_id.to_string());
    for (name, value) in [
        ("client_id", client.as_str()),
        ("object_id", object.as_str()),
        ("mi_res_id", two.resource_id.as_str()),
        ("msi_res_id", two.resource_id.as_str()),
    ] {
        assert_eq!(imds(&mut lab, &[(name, value)]).value()["client_id"], client, "{name}");
    }
    let reply = imds(&mut lab, &[("client_id", &Uuid::from_u128(8).to_string())]);
    assert_eq!((reply.status.as_u16(), &reply.value()["error_description"]), (400, &json!("Identity not found")));
}

#[test]
fn app_service_wants_its_own_header() {
    let mut lab = Lab::new();
    identity::add(&mut lab.world, "function", true).unwrap();
    let mut request = request(Method::GET, "msi/token", String::new());
    request.query = vec![
        ("api-version".to_owned(), "2019-08-01".to_owned()),
        ("resource".to_owned(), "https://vault.localhost:8443".to_owned()),
    ];
    assert_eq!(answer_identity(&mut lab.world, &request).status, 401);
    request.headers.insert("x-identity-header", "wrong".parse().unwrap());
    assert_eq!(answer_identity(&mut lab.world, &request).status, 403);
    let header = lab.world.entra.identity_header.parse().unwrap();
    request.headers.insert("x-identity-header", header);
    let body = answer_identity(&mut lab.world, &request).value();
    assert!(body["expires_on"].is_string() && body.get("expires_in").is_none());
}

#[test]
fn a_job_gets_a_token_of_its_build_service_if_it_knows_the_word() {
    let mut lab = Lab::new();
    let ask = |lab: &mut Lab, bearer: &str| {
        let mut request = request(Method::GET, "github/oidc", String::new());
        request.headers.insert("authorization", format!("bearer {bearer}").parse().unwrap());
        request.query = vec![("audience".to_owned(), "api://AzureADTokenExchange".to_owned())];
        answer_identity(&mut lab.world, &request)
    };
    assert_eq!(ask(&mut lab, "wrong").status, 401);
    let word = lab.world.entra.identity_header.clone();
    let body = ask(&mut lab, &word).value();
    let token = super::jws::Jws::parse(body["value"].as_str().unwrap()).unwrap();
    assert_eq!(token.claim("iss"), Some("https://token.actions.githubusercontent.com"));
    assert_eq!(token.audiences(), ["api://AzureADTokenExchange"]);
    assert!(lab.world.entra.issuer_keys("https://token.actions.githubusercontent.com").is_some());
}
