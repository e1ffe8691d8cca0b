//! Errors that are known from public issues alone: status, codes and sentences.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::json;

use super::super::fixture::folder;
use super::Replay;
use super::VAULT;
use super::wording;

/// The reported error with this inner code.
fn reported(inner: &str) -> Option<Value> {
    let file = std::fs::read(folder()?.join("errors/reported-in-issues.json")).unwrap();
    let all: Value = serde_json::from_slice(&file).unwrap();
    let rows = all
        .as_array()
        .cloned()
        .unwrap_or_else(|| all.as_object().unwrap().values().find_map(Value::as_array).cloned().unwrap());
    let found = rows.into_iter().find(|row| row["body"]["error"]["innererror"]["code"] == inner);
    Some(found.unwrap_or_else(|| panic!("{inner} is not among the reported errors")))
}

/// Compares an answer with the report, in which names stand in angle brackets.
fn assert_as_reported(report: &Value, status: u16, answer: &Value) {
    assert_eq!(status, report["status"]);
    let (expected, actual) = (&report["body"]["error"], &answer["error"]);
    assert_eq!((&actual["code"], &actual["innererror"]), (&expected["code"], &expected["innererror"]));
    let mut expected = expected["message"].as_str().unwrap().to_owned();
    for (name, value) in [
        ("<guid>", "GUID"),
        ("<tenant>", "GUID"),
        ("<sub>", "GUID"),
        ("<rg>", "lab"),
        ("<vault>", VAULT),
        ("<name>", "a"),
    ] {
        expected = expected.replace(name, value);
    }
    assert_eq!(wording::present(actual["message"].as_str().unwrap()), expected);
}

#[test]
fn a_role_that_is_missing_is_told_in_the_reported_words() {
    let Some(report) = reported("ForbiddenByRbac") else { return };
    let replay = Replay::start(&[]);
    let vault = json!({"name": VAULT, "location": "canadacentral"});
    replay.lab.control("POST", "/vaults", &vault).unwrap();
    let (status, _, answer) = replay.send("GET", "/secrets/a?api-version=7.4", &Value::Null, true);
    assert_as_reported(&report, status, &answer);
}

#[test]
fn a_disabled_key_is_told_in_the_reported_words() {
    let Some(report) = reported("KeyDisabled") else { return };
    let replay = Replay::start(&[]);
    let policy = json!({"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}});
    replay.send("POST", "/certificates/a/create?api-version=7.4", &json!({ "policy": policy }), true);
    let disable = json!({"attributes": {"enabled": false}});
    let (status, _, _) = replay.send("PATCH", "/certificates/a?api-version=7.4", &disable, true);
    assert_eq!(status, 200);
    let sign = json!({"alg": "RS256", "value": URL_SAFE_NO_PAD.encode([0; 32])});
    let (status, _, answer) = replay.send("POST", "/keys/a/sign?api-version=7.4", &sign, true);
    assert_as_reported(&report, status, &answer);
}
