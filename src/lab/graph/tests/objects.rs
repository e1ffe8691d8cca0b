use serde_json::json;
use uuid::Uuid;

use super::bench::{Bench, app, refusal};

#[test]
fn an_application_is_created_read_changed_and_deleted() {
    let mut bench = Bench::new();
    bench.world.clock.advance(time::Duration::nanoseconds(88_720_800));
    let reply = bench.post("/v1.0/applications", json!({ "displayName": "billing" }));
    assert_eq!(reply.status, 201);
    let created = reply.value();
    let (id, app_id) = (created["id"].as_str().unwrap(), created["appId"].as_str().unwrap());
    assert_eq!(created["createdDateTime"], "2026-11-21T12:00:00.0887208Z");
    assert_eq!(created["signInAudience"], "AzureADandPersonalMicrosoftAccount");
    assert_eq!(created["api"]["requestedAccessTokenVersion"], 2);
    let location = reply.headers["location"].to_str().unwrap();
    let tail = format!("/directoryObjects/{id}/Microsoft.DirectoryServices.Application");
    assert!(location.starts_with("https://localhost:8443/v2/") && location.ends_with(&tail), "{location}");
    let read = bench.get(&format!("/v1.0/applications(appId='{app_id}')")).value();
    assert_eq!(read["id"], id);
    assert_eq!(read["createdDateTime"], "2026-11-21T12:00:00Z");
    assert_eq!(read["@odata.context"], "https://localhost:8443/v1.0/$metadata#applications/$entity");

    // The object id is no client id, and the other way round.
    assert_eq!(refusal(&bench.get(&format!("/v1.0/applications/{app_id}"))), (404, "Request_ResourceNotFound".into()));

    let change = json!({ "web": { "redirectUris": ["https://a.example"] } });
    assert_eq!(bench.patch(&format!("/v1.0/applications/{id}"), change).status, 204);
    let web = &bench.get(&format!("/v1.0/Applications/{id}/web")).value()["value"];
    assert_eq!(web["redirectUris"], json!(["https://a.example"]));
    assert_eq!(web["implicitGrantSettings"]["enableIdTokenIssuance"], false);

    assert_eq!(bench.delete(&format!("/v1.0/applications/{id}")).status, 204);
    assert_eq!(bench.get(&format!("/v1.0/applications/{id}")).status, 404);
}

#[test]
fn a_service_principal_takes_names_from_its_application_and_is_unique() {
    let mut bench = Bench::new();
    let body = json!({ "displayName": "api", "identifierUris": ["api://one"] });
    let app = bench.post("/v1.0/applications", body).value();
    let body = json!({ "appId": app["appId"], "accountEnabled": true });
    let principal = bench.post("/v1.0/servicePrincipals", body.clone()).value();
    assert_eq!(principal["servicePrincipalNames"], json!([app["appId"], "api://one"]));
    assert_eq!(refusal(&bench.post("/v1.0/servicePrincipals", body)).0, 409);

    let url = format!("/v1.0/applications/{}", app["id"].as_str().unwrap());
    bench.patch(&url, json!({ "displayName": "api two" }));
    let filter = "/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq 'api://one')";
    assert_eq!(bench.get(filter).value()["value"][0]["displayName"], "api two");

    bench.delete(&url);
    assert_eq!(bench.get(filter).value()["value"], json!([]));
}

#[test]
fn what_the_service_sets_cannot_be_written_and_unknown_members_are_refused() {
    let mut bench = Bench::new();
    for body in [
        json!({ "displayName": "x", "appId": Uuid::nil() }),
        json!({ "displayName": "x", "createdDateTime": "2020-01-01T00:00:00Z" }),
        json!({ "displayName": "x", "nonsense": 1 }),
        json!({ "displayName": "x", "signInAudience": "Everybody" }),
        json!({ "displayName": "x", "tags": "none" }),
        json!({ "displayName": "" }),
        json!({}),
    ] {
        assert_eq!(bench.post("/v1.0/applications", body.clone()).status, 400, "{body}");
    }
    assert_eq!(bench.get("/v1.0/applications").value()["value"], json!([]));
}

#[test]
fn upsert_creates_once_and_only_when_preferred() {
    let mut bench = Bench::new();
    let url = "/v1.0/applications(uniqueName='billing-prod')";
    assert_eq!(bench.patch(url, json!({ "displayName": "billing" })).status, 404);
    bench.with_header("prefer", "create-if-missing");
    assert_eq!(bench.patch(url, json!({ "displayName": "billing" })).status, 201);
    assert_eq!(bench.patch(url, json!({ "displayName": "billing" })).status, 204);
    assert_eq!(bench.get("/v1.0/applications").value()["value"].as_array().unwrap().len(), 1);
}

