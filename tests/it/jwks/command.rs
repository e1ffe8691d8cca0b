//! The commands, by what they print and what they leave in the vault.

use std::fs;

use kvops::domain::Secret;
use kvops::lab::Service;
use kvops::pki::JwkSet;
use serde_json::Value;
use serde_json::json;
use time::Duration;

use super::ISSUER;
use super::curve;
use super::jwks;
use super::later;
use super::version;
use super::version_of;
use crate::support::Bench;
use crate::support::Moment;
use crate::support::VAULT;

fn published(bench: &Bench) -> JwkSet {
    serde_json::from_slice(&fs::read(bench.file("site/jwks.json")).unwrap()).unwrap()
}

#[test]
fn the_documents_are_built_from_sixty_versions_on_three_pages_and_are_the_same_bytes_again() {
    let bench = Bench::tame();
    let versions: Vec<String> = (0..60)
        .map(|_| {
            let version = version_of(&bench, &curve("P-256"));
            later(&bench, Duration::hours(7));
            version
        })
        .collect();
    let mark = bench.mark();
    let built = bench.kvops(&jwks("build", &["--out", "site", "-o", "json"])).ends_with(0).json();
    let routes = bench.routes(mark);
    assert_eq!(routes["GET /certificates/{name}/versions"], 3, "three pages: {routes:?}");
    assert!(bench.asked(mark, Service::KeyVault).iter().all(|entry| !entry.route.starts_with("/secrets")));
    // The rule by hand: the newest that is more than 14 days old, each being a little more than 7 hours older.
    let old_enough = versions.len() - (14 * 24) / 7;
    assert_eq!(built["active"], versions[old_enough].as_str());
    let newest_first: Vec<Value> = versions.iter().rev().map(|version| json!(version)).collect();
    assert_eq!(built["published"], Value::Array(newest_first));
    let first = fs::read(bench.file("site/jwks.json")).unwrap();
    let again = bench.kvops(&jwks("build", &["--out", "site", "-o", "json"])).ends_with(0).json();
    assert_eq!(again["files"][0]["changed"], false);
    assert_eq!(fs::read(bench.file("site/jwks.json")).unwrap(), first);
    let text = String::from_utf8(first).unwrap();
    for private in ["\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"k\""] {
        assert!(!text.contains(private), "{private}");
    }
}

#[test]
fn without_an_enabled_version_nothing_is_written() {
    let bench = Bench::tame();
    let only = version(&bench);
    let path = format!("/certificates/signer/{only}");
    bench.vault("PATCH", &path, &json!({ "attributes": { "enabled": false } }));
    let error = bench.kvops(&jwks("build", &["--out", "site", "-o", "json"])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().ends_with("has no key to publish: no version is enabled"), "{error}");
    assert!(!bench.file("site").exists());
}

#[test]
fn windows_that_cannot_work_are_refused_with_their_numbers_and_can_be_forced() {
    let bench = Bench::tame();
    version(&bench);
    let mark = bench.mark();
    let error = bench.kvops(&jwks("status", &["--rollover", "24h", "-o", "json"])).ends_with(7).error();
    assert_eq!(
        error["message"],
        "a key would sign before every verifier can know it: rollover ≥ cache + client cache + margin does not hold, \
         1d < 1d + 1d + 1h = 49h"
    );
    assert!(bench.asked(mark, Service::KeyVault).is_empty(), "nobody was asked");
    let forced = bench.kvops(&jwks("status", &["--rollover", "24h", "--force-windows", "-o", "json"])).ends_with(0);
    assert!(forced.stderr.contains("forced: a key would sign before"), "{}", forced.stderr);
}

#[test]
fn a_table_of_the_configuration_stands_in_for_flags() {
    let bench = Bench::tame();
    let only = version(&bench);
    let mut config = fs::read_to_string(bench.file("kvops.toml")).unwrap();
    config.push_str(&format!(
        "\n[jwks.tokens]\nvault = \"{VAULT}\"\ncertificate = \"signer\"\nissuer = \"{ISSUER}\"\nrollover = \"3d\"\n"
    ));
    fs::write(bench.file("kvops.toml"), config).unwrap();
    let view = bench.kvops(&["jwks", "status", "--profile", "tokens", "-o", "json"]).ends_with(0).json();
    assert_eq!((&view["active"], &view["windows"]["rollover"]), (&json!(only), &json!("3d")));
    assert_eq!(view["bootstrap"], true);
    bench.kvops(&["jwks", "status", "--profile", "others", "-o", "json"]).ends_with(2);
    bench.kvops(&["jwks", "status", "-o", "json"]).ends_with(2);
}

