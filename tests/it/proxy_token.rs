//! The token endpoints of the proxy: the model's JSON, how often vault and Entra are asked, refusals.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use kvops::domain::Clock;
use kvops::lab::LabClock;
use kvops::lab::Service;
use kvops::proxy::Stores;
use rcgen::CertificateParams;
use rcgen::KeyPair;
use serde_json::Value;
use serde_json::json;
use time::OffsetDateTime;

use crate::support::App;
use crate::support::Bench;
use crate::support::Manners;
use crate::support::VAULT;
use crate::support::for_certificate;
use crate::support::hardened;
use crate::token::provisioned;

const TOKEN: &str = "POST /{tenant}/oauth2/v2.0/token";
const SIGN: &str = "POST /keys/{name}/{version}/sign";

/// A body with one member changed.
fn with(body: &Value, member: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[member] = value;
    body
}

/// How often a vault was read, how often it signed, and how many tokens were asked for, since a mark.
fn calls(bench: &Bench, mark: u64) -> (usize, usize, usize) {
    let routes = bench.routes(mark);
    let of = |name: &str| routes.get(name).copied().unwrap_or_default();
    let vault = bench.asked(mark, Service::KeyVault).len();
    (vault - of(SIGN), of(SIGN), of(TOKEN))
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;

    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn px12_a_key_that_the_caller_knows_costs_one_signature_and_one_exchange() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    for thumbprint in ["x5t#S256", "thumbprint"] {
        let body = json!({
            "clientId": app.app_id, "tenantId": bench.variable("LAB_TENANT"), "scopes": [bench.graph_scope()],
            "keyUri": certificate["key_id"], "keyThumbprint": certificate[thumbprint],
        });
        let mark = bench.mark();
        let answer = served.post("kv-key", &body).is(200);
        assert_eq!(claims(answer.body["access_token"].as_str().unwrap())["appid"], app.app_id.as_str());
        let (reads, signatures, tokens) = calls(&bench, mark);
        assert_eq!((reads, signatures), (0, 1), "nothing is read of the key");
        assert!(tokens <= 2, "our own, the first time, and the application's");
        assert_eq!(answer.cache(), "miss");
        assert_eq!(served.post("kv-key", &body).is(200).cache(), "hit");
        assert_eq!(bench.lab().requests_since(mark).len(), reads + signatures + tokens);
    }
}

#[test]
fn px13_key_info_has_the_models_members_is_remembered_for_five_minutes_and_makes_a_kv_key_request() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = json!({ "keyVaultUri": bench.place(VAULT).url().as_str(), "certificateName": "billing" });
    let info = served.post("kv-key-info", &body).is(200).body;
    assert_eq!(info.as_object().unwrap().keys().collect::<Vec<_>>(), ["certificateName", "kid", "keyId", "expiresOn"]);
    assert_eq!((&info["keyId"], &info["certificateName"]), (&certificate["key_id"], &json!("billing")));
    assert!(info["expiresOn"].as_str().unwrap().ends_with("+00:00"), "{info}");
    let mark = bench.mark();
    served.post("kv-key-info", &body).is(200);
    assert_eq!(calls(&bench, mark), (0, 0, 0));
    served.post("kv-key-info", &with(&body, "skipCache", json!(true))).is(200);
    assert_eq!(calls(&bench, mark), (1, 0, 0), "skipCache reads past what is remembered");
    bench.lab().clock().advance(time::Duration::minutes(5));
    served.post("kv-key-info", &body).is(200);
    assert_eq!(calls(&bench, mark), (2, 0, 0));
    let token = json!({
        "clientId": app.app_id, "tenantId": bench.variable("LAB_TENANT"), "scopes": [bench.graph_scope()],
        "keyUri": info["keyId"], "keyThumbprint": info["kid"],
    });
    served.post("kv-key", &token).is(200);
}