#[test]
fn rights_are_those_of_the_token_and_of_ownership() {
    let mut bench = Bench::new();
    let foreign = bench.post("/v1.0/applications", json!({ "displayName": "foreign" })).value();
    let foreign = format!("/v1.0/applications/{}", foreign["id"].as_str().unwrap());

    let deployer = app(Uuid::from_u128(7), &["Application.ReadWrite.OwnedBy"]);
    bench.acting_as(deployer.clone());
    let own = bench.post("/v1.0/applications", json!({ "displayName": "own" })).value();
    let own = format!("/v1.0/applications/{}", own["id"].as_str().unwrap());
    assert_eq!(bench.patch(&own, json!({ "notes": "mine" })).status, 204);
    assert_eq!(
        refusal(&bench.patch(&foreign, json!({ "notes": "mine?" }))),
        (403, "Authorization_RequestDenied".into())
    );
    assert_eq!(bench.delete(&foreign).status, 403);

    bench.acting_as(app(Uuid::from_u128(8), &["Application.Read.All"]));
    assert_eq!(bench.get(&own).status, 200);
    assert_eq!(bench.patch(&own, json!({ "notes": "read only" })).status, 403);
    assert_eq!(bench.post("/v1.0/applications", json!({ "displayName": "no" })).status, 403);

    bench.acting_as(app(Uuid::from_u128(9), &[]));
    assert_eq!(bench.get(&own).status, 403);
    assert_eq!(bench.get("/v1.0/applications").status, 403);
    assert_eq!(bench.get(&format!("{own}0000")).status, 403, "a refusal does not tell what exists");
}

#[test]
fn every_answer_carries_the_ids_by_which_it_can_be_traced() {
    let mut bench = Bench::new();
    bench.with_header("client-request-id", "c0ffee00-0000-4000-8000-000000000000");
    let reply = bench.get("/v1.0/applications/nonsense");
    let inner = reply.value()["error"]["innerError"].clone();
    assert_eq!(inner["client-request-id"], "c0ffee00-0000-4000-8000-000000000000");
    assert_eq!(inner["request-id"].as_str(), reply.headers["request-id"].to_str().ok());
    assert_eq!(inner["date"], "2026-11-21T12:00:00");
    assert_eq!(reply.headers["content-type"], "application/json");
}

#[test]
fn whoever_has_no_token_learns_where_to_get_one() {
    let mut bench = Bench::new();
    let mut request = crate::lab::exchange::Request {
        method: http::Method::GET,
        host: "localhost:8443".to_owned(),
        path: vec!["v1.0".to_owned(), "applications".to_owned()],
        query: Vec::new(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
    };
    for token in [None, Some("Bearer a.b.c"), Some("Basic abc")] {
        if let Some(token) = token {
            request.headers.insert("authorization", token.parse().unwrap());
        }
        let reply = super::super::answer(&mut bench.world, &request);
        assert_eq!(refusal(&reply), (401, "InvalidAuthenticationToken".into()), "{token:?}");
        let challenge = reply.headers["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.contains("authorization_uri=\"https://localhost:8443/common/oauth2/authorize\""),
            "{challenge}"
        );
        assert!(reply.headers.contains_key("request-id"));
    }
}

#[test]
fn a_person_who_creates_an_application_owns_it_and_not_its_service_principal() {
    let mut bench = Bench::new();
    let (id, _) = crate::lab::entra::sign_in(&mut bench.world, "ada@contoso.com", &[], None);
    let mut person = app(Uuid::from_u128(4), &[]);
    person.object_id = id;
    person.scopes = vec!["Application.ReadWrite.All".to_owned()];
    bench.acting_as(person);
    assert_eq!(bench.get("/v1.0/me").value()["userPrincipalName"], "ada@contoso.com");
    let application = bench.post("/v1.0/applications", json!({ "displayName": "hers" })).value();
    let principal = bench.post("/v1.0/servicePrincipals", json!({ "appId": application["appId"] })).value();
    let owners = |bench: &mut Bench, set: &str, object: &serde_json::Value| {
        bench.get(&format!("/v1.0/{set}/{}/owners", object["id"].as_str().unwrap())).value()["value"].clone()
    };
    assert_eq!(owners(&mut bench, "applications", &application)[0]["id"], json!(id));
    assert_eq!(owners(&mut bench, "servicePrincipals", &principal), json!([]));
}
