//! The proxy as a managed identity, in the shapes that the Azure SDKs know, and what it does not answer.

use kvops::lab::Service;
use serde_json::Value;

use crate::support::Answer;
use crate::support::App;
use crate::support::Bench;
use crate::support::Manners;
use crate::support::Served;
use crate::token::provisioned;

const RESOURCE: &str = "https://graph.microsoft.com";
const FORM: &str = "application/x-www-form-urlencoded";

fn served() -> (Bench, App, Served) {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    (bench, app, served)
}

fn app_service(served: &Served, query: &str) -> Answer {
    let path = format!("/msi/token?{query}");
    served.send(served.stranger("GET", &path).header("x-identity-header", &served.key))
}

fn imds(served: &Served, prefix: &str, query: &str) -> Answer {
    let path = format!("{prefix}/metadata/identity/oauth2/token?{query}");
    served.send(served.stranger("GET", &path).header("metadata", "true"))
}

fn cloud_shell(served: &Served, path: &str, form: &str) -> Answer {
    let request = served.request("POST", path).header("metadata", "true").header("content-type", FORM);
    served.send(request.body(form.to_owned()))
}

/// Whose token it is.
fn app_of(answer: &Answer) -> String {
    let token = answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned();
    kvops::pki::DecodedToken::decode(&token.into()).unwrap().text("appid").unwrap()
}

fn billing(bench: &Bench, app: &App) -> String {
    format!("/api/msi/{}/{}/kv/contoso-kv/billing", bench.variable("LAB_TENANT"), app.app_id)
}

#[test]
fn every_shape_gives_the_same_token_of_the_profiles_application_by_one_signature() {
    let (bench, app, served) = served();
    let mark = bench.mark();
    let run = format!("/run/{}", served.key);
    let asked = format!("resource={RESOURCE}");
    let answers = [
        app_service(&served, &format!("api-version=2019-08-01&{asked}")).is(200),
        app_service(&served, &format!("api-version=2019-08-01&{asked}&client_id={}", app.app_id)).is(200),
        imds(&served, &run, &format!("api-version=2018-02-01&{asked}")).is(200),
        imds(&served, &format!("{run}/billing"), &format!("api-version=2021-02-01&{asked}/")).is(200),
        cloud_shell(&served, &format!("{run}/msi"), &asked).is(200),
        cloud_shell(&served, &format!("{run}/billing/msi"), &asked).is(200),
        cloud_shell(&served, &billing(&bench, &app), &asked).is(200),
    ];
    for answer in &answers {
        assert_eq!(app_of(answer), app.app_id);
        assert_eq!(answer.body["access_token"], answers[0].body["access_token"]);
    }
    assert_eq!(answers[0].cache(), "miss");
    assert!(answers[1..].iter().all(|answer| answer.cache() == "hit"));
    let signed = bench.asked(mark, Service::KeyVault).iter().filter(|entry| entry.route.ends_with("/sign")).count();
    assert_eq!(signed, 1);
}

#[test]
fn addresses_that_a_client_writes_in_lower_case_and_with_a_slash_lead_to_the_same() {
    let (_bench, app, served) = served();
    // As a program is given it: the bench's key, in hex.
    let run = format!("/run/{}", "09".repeat(32));
    let query = format!("api-version=2018-02-01&resource={RESOURCE}");
    for path in
        [format!("{run}/metadata/identity/oauth2/token/"), format!("{run}/Billing/metadata/identity/oauth2/token/")]
    {
        let request = served.stranger("GET", &format!("{path}?{query}")).header("metadata", "true");
        assert_eq!(app_of(&served.send(request).is(200)), app.app_id, "{path}");
    }
    for path in ["/msi/token/", "/msi/BILLING/token/"] {
        let path = format!("{path}?api-version=2019-08-01&resource={RESOURCE}");
        let request = served.stranger("GET", &path).header("x-identity-header", &served.key);
        assert_eq!(app_of(&served.send(request).is(200)), app.app_id, "{path}");
    }
    let guess = format!("/run/{}/metadata/identity/oauth2/token?{query}", "0a".repeat(32));
    served.send(served.stranger("GET", &guess).header("metadata", "true")).is(401);
}

#[test]
fn values_are_strings_everywhere_but_in_cloud_shell() {
    let (_bench, _, served) = served();
    let query = format!("api-version=2019-08-01&resource={RESOURCE}/");
    let strings = app_service(&served, &query).is(200).body;
    assert!(strings.as_object().unwrap().values().all(Value::is_string), "{strings}");
    assert_eq!((&strings["token_type"], &strings["resource"]), (&"Bearer".into(), &format!("{RESOURCE}/").into()));
    let form = format!("resource={RESOURCE}");
    let numbers = cloud_shell(&served, &format!("/run/{}/msi", served.key), &form).is(200).body;
    let left = numbers["expires_in"].as_i64().unwrap();
    assert_eq!(numbers["expires_on"].as_i64().unwrap() - numbers["not_before"].as_i64().unwrap(), left);
    assert!((60..=3600).contains(&left), "{numbers}");
    assert_eq!(numbers["refresh_token"], "");
}

