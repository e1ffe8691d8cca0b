//! The same tenant on good days and on bad ones: what an audit says of it is the same, byte for byte.

use kvops::domain::Clock as _;
use kvops::domain::SystemClock;
use kvops::lab::LabClock;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;
use time::OffsetDateTime;

use crate::support::Bench;

/// A tenant of some pages, whose vaults hold the keys of a part of its applications.
const SEED: Seed = Seed::Scale { applications: 300, principals: 300, vaults: 3, certificates: 20 };

/// Lists out of order, with objects that come twice, links that lead nowhere and links that expire.
const UNRULY: &str = r#"{ "page_size": 40, "empty_pages": true, "shuffle_pages": true, "duplicates": 30,
    "lost_page_tokens": 3, "page_token_lifetime": 300 }"#;

fn lab(now: OffsetDateTime) -> Bench {
    let bench = Bench::with(LabOptions { seed: SEED, clock: LabClock::frozen(now), ..LabOptions::default() });
    bench.settings(&json!({ "keys_in_lists": true }));
    bench
}

/// The report without when it was read and how much work that was.
fn judged(bench: &Bench) -> String {
    let ran = bench.kvops(&["audit", "--fail-on", "none", "--format", "json"]).ends_with(0);
    let mut report = ran.json();
    assert_eq!(report["coverage"]["gaps"], json!([]), "whatever was turned away was asked again");
    report["coverage"] = Value::Null;
    report["header"]["collectedAt"] = Value::Null;
    serde_json::to_string_pretty(&report).unwrap()
}

#[track_caller]
fn assert_same(quiet: &str, other: &str) {
    let differing: Vec<_> = quiet.lines().zip(other.lines()).filter(|(one, other)| one != other).take(5).collect();
    assert!(quiet == other, "{differing:#?}");
}

#[test]
fn what_is_found_does_not_depend_on_how_the_services_answer() {
    let now = SystemClock.now();
    let quiet = judged(&lab(now));
    let found = serde_json::from_str::<Value>(&quiet).unwrap();
    assert!(found["findings"].as_array().unwrap().len() > 100, "a tenant without faults would prove nothing");
    for percent in [0, 5, 30] {
        let bench = lab(now);
        bench.settings(&serde_json::from_str(UNRULY).unwrap());
        bench.settings(&json!({ "throttle_percent": percent }));
        // Tokens come to their end in the middle of the run, for each service at another moment.
        let expired = json!({ "status": 401, "headers": { "WWW-Authenticate": "Bearer error=\"invalid_token\"" } });
        let ends = ["graph", "keyvault", "arm"].map(|service| {
            bench.fault(&json!({ "match": { "service": service }, "result": expired, "skip": 3, "times": 1 }))
        });
        let mark = bench.mark();
        assert_same(&quiet, &judged(&bench));
        assert!(ends.iter().all(|end| bench.hits(*end) == 1), "each service has refused a token");
        let log = bench.lab().requests_since(mark);
        let turned_away = log.iter().filter(|entry| matches!(entry.status, Some(429 | 503))).count();
        assert_eq!(turned_away > 0, percent > 0, "{turned_away} of {}", log.len());
    }
}
