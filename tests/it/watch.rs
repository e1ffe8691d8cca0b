//! `kvops watch`: one shot for a schedule, from the first look to the end of the overlap.

use std::fs;

use kvops::domain::Clock as _;
use serde_json::Value;
use serde_json::json;
use time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::App;
use crate::support::Bench;
use crate::support::VAULT;

/// Applications of a manifest, each with a certificate of its own name, made at one time.
fn manifest(names: &[&str]) -> (Bench, Vec<App>) {
    let bench = Bench::tame();
    let apps: Vec<App> = names.iter().map(|name| bench.application(name)).collect();
    for name in names {
        bench.kvops(&["provision", "--app", name, "--vault", VAULT, "--name", name]).ends_with(0);
    }
    let path = bench.file("kvops.toml");
    let mut config = fs::read_to_string(&path).unwrap();
    for (name, app) in names.iter().zip(&apps) {
        config.push_str(&format!(
            "\n[app.{name}]\napp = \"{}\"\nvault = \"{VAULT}\"\ncertificate = \"{name}\"\n",
            app.app_id
        ));
    }
    fs::write(path, config).unwrap();
    (bench, apps)
}

fn watch(bench: &Bench, more: &[&str], exit: i32) -> Value {
    let arguments: Vec<&str> = ["watch", "--output", "json"].into_iter().chain(more.iter().copied()).collect();
    bench.kvops(&arguments).ends_with(exit).json()
}

fn states(watched: &Value) -> Vec<&str> {
    watched["certificates"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect()
}

fn moment(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
}

#[test]
fn nothing_is_touched_before_its_time_and_the_run_says_when_that_is() {
    let (bench, _) = manifest(&["billing", "payroll"]);
    let writes = bench.lab().counts().writes;
    let watched = watch(&bench, &[], 0);
    assert_eq!(states(&watched), ["not-due", "not-due"]);
    assert_eq!(bench.lab().counts().writes, writes);
    let now = bench.lab().clock().now();
    let rows = watched["certificates"].as_array().unwrap();
    for row in rows {
        let days = (moment(&row["next"]) - now).whole_days();
        // Two thirds of a year, and up to a twentieth more.
        assert!((242..263).contains(&days), "{days}");
    }
    assert_ne!(rows[0]["next"], rows[1]["next"], "each has a day of its own");
    assert_eq!(moment(&watched["next"]), rows.iter().map(|row| moment(&row["next"])).min().unwrap());
    assert_eq!(watch(&bench, &[], 0)["next"], watched["next"], "an hour later it is the same day");
}

#[test]
fn what_is_due_is_rotated_and_finished_by_the_runs_of_the_following_weeks() {
    let (bench, apps) = manifest(&["billing"]);
    bench.lab().clock().advance(Duration::days(265));
    let writes = bench.lab().counts().writes;
    let planned = watch(&bench, &["--plan"], 0);
    assert_eq!(states(&planned), ["due"]);
    assert!(planned["certificates"][0]["plan"]["steps"].as_array().unwrap().len() > 3);
    assert_eq!(bench.lab().counts().writes, writes, "a plan writes nothing");

    let begun = watch(&bench, &[], 0);
    assert_eq!(states(&begun), ["soaking"]);
    assert_eq!(bench.keys_of(&apps[0]).len(), 2);
    let wait = moment(&begun["next"]) - bench.lab().clock().now();
    assert!((13..=14).contains(&wait.whole_days()), "{wait}");

    // A run the next day changes nothing.
    bench.lab().clock().advance(Duration::days(1));
    let writes = bench.lab().counts().writes;
    assert_eq!(states(&watch(&bench, &[], 0)), ["soaking"]);
    assert_eq!(bench.lab().counts().writes, writes);

    bench.lab().clock().advance(Duration::days(14));
    assert_eq!(states(&watch(&bench, &[], 0)), ["rotated"]);
    assert_eq!(bench.keys_of(&apps[0]).len(), 1);
    assert_eq!(states(&watch(&bench, &[], 0)), ["not-due"]);
    bench.kvops(&["ledger", "verify"]).ends_with(0);
}

#[test]
fn a_window_in_days_counts_from_the_end() {
    let (bench, _) = manifest(&["billing"]);
    bench.lab().clock().advance(Duration::days(265));
    assert_eq!(states(&watch(&bench, &["--within", "30d", "--plan"], 0)), ["not-due"]);
    bench.lab().clock().advance(Duration::days(80));
    assert_eq!(states(&watch(&bench, &["--within", "30d", "--plan"], 0)), ["due"]);
}

#[test]
fn one_that_fails_keeps_no_other_waiting_and_the_shell_learns_of_it() {
    let (bench, apps) = manifest(&["billing", "payroll"]);
    bench.lab().clock().advance(Duration::days(265));
    // Somebody has taken the certificate off the application: there is nothing to rotate.
    bench.graph("PATCH", &format!("/v1.0/applications/{}", apps[0].id), &json!({ "keyCredentials": [] }));
    bench.lab().clock().advance(Duration::minutes(10));
    let watched = watch(&bench, &[], 5);
    assert_eq!(states(&watched), ["failed", "soaking"]);
    assert!(watched["certificates"][0]["error"]["message"].is_string(), "{watched}");
}

#[test]
fn a_vault_is_watched_by_the_tags_of_its_certificates_and_each_certificate_once() {
    let (bench, _) = manifest(&["billing"]);
    bench.application("payroll");
    bench.kvops(&["provision", "--app", "payroll", "--vault", VAULT, "--name", "payroll"]).ends_with(0);
    bench.certificate("somebody-elses", &crate::support::hardened("CN=web"), &json!({}));
    let watched = watch(&bench, &["--vault", VAULT], 0);
    let names: Vec<_> = watched["certificates"].as_array().unwrap().iter().map(|row| &row["certificate"]).collect();
    assert_eq!(names, ["billing", "payroll"]);
}

#[test]
fn what_has_ended_is_warned_about_and_nothing_to_watch_is_an_error() {
    let (bench, _) = manifest(&["billing"]);
    bench.lab().clock().advance(Duration::days(362));
    let ran = bench.kvops(&["watch", "--plan"]).ends_with(0);
    assert!(ran.stderr.contains("critical:"), "{ran:?}");
    Bench::tame().kvops(&["watch"]).ends_with(2);
}

#[test]
fn a_person_reads_one_line_for_each_certificate_and_when_to_come_back() {
    let (bench, _) = manifest(&["billing"]);
    let said = bench.kvops(&["watch", "--output", "table"]).ends_with(0).stdout;
    assert!(said.starts_with(" not due billing (contoso-kv/billing): until 20"), "{said}");
    assert!(said.trim_end().ends_with("a run each day is enough"), "{said}");
    bench.lab().clock().advance(Duration::days(265));
    let planned = bench.kvops(&["watch", "--plan", "--output", "table"]).ends_with(0).stdout;
    assert!(planned.contains("     due billing") && planned.contains("create a new version in the vault"), "{planned}");
    let begun = bench.kvops(&["watch", "--output", "table"]).ends_with(0).stdout;
    assert!(begun.starts_with(" soaking billing (contoso-kv/billing): both keys are trusted until 20"), "{begun}");
}
