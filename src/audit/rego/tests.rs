use std::fs;
use std::path::Path;

use super::*;
use crate::audit::data::Data;
use crate::audit::manifest::Manifest;
use crate::inventory::Seen;

const RULE: &str = "# METADATA\n# title: No application is named test\n# custom:\n#   severity: low\n\
                    package kvops.rules.names\nimport rego.v1\n";

fn load(rest: &str) -> Result<OwnRules, RegoError> {
    OwnRules::load(&[File::new("names.rego", format!("{RULE}{rest}"))])
}

fn inventory() -> Inventory {
    serde_json::from_value(json!({
        "header": { "schemaVersion": "1.0", "tenant": "9d6a1f5e-0000-4000-8000-000000000001", "cloud": "public",
                    "collectedAt": "2026-11-21T00:00:00Z" },
        "applications": [{ "id": "00000000-0000-4000-8000-00000000000a",
                           "appId": "00000000-0000-4000-8000-0000000000a1", "displayName": "test" }],
        "vaults": [{ "name": "contoso-kv", "certificates": [{ "name": "billing" }] }],
    }))
    .unwrap()
}

fn judged(rest: &str) -> Result<Report, RegoError> {
    judged_by(&load(rest)?)
}

fn judged_by(own: &OwnRules) -> Result<Report, RegoError> {
    let (inventory, manifest, history, data) = (inventory(), Manifest::default(), Seen::default(), Data::shipped());
    let mut report = Report::new(inventory.header.clone());
    let facts = Joined::new(&inventory, &manifest, &history, &data);
    own.judge(&facts, &Policy::default(), &mut report)?;
    Ok(report)
}

fn refused(rest: &str) -> String {
    judged(rest).unwrap_err().to_string()
}

#[test]
fn what_a_rule_denies_is_a_finding_with_its_severity_and_object() {
    let report = judged(
        "deny contains f if { some a in input.applications; a.displayName == \"test\"\n\
         f := {\"subject\": a.appId, \"part\": \"p\", \"msg\": \"m\", \"fix\": \"rename it\"} }\n",
    )
    .unwrap();
    let finding = report.findings.iter().next().unwrap();
    assert_eq!(
        (finding.rule, finding.severity, &*finding.details.fix(&finding.subject)),
        ("names", Severity::Low, "rename it")
    );
    assert_eq!(finding.subject.kind, ObjectKind::Application);
    assert_eq!((&*finding.subject.name, finding.subject.part.as_deref()), ("test", Some("p")));
    assert_eq!(report.tallies[0].findings, 1);
    assert_eq!(report.tallies[0].rule.title, "No application is named test");
}

#[test]
fn a_text_is_about_the_tenant_and_vaults_and_certificates_are_objects_too() {
    let report = judged(
        "deny contains \"plain\"\ndeny contains {\"subject\": \"contoso-kv\", \"msg\": \"v\"}\n\
         deny contains {\"subject\": \"contoso-kv/billing\", \"msg\": \"c\", \"severity\": \"high\"}\n",
    )
    .unwrap();
    let kinds: Vec<_> = report.findings.iter().map(|finding| (finding.subject.kind, finding.severity)).collect();
    assert!(kinds.contains(&(ObjectKind::Tenant, Severity::Low)), "{kinds:?}");
    assert!(kinds.contains(&(ObjectKind::Vault, Severity::Low)), "{kinds:?}");
    assert!(kinds.contains(&(ObjectKind::Certificate, Severity::High)), "{kinds:?}");
}

#[test]
fn what_a_rule_cannot_decide_is_unknown_and_no_finding() {
    let report = judged(
        "unknown contains {\"subject\": input.applications[0].id, \"evidence\": \"owners\", \"reason\": \"rbac\", \"why\": \"w\"}\n",
    )
    .unwrap();
    let unknown = &report.unknowns[0];
    assert_eq!((unknown.evidence, unknown.reason, &*unknown.why), (Evidence::Owners, Reason::Rbac, "w"));
    assert!(report.findings.is_empty());
}

#[test]
fn a_builtin_that_fails_is_an_error_with_its_place_and_not_silence() {
    let said = refused("deny contains \"m\" if to_number(\"P180D\") > 180\n");
    assert!(said.contains("names") && said.contains("names.rego:7"), "{said}");
}