#[test]
fn px14_and_px18_a_certificate_by_name_costs_a_read_and_a_signature_and_later_a_signature_alone() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = for_certificate(&bench, &app);
    // Our own token is there from now on.
    served.post(
        "kv-key-info",
        &json!({ "keyVaultUri": body["keyVaultUri"], "certificateName": "billing", "skipCache": true }),
    );
    let mark = bench.mark();
    let answer = served.post("kv-certificate", &body).is(200);
    assert_eq!(calls(&bench, mark), (1, 1, 1));
    let members: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "lifetime", "expires_on", "scopes"]);
    assert_eq!(answer.body["scopes"], json!([bench.graph_scope()]));
    assert!((3000..=3600).contains(&answer.body["lifetime"].as_i64().unwrap()), "{}", answer.body["lifetime"]);
    let expires_on = answer.body["expires_on"].as_str().unwrap();
    assert!(OffsetDateTime::parse(expires_on, &time::format_description::well_known::Rfc3339).is_ok(), "{expires_on}");
    assert_eq!(answer.headers["cache-control"], "no-store");

    let mark = bench.mark();
    let other = with(&body, "scopes", json!([bench.vault_scope()]));
    assert_eq!(served.post("kv-certificate", &other).is(200).cache(), "miss");
    assert_eq!(calls(&bench, mark), (0, 1, 1), "which version signs is remembered");
    let mark = bench.mark();
    assert_eq!(served.post("kv-certificate", &body).is(200).cache(), "hit");
    assert_eq!(calls(&bench, mark), (0, 0, 0));
    let skipping = with(&body, "skipCache", json!(true));
    assert_eq!(served.post("kv-certificate", &skipping).is(200).cache(), "miss");
    assert_eq!(calls(&bench, mark), (1, 1, 1));
    bench.lab().clock().advance(time::Duration::minutes(56));
    assert_eq!(served.post("kv-certificate", &body).is(200).cache(), "miss", "five minutes before its end");
}

#[test]
fn px15_px16_px31_and_px32_a_self_signed_certificate_in_a_folder_is_found_by_a_string() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let (pem, der) = self_signed("CN=billing.contoso.internal");
    let credential = json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": base64(&der) }]);
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": credential }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let folder = bench.file("store");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("billing.pem"), &pem).unwrap();
    let machine = bench.file("machine");
    fs::create_dir(&machine).unwrap();
    fs::write(machine.join("billing.pfx"), pfx(&pem, &der)).unwrap();
    fs::write(folder.join("other.pfx"), "no PKCS#12 at all").unwrap();
    // Whoever opened it would wait for somebody to write.
    #[cfg(unix)]
    assert!(std::process::Command::new("mkfifo").arg(folder.join("pipe.pfx")).status().unwrap().success());
    let stores = Stores { user: Some(folder), machine: Some(machine) };
    let served = bench.serve(Manners { stores: stores.clone(), ..Manners::default() });
    let thumbprint = kvops::domain::Thumbprint::sha1(&der);
    let body = json!({
        "clientId": app.app_id, "tenantId": bench.variable("LAB_TENANT"), "scopes": [bench.graph_scope()],
        "findValue": thumbprint.hex(),
    });
    for endpoint in ["local-certificate", "computer-certificate"] {
        let answer = served.post(endpoint, &body).is(200);
        assert_eq!(claims(answer.body["access_token"].as_str().unwrap())["appid"], app.app_id.as_str());
        let by_name = with(&with(&body, "findType", json!("FindBySubjectName")), "findValue", json!("BILLING.contoso"));
        assert_eq!(served.post(endpoint, &by_name).is(200).cache(), "hit", "it is the same certificate");
        let absent = with(&body, "findValue", json!("00".repeat(20)));
        assert_eq!(served.post(endpoint, &absent).is(404).body["type"], "urn:kvops:problem:no-certificate");
    }
    for store in ["usercert", "machinecert"] {
        let path = format!("/api/msi/{}/{}/{store}/{}", bench.variable("LAB_TENANT"), app.app_id, thumbprint.hex());
        let request = served.request("POST", &path).header("metadata", "true");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = served.send(request.body("resource=https://graph.microsoft.com")).is(200);
        assert_eq!(claims(answer.body["access_token"].as_str().unwrap())["appid"], app.app_id.as_str(), "{store}");
    }
    assert!(bench.asked(0, Service::KeyVault).is_empty(), "no vault has anything to do with it");
    let nowhere = bench.serve(Manners::default());
    nowhere.post("computer-certificate", &body).is(404);
    let narrow = bench.serve(Manners { stores, ..Manners::for_billing(&bench, &app) });
    for value in [thumbprint.hex(), "00".repeat(20)] {
        let refused = narrow.post("local-certificate", &with(&body, "findValue", json!(value))).is(403).body;
        assert_eq!(refused["rule"], "profile-local", "whether there is one is nobody's business");
    }
}

