//! The control endpoint: what it changes, what it shows, and what it refuses.

use bytes::Bytes;
use kvops::domain::Clock as _;
use kvops::lab::Lab;
use kvops::lab::LabClock;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;
use time::macros::datetime;

fn lab() -> Lab {
    let clock = LabClock::frozen(datetime!(2026-01-01 00:00 UTC));
    let keys = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys").into());
    Lab::start_blocking(LabOptions { clock, seed: Seed::Empty, random: Some(1), keys, ..LabOptions::default() })
        .unwrap()
}

fn get(lab: &Lab, path: &str) -> Value {
    lab.control("GET", path, &Value::Null).unwrap()
}

fn variable(lab: &Lab, name: &str) -> String {
    lab.env().into_iter().find(|(known, _)| known == name).unwrap().1
}

fn call(lab: &Lab, method: &str, uri: &str, token: &str, body: &str) -> (u16, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    let response = lab.call(request).unwrap();
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or(Value::Null))
}

/// A token of the operator.
fn token(lab: &Lab, scope: &str) -> String {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &variable(lab, "LAB_CLIENT_ID"))
        .append_pair("client_secret", &variable(lab, "LAB_CLIENT_SECRET"))
        .append_pair("scope", scope)
        .finish();
    let uri = format!("{}/{}/oauth2/v2.0/token", variable(lab, "LAB_AUTHORITY"), variable(lab, "LAB_TENANT"));
    let (status, body) = call(lab, "POST", &uri, "", &form);
    assert_eq!(status, 200, "{body}");
    body["access_token"].as_str().unwrap().to_owned()
}

fn graph_token(lab: &Lab) -> String {
    token(lab, &format!("{}/.default", variable(lab, "LAB_GRAPH_URL")))
}

fn vault_token(lab: &Lab) -> String {
    token(lab, &format!("https://{}/.default", variable(lab, "LAB_VAULT_SUFFIX")))
}

#[test]
fn the_clock_is_read_set_and_advanced() {
    let lab = lab();
    assert_eq!(get(&lab, "/clock")["now"], "2026-01-01T00:00:00Z");
    let now = lab.control("POST", "/clock/advance", &json!({ "seconds": 90 })).unwrap();
    assert_eq!(now["now"], "2026-01-01T00:01:30Z");
    lab.control("PUT", "/clock", &json!({ "now": "2027-02-03T04:05:06Z" })).unwrap();
    assert_eq!(lab.clock().now(), datetime!(2027-02-03 04:05:06 UTC));
    for bad in [json!({ "seconds": "x" }), json!({ "seconds": 1e30 }), json!({ "second": 1 }), Value::Null] {
        assert!(lab.control("POST", "/clock/advance", &bad).is_err(), "{bad}");
    }
}

#[test]
fn settings_are_patched_member_by_member_and_a_misspelt_one_is_refused() {
    let lab = lab();
    let before = get(&lab, "/settings");
    let after = lab.control("PATCH", "/settings", &json!({ "token_propagation": 40 })).unwrap();
    assert_eq!(after["token_propagation"], 40);
    assert_eq!(after["issue_delay"], before["issue_delay"]);
    assert!(lab.control("PATCH", "/settings", &json!({ "token_propagations": 40 })).is_err());
    assert_eq!(get(&lab, "/settings"), after);
}

#[test]
fn the_log_says_who_asked_for_what_and_counts_it() {
    let lab = lab();
    let token = graph_token(&lab);
    let (status, _) =
        call(&lab, "GET", &format!("{}/v1.0/applications?$top=1", variable(&lab, "LAB_GRAPH_URL")), &token, "");
    assert_eq!(status, 200);
    let log = get(&lab, "/requests?since=1&service=graph");
    assert_eq!(log.as_array().unwrap().len(), 1);
    assert_eq!(log[0]["app_id"], variable(&lab, "LAB_CLIENT_ID"));
    assert_eq!((&log[0]["path"], &log[0]["query"]), (&json!("/v1.0/applications"), &json!("$top=1")));
    let text = get(&lab, "/requests").to_string();
    assert!(!text.contains(&token) && !text.contains(&variable(&lab, "LAB_CLIENT_SECRET")));
    let counts = get(&lab, "/counts");
    assert_eq!((&counts["total"], &counts["writes"]), (&json!(2), &json!(0)));
    assert_eq!(counts["routes"]["POST /{tenant}/oauth2/v2.0/token"], 1);
    assert_eq!(counts["services"], json!({ "entra": 1, "graph": 1 }));
    lab.control("DELETE", "/requests", &Value::Null).unwrap();
    assert_eq!(lab.counts().total, 0);
    assert!(lab.control("GET", "/requests?service=nobody", &Value::Null).is_err());
}

