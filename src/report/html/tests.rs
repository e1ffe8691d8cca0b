//! The page as bytes. What it does in a browser is tested there, by `scripts/report-browser`.

use time::macros::date;

use super::*;
use crate::audit::rules::RULES;
use crate::audit::{
    Delta, Details, Finding, Gone, Manifest, Policy, Severity, State, Subject, WaiverState, WaiverUse, judge,
};
use crate::inventory::{Coverage, Evidence, Inventory, Records, Seen};

/// The tenant of twelve applications that the summary is tested with.
fn tenant() -> Inventory {
    serde_json::from_str(include_str!("../../../tests/report/tenant.json")).unwrap()
}

fn judged(inventory: &Inventory) -> Report {
    judge(inventory, &Policy::default(), &Manifest::default(), &Seen::default())
}

fn page(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &Options::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The same with what people decided about it: waivers, and a baseline.
fn decided() -> Report {
    let mut report = judged(&tenant());
    let waiver = |rule: &str, subject: &str, expires, days_left, state, findings| WaiverUse {
        rule: rule.into(),
        subject: subject.to_owned(),
        owner: "jane@contoso.example".into(),
        reason: "the vendor supports secrets only until v9 <b>comes</b>".into(),
        ticket: Some("SEC-4711".into()),
        expires,
        days_left,
        findings,
        state,
        file: "policies/waivers.toml".to_owned(),
        line: 12,
    };
    report.waivers = vec![
        waiver("KVO101", "app 00000b08, key *", date!(2027 - 02 - 28), 99, WaiverState::Active, 1),
        waiver("KVO201", "contoso-prod-kv/hr-export", date!(2026 - 11 - 02), -19, WaiverState::Expired, 1),
        waiver("KVO106", "app 00000b11, key *", date!(2026 - 12 - 24), 33, WaiverState::Dead, 0),
    ];
    let mut findings: Vec<_> = report.findings.iter().collect();
    for finding in &mut findings {
        if finding.rule == "KVO101" && finding.subject.name.starts_with("payroll") {
            finding.state = State::Waived {
                owner: "jane@contoso.example".into(),
                reason: "the vendor supports secrets only until v9".into(),
                expires: date!(2027 - 02 - 28),
                ticket: Some("SEC-4711".into()),
            };
        } else if finding.severity < Severity::High {
            finding.state = State::Existing { first_seen: date!(2026 - 10 - 01) };
        }
    }
    report.findings.replace(findings);
    let gone = |finding: Finding| Gone {
        fingerprint: finding.fingerprint,
        rule: "KVO104".into(),
        severity: Severity::Low,
        subject: finding.subject,
        first_seen: date!(2026 - 09 - 01),
    };
    report.delta = Some(Delta {
        since: date!(2026 - 10 - 01),
        is_same_policy: true,
        new: report.findings.iter().filter(|finding| finding.state == State::New).count() as u64,
        existing: report.findings.iter().filter(|finding| matches!(finding.state, State::Existing { .. })).count()
            as u64,
        fixed: report.findings.iter().take(2).map(gone).collect(),
        undecided: Vec::new(),
    });
    report.policy_hash = "3f9a1c07b2d84e55a6c1f0e2d3b4a59687766554433221100ffeeddccbbaa998".to_owned();
    report
}

/// Everything read, and nothing found.
fn clean() -> Report {
    let mut inventory = tenant();
    inventory.applications.retain(|app| ["billing-api", "deploy-website"].contains(&&*app.display_name));
    inventory.service_principals = Records::new();
    inventory.vaults.remove(1);
    inventory.coverage = Coverage::default();
    inventory.coverage.read(Evidence::Applications, 2);
    inventory.coverage.read(Evidence::Vaults, 2);
    let mut report = judged(&inventory);
    report.findings.replace([]);
    report.unknowns.clear();
    report
}

/// So many findings, spread over applications and rules, with hostile names among them.
fn large(findings: usize) -> Report {
    let mut report = judged(&tenant());
    let names = ["svc-import", "erp-bridge", "portal", "<script>alert(1)</script>", "crm\u{202e}fdp", "mailer", "=1+1"];
    let findings = (0..findings)
        .map(|number| {
            let app = number / 2;
            let id = |kind: u32, number: usize| format!("{kind:08x}-0000-4000-9000-{number:012x}");
            let name = format!("{}-{app}", names[app % names.len()]);
            let app = id(2, app).parse().unwrap();
            let subject = Subject::application(id(1, number / 2).parse().unwrap(), app, &name);
            let subject = subject.part(id(3, number));
            let rule = RULES[number % RULES.len()];
            let details = Details {
                adjustments: Vec::new(),
                message: format!("a client secret lives {} days, past the limit of 180", 181 + number % 900).into(),
                evidence: [crate::audit::Fact {
                    evidence: Evidence::Applications,
                    field: format!("passwordCredentials[{}].endDateTime", id(3, number)).into(),
                    value: format!("2027-{:02}-{:02}T00:00:00Z", 1 + number % 12, 1 + number % 28).into(),
                }]
                .into(),
                remedy: format!("kvops provision --app {app} --vault VAULT --name NAME"),
            };
            let severity = Severity::ALL[number * 7 / findings.max(1) % 5];
            let mut finding = Finding::alone(rule.id, severity, &report.header.tenant, subject, details);
            if number % 50 == 7 {
                finding.state = State::Waived {
                    owner: "jane@contoso.example".into(),
                    reason: "vendor supports secrets only until v9".into(),
                    expires: date!(2027 - 02 - 28),
                    ticket: Some("SEC-4711".into()),
                };
            }
            finding
        })
        .collect::<Vec<_>>();
    report.findings.replace(findings);
    report.findings.sort();
    report
}

/// The data that the script reads.
fn data(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn the_policy_names_the_script_and_the_style_that_are_in_the_page_and_allows_no_other() {
    let page = page(&judged(&tenant()));
    let between = |from: &str, to: &str| page.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = between("Content-Security-Policy\" content=\"", "\">");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains(&hash(between("<script>", "</script>"))));
    assert!(policy.contains(&hash(between("<style>", "</style>"))));
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
}

#[test]
fn nothing_in_the_page_is_fetched_from_anywhere() {
    let page = page(&judged(&tenant()));
    let (before, _) = page.split_once("<script type=\"application/json\"").unwrap();
    for sign in ["src=", "url(", "@import", "<iframe", "<form", "href=\"http", "style=\"", " onclick", "javascript:"] {
        assert!(!before.contains(sign), "{sign}");
    }
    for sign in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "XMLHttp", "import("]
    {
        assert!(!SCRIPT.contains(sign), "{sign}");
    }
}