#[test]
fn px17_what_is_wrong_with_a_request_is_told_by_member_and_nobody_is_asked() {
    let bench = Bench::tame();
    let app = App { id: String::new(), app_id: "6f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55".to_owned() };
    let served = bench.serve(Manners::default());
    let body = for_certificate(&bench, &app);
    let mark = bench.mark();
    for (member, value, key, said) in [
        ("clientId", json!("billing"), "ClientId", "'Client Id' must be a guid."),
        ("scopes", json!(["string"]), "Scopes", "'string' is not a valid scope."),
        ("keyVaultUri", json!("contoso-kv"), "KeyVaultUri", "Only absolute Uris permitted"),
        ("certificateName", json!("string"), "CertificateName", "'Certificate Name' must not be 'string'."),
    ] {
        let answer = served.post("kv-certificate", &with(&body, member, value)).is(400);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["title"], "One or more validation errors occurred.");
        assert_eq!(answer.body["errors"], json!({ key: [said] }));
    }
    for (text, status) in [("", 400), ("{", 400), ("[]", 400), (r#"{"clientId":1}"#, 400), ("null", 400)] {
        let request = served.request("POST", "/api/Token/kv-key").header("content-type", "application/json");
        served.send(request.body(text)).is(status);
    }
    served.send(served.request("POST", "/api/Token/kv-key").body("{}")).is(415);
    served.send(served.request("GET", "/api/Token/kv-key")).is(405);
    assert_eq!(bench.mark(), mark);
}

#[test]
fn px12_routes_ignore_case_as_the_models_do() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = for_certificate(&bench, &app);
    for path in ["/api/token/kv-certificate", "/API/TOKEN/KV-CERTIFICATE"] {
        served.send(served.request("POST", path).json(&body)).is(200);
        served.send(served.stranger("POST", path).json(&body)).is(401);
    }
    served.send(served.request("POST", "/api/Token/kv-other").json(&body)).is(404);
    served.send(served.request("POST", "/x/token/kv-certificate").json(&body)).is(404);
}

#[test]
fn px20_and_px33_a_services_refusal_keeps_its_code_and_its_id_and_is_never_our_fault() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::default());
    let body = for_certificate(&bench, &app);
    let missing = served.post("kv-certificate", &with(&body, "certificateName", json!("payroll"))).is(404).body;
    assert_eq!((&missing["code"], &missing["retryable"]), (&json!("CertificateNotFound"), &json!(false)));
    assert!(missing["traceId"].is_string(), "{missing}");
    let unknown = with(&body, "clientId", json!("6f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55"));
    let unknown = served.post("kv-certificate", &unknown).is(400).body;
    assert_eq!(unknown["code"], "AADSTS700016");
    assert!(unknown["traceId"].is_string() && unknown["hint"].is_string(), "{unknown}");
    for (status, expected, code) in [(403, 403, "Forbidden"), (400, 502, "BadParameter"), (418, 502, "Teapot")] {
        let result = json!({ "status": status, "code": code });
        bench.fault(&json!({ "match": { "service": "keyvault", "path": "/sign" }, "result": result }));
        let answer = served.post("kv-certificate", &body).is(expected);
        assert!(!answer.body.to_string().contains("eyJ"), "{}", answer.body);
        bench.no_faults();
    }
    for result in [json!({ "status": 500 }), json!({ "drop": "after" }), json!({ "torn": true })] {
        for service in ["keyvault", "entra"] {
            bench.fault(&json!({ "match": { "service": service }, "result": result }));
            let answer = served.post("kv-certificate", &body).is(503);
            assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
            assert_eq!(answer.body["retryable"], true);
            bench.no_faults();
        }
    }
    served.post("kv-certificate", &body).is(200);
}

#[test]
fn px30_a_rotation_is_followed_without_a_restart() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = for_certificate(&bench, &app);
    let before = served.post("kv-certificate", &body).is(200);
    assert_eq!(bench.versions("billing").len(), 1);
    // Somebody rotates: a new version, trusted in place of the old one.
    bench.certificate("billing", &hardened("CN=billing"), &json!({ "kvops-state": "proven" }));
    let made = bench.vault("GET", "/certificates/billing", &Value::Null);
    let credential = json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": made["cer"] }]);
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": credential }));
    bench.lab().clock().advance(time::Duration::minutes(2));
    let other = with(&body, "scopes", json!([bench.vault_scope()]));
    let mark = bench.mark();
    served.post("kv-certificate", &other).is(200);
    let signed: Vec<_> =
        bench.asked(mark, Service::KeyVault).into_iter().filter(|it| it.path.ends_with("/sign")).collect();
    assert_eq!(signed.len(), 2, "once with the key that was remembered, once with the new one");
    assert!(
        made["kid"].as_str().unwrap().ends_with(signed[1].path.trim_end_matches("/sign").rsplit('/').next().unwrap())
    );
    let kept = served.post("kv-certificate", &body).is(200);
    assert_eq!(kept.body["access_token"], before.body["access_token"], "tokens outlive the key");
    bench.lab().clock().advance(time::Duration::hours(1));
    let mark = bench.mark();
    served.post("kv-certificate", &body).is(200);
    assert_eq!(calls(&bench, mark).1, 1, "the new key is remembered");
}