#[test]
fn without_the_key_no_shape_signs() {
    let (bench, app, served) = served();
    let mark = bench.mark();
    let query = format!("api-version=2019-08-01&resource={RESOURCE}");
    let without = [
        served.stranger("GET", &format!("/msi/token?{query}")),
        served.stranger("GET", &format!("/msi/token?{query}")).header("x-identity-header", "guess"),
        served.stranger("GET", &format!("/msi/token?{query}&x-identity-header={}", served.key)),
        served.stranger("GET", &format!("/metadata/identity/oauth2/token?{query}")).header("metadata", "true"),
        served
            .stranger("GET", &format!("/run/guess/metadata/identity/oauth2/token?{query}"))
            .header("metadata", "true"),
        // The key of App Service opens App Service alone.
        served
            .stranger("GET", &format!("/metadata/identity/oauth2/token?{query}"))
            .header("metadata", "true")
            .header("x-identity-header", &served.key),
        served
            .stranger("POST", &billing(&bench, &app))
            .header("metadata", "true")
            .header("content-type", FORM)
            .body(format!("resource={RESOURCE}")),
    ];
    for request in without {
        let answer = served.send(request).is(401);
        assert_eq!(answer.body["rule"], "run-key");
    }
    assert!(bench.lab().requests_since(mark).is_empty());
}

#[test]
fn a_form_from_a_page_is_refused_since_a_page_cannot_set_the_header() {
    let (bench, app, served) = served();
    let mark = bench.mark();
    for path in [billing(&bench, &app), format!("/run/{}/msi", served.key), "/api/msi/forward".to_owned()] {
        let form = served.request("POST", &path).header("content-type", FORM).body(format!("resource={RESOURCE}"));
        served.send(form).is(415);
        let json = served.request("POST", &path).header("metadata", "true").json(&Value::Null);
        served.send(json).is(415);
    }
    assert!(bench.lab().requests_since(mark).is_empty());
}

#[test]
fn what_no_managed_identity_would_answer_is_refused_in_the_words_that_clients_look_for() {
    let (bench, app, served) = served();
    let mark = bench.mark();
    let run = format!("/run/{}", served.key);
    let stranger = "615e6319-bf4f-4279-937c-b9eb198e511f";
    let answers = [
        app_service(&served, &format!("resource={RESOURCE}")),
        app_service(&served, "api-version=2019-08-01"),
        app_service(&served, "api-version=2019-08-01&resource=a%20b"),
        app_service(&served, &format!("api-version=2019-08-01&resource={RESOURCE}&client_id={stranger}")),
        app_service(&served, &format!("api-version=2019-08-01&resource={RESOURCE}&mi_res_id=/subscriptions/x")),
        imds(&served, &run, &format!("resource={RESOURCE}")),
        cloud_shell(&served, &billing(&bench, &app), ""),
        cloud_shell(&served, &billing(&bench, &app), "resource=https://a/.default+https://b/.default"),
    ];
    for answer in answers {
        let answer = answer.is(400);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!((&answer.body["error"], &answer.body["statusCode"]), (&"invalid_request".into(), &400.into()));
        assert_eq!(answer.body["message"], answer.body["error_description"]);
    }
    let path = format!("{run}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={RESOURCE}");
    let answer = served.send(served.stranger("GET", &path)).is(400);
    assert!(answer.body["message"].as_str().unwrap().contains("metadata header"), "{}", answer.body);
    assert!(bench.lab().requests_since(mark).is_empty());
}

#[test]
fn an_address_that_cannot_be_decoded_is_a_problem_as_the_document_says() {
    let (bench, _, served) = served();
    let mark = bench.mark();
    let query = format!("api-version=2019-08-01&resource={RESOURCE}");
    for (method, path) in [
        ("GET", format!("/msi/%FF/token?{query}")),
        ("POST", "/api/msi/%FF/forward".to_owned()),
        ("POST", "/API/Token/%FF".to_owned()),
        ("GET", "/api/Token/snippet/%FF".to_owned()),
        ("GET", "/api/Token/curl?profile=billing&profile=other".to_owned()),
    ] {
        let answer = served.send(served.request(method, &path)).is(400);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
        assert_eq!(answer.body["type"], "urn:kvops:problem:address", "{path}");
    }
    assert_eq!(bench.mark(), mark);
}