#[test]
fn names_of_others_are_text_wherever_they_stand() {
    let page = page(&judged(&tenant()));
    assert_eq!(page.matches("<script").count(), 2, "the data and the script");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img"), "the name of a secret");
    assert!(!page.contains("<b>502 Bad Gateway</b>"), "what a service said");
    assert!(!page.contains('\u{202e}'), "an override of direction");
    assert!(page.contains("payroll\\u{202e}gpj.exe"), "it is made visible");
}

#[test]
fn the_page_has_no_place_that_nothing_fills() {
    let page = page(&judged(&tenant()));
    let (before, _) = page.split_once("<script type=\"application/json\"").unwrap();
    assert!(!before.contains("{{") && !before.contains("}}"));
}

#[test]
fn what_was_not_read_is_said_first_and_never_looks_like_a_pass() {
    let mut report = judged(&tenant());
    report.findings.replace([]);
    let page = page(&report);
    assert!(page.contains("class=\"coverage partial\""));
    assert!(page.find("class=\"coverage").unwrap() < page.find("class=\"verdict").unwrap());
    assert!(page.contains("No findings in what was read. Not everything was."));
    assert!(!page.contains("class=\"clean\""));
    assert!(page.contains("<code>AuditLog.Read.All</code>"), "the right that would show what is missing");
}