#[test]
fn what_is_no_rego_no_finding_or_nothing_of_the_inventory_is_refused() {
    assert!(refused("deny contains if\n").contains("names.rego:7"));
    assert!(
        refused("deny contains {\"subject\": \"nobody\", \"msg\": \"m\"}\n").contains("`nobody` is no application")
    );
    assert!(refused("deny contains {\"subject\": \"contoso-kv\"}\n").contains("without `msg`"));
    assert!(refused("deny contains 7\n").contains("holds 7"));
    assert!(refused("deny := 1\n").contains("must be a set"));
}

#[test]
fn a_rule_cannot_take_the_place_of_a_shipped_one_and_needs_a_title() {
    let file = |text: &str| OwnRules::load(&[File::new("a.rego", text)]).unwrap_err().to_string();
    let taken = file("# METADATA\n# title: t\npackage kvops.rules.kvo101\nimport rego.v1\ndeny := set()\n");
    assert!(taken.contains("there is a rule kvo101 already"), "{taken}");
    assert!(file("package kvops.rules.mine\nimport rego.v1\ndeny := set()\n").contains("has no title"));
}

#[test]
fn nothing_reaches_the_network() {
    let said =
        refused("deny contains \"m\" if http.send({\"method\": \"get\", \"url\": \"https://contoso.example\"})\n");
    assert!(said.contains("http.send"), "{said}");
}

#[test]
fn a_rule_that_takes_too_much_memory_or_time_is_ended_and_the_next_one_is_not() {
    let limits = Limits { time: Duration::from_secs(600), memory: 64 << 20 };
    let within = |limits: Limits, rest: &str| {
        judged_by(&OwnRules::within(limits, &[File::new("names.rego", format!("{RULE}{rest}"))]).unwrap())
    };
    let greedy = "deny contains m if { some i in numbers.range(1, 100000000); m := sprintf(\"%d\", [i]) }\n";
    let error = within(limits, greedy).unwrap_err().to_string();
    assert!(error.contains("memory"), "{error}");
    // The same memory is there for those that come after it.
    assert_eq!(within(limits, "deny contains \"plain\"\n").unwrap().findings.len(), 1);
    let slow = "deny contains m if { some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i * j < 0; m := \"x\" }\n";
    let limits = Limits { time: Duration::from_millis(50), memory: 1 << 30 };
    let error = within(limits, slow).unwrap_err().to_string();
    assert!(error.contains("time"), "{error}");
}

#[test]
fn limits_in_force_can_be_read() {
    let report = judged("deny contains \"m\" if data.kvops.params.max_secret_days == 180\n").unwrap();
    assert_eq!(report.findings.len(), 1);
}

#[test]
fn the_examples_hold_their_tests_strictly_and_laxly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/examples");
    let mut files: Vec<File> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rego"))
        .map(|path| File::new(path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut own = OwnRules::load(&files).unwrap();
    for is_strict in [true, false] {
        own.engine.set_strict_builtin_errors(is_strict);
        let tested = own.test().unwrap();
        assert_eq!(tested.len(), 8);
        let bad: Vec<_> = tested.into_iter().filter(|test| !test.is_good).collect();
        assert!(bad.is_empty(), "{bad:?}");
    }
    let report = {
        let (inventory, manifest, history, data) = (inventory(), Manifest::default(), Seen::default(), Data::shipped());
        let mut report = Report::new(inventory.header.clone());
        own.judge(&Joined::new(&inventory, &manifest, &history, &data), &Policy::default(), &mut report).unwrap();
        report
    };
    assert_eq!(report.tallies.len(), 2);
}

#[test]
fn a_test_that_is_undefined_has_failed() {
    let test = File::new(
        "names_test.rego",
        "package kvops.rules.names_test\nimport rego.v1\ntest_no if 1 == 2\ntest_yes if 1 == 1\n",
    );
    let files = [File::new("names.rego", format!("{RULE}deny := set()\n")), test];
    let tested = OwnRules::load(&files).unwrap().test().unwrap();
    let good: Vec<_> = tested.iter().map(|test| (test.name.as_str(), test.is_good)).collect();
    assert_eq!(good, [("kvops.rules.names_test.test_no", false), ("kvops.rules.names_test.test_yes", true)]);
}