#[test]
fn rights_are_given_and_taken() {
    let lab = lab();
    let applications = format!("{}/v1.0/applications", variable(&lab, "LAB_GRAPH_URL"));
    let principal = variable(&lab, "LAB_CLIENT_ID");
    let body = r#"{"displayName":"one"}"#;
    assert_eq!(call(&lab, "POST", &applications, &graph_token(&lab), body).0, 201);
    for role in ["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"] {
        let change = json!({ "principal": principal, "graph_role": role, "remove": true });
        lab.control("POST", "/permissions", &change).unwrap();
    }
    assert_eq!(call(&lab, "POST", &applications, &graph_token(&lab), body).0, 403);

    let certificates = format!("{}/certificates/none?api-version=7.6", variable(&lab, "LAB_VAULT_URL"));
    assert_eq!(call(&lab, "GET", &certificates, &vault_token(&lab), "").0, 404);
    lab.control("POST", "/permissions", &json!({ "vault": "contoso-kv", "network": "firewall" })).unwrap();
    assert_eq!(call(&lab, "GET", &certificates, &vault_token(&lab), "").0, 403);
    for bad in [json!({}), json!({ "principal": principal, "graph_role": "Everything" }), json!({ "vault": "nowhere" })]
    {
        assert!(lab.control("POST", "/permissions", &bad).is_err(), "{bad}");
    }
}

#[test]
fn a_revoked_client_is_challenged_until_it_gets_a_new_token() {
    let lab = lab();
    let applications = format!("{}/v1.0/applications", variable(&lab, "LAB_GRAPH_URL"));
    let old = graph_token(&lab);
    lab.control("POST", "/revoke", &json!({ "app_id": variable(&lab, "LAB_CLIENT_ID") })).unwrap();
    assert_eq!(call(&lab, "GET", &applications, &old, "").0, 401);
    assert_eq!(call(&lab, "GET", &applications, &graph_token(&lab), "").0, 200);
}

#[test]
fn a_machine_gets_identities_and_an_issuer_signs_for_anybody() {
    let lab = lab();
    let identity = lab.control("POST", "/identities", &json!({ "name": "vm", "kind": "system" })).unwrap();
    assert!(identity["client_id"].is_string() && identity["object_id"].is_string());
    assert!(lab.control("POST", "/identities", &json!({ "name": "vm", "kind": "user" })).is_err());
    let issuer = "https://token.actions.githubusercontent.com";
    lab.control("POST", "/issuers", &json!({ "issuer": issuer })).unwrap();
    let claims = json!({ "issuer": issuer, "claims": { "sub": "repo:contoso/billing:environment:production" } });
    let token = lab.control("POST", "/issuers/token", &claims).unwrap();
    assert_eq!(token["token"].as_str().unwrap().split('.').count(), 3);
    assert!(lab.control("POST", "/issuers/token", &json!({ "issuer": "https://other.example" })).is_err());
}

#[test]
fn a_saved_lab_goes_on_where_it_was() {
    let lab = lab();
    let applications = format!("{}/v1.0/applications", variable(&lab, "LAB_GRAPH_URL"));
    let body = r#"{"displayName":"kept"}"#;
    let (_, kept) = call(&lab, "POST", &applications, &graph_token(&lab), body);
    lab.control("POST", "/clock/advance", &json!({ "seconds": 3600 })).unwrap();
    let state = get(&lab, "/state");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    std::fs::write(&file, state.to_string()).unwrap();

    let keys = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys").into());
    let clock = LabClock::frozen(datetime!(2020-01-01 00:00 UTC));
    let options = LabOptions { load: Some(file.clone()), clock, random: Some(1), keys, ..LabOptions::default() };
    let other = Lab::start_blocking(options.clone()).unwrap();
    assert_eq!(other.clock().now(), datetime!(2026-01-01 01:00 UTC));
    assert_eq!(variable(&other, "LAB_TENANT"), variable(&lab, "LAB_TENANT"));
    assert_eq!(variable(&other, "LAB_CLIENT_SECRET"), variable(&lab, "LAB_CLIENT_SECRET"));
    let uri = format!("{}/v1.0/applications/{}", variable(&other, "LAB_GRAPH_URL"), kept["id"].as_str().unwrap());
    let (status, found) = call(&other, "GET", &uri, &graph_token(&other), "");
    assert_eq!((status, &found["displayName"]), (200, &json!("kept")));
    let (_, new) = call(
        &other,
        "POST",
        &format!("{}/v1.0/applications", variable(&other, "LAB_GRAPH_URL")),
        &graph_token(&other),
        body,
    );
    assert_ne!(new["id"], kept["id"], "an id was given out twice");

    std::fs::write(&file, r#"{"kvops_lab":1}"#).unwrap();
    assert!(Lab::start_blocking(options).is_err());
}

#[test]
fn a_page_in_a_browser_is_not_served() {
    let lab = lab();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let status = |origin: Option<&str>| {
        let request =
            reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}/counts", lab.control_url()));
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        runtime.block_on(request.send()).unwrap().status().as_u16()
    };
    assert_eq!(status(None), 200);
    assert_eq!(status(Some("https://evil.example")), 403);
}