#[test]
fn an_expired_waiver_stands_above_those_that_hold() {
    let page = page(&decided());
    let section = page.split_once("<section id=\"waivers\"").unwrap().1.split_once("</section>").unwrap().0;
    let places: Vec<usize> = ["<b>expired</b> on 2026-11-02", "<b>about nothing</b>", "<b>99</b> until 2027-02-28"]
        .iter()
        .map(|text| section.find(text).unwrap_or_else(|| panic!("{text}")))
        .collect();
    assert!(places.is_sorted());
    assert!(section.contains("&lt;b&gt;comes&lt;/b&gt;"));
    assert!(page.contains("Since 2026-10-01"));
}

#[test]
fn a_clean_and_whole_audit_says_so() {
    let page = page(&clean());
    assert!(page.contains("class=\"coverage whole\""));
    assert!(page.contains("class=\"clean\""));
}

#[test]
fn without_scripts_the_worst_findings_are_there_and_no_more_than_fit() {
    let page = page(&large(1_000));
    let first = page.split_once("<noscript>").unwrap().1.split_once("</noscript>").unwrap().0;
    assert_eq!(first.matches("<tr><td>").count(), 200);
    assert!(first.contains("The 200 worst of 1,000."));
}

#[test]
fn a_hundred_thousand_findings_fit_into_a_file_that_a_browser_opens_at_once() {
    let report = large(100_000);
    let page = page(&report);
    assert!(page.len() < 20_000_000, "{} bytes", page.len());
    let data = data(&page);
    let columns = data["findings"].as_object().unwrap();
    assert!(columns.values().all(|column| column.as_array().unwrap().len() == 100_000));
    assert!(data["texts"].as_array().unwrap().len() < 5_000, "sentences are told apart from ids");
}

#[test]
fn what_the_page_holds_of_a_finding_is_what_the_report_says() {
    let report = judged(&tenant());
    let data = data(&page(&report));
    let columns = &data["findings"];
    let text = |column: &str, row: usize| {
        let number = columns[column][row].as_u64().unwrap() as usize;
        let subject = &data["subjects"][columns["subject"][row].as_u64().unwrap() as usize];
        data["texts"][number]
            .as_str()
            .unwrap()
            .replace(data::PART, columns["part"][row].as_str().unwrap())
            .replace(data::APP, subject[2].as_str().unwrap())
            .replace(data::ID, subject[1].as_str().unwrap())
    };
    assert!(!report.findings.is_empty());
    for (row, finding) in report.findings.iter().enumerate() {
        assert_eq!(text("message", row), crate::domain::printable(&finding.details.message));
        assert_eq!(text("fix", row), crate::domain::printable(&finding.details.fix(&finding.subject)));
    }
}

fn rename(inventory: &mut Inventory, name: &str) {
    let mut position = 0..;
    inventory.applications.change(|app| {
        if position.next() == Some(1) {
            app.display_name = name.into();
        }
        true
    });
}

#[test]
fn a_name_of_ten_megabytes_makes_no_page_of_ten_megabytes() {
    let mut inventory = tenant();
    rename(&mut inventory, &"A".repeat(10_000_000));
    assert!(page(&judged(&inventory)).len() < 1_000_000);
}

/// For `scripts/report-browser`, which opens them.
#[test]
fn the_pages_for_the_browser_are_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report-browser");
    std::fs::create_dir_all(&folder).unwrap();
    let mut inventory = tenant();
    let write = |name: &str, report: &Report| {
        let page = page(report);
        assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"), "{name}");
        std::fs::write(folder.join(name), page).unwrap();
    };
    write("tenant.html", &decided());
    write("clean.html", &clean());
    write("large.html", &large(100_000));
    rename(&mut inventory, &format!("{}<script>alert(2)</script>", "W".repeat(10_000_000)));
    write("long.html", &judged(&inventory));
}