#[test]
fn no_part_of_an_address_leads_to_another_host_or_past_the_profile() {
    let (bench, app, served) = served();
    let mark = bench.mark();
    let tenant = bench.variable("LAB_TENANT");
    let paths = [
        // No names of vaults.
        "/api/msi/T/A/kv/evil.example/billing",
        "/api/msi/T/A/kv/evil.example%2F/billing",
        "/api/msi/T/A/kv/https:%2F%2Fevil.example%2F/billing",
        "/api/msi/T/A/kv/contoso-kv.evil.example%3F/billing",
        "/api/msi/T/A/kv/evil.example%23/billing",
        "/api/msi/T/A/kv/contoso-kv@evil.example/billing",
        "/api/msi/T/A/kv/contoso-kv:443/billing",
        "/api/msi/T/A/kv/..%2f..%2fforward/billing",
        "/api/msi/T/A/kv/%00/billing",
        "/api/msi/T/A/kv/contoso-kv/..%2Fsecrets%2Fbilling",
        "/api/msi/T/A/kv/contoso-kv/billing%3Fversion",
        "/api/msi/T/A/kv/contoso-kv/bil_ling",
        // No tenant, no application.
        "/api/msi/..%2fcommon/A/kv/contoso-kv/billing",
        "/api/msi/T/not-a-guid/kv/contoso-kv/billing",
        "/api/msi/T/A/usercert/..%2f..%2fetc%2fpasswd",
        // Not in the profile.
        "/api/msi/T/A/kv/fabrikam-kv/billing",
        "/api/msi/T/A/kv/contoso-kv/payroll",
        "/api/msi/other.example/A/kv/contoso-kv/billing",
        "/api/msi/T/615e6319-bf4f-4279-937c-b9eb198e511f/kv/contoso-kv/billing",
        "/api/msi/forward",
        "/api/msi/T/forward",
        "/run/K/other/msi",
    ];
    for path in paths {
        let path = path.replace("/T/", &format!("/{tenant}/")).replace("/A/", &format!("/{}/", app.app_id));
        let path = path.replace("/K/", &format!("/{}/", served.key));
        let answer = cloud_shell(&served, &path, &format!("resource={RESOURCE}"));
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {} {}", answer.status, answer.body);
        assert!(answer.body["access_token"].is_null(), "{path}");
    }
    assert!(bench.lab().requests_since(mark).is_empty(), "nobody was asked anything");
}

#[test]
fn a_vault_or_certificate_that_is_not_there_is_not_found() {
    let (bench, app, _) = served();
    // Anything may be asked for, so that the vault is.
    let served = bench.serve(Manners::default());
    let base = format!("/api/msi/{}/{}", bench.variable("LAB_TENANT"), app.app_id);
    let form = format!("resource={RESOURCE}");
    cloud_shell(&served, &format!("{base}/kv/contoso-kv/nothing"), &form).is(404);
    let thumbprint = "00".repeat(20);
    cloud_shell(&served, &format!("{base}/usercert/{thumbprint}"), &form).is(404);
    cloud_shell(&served, &format!("{base}/machinecert/{thumbprint}"), &form).is(404);
    assert_eq!(app_of(&cloud_shell(&served, &format!("{base}/kv/Contoso-KV/billing"), &form).is(200)), app.app_id);
}

#[test]
fn the_proxys_own_identity_is_handed_on_only_where_everything_is() {
    let (bench, _, served) = served();
    let form = format!("resource={RESOURCE}");
    let tenant = bench.variable("LAB_TENANT");
    for path in ["/api/msi/forward".to_owned(), format!("/api/msi/{tenant}/forward")] {
        assert_eq!(cloud_shell(&served, &path, &form).is(403).body["rule"], "forward");
    }
    let open = bench.serve(Manners::default());
    for path in ["/api/msi/forward".to_owned(), format!("/api/msi/{tenant}/forward")] {
        assert_eq!(app_of(&cloud_shell(&open, &path, &form).is(200)), bench.variable("LAB_CLIENT_ID"));
    }
    // The identity is of one tenant, and says so rather than give a token of the wrong one.
    let other = "/api/msi/615e6319-bf4f-4279-937c-b9eb198e511f/forward";
    assert!(matches!(cloud_shell(&open, other, &form).status, 400 | 403 | 502));
}

#[test]
fn without_a_profile_nobody_knows_whose_token_an_identity_would_be() {
    let (bench, _, _) = served();
    let open = bench.serve(Manners::default());
    let mark = bench.mark();
    let answer = app_service(&open, &format!("api-version=2019-08-01&resource={RESOURCE}")).is(400);
    assert!(answer.body["message"].as_str().unwrap().contains("--profile"), "{}", answer.body);
    assert!(bench.lab().requests_since(mark).is_empty());
}