#[test]
fn budgets_refill_with_the_labs_clock() {
    let lab = lab();
    lab.control("PATCH", "/settings", &json!({ "budgets": true })).unwrap();
    let token = vault_token(&lab);
    let uri = |n: usize| format!("{}/certificates/c{n}/create?api-version=7.6", variable(&lab, "LAB_VAULT_URL"));
    let body = r#"{"policy":{"issuer":{"name":"Unknown"},"key_props":{"kty":"EC","crv":"P-256"},"x509_props":{"subject":"CN=x"}}}"#;
    let statuses: Vec<_> = (0..21).map(|n| call(&lab, "POST", &uri(n), &token, body).0).collect();
    assert!(statuses[..20].iter().all(|status| *status == 202), "{statuses:?}");
    assert_eq!(statuses[20], 429);
    lab.control("POST", "/clock/advance", &json!({ "seconds": 10 })).unwrap();
    assert_eq!(call(&lab, "POST", &uri(21), &token, body).0, 202);
}

#[test]
fn signatures_have_a_budget_by_the_size_of_the_key() {
    let lab = lab();
    let token = vault_token(&lab);
    let vault = variable(&lab, "LAB_VAULT_URL");
    let body = r#"{"policy":{"issuer":{"name":"Self"},"key_props":{"kty":"RSA","key_size":4096},"x509_props":{"subject":"CN=x"}}}"#;
    let create = format!("{vault}/certificates/big/create?api-version=7.6");
    assert_eq!(call(&lab, "POST", &create, &token, body).0, 202);
    assert_eq!(call(&lab, "GET", &format!("{vault}/keys/big?api-version=7.6"), &token, "").0, 200);
    lab.control("PATCH", "/settings", &json!({ "budgets": true })).unwrap();
    // A digest of the wrong length is refused at once, but it has been counted.
    let sign = format!("{vault}/keys/big/sign?api-version=7.6");
    let statuses: Vec<_> =
        (0..501).map(|_| call(&lab, "POST", &sign, &token, r#"{"alg":"RS256","value":"AA"}"#).0).collect();
    assert!(statuses[..500].iter().all(|status| *status == 400), "{:?}", &statuses[..3]);
    assert_eq!(statuses[500], 429);
}

/// A request to a port of the lab, over a socket of its own.
async fn over_http(method: reqwest::Method, url: String, body: Value) -> (u16, Value, Option<String>) {
    let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
    let answer = client.request(method, url).json(&body).send().await.unwrap();
    let took = answer.headers().get("x-lab-virtual-ms").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), answer.json().await.unwrap_or_default(), took)
}

#[test]
fn in_a_simulation_answers_that_take_two_seconds_at_once_take_two_seconds_together() {
    let lab = lab();
    lab.control("PATCH", "/settings", &json!({ "virtual_latency": { "entra": 2000 } })).unwrap();
    lab.control("PUT", "/clock", &json!({ "simulated": true, "quiet_ms": 20 })).unwrap();
    let start = lab.clock().now();
    let keys = format!("{}/{}/discovery/v2.0/keys", variable(&lab, "LAB_AUTHORITY"), variable(&lab, "LAB_TENANT"));
    let until = (start + time::Duration::seconds(3)).format(&time::format_description::well_known::Rfc3339).unwrap();
    let wait = over_http(reqwest::Method::POST, format!("{}/clock/wait", lab.control_url()), json!({ "until": until }));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answers = runtime.block_on(async {
        let requests = (0..5).map(|_| over_http(reqwest::Method::GET, keys.clone(), Value::Null));
        let (requests, waited) = futures::join!(futures::future::join_all(requests), wait);
        assert_eq!(waited.0, 200, "{waited:?}");
        requests
    });
    assert!(answers.iter().all(|(status, _, took)| *status == 200 && took.as_deref() == Some("2000")), "{answers:?}");
    assert_eq!((lab.clock().now() - start).whole_seconds(), 3);
    assert_eq!(get(&lab, "/clock")["frozen"], true);
}