#[test]
fn an_issuer_is_found_by_the_name_of_its_vault_and_by_its_url() {
    let bench = Bench::tame();
    let only = version(&bench);
    let suffix = format!("vault.localhost:{}", bench.lab().port());
    for vault in [VAULT.to_owned(), format!("https://{VAULT}.{suffix}"), format!("https://{VAULT}.{suffix}/")] {
        let which = ["jwks", "status", "--vault", &vault, "--name", "signer", "--issuer", ISSUER, "-o", "json"];
        let view = bench.kvops(&which).ends_with(0).json();
        assert_eq!(view["active"], only.as_str(), "{vault}");
    }
    // Tokens for vaults go to vaults of the cloud and to nobody else.
    let mark = bench.mark();
    for elsewhere in
        ["https://contoso-kv.vault.azure.net", "https://vault.example", "http://contoso-kv.vault.localhost"]
    {
        let which = ["jwks", "status", "--vault", elsewhere, "--name", "signer", "--issuer", ISSUER];
        bench.kvops(&which).ends_with(2);
    }
    assert!(bench.asked(mark, Service::KeyVault).is_empty());
}

#[test]
fn a_key_that_is_spent_can_be_disabled_and_not_before() {
    let bench = Bench::tame();
    let first = version(&bench);
    later(&bench, Duration::days(30));
    version(&bench);
    // Nearly as long as a token may live before the second key takes over.
    later(&bench, Duration::days(14) - Duration::minutes(2));
    let more = ["--audience", "orders", "--lifetime", "1h", "-o", "json"];
    let issued = bench.kvops(&jwks("issue", &more)).ends_with(0).json();
    assert_eq!(issued["kid"], first.as_str());
    later(&bench, Duration::minutes(10));
    let spent_at = |view: &Value| {
        let key = view["keys"].as_array().unwrap().iter().find(|key| key["kid"] == first.as_str()).unwrap();
        assert_eq!(key["phase"], "retired");
        key["spent_at"].as_str().unwrap().to_owned()
    };
    let view = bench.kvops(&jwks("status", &["-o", "json"])).ends_with(0).json();
    // RFC 3339 in UTC: the order of texts is that of moments.
    assert!(spent_at(&view).as_str() > issued["expires_at"].as_str().unwrap(), "its last token outlives it: {view}");
    let token = Secret::new(issued["token"].as_str().unwrap().to_owned());
    bench.kvops(&jwks("build", &["--out", "site"])).ends_with(0);
    assert!(published(&bench).verify(&token).is_ok(), "until then it is published");
    later(&bench, Duration::minutes(65));
    let view = bench.kvops(&jwks("status", &["-o", "json"])).ends_with(0).json();
    assert!(spent_at(&view).as_str() < view["now"].as_str().unwrap(), "{view}");
    bench.kvops(&["jwks", "revoke", &first, "--vault", VAULT, "--name", "signer", "--issuer", ISSUER]).ends_with(0);
    bench.kvops(&jwks("build", &["--out", "site"])).ends_with(0);
    assert!(published(&bench).key(&first).is_none());
}

#[test]
fn every_kind_of_key_signs_with_its_own_algorithm_and_verifies_with_what_is_published() {
    for (policy, alg, expected) in [
        (None, None, "RS256"),
        (None, Some("PS512"), "PS512"),
        (Some("P-256"), None, "ES256"),
        (Some("P-384"), None, "ES384"),
        (Some("P-521"), None, "ES512"),
    ] {
        let bench = Bench::tame();
        policy.map_or_else(|| version(&bench), |name| version_of(&bench, &curve(name)));
        let mut more = vec!["--audience", "orders"];
        more.extend(alg.iter().flat_map(|alg| ["--alg", alg]));
        let token = bench.kvops(&jwks("issue", &more)).ends_with(0).stdout.trim().to_owned();
        let mut more = vec!["--out", "site"];
        more.extend(alg.iter().flat_map(|alg| ["--alg", alg]));
        bench.kvops(&jwks("build", &more)).ends_with(0);
        let verified = published(&bench).verify(&Secret::new(token)).unwrap();
        assert_eq!(verified.header["alg"], expected);
        assert_eq!(verified.claims["iss"], ISSUER);
    }
}