#[test]
fn px34_tenants_go_by_domain_names_too() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::default());
    let body = with(&for_certificate(&bench, &app), "tenantId", json!("contoso.onmicrosoft.com"));
    served.post("kv-certificate", &body).is(200);
}

#[test]
fn requests_for_one_token_at_the_same_time_share_one_signature() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = for_certificate(&bench, &app);
    let mark = bench.mark();
    let answers = served.post_at_once("kv-certificate", &body, 50);
    assert_eq!(calls(&bench, mark).1, 1);
    let tokens: std::collections::BTreeSet<_> = answers.iter().map(|it| it.body["access_token"].to_string()).collect();
    assert_eq!(tokens.len(), 1);
    let count = |name: &str| answers.iter().filter(|answer| answer.cache() == name).count();
    assert_eq!((count("miss"), count("miss") + count("shared") + count("hit")), (1, 50));
}

#[test]
fn px42_what_no_profile_allows_is_refused_by_the_name_of_the_rule_before_anybody_is_asked() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let manners = Manners::for_billing(&bench, &app);
    let served = bench.serve(manners);
    let body = for_certificate(&bench, &app);
    let elsewhere = bench.place("fabrikam-kv").url().to_string();
    let mark = bench.mark();
    for (member, value, rule) in [
        ("clientId", json!("6f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55"), "profile-app"),
        ("tenantId", json!("fabrikam.example"), "profile-tenant"),
        ("keyVaultUri", json!(elsewhere), "profile-vault"),
        ("certificateName", json!("payroll"), "profile-certificate"),
    ] {
        let refused = served.post("kv-certificate", &with(&body, member, value.clone())).is(403).body;
        assert_eq!(refused["rule"], rule, "{refused}");
    }
    let key = certificate["key_id"].as_str().unwrap().replace("/billing/", "/payroll/");
    let by_key = json!({
        "clientId": app.app_id, "tenantId": bench.variable("LAB_TENANT"), "scopes": ["x/.default"],
        "keyUri": key, "keyThumbprint": certificate["thumbprint"],
    });
    assert_eq!(served.post("kv-key", &by_key).is(403).body["rule"], "profile-certificate");
    let info = json!({ "keyVaultUri": elsewhere, "certificateName": "billing" });
    assert_eq!(served.post("kv-key-info", &info).is(403).body["rule"], "profile-vault");
    assert_eq!(bench.mark(), mark, "somebody was asked");
}

#[test]
fn px44_each_minted_token_is_one_line_of_the_ledger_without_the_token() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = for_certificate(&bench, &app);
    let token = served.post("kv-certificate", &body).is(200).body["access_token"].as_str().unwrap().to_owned();
    served.post("kv-certificate", &body).is(200);
    let text = fs::read_to_string(bench.file("ledger.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [line] = &lines[..] else { panic!("{text}") };
    assert_eq!((&line["step"], &line["phase"]), (&json!("mint"), &json!("done")));
    assert_eq!(line["object"]["app_id"], app.app_id.as_str());
    assert_eq!((&line["object"]["vault"], &line["object"]["certificate"]), (&json!(VAULT), &json!("billing")));
    assert!(certificate["key_id"].as_str().unwrap().ends_with(line["object"]["version"].as_str().unwrap()));
    assert_eq!(line["facts"]["uti"], claims(&token)["uti"]);
    assert_eq!(line["facts"]["scope"], bench.graph_scope());
    let services: Vec<_> =
        line["requests"].as_array().unwrap().iter().map(|it| it["service"].as_str().unwrap()).collect();
    assert!(services.contains(&"Key Vault") && services.contains(&"Microsoft Entra"), "{line}");
    assert!(!text.contains("eyJ") && !text.contains(&served.key), "{text}");
    bench.kvops(&["ledger", "verify", "--ledger", bench.file("ledger.jsonl").to_str().unwrap()]).ends_with(0);
}

#[test]
fn a_token_past_the_cache_is_written_down_even_if_its_caller_goes_away() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = for_certificate(&bench, &app);
    served.post("kv-certificate", &body).is(200);
    let lines = || fs::read_to_string(bench.file("ledger.jsonl")).unwrap().lines().count();
    assert_eq!(lines(), 1);
    bench.fault(&json!({ "match": { "service": "entra" }, "result": { "stall_ms": 500 } }));
    let mark = bench.mark();
    let request = served.request("POST", "/api/Token/kv-certificate").json(&with(&body, "skipCache", json!(true)));
    let asking = served.runtime.spawn(async move { request.send().await.unwrap().status() });
    while calls(&bench, mark).1 == 0 {
        std::thread::yield_now();
    }
    asking.abort();
    let begun = std::time::Instant::now();
    while lines() == 1 {
        assert!(begun.elapsed() < Duration::from_secs(20), "a key signed, and nothing says so");
        std::thread::yield_now();
    }
    assert_eq!(calls(&bench, mark), (1, 1, 1));
}