#[test]
fn time_passes_in_a_simulation_while_a_client_only_reads_if_the_simulation_has_a_tick() {
    let bench = crate::audit::small();
    let passed = |simulation: Value| {
        bench.lab().control("PUT", "/clock", &simulation).unwrap();
        let before = bench.lab().clock().now();
        bench.kvops(&["audit", "--fail-on", "none", "--activity", "never"]).ends_with(0);
        bench.lab().clock().now() - before
    };
    assert_eq!(passed(json!({ "simulated": true, "quiet_ms": 1 })), time::Duration::ZERO);
    assert!(passed(json!({ "simulated": true, "quiet_ms": 1, "tick_ms": 250 })) >= time::Duration::milliseconds(250));
    assert_eq!(get(bench.lab(), "/clock")["tick_ms"], 250);
    bench.lab().control("PUT", "/clock", &json!({ "simulated": false })).unwrap();
    assert_eq!(get(bench.lab(), "/clock")["tick_ms"], Value::Null);
}

#[test]
fn a_wait_outside_a_simulation_moves_the_clock_there_and_never_back() {
    let lab = lab();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let wait = |until: &str| {
        let url = format!("{}/clock/wait", lab.control_url());
        runtime.block_on(over_http(reqwest::Method::POST, url, json!({ "until": until })))
    };
    assert_eq!(wait("2026-01-01T01:00:00Z").1["now"], "2026-01-01T01:00:00Z");
    assert_eq!(wait("2026-01-01T00:30:00Z").1["now"], "2026-01-01T01:00:00Z");
    assert_eq!(wait("tomorrow").0, 400);
}

#[test]
fn an_auditor_may_read_what_an_audit_reads_and_change_nothing() {
    let lab = lab();
    lab.control("POST", "/vaults", &json!({ "name": "old-kv", "mode": "access-policies" })).unwrap();
    let auditor = lab.control("POST", "/auditors", &json!({ "name": "auditor" })).unwrap();
    let origin = variable(&lab, "LAB_GRAPH_URL");
    let token = |resource: &str| {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", auditor["app_id"].as_str().unwrap())
            .append_pair("client_secret", auditor["client_secret"].as_str().unwrap())
            .append_pair("scope", &format!("{resource}/.default"))
            .finish();
        let uri = format!("{origin}/{}/oauth2/v2.0/token", variable(&lab, "LAB_TENANT"));
        call(&lab, "POST", &uri, "", &form).1["access_token"].as_str().unwrap().to_owned()
    };
    let graph = token(&origin);
    for path in [
        "/v1.0/applications?$top=999",
        "/v1.0/servicePrincipals?$top=999",
        "/v1.0/applications?$expand=owners($select=id,userType,accountEnabled)",
        "/v1.0/oauth2PermissionGrants",
        "/v1.0/policies/defaultAppManagementPolicy",
        "/v1.0/policies/appManagementPolicies?$expand=appliesTo",
        "/v1.0/policies/authorizationPolicy",
        "/v1.0/roleManagement/directory/roleAssignments",
        "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances",
        "/v1.0/directory/deletedItems/microsoft.graph.application",
        "/v1.0/organization",
        "/v1.0/groups",
        "/v1.0/applications/delta",
        "/beta/reports/appCredentialSignInActivities",
        "/beta/reports/servicePrincipalSignInActivities",
    ] {
        assert_eq!(call(&lab, "GET", &format!("{origin}{path}"), &graph, "").0, 200, "{path}");
    }
    assert_eq!(call(&lab, "POST", &format!("{origin}/v1.0/applications"), &graph, r#"{"displayName":"x"}"#).0, 403);
    let query = json!({ "query": "resources | project name" }).to_string();
    let resources = format!("{origin}/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01");
    let found = call(&lab, "POST", &resources, &token("https://management.azure.com"), &query);
    assert_eq!(found.1["data"], json!([{ "name": "contoso-kv" }, { "name": "old-kv" }]));
    let vault = token(&format!("https://{}", variable(&lab, "LAB_VAULT_SUFFIX")));
    for name in ["contoso-kv", "old-kv"] {
        let uri = |path: &str| format!("https://{name}.{}/{path}?api-version=7.6", variable(&lab, "LAB_VAULT_SUFFIX"));
        assert_eq!(call(&lab, "GET", &uri("certificates"), &vault, "").0, 200, "{name}");
        assert_eq!(call(&lab, "GET", &uri("deletedcertificates"), &vault, "").0, 200, "{name}");
        assert_eq!(call(&lab, "GET", &uri("secrets/x"), &vault, "").0, 403, "{name}");
        assert_eq!(call(&lab, "POST", &uri("certificates/x/create"), &vault, "{}").0, 403, "{name}");
    }
}
