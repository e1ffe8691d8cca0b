//! `kvops why`: from whatever somebody holds of a key to where it is, who trusts it and what breaks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kvops::domain::Thumbprint;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;
use crate::support::hardened;

fn provisioned() -> (Bench, App, Value) {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let report = bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]);
    let report = report.ends_with(0).json();
    (bench, app, report)
}

impl Bench {
    fn why(&self, key: &str) -> Ran {
        self.kvops(&["why", key, "--output", "json"])
    }
}

/// A certificate of a key that is in no vault, as anybody may write it beside the others.
fn attach_foreign(bench: &Bench, app: &App) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["foreign".to_owned()]).unwrap();
    let key = STANDARD.encode(made.cert.der());
    let mut keys = bench.keys_of(app);
    keys.push(json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": key }));
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": keys }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    Thumbprint::sha1(made.cert.der()).hex()
}

#[test]
fn each_spelling_of_a_thumbprint_and_the_key_id_lead_to_the_same_answer() {
    let (bench, app, report) = provisioned();
    let hex = report["certificate"]["thumbprint"].as_str().unwrap();
    let sha1: Thumbprint = hex.parse().unwrap();
    let sha256 = report["certificate"]["thumbprint_sha256"].as_str().unwrap();
    let colons: Vec<String> = sha1.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let key_id = report["attachment"]["key_id"].as_str().unwrap().to_owned();
    let spellings = [
        hex.to_owned(),
        hex.to_lowercase(),
        colons.join(":"),
        sha1.base64(),
        sha1.base64url(),
        sha256.to_owned(),
        key_id.clone(),
    ];
    for spelling in spellings {
        let said = bench.why(&spelling).ends_with(0).json();
        let [place] = said["places"].as_array().unwrap().as_slice() else { panic!("{spelling}: {said}") };
        assert_eq!((&place["vault"], &place["name"]), (&json!(VAULT), &json!("billing")), "{spelling}");
        assert_eq!((&place["isCurrent"], &place["enabled"]), (&json!(true), &json!(true)));
        assert_eq!(place["custody"], "nonexportable");
        let [trust] = said["trustedBy"].as_array().unwrap().as_slice() else { panic!("{spelling}: {said}") };
        assert_eq!((&trust["appId"], &trust["keyId"]), (&json!(app.app_id), &json!(key_id)), "{spelling}");
        assert_eq!((&trust["claim"], &trust["purpose"]), (&json!("same-certificate"), &json!("sign-in")));
        assert!(trust["lastUsed"].is_string(), "the proof is in the report: {said}");
        assert!(said["then"][0].as_str().unwrap().contains("nobody can sign in as it any more"), "{said}");
        assert_eq!(said["certificate"]["sha1"], hex);
        assert_eq!(said["missing"], json!([]));
    }
}

#[test]
fn what_is_left_when_a_key_ends_is_counted() {
    let (bench, app, report) = provisioned();
    let hex = report["certificate"]["thumbprint"].as_str().unwrap();
    let foreign = attach_foreign(&bench, &app);
    let path = format!("/v1.0/applications/{}/addPassword", app.id);
    let end = kvops::domain::Clock::now(&bench.lab().clock()) + time::Duration::days(700);
    let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();
    let secret =
        bench.graph("POST", &path, &json!({ "passwordCredential": { "displayName": "s", "endDateTime": end } }));
    let said = bench.why(hex).ends_with(0).json();
    let others = &said["trustedBy"][0]["others"];
    assert_eq!(others, &json!({ "certificates": 1, "secrets": 1, "federated": 0 }), "{said}");
    assert!(
        said["then"][0].as_str().unwrap().ends_with("still has 1 certificate, 1 secret that last longer"),
        "{said}"
    );

    let said = bench.why(&foreign).ends_with(0).json();
    assert_eq!(said["places"], json!([]));
    assert_eq!(said["certificate"]["sha1"], foreign);
    let said = bench.why(secret["keyId"].as_str().unwrap()).ends_with(0).json();
    assert_eq!((&said["trustedBy"][0]["purpose"], &said["places"]), (&json!("secret"), &json!([])), "{said}");
}

#[test]
fn a_key_that_nobody_trusts_is_found_in_its_vault_even_by_sha256_and_as_an_older_version() {
    let (bench, ..) = provisioned();
    bench.certificate("loose", &hardened("CN=loose"), &json!({}));
    let first = bench.vault("GET", "/certificates/loose", &Value::Null);
    bench.certificate("loose", &hardened("CN=loose"), &json!({}));
    let version = first["id"].as_str().unwrap().rsplit('/').next().unwrap();
    let der = STANDARD.decode(first["cer"].as_str().unwrap()).unwrap();
    for key in [Thumbprint::sha1(&der).hex(), Thumbprint::sha256(&der).hex()] {
        let said = bench.why(&key).ends_with(0).json();
        let [place] = said["places"].as_array().unwrap().as_slice() else { panic!("{key}: {said}") };
        assert_eq!((&place["version"], &place["isCurrent"]), (&json!(version), &json!(false)), "{said}");
        assert_eq!((&said["trustedBy"], &said["then"]), (&json!([]), &json!([])));
    }
}

#[test]
fn a_deleted_key_is_told_with_the_way_back() {
    let (bench, _, report) = provisioned();
    bench.delete("billing");
    let said = bench.why(report["certificate"]["thumbprint"].as_str().unwrap()).ends_with(0).json();
    assert_eq!(said["places"][0]["isDeleted"], true, "{said}");
    assert!(said["places"][0]["purgeAt"].is_string());
    assert!(said["next"].to_string().contains("--recover"), "{said}");
}

