//! The tenants on which other tools are wrong, `tests/rules/differential/DNN.json`: each is judged by
//! every rule, and the verdicts of the rules that it is about must be exactly those that it expects.
//! What goes wrong while evidence is collected has a test against the lab; `docs/differential.md`
//! holds the whole list.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::audit::engine::judge;
use crate::audit::manifest::Manifest;
use crate::audit::policy::Policy;
use crate::audit::severity::Severity;
use crate::inventory::{Count, Coverage, Evidence, Inventory, Seen};

/// Cases about collecting, by number, with the test that proves each.
const COLLECTED: [(u8, &str, &str); 7] = [
    (4, "tests/it/collect/pages.rs", "the_twenty_first_owner_is_an_owner"),
    (5, "tests/it/collect/pages.rs", "the_application_after_the_hundredth_is_read"),
    (7, "tests/it/collect/pages.rs", "a_wait_of_a_fraction_of_a_second_is_obeyed"),
    (8, "tests/it/collect/gaps.rs", "roles_firewalls_and_private_links_are_told_apart"),
    (16, "tests/it/collect/cloud.rs", "a_vault_is_asked_at_the_address_that_its_cloud_gives_it"),
    (20, "tests/it/collect/pages.rs", "a_list_whose_page_is_lost_is_begun_anew"),
    (21, "tests/it/collect/pages.rs", "shuffled_and_doubled_objects_and_lost_pages_change_nothing"),
];

/// How many cases there are.
const ALL: u8 = 26;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What makes this tenant what it is.
    about: String,
    /// Who gets it wrong, and how.
    tool: String,
    /// The rules that it is about, by the beginnings of their ids.
    rules: Vec<String>,
    inventory: Inventory,
    /// Left out: every kind of evidence was read.
    coverage: Option<Coverage>,
    #[serde(default)]
    expect: Expected,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expected {
    findings: Vec<Finding>,
    unknown: Vec<Unknown>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    rule: String,
    subject: String,
    part: Option<String>,
    severity: Severity,
    /// A piece of the message; empty where another test looks at the words.
    says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unknown {
    rule: String,
    subject: String,
    part: Option<String>,
    evidence: Evidence,
}

#[test]
#[expect(clippy::print_stdout, reason = "the count is what the reader of a run looks for")]
fn where_other_tools_are_wrong_the_rules_are_right() {
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for number in 1..=ALL {
        match proof(number) {
            Ok(proof) => right.push(format!("D{number}: {proof}")),
            Err(problem) => wrong.push(format!("D{number}: {problem}")),
        }
    }
    println!("{}\n{} of {ALL} differential cases", right.join("\n"), right.len());
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_list_for_readers_names_every_case_and_what_proves_it() {
    let list = fs::read_to_string(root().join("docs/differential.md")).unwrap();
    for number in 1..=ALL {
        let row = list.lines().find(|line| line.starts_with(&format!("| D{number} |")));
        let row = row.unwrap_or_else(|| panic!("docs/differential.md has no row for D{number}"));
        let test = COLLECTED.iter().find(|(case, ..)| *case == number).map(|(_, _, test)| *test);
        let proof = test.map_or_else(|| format!("D{number:02}.json"), str::to_owned);
        assert!(row.contains(&proof), "docs/differential.md, D{number}: {proof} is not named");
    }
}

/// What proves a case: its tenant, the test against the lab, or both.
fn proof(number: u8) -> Result<String, String> {
    let mut proofs = Vec::new();
    let path = root().join(format!("tests/rules/differential/D{number:02}.json"));
    if path.exists() {
        let text = fs::read_to_string(path).unwrap();
        let case: Case = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        proofs.push(format!("{} ({})", case.about, case.tool));
        judged(case)?;
    }
    if let Some((_, file, test)) = COLLECTED.iter().find(|(case, ..)| *case == number) {
        let source = fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))?;
        if !source.contains(&format!("fn {test}(")) {
            return Err(format!("{file} has no test {test}"));
        }
        proofs.push(format!("{file}, {test}"));
    }
    if proofs.is_empty() { Err("neither tenant nor test".to_owned()) } else { Ok(proofs.join("; ")) }
}

fn judged(mut case: Case) -> Result<(), String> {
    case.inventory.coverage = case.coverage.unwrap_or_else(|| {
        let all = Count { expected: 1, read: 1, ..Count::default() };
        Coverage { counts: [(Evidence::Vaults, all)].into(), ..Coverage::default() }
    });
    for prefix in &case.rules {
        if !super::RULES.iter().any(|rule| rule.id.starts_with(prefix.as_str())) {
            return Err(format!("there is no rule {prefix}"));
        }
    }
    let report = judge(&case.inventory, &Policy::default(), &Manifest::default(), &Seen::default());
    let concerned = |rule: &str| case.rules.iter().any(|prefix| rule.starts_with(prefix.as_str()));
    let findings: Vec<_> = report.findings.iter().filter(|finding| concerned(finding.rule)).collect();
    let unknowns: Vec<_> = report.unknowns.iter().filter(|unknown| concerned(&unknown.rule)).collect();
    let expected = &case.expect;
    let has_findings = expected.findings.iter().all(|expected| {
        findings.iter().any(|found| {
            *found.rule == *expected.rule
                && *found.subject.id == *expected.subject
                && found.subject.part.as_deref() == expected.part.as_deref()
                && found.severity == expected.severity
                && found.details.message.contains(&expected.says)
        })
    });
    let has_unknowns = expected.unknown.iter().all(|expected| {
        unknowns.iter().any(|found| {
            *found.rule == *expected.rule
                && *found.subject.id == *expected.subject
                && found.subject.part.as_deref() == expected.part.as_deref()
                && found.evidence == expected.evidence
        })
    });
    let as_many = findings.len() == expected.findings.len() && unknowns.len() == expected.unknown.len();
    if has_findings && has_unknowns && as_many { Ok(()) } else { Err(format!("{findings:#?} {unknowns:#?}")) }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}
