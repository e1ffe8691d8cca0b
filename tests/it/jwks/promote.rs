//! What the world sees, and the key that waits for it.

use std::fs;

use serde_json::Value;
use serde_json::json;
use time::Duration;

use super::Publisher;
use super::jwks;
use super::later;
use super::version;
use crate::support::Bench;

#[test]
fn a_key_is_promoted_once_the_world_has_shown_it_for_as_long_as_verifiers_keep_what_they_read() {
    let bench = Bench::tame();
    let first = version(&bench);
    later(&bench, Duration::days(30));
    let stale = Publisher::start(&bench, &[]);
    let second = version(&bench);
    // A publisher that has not read the new version does not show it.
    let verified = bench.kvops(&jwks("verify", &["--url", &stale.url, "-o", "json"])).ends_with(1).json();
    let bad: Vec<&Value> =
        verified["checks"].as_array().unwrap().iter().filter(|check| check["outcome"] == "bad").collect();
    assert_eq!(bad.len(), 1, "{verified}");
    assert_eq!(bad[0]["check"], "the key that will sign");
    bench.kvops(&jwks("promote", &["--url", &stale.url, "--no-wait"])).ends_with(7);
    let publisher = Publisher::start(&bench, &[]);
    bench.kvops(&jwks("verify", &["--url", &publisher.url])).ends_with(0);
    let plan = |url: &str| {
        let mark = bench.mark();
        let plan = bench.kvops(&jwks("promote", &["--url", url, "--plan", "-o", "json"])).ends_with(0).json();
        assert!(!bench.routes(mark).keys().any(|route| route.starts_with("PATCH")), "a plan tags nothing");
        plan
    };
    assert_eq!(plan(&stale.url)["next"], "wait until the address shows it");
    let planned = plan(&publisher.url);
    assert_eq!((&planned["kid"], planned["not_before"].is_string()), (&json!(second.as_str()), true), "{planned}");
    assert!(planned["next"].as_str().unwrap().starts_with("tag it as shown"), "{planned}");
    let early =
        bench.kvops(&jwks("promote", &["--url", &publisher.url, "--no-wait", "-o", "json"])).ends_with(7).error();
    assert!(early["message"].as_str().unwrap().contains("verifiers keep what they read for 25h"), "{early}");
    let before = bench.lab().control("GET", "/clock", &Value::Null).unwrap()["now"].clone();
    let promoted = bench.kvops(&jwks("promote", &["--url", &publisher.url, "-o", "json"])).ends_with(0).json();
    assert_eq!(promoted["kid"], second.as_str());
    let moment = |value: &Value| {
        time::OffsetDateTime::parse(value.as_str().unwrap(), &time::format_description::well_known::Rfc3339).unwrap()
    };
    let after = bench.lab().control("GET", "/clock", &Value::Null).unwrap()["now"].clone();
    assert!(moment(&after) - moment(&before) >= Duration::hours(24), "it has waited for a day");
    // It signs when the windows allow, and not because of a tag.
    let signs_from = moment(&promoted["signs_from"]);
    let view = bench.kvops(&jwks("status", &["-o", "json"])).ends_with(0).json();
    assert_eq!(view["active"], first.as_str());
    let made = moment(&view["keys"][0]["created_at"]);
    assert_eq!(signs_from - made, Duration::hours(49));
    let again = bench.kvops(&jwks("promote", &["--url", &publisher.url, "-o", "json"])).ends_with(0).json();
    assert_eq!(again["unchanged"], true);
    assert_eq!(plan(&publisher.url)["next"], "nothing: it is promoted");
    later(&bench, Duration::hours(25));
    let view = bench.kvops(&jwks("status", &["-o", "json"])).ends_with(0).json();
    assert_eq!(view["active"], second.as_str());
    bench.kvops(&jwks("promote", &["--url", &publisher.url])).ends_with(7);
}

#[test]
fn a_foreign_key_among_the_published_ones_is_found() {
    let bench = Bench::tame();
    version(&bench);
    // Published by a vault that has one key more than ours.
    let publisher = Publisher::start(&bench, &[]);
    let only = bench.vault("GET", "/certificates/signer", &Value::Null);
    let kid = only["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let newer = version(&bench);
    bench.vault("PATCH", &format!("/certificates/signer/{kid}"), &json!({ "attributes": { "enabled": false } }));
    let verified = bench.kvops(&jwks("verify", &["--url", &publisher.url, "-o", "json"])).ends_with(1).json();
    let checks: Vec<&str> = verified["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["outcome"] == "bad")
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    assert_eq!(checks, ["the key that signs", "foreign key"], "{newer} is not shown, {kid} still is: {verified}");
    assert!(!fs::exists(bench.file("site")).unwrap(), "looking writes nothing");
}
