//! `kvops cert`: what a certificate is, how that is known, and who trusts it.

use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::hardened;
use crate::token::provisioned;

const INFO: [&str; 8] = ["cert", "info", "--vault", VAULT, "--name", "billing", "--output", "json"];

#[test]
fn a_certificate_is_shown_with_its_exportability_and_how_that_is_known() {
    let bench = Bench::tame();
    let (app, certificate) = provisioned(&bench);
    let writes = bench.lab().counts().writes;
    let info = bench.kvops(&INFO).ends_with(0).json();
    assert_eq!(info["exportable"], false);
    assert!(info["exportable_evidence"].as_str().unwrap().contains("exportable"), "{info}");
    assert_eq!(info["is_hardened"], true);
    for member in ["key_id", "version", "thumbprint", "x5t", "x5t#S256", "thumbprint_sha256", "thumbprint_base64"] {
        assert_eq!(info[member], certificate[member], "{member}");
    }
    assert_eq!(
        (&info["trusted_by"][0]["trusts"], &info["trusted_by"][0]["application"]),
        (&json!("yes"), &json!(app.id))
    );
    assert_eq!(info["key_operations"], json!(["sign", "verify"]));
    assert_eq!(bench.lab().counts().writes, writes);

    let table =
        bench.kvops(&["cert", "info", "--vault", VAULT, "--name", "billing", "-o", "table"]).ends_with(0).stdout;
    for text in ["exportable", "false", "x5t#S256", "trusted by", "hardened"] {
        assert!(table.contains(text), "{text} is missing:\n{table}");
    }
}

#[test]
fn a_weak_certificate_is_shown_with_each_gap() {
    let bench = Bench::tame();
    let mut policy = hardened("CN=weak");
    policy["key_props"]["exportable"] = json!(true);
    policy["x509_props"]["key_usage"] = json!(["digitalSignature", "keyEncipherment"]);
    bench.certificate("billing", &policy, &Value::Null);
    let info = bench.kvops(&INFO).ends_with(0).json();
    assert_eq!((&info["exportable"], &info["is_hardened"]), (&json!(true), &json!(false)));
    let rules: Vec<_> = info["gaps"].as_array().unwrap().iter().map(|gap| gap["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"KVO201") && rules.contains(&"KVO211"), "{rules:?}");
}

#[test]
fn a_tag_says_where_to_look_and_the_directory_says_who_trusts() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let other = bench.application("shipping");
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": [] }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let info = bench.kvops(&[&INFO[..], &["--app", "shipping"]].concat()).ends_with(0).json();
    let trusts: Vec<_> = info["trusted_by"].as_array().unwrap().iter().map(|trust| &trust["trusts"]).collect();
    assert_eq!(trusts, ["no", "no"], "the tag was believed");
    assert_eq!(info["trusted_by"][1]["application"], other.id.as_str());
    let info = bench.kvops(&[&INFO[..], &["--app", "nobody"]].concat()).ends_with(0).json();
    assert_eq!(info["trusted_by"][1]["trusts"], "unknown");
}

#[test]
fn certificates_and_versions_are_listed_over_all_pages() {
    let bench = Bench::tame();
    assert!(
        bench.kvops(&["cert", "list", "--vault", VAULT, "-o", "table"]).ends_with(0).stdout.contains("no certificates")
    );
    bench.settings(&json!({ "page_size": 2, "empty_pages": true }));
    let policy = json!({ "issuer": { "name": "Unknown" }, "key_props": { "kty": "EC", "crv": "P-256" }, "x509_props": { "subject": "CN=x" } });
    for number in 0..7 {
        bench.vault("POST", &format!("/certificates/c{number}/create"), &json!({ "policy": policy }));
    }
    let listed = bench.kvops(&["cert", "list", "--vault", VAULT, "-o", "json"]).ends_with(0).json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);

    bench.certificate("billing", &hardened("CN=b"), &Value::Null);
    bench.certificate("billing", &hardened("CN=b"), &Value::Null);
    let versions =
        bench.kvops(&["cert", "list", "--vault", VAULT, "--name", "billing", "-o", "json"]).ends_with(0).json();
    assert_eq!(versions.as_array().unwrap().len(), 2);
    bench.kvops(&["cert", "list", "--vault", VAULT, "--name", "nothing", "-o", "json"]).ends_with(2);
    bench.kvops(&["cert", "info", "--vault", VAULT, "--name", "nothing", "-o", "json"]).ends_with(2);
}

#[test]
fn looking_needs_no_directory_and_never_asks_for_a_secret() {
    let mut bench = Bench::tame();
    bench.certificate("billing", &hardened("CN=b"), &Value::Null);
    let identity = bench.identity("reader");
    bench.give_role(&identity, "Key Vault Reader");
    bench.work_as(&identity);
    let mark = bench.mark();
    bench.kvops(&INFO).ends_with(0);
    bench.kvops(&["cert", "list", "--vault", VAULT]).ends_with(0);
    assert!(bench.asked(mark, Service::Graph).is_empty());
    assert_eq!(bench.lab().counts().secrets, 0);
}