#[test]
fn what_cannot_be_written_down_is_not_handed_out() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    fs::write(bench.file("ledger.jsonl"), "this is no line of a ledger\n").unwrap();
    let refused = served.post("kv-certificate", &for_certificate(&bench, &app)).is(503);
    assert_eq!(refused.body["type"], "urn:kvops:problem:ledger");
    assert!(!refused.body.to_string().contains("eyJ"));
}

/// A clock that is wrong, by minutes.
#[derive(Debug)]
struct Wrong(LabClock, AtomicI64);

#[async_trait]
impl Clock for Wrong {
    fn now(&self) -> OffsetDateTime {
        self.0.now() + time::Duration::minutes(self.1.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

#[test]
fn wd5_a_clock_that_is_six_minutes_wrong_is_measured_and_made_up_for() {
    for minutes in [-6, 6] {
        let bench = Bench::tame();
        let (app, _) = provisioned(&bench);
        let clock = Arc::new(Wrong(bench.lab().clock(), minutes.into()));
        let served = bench.serve(Manners { clock: Some(clock), ..Manners::for_billing(&bench, &app) });
        let answer = served.post("kv-certificate", &for_certificate(&bench, &app)).is(200);
        let skew = served.engine.http().skew().unwrap();
        assert!((skew.whole_minutes() + minutes).abs() <= 1, "{skew}");
        let left = answer.body["lifetime"].as_i64().unwrap();
        assert!((3590..=3600).contains(&left), "{left}");
        // A client has the same wrong clock, and no other.
        let identity = served.request("GET", "/msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com");
        let body = served.send(identity).is(200).body;
        let number = |member: &str| body[member].as_str().unwrap().parse::<i64>().unwrap();
        assert!((3590..=3600).contains(&number("expires_in")), "{minutes}: {}", body["expires_in"]);
        assert_eq!(number("expires_on") - number("not_before"), number("expires_in"));
    }
}

#[test]
fn a_clock_that_is_set_back_makes_no_token_good_again() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let clock = Arc::new(Wrong(bench.lab().clock(), 0.into()));
    let served = bench.serve(Manners { clock: Some(clock.clone()), ..Manners::for_billing(&bench, &app) });
    let body = for_certificate(&bench, &app);
    served.post("kv-certificate", &body).is(200);
    bench.lab().clock().advance(time::Duration::minutes(50));
    assert_eq!(served.post("kv-certificate", &body).is(200).cache(), "hit");
    clock.1.store(-45, Ordering::Relaxed);
    assert_eq!(served.post("kv-certificate", &body).is(200).cache(), "miss", "nobody knows how old it is");
    assert_eq!(served.post("kv-certificate", &body).is(200).cache(), "hit");
}

fn self_signed(subject: &str) -> (String, Vec<u8>) {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, subject.trim_start_matches("CN="));
    params.not_after = OffsetDateTime::UNIX_EPOCH + time::Duration::days(365 * 100);
    let certificate = params.self_signed(&key).unwrap();
    (key.serialize_pem() + &certificate.pem(), certificate.der().to_vec())
}

/// A PKCS#12 file with an empty password, in the algorithms of old.
fn pfx(pem: &str, der: &[u8]) -> Vec<u8> {
    let key = KeyPair::from_pem(pem).unwrap();
    let chain = p12_keystore::PrivateKeyChain::new(
        [1].as_slice(),
        p12_keystore::PrivateKey::from_der(key.serialized_der()).unwrap(),
        [p12_keystore::Certificate::from_der(der).unwrap()],
    );
    let mut store = p12_keystore::KeyStore::new();
    store.add_entry("key", p12_keystore::KeyStoreEntry::PrivateKeyChain(chain));
    let algorithm = p12_keystore::EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc;
    store.writer("").encryption_algorithm(algorithm).write().unwrap()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;

    base64::engine::general_purpose::STANDARD.encode(bytes)
}
