use super::*;
use crate::audit::Report;
use crate::report::{Format, Options, sample};

fn snapshot(report: &Report) -> Snapshot {
    Snapshot::read("report.json", sample::written_of(report, Format::Json).as_bytes()).unwrap()
}

fn table(before: &Report, after: &Report) -> String {
    let (before, after) = (snapshot(before), snapshot(after));
    let mut out = Vec::new();
    Diff::new(&before, &after).unwrap().write_table(&Options::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn counts(before: &Report, after: &Report) -> [usize; 4] {
    let (before, after) = (snapshot(before), snapshot(after));
    let diff = Diff::new(&before, &after).unwrap();
    [diff.new.len(), diff.fixed.len(), diff.undecided.len(), diff.unchanged.len()]
}

/// A report whose every object was decided.
fn decided() -> Report {
    let mut report = sample::report();
    report.unknowns.clear();
    report
}

#[test]
fn new_fixed_and_unchanged_are_told_apart_by_fingerprint_alone() {
    let (mut before, mut after) = (decided(), decided());
    let mut findings: Vec<_> = before.findings.iter().collect();
    before.findings.replace(findings[1..].to_vec());
    findings.truncate(2);
    // Wording is no part of a fault.
    findings[1].details.message = "said otherwise".into();
    after.findings.replace(findings);
    assert_eq!(counts(&before, &after), [1, 1, 0, 1]);
    assert_eq!(counts(&after, &before), [1, 1, 0, 1]);
    assert_eq!(counts(&after, &after), [0, 0, 0, 2]);
    insta::assert_snapshot!(table(&before, &after), @r#"
    before     2026-11-21T12:00:00Z, profile default, coverage 93.75 %, 2 findings
    after      2026-11-21T12:00:00Z, profile default, coverage 93.75 %, 2 findings
    findings   1 new  1 fixed  1 unchanged

    new
      critical KVO101 a client secret lives 730 days, past the limit of 180
               application =cmd|' /C calc'!A0 \u{1b}[2J<script>alert(1)</script> |
               [x](javascript:1) @everyone\u{d}\u{a}::error::%0A]]>
               \u{202e}gnp;##vso[task.complete…
               (7b0f0000-0000-4000-8000-000000000001),
               aaaa0000-0000-4000-8000-000000000001
               → kvops provision --app 7b0f0000-0000-4000-8000-000000000001 \
                   --vault VAULT --name NAME

    fixed
      medium   KVO201 whoever may read the vault's secrets can download the private
                      key
               certificate kv-billing/billing, 0123abcd
    "#);
}

#[test]
fn what_was_not_looked_at_again_is_not_fixed() {
    let before = decided();
    let mut after = sample::clean();
    assert_eq!(counts(&before, &after), [0, 3, 0, 0]);
    // The certificate's vault could not be read this time.
    let mut unread = sample::unknown();
    unread.subject.id = "kv-billing".into();
    after.unknowns = vec![unread];
    assert_eq!(counts(&before, &after), [0, 2, 1, 0]);
    // The rule did not run.
    after.tallies.retain(|tally| tally.rule.id != "KVO101");
    assert_eq!(counts(&before, &after), [0, 0, 3, 0]);
    // Only some applications were asked for.
    let mut narrowed = sample::clean();
    narrowed.header.is_narrowed_to_applications = true;
    assert_eq!(counts(&before, &narrowed), [0, 0, 3, 0]);
}

#[test]
fn only_what_is_new_and_bad_enough_and_not_waived_fails() {
    let (before, after) = (snapshot(&sample::clean()), snapshot(&decided()));
    let diff = Diff::new(&before, &after).unwrap();
    let outcome = |fail_on: &str| diff.verdict(fail_on.parse().unwrap());
    assert_eq!(outcome("critical").reasons, ["1 new finding"]);
    assert_eq!(outcome("medium").reasons, ["2 new findings"]);
    assert_eq!(outcome("none").outcome, Outcome::Clean);
    let same = Diff::new(&after, &after).unwrap();
    assert_eq!(same.verdict(FailOn::New).outcome, Outcome::Clean);
}

#[test]
fn reports_of_two_tenants_say_nothing_of_each_other() {
    let mut other = sample::report();
    other.header.tenant = "00000000-0000-4000-8000-000000000009".parse().unwrap();
    let (before, after) = (snapshot(&sample::report()), snapshot(&other));
    let error = Diff::new(&before, &after).unwrap_err().to_string();
    assert!(error.starts_with("the reports are of two tenants: 72f988bf-"), "{error}");
}

#[test]
fn older_reports_are_read_and_those_of_another_kind_are_not() {
    let older = r#"{ "schemaVersion": "1.0", "header": { "tenant": "t", "collectedAt": "2026-11-21T12:00:00Z" },
        "findings": [] , "somethingNew": 1 }"#;
    assert_eq!(Snapshot::read("a.json", older.as_bytes()).unwrap().header.tenant, "t");
    let said = |text: &str| Snapshot::read("a.json", text.as_bytes()).unwrap_err().to_string();
    assert_eq!(said(&older.replace("1.0", "2.0")), "a.json has the schema version 2.0, and this kvops reads 1.x");
    assert_eq!(said("[]"), "a.json is no report of `kvops audit --format json`");
    assert_eq!(said("{}"), "a.json is no report of `kvops audit --format json`");
}

#[test]
fn the_document_names_both_sides_and_what_changed_in_judgement() {
    let (before, mut after) = (decided(), decided());
    let mut findings: Vec<_> = after.findings.iter().collect();
    findings[2].severity = Severity::High;
    after.findings.replace(findings);
    let (before, after) = (snapshot(&before), snapshot(&after));
    let diff = serde_json::to_value(Diff::new(&before, &after).unwrap()).unwrap();
    assert_eq!(diff["before"]["coveragePercent"], 93.75);
    assert_eq!(diff["unchanged"][2]["severityBefore"], "medium");
    assert_eq!(diff["unchanged"][2]["severity"], "high");
    assert_eq!(diff["isSamePolicy"], true);
}