#[test]
fn a_label_that_lies_is_told_apart_from_the_key() {
    let bench = Bench::with(LabOptions { seed: Seed::Small, ..LabOptions::default() });
    let filter = "$filter=displayName%20eq%20'ghost-signer'&$select=keyCredentials";
    let found = bench.graph("GET", &format!("/v1.0/applications?{filter}"), &Value::Null);
    let label = found["value"][0]["keyCredentials"][0]["customKeyIdentifier"].as_str().unwrap();
    let said = bench.why(label).ends_with(0).json();
    assert_eq!(said["places"][0]["isSameCertificate"], true, "{said}");
    let [trust] = said["trustedBy"].as_array().unwrap().as_slice() else { panic!("{said}") };
    assert_eq!((&trust["name"], &trust["claim"]), (&json!("ghost-signer"), &json!("mislabelled")));
    assert!(said["then"][0].as_str().unwrap().contains("only the label"), "{said}");
    let theirs = bench.why(trust["keyId"].as_str().unwrap()).ends_with(0).json();
    assert_eq!((&theirs["places"], &theirs["trustedBy"][0]["claim"]), (&json!([]), &json!("same-certificate")));
}

#[test]
fn what_could_not_be_read_leaves_the_answer_open_and_is_named() {
    let (mut bench, _, report) = provisioned();
    let hex = report["certificate"]["thumbprint"].as_str().unwrap().to_owned();
    bench.lab().control("POST", "/vaults", &json!({ "name": "other-kv", "mode": "rbac" })).unwrap();
    let reader = bench.identity("responder");
    bench.give_graph(&reader, "Application.Read.All");
    bench.give_role(&reader, "Key Vault Reader");
    bench.permit(&json!({ "principal": reader.principal, "role": "Reader", "scope": "subscription" }));
    bench.work_as(&reader);
    let ran = bench.kvops(&["why", &hex, "--output", "table"]).ends_with(5);
    assert!(ran.stdout.contains("unknown") && ran.stdout.contains("when it was last used"), "{}", ran.stdout);
    let said = bench.why(&hex).ends_with(5).json();
    let missing: Vec<&str> =
        said["missing"].as_array().unwrap().iter().map(|one| one["evidence"].as_str().unwrap()).collect();
    assert!(missing.contains(&"certificates") && missing.contains(&"credential-activity"), "{said}");
    assert_eq!(said["places"][0]["name"], "billing", "what was seen is told all the same");
}

#[test]
fn a_spelling_that_looks_like_a_flag_is_a_thumbprint_all_the_same() {
    let bench = Bench::tame();
    let digest = "-qvo".to_owned() + &"A".repeat(23);
    let said = bench.why(&digest).ends_with(0).json();
    assert_eq!(said["sought"]["thumbprint"], digest.parse::<Thumbprint>().unwrap().hex());
    bench.kvops(&["why", "--outputs", "json", &digest]).ends_with(2);
}

#[test]
fn text_that_is_no_key_is_refused_before_anybody_is_asked() {
    let bench = Bench::tame();
    let mark = bench.mark();
    for text in ["billing", "abcdef", "", "zz:zz", "7b0b8a3e-7d2e-4c3f-9d4b"] {
        let ran = bench.kvops(&["why", text]).ends_with(2);
        assert!(ran.stderr.contains("neither a keyId") || text.is_empty(), "{text}: {}", ran.stderr);
    }
    assert_eq!(bench.mark(), mark, "somebody was asked");
}

#[test]
fn a_key_that_nobody_knows_is_told_so_and_only_readings_are_made() {
    let (bench, ..) = provisioned();
    let writes = bench.lab().counts();
    let said = bench.why(&"A".repeat(40)).ends_with(0).json();
    assert_eq!((&said["places"], &said["trustedBy"]), (&json!([]), &json!([])));
    let after = bench.lab().counts();
    assert_eq!((after.writes, after.sign, after.secrets), (writes.writes, writes.sign, writes.secrets));
    let table = bench.kvops(&["why", &"A".repeat(40), "--output", "table"]).ends_with(0).stdout;
    assert!(table.contains("no vault: all were read") && table.contains("nobody that was read"), "{table}");
}

#[test]
fn an_exported_inventory_answers_too() {
    let (bench, _, report) = provisioned();
    let file = bench.file("tenant.ndjson").display().to_string();
    bench.kvops(&["audit", "--exit-zero", "--export", &file]).ends_with(0);
    let mark = bench.mark();
    let hex = report["certificate"]["thumbprint"].as_str().unwrap();
    let said = bench.kvops(&["why", hex, "--input", &file, "-o", "json"]).ends_with(0).json();
    assert_eq!(said["places"][0]["name"], "billing", "{said}");
    assert_eq!(bench.mark(), mark);
}

#[test]
fn every_command_that_is_given_next_parses() {
    let (bench, app, report) = provisioned();
    let foreign = attach_foreign(&bench, &app);
    for key in [report["certificate"]["thumbprint"].as_str().unwrap(), &foreign] {
        let said = bench.why(key).ends_with(0).json();
        let next = said["next"].as_array().unwrap();
        assert!(!next.is_empty());
        for command in next {
            let mut words: Vec<&str> = command.as_str().unwrap().split_whitespace().skip(1).collect();
            words.push("--help");
            bench.kvops(&words).ends_with(0);
        }
    }
}