#[test]
fn a_token_is_never_the_proof_of_an_application_and_each_one_is_written_down() {
    let bench = Bench::tame();
    let kid = version(&bench);
    let entra = format!("https://localhost:{}/tenant/oauth2/v2.0/token", bench.lab().port());
    let mark = bench.mark();
    for audience in [entra.as_str(), "https://graph.microsoft.com", "00000002-0000-0000-c000-000000000000"] {
        bench.kvops(&jwks("issue", &["--audience", audience])).ends_with(7);
    }
    fs::write(bench.file("claims.json"), r#"{"iss":"2b1f7b8e-0000-4000-8000-000000000001"}"#).unwrap();
    bench.kvops(&jwks("issue", &["--audience", "orders", "--claims", "claims.json"])).ends_with(2);
    bench.kvops(&jwks("issue", &["--audience", "orders", "--lifetime", "2h"])).ends_with(2);
    let signed =
        |mark| bench.asked(mark, Service::KeyVault).iter().filter(|entry| entry.route.ends_with("/sign")).count();
    assert_eq!(signed(mark), 0);
    fs::write(bench.file("claims.json"), r#"{"sub":"worker"}"#).unwrap();
    let more = ["--audience", "orders", "--claims", "claims.json", "-o", "json"];
    let issued = bench.kvops(&jwks("issue", &more)).ends_with(0).json();
    assert_eq!(issued["kid"], kid.as_str());
    assert_eq!(signed(mark), 1);
    let shown = bench.kvops(&["ledger", "show", "-o", "json"]).ends_with(0);
    let entry = shown.json().as_array().unwrap().last().unwrap().clone();
    assert_eq!((&entry["step"], &entry["facts"]["jti"]), (&json!("mint"), &issued["jti"]));
    assert_eq!((&entry["phase"], entry["requests"].as_array().unwrap().len()), (&json!("done"), 1), "{entry}");
    assert_eq!(entry["object"]["version"], kid.as_str());
    let token = issued["token"].as_str().unwrap();
    assert!(!shown.stdout.contains(token.rsplit('.').next().unwrap()), "the token is not in the ledger");
}

#[test]
fn what_is_to_be_signed_is_on_disk_before_the_vault_is_asked() {
    let mut bench = Bench::tame();
    version(&bench);
    let ledger = bench.ledger_file();
    bench.set("KVOPS_LEDGER", &ledger.display().to_string());
    let issue = jwks("issue", &["--audience", "orders"]);
    let phases = || -> Vec<String> {
        let text = fs::read_to_string(&ledger).unwrap_or_default();
        let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.map(|entry| format!("{} {}", entry["step"], entry["phase"]).replace('"', "")).collect()
    };
    for earlier in 0.. {
        let reached = bench.killed_at(&issue, earlier, Moment::After).expect("it ends before it has signed");
        if reached.ends_with("/sign") {
            break;
        }
        assert_eq!(phases(), Vec::<String>::new(), "{reached} is only a look");
    }
    assert_eq!(phases(), ["mint intended"], "the vault has signed, and nobody has heard of it");
    bench.fault(&json!({ "match": { "service": "keyvault", "method": "POST" }, "result": { "status": 403 } }));
    bench.kvops(&issue).ends_with(3);
    bench.no_faults();
    bench.kvops(&issue).ends_with(0);
    assert_eq!(phases()[1..], ["mint intended", "mint failed", "mint intended", "mint done"]);
    bench.kvops(&["ledger", "verify"]).ends_with(0);
}

#[test]
fn claims_that_two_readers_would_read_differently_are_not_signed() {
    let bench = Bench::tame();
    version(&bench);
    let mark = bench.mark();
    for claims in [r#"{"sub":"a","sub":"b"}"#, r#"{"n":{"a":1,"a":2}}"#, r#"{"n":123456789012345678901234567890}"#] {
        fs::write(bench.file("claims.json"), claims).unwrap();
        bench.kvops(&jwks("issue", &["--audience", "orders", "--claims", "claims.json"])).ends_with(2);
    }
    let asked = bench.asked(mark, Service::KeyVault);
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn a_client_secret_that_opens_the_vault_is_warned_of_and_another_identity_is_not() {
    let mut bench = Bench::tame();
    version(&bench);
    let warning = "with a client secret (AZURE_CLIENT_SECRET)";
    for source in ["env", "auto"] {
        bench.set("KVOPS_CREDENTIAL", source);
        let ran = bench.kvops(&jwks("status", &[])).ends_with(0);
        assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    }
    // Another source does not use it, though it is there.
    fs::write(bench.file("token"), "e30.e30.x").unwrap();
    let token_file = bench.file("token").display().to_string();
    bench.set("AZURE_FEDERATED_TOKEN_FILE", &token_file);
    bench.set("KVOPS_CREDENTIAL", "wif");
    let ran = bench.kvops(&jwks("status", &[])).ends_with(3);
    assert!(!ran.stderr.contains(warning), "{}", ran.stderr);
}

#[test]
fn a_gap_in_which_nothing_would_be_signed_is_warned_of() {
    let bench = Bench::tame();
    version(&bench);
    later(&bench, Duration::days(357));
    let second = version(&bench);
    let view = bench.kvops(&jwks("status", &["-o", "json"])).ends_with(0).json();
    let warnings = view["warnings"].to_string();
    assert!(warnings.contains("nothing is signed between") && warnings.contains(&second), "{warnings}");
    let shorter = bench.kvops(&jwks("status", &["--rollover", "3d", "-o", "json"])).ends_with(0).json();
    assert!(!shorter["warnings"].to_string().contains("nothing is signed between"), "{shorter}");
}

#[test]
fn documents_are_readable_by_the_server_and_a_link_stays_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::tame();
    version(&bench);
    for folder in ["real", "site"] {
        fs::create_dir(bench.file(folder)).unwrap();
    }
    std::os::unix::fs::symlink(bench.file("real/keys.json"), bench.file("site/jwks.json")).unwrap();
    fs::write(bench.file("real/keys.json"), "old").unwrap();
    bench.kvops(&jwks("build", &["--out", "site"])).ends_with(0);
    assert!(fs::symlink_metadata(bench.file("site/jwks.json")).unwrap().is_symlink());
    for path in ["real/keys.json", "site/.well-known/openid-configuration"] {
        assert_eq!(fs::metadata(bench.file(path)).unwrap().permissions().mode() & 0o777, 0o644, "{path}");
    }
    assert_eq!(published(&bench).keys.len(), 1);
    let left: Vec<_> = ["real", "site"].map(|folder| fs::read_dir(bench.file(folder)).unwrap().count()).into();
    assert_eq!(left, [1, 2], "nothing half written is left");
}

#[test]
fn the_certificate_of_an_application_is_nobodys_issuer() {
    let bench = Bench::tame();
    bench.certificate("signer", &crate::support::hardened("CN=signer"), &json!({ "kvops-app": "an-object-id" }));
    let error = bench.kvops(&jwks("issue", &["--audience", "orders", "-o", "json"])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("is that of application an-object-id"), "{error}");
}

#[test]
fn an_expiring_key_is_warned_of_and_an_expired_one_signs_nothing() {
    let bench = Bench::tame();
    version(&bench);
    later(&bench, Duration::days(340));
    let ran = bench.kvops(&jwks("issue", &["--audience", "orders"])).ends_with(0);
    assert!(ran.stderr.contains("the key that signed expires in "), "{}", ran.stderr);
    later(&bench, Duration::days(30));
    // Its last tokens have died, too: there is nothing left to publish.
    bench.kvops(&jwks("status", &[])).ends_with(7);
    let newer = version(&bench);
    // By the rule the old one is still active, and nothing else stands in before its time.
    let error = bench.kvops(&jwks("issue", &["--audience", "orders", "-o", "json"])).ends_with(7).error();
    assert!(error["message"].as_str().unwrap().contains("nothing is signed with an expired key"), "{error}");
    later(&bench, Duration::days(15));
    let issued = bench.kvops(&jwks("issue", &["--audience", "orders", "-o", "json"])).ends_with(0).json();
    assert_eq!(issued["kid"], newer.as_str());
}

#[test]
fn a_revoked_key_is_withdrawn_at_once_and_the_last_one_is_not() {
    let bench = Bench::tame();
    let first = version(&bench);
    let error = bench
        .kvops(&["jwks", "revoke", &first, "--vault", VAULT, "--name", "signer", "--issuer", ISSUER, "-o", "json"]);
    assert!(error.ends_with(7).error()["message"].as_str().unwrap().contains("is the last key"));
    later(&bench, Duration::days(100));
    let second = version(&bench);
    // Older than what verifiers need, younger than the rollover.
    later(&bench, Duration::hours(50));
    let revoke = ["jwks", "revoke", &first, "--vault", VAULT, "--name", "signer", "--issuer", ISSUER];
    let mark = bench.mark();
    let planned = bench.kvops(&[&revoke[..], &["--plan", "-o", "json"]].concat()).ends_with(0).json();
    assert_eq!((&planned["planned"], &planned["active"]), (&json!(true), &json!(second)));
    assert!(bench.asked(mark, Service::KeyVault).iter().all(|entry| entry.method == "GET"), "a plan changes nothing");
    let revoked = bench.kvops(&[&revoke[..], &["--out", "site", "-o", "json"]].concat()).ends_with(0).json();
    assert!(revoked.get("planned").is_none());
    assert_eq!(revoked["active"], second.as_str(), "the next one, which every verifier knows");
    assert!(revoked["active_known_at"].is_null());
    assert_eq!(revoked["accepted_until"], revoked["spent_at"], "tokens die before caches do");
    assert!(published(&bench).key(&first).is_none() && published(&bench).key(&second).is_some());
    let issued = bench.kvops(&jwks("issue", &["--audience", "orders", "-o", "json"])).ends_with(0).json();
    assert_eq!(issued["kid"], second.as_str());
    let again = bench.kvops(&[&revoke[..], &["-o", "json"]].concat()).ends_with(0).json();
    assert_eq!(again["unchanged"], true);
    // As much of the kid as the picture shows is enough.
    let shown = ["jwks", "revoke", &first[..12], "--vault", VAULT, "--name", "signer", "--issuer", ISSUER];
    assert_eq!(bench.kvops(&[&shown[..], &["-o", "json"]].concat()).ends_with(0).json()["kid"], first.as_str());
    for nobody in ["ffffffffffff", &first[..4]] {
        bench.kvops(&["jwks", "revoke", nobody, "--vault", VAULT, "--name", "signer", "--issuer", ISSUER]).ends_with(2);
    }
}

#[test]
fn an_application_without_any_key_signs_in_with_a_token_of_the_issuer() {
    let mut bench = Bench::tame();
    version(&bench);
    let app = bench.application("worker");
    let trust = json!({
        "name": "own-issuer", "issuer": ISSUER, "subject": "worker", "audiences": ["api://AzureADTokenExchange"],
    });
    bench.graph("POST", &format!("/v1.0/applications/{}/federatedIdentityCredentials", app.id), &trust);
    later(&bench, Duration::minutes(10));
    // What Entra does by itself: it reads what the issuer publishes.
    bench.kvops(&jwks("build", &["--out", "site"])).ends_with(0);
    let jwks_json: Value = serde_json::from_slice(&fs::read(bench.file("site/jwks.json")).unwrap()).unwrap();
    bench.lab().control("POST", "/issuers", &json!({ "issuer": ISSUER, "jwks": jwks_json })).unwrap();
    fs::write(bench.file("claims.json"), r#"{"sub":"worker"}"#).unwrap();
    let more = ["--audience", "api://AzureADTokenExchange", "--claims", "claims.json"];
    let token = bench.kvops(&jwks("issue", &more)).ends_with(0).stdout;
    fs::write(bench.file("token"), token.trim()).unwrap();
    // From here on the program is the workload, which has the token and nothing else.
    let token_file = bench.file("token").display().to_string();
    bench.set("AZURE_CLIENT_SECRET", "");
    bench.set("AZURE_CLIENT_ID", &app.app_id);
    bench.set("AZURE_FEDERATED_TOKEN_FILE", &token_file);
    bench.set("KVOPS_CREDENTIAL", "wif");
    let mark = bench.mark();
    let ran = bench.kvops(&["cert", "list", "--vault", VAULT, "-o", "json"]);
    // Signed in, and then refused for lack of a role: Entra has accepted the token.
    assert_eq!(ran.exit, 3, "{}", ran.stderr);
    assert!(
        ran.error()["identity"].to_string().contains(&app.app_id) || ran.stderr.contains("needs"),
        "{}",
        ran.stderr
    );
    let entra = bench.asked(mark, Service::Entra);
    assert!(entra.iter().any(|entry| entry.status == Some(200) && entry.route.ends_with("/token")), "{entra:?}");
    assert_eq!(bench.keys_of(&app), Vec::<Value>::new(), "it has no key at all");
    // Another subject is nobody.
    fs::write(bench.file("token"), "e30.e30.x").unwrap();
    bench.kvops(&["cert", "list", "--vault", VAULT]).ends_with(3);
}
