//! The last part of an audit: what is accepted and what was known is laid over the findings, and the
//! run itself is judged.

use time::{Date, OffsetDateTime};

use super::baseline::Baseline;
use super::finding::{ObjectKind, Subject};
use super::findings::Findings;
use super::omitted::Unknowns;
use super::policy::Policy;
use super::report::Report;
use super::rule::Rule;
use super::rules::meta;
use super::verdict::Verdicts;
use crate::domain::TenantId;

/// What a run is judged by, beside its inventory.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The policy, with its waivers.
    pub policy: &'a Policy,
    /// What was known.
    pub baseline: Option<&'a Baseline>,
    /// The file that the inventory is from; `None` when it was collected in this run.
    pub input: Option<&'a InputFile>,
    /// The time of the audit: that of the inventory, unless the inventory is from a file.
    pub now: OffsetDateTime,
}

/// A file that an inventory was read from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InputFile {
    /// The tenant that was asked for, if one was.
    pub tenant: Option<TenantId>,
    /// Why it is not as it was written, if it is not.
    pub damage: Option<String>,
}

impl Ground<'_> {
    /// The day of the audit.
    pub(super) fn today(&self) -> Date {
        self.now.date()
    }

    /// A part of the audit itself, for findings.
    pub(super) fn subject(&self, id: impl Into<Box<str>>) -> Subject {
        Subject::new(ObjectKind::Audit, id, "")
    }
}

impl Report {
    /// Applies waivers and baseline, and judges the run itself. Without it a report has no policy hash.
    pub fn conclude(&mut self, ground: &Ground<'_>, inventory: &crate::inventory::Inventory) {
        self.policy_hash = ground.policy.hash();
        self.warnings.clone_from(&ground.policy.warnings);
        for (rule, decide) in meta::BEFORE {
            self.decide(rule, *decide, ground);
        }
        ground.policy.waivers.apply(self, ground.today());
        if let Some(baseline) = ground.baseline {
            baseline.apply(self, inventory);
        }
        for (rule, decide) in meta::AFTER {
            self.decide(rule, *decide, ground);
        }
        self.sort();
    }

    fn decide(&mut self, rule: &Rule, decide: fn(&Ground<'_>, &Self, &mut Verdicts<'_>), ground: &Ground<'_>) {
        let Some(index) = self.tallies.iter().position(|tally| tally.rule.id == rule.id) else { return };
        let (mut findings, mut unknowns) = (Findings::new(self.header.tenant.clone()), Unknowns::default());
        let mut verdicts = Verdicts {
            rule: self.tallies[index].rule,
            severity: ground.policy.severity_of(rule),
            steps: &[],
            certificate: None,
            findings: &mut findings,
            unknowns: &mut unknowns,
        };
        decide(ground, self, &mut verdicts);
        let tally = &mut self.tallies[index];
        tally.objects += 1;
        tally.findings += findings.len() as u64;
        tally.passed += u64::from(findings.is_empty());
        self.findings.append(&findings);
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::audit::engine::judge;
    use crate::audit::finding::State;
    use crate::audit::manifest::{Manifest, ManifestEntry};
    use crate::audit::rules::rule;
    use crate::inventory::{Count, Evidence, Gap, Inventory, Reason, Seen};

    const APP: &str = "00000000-0000-4000-8000-0000000000a1";

    fn inventory(secrets: usize) -> Inventory {
        let apps: Vec<_> = (0..secrets)
            .map(|n| {
                serde_json::json!({
                    "id": format!("00000000-0000-4000-8000-00000000000{n}"),
                    "appId": format!("00000000-0000-4000-8000-0000000000a{n}"),
                    "passwords": [{ "keyId": format!("00000000-0000-4000-8000-00000000020{n}"), "start": "2026-11-01T00:00:00Z", "end": "2027-01-01T00:00:00Z" }],
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "header": { "schemaVersion": "1.0", "tenant": "9d6a1f5e-0000-4000-8000-000000000001", "cloud": "public", "collectedAt": "2026-11-21T08:00:00Z" },
            "applications": apps,
        }))
        .unwrap()
    }

    fn policy() -> Policy {
        let rules = ["KVO101", "KVO901", "KVO904", "KVO905"].map(|id| rule(id).unwrap()).to_vec();
        Policy { rules, ..Policy::default() }
    }

    fn concluded(
        inventory: &Inventory,
        baseline: Option<&Baseline>,
        input: Option<&InputFile>,
        later: Duration,
    ) -> Report {
        let policy = policy();
        let mut report = judge(inventory, &policy, &Manifest::default(), &Seen::default());
        let now = inventory.header.collected_at + later;
        report.conclude(&Ground { policy: &policy, baseline, input, now }, inventory);
        report
    }

    fn of(report: &Report, id: &str) -> Vec<String> {
        report.findings.iter().filter(|found| found.rule == id).map(|found| found.details.message.into()).collect()
    }

    fn text(baseline: &Baseline) -> String {
        let mut out = Vec::new();
        baseline.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn baseline(secrets: usize) -> Baseline {
        let inventory = inventory(secrets);
        let report = concluded(&inventory, None, None, Duration::ZERO);
        let baseline = Baseline::after(&report, &inventory, &Manifest::default(), None);
        let read = Baseline::read("baseline.json", &text(&baseline)).unwrap();
        assert_eq!(read, baseline, "it is read as it was written");
        read
    }

    #[test]
    fn what_could_not_be_read_is_one_finding_a_kind_and_what_was_not_asked_is_none() {
        let mut inventory = inventory(0);
        for (object, reason) in [("a-kv", Reason::Firewall), ("b-kv", Reason::Rbac), ("c-kv", Reason::NotAsked)] {
            inventory.coverage.gap(Gap {
                evidence: Evidence::Certificates,
                object: object.to_owned(),
                reason,
                detail: "no".to_owned(),
                grant: "Key Vault Reader".to_owned(),
            });
        }
        inventory.coverage.read(Evidence::Certificates, 2);
        let report = concluded(&inventory, None, None, Duration::ZERO);
        assert_eq!(of(&report, "KVO901"), ["2 of 4 certificates could not be read: 1 rbac, 1 firewall"]);
        let finding = report.findings.iter().next().unwrap();
        assert_eq!(finding.details.fix(&finding.subject), "grant Key Vault Reader, then audit again");
        assert_eq!(finding.details.evidence.len(), 2);
    }

    #[test]
    fn a_broken_page_chain_without_a_gap_is_incomplete_all_the_same() {
        let mut inventory = inventory(0);
        inventory.coverage.counts.insert(Evidence::Applications, Count { expected: 9, read: 7, ..Count::default() });
        let report = concluded(&inventory, None, None, Duration::ZERO);
        assert_eq!(of(&report, "KVO901"), ["2 of 9 applications could not be read"]);
        assert!(of(&concluded(&self::inventory(0), None, None, Duration::ZERO), "KVO901").is_empty());
    }

    #[test]
    fn a_baseline_tells_new_from_known_and_names_what_was_fixed() {
        let baseline = baseline(2);
        let report = concluded(&inventory(3), Some(&baseline), None, Duration::ZERO);
        let delta = report.delta.as_ref().unwrap();
        assert_eq!((delta.new, delta.existing, delta.fixed.len(), delta.is_same_policy), (1, 2, 0, true));
        let known = report.findings.iter().filter(|found| matches!(found.state, State::Existing { .. })).count();
        assert_eq!(known, 2);
        let report = concluded(&inventory(1), Some(&baseline), None, Duration::ZERO);
        let delta = report.delta.as_ref().unwrap();
        assert_eq!((delta.new, delta.existing, delta.fixed.len()), (0, 1, 1));
        assert_eq!(of(&report, "KVO904"), ["1 finding of the baseline is no longer there"]);
    }

    #[test]
    fn what_could_not_be_looked_at_again_is_not_fixed_and_stays_known() {
        let first = baseline(2);
        let mut narrowed = inventory(1);
        narrowed.header.is_narrowed_to_applications = true;
        let report = concluded(&narrowed, Some(&first), None, Duration::ZERO);
        let delta = report.delta.as_ref().unwrap();
        assert_eq!((delta.fixed.len(), delta.undecided.len()), (0, 1));
        assert_eq!(Baseline::after(&report, &narrowed, &Manifest::default(), Some(&first)).len(), 2);
        let mut denied = inventory(1);
        denied
            .coverage
            .counts
            .insert(Evidence::Applications, Count { expected: 2, read: 1, denied: 1, ..Count::default() });
        let report = concluded(&denied, Some(&first), None, Duration::ZERO);
        assert_eq!(report.delta.as_ref().unwrap().undecided.len(), 1);
    }

    #[test]
    fn the_day_of_the_first_sight_stays_over_later_baselines() {
        let first = baseline(1);
        let mut later = inventory(2);
        later.header.collected_at += Duration::days(5);
        let report = concluded(&later, Some(&first), None, Duration::ZERO);
        let text = text(&Baseline::after(&report, &later, &Manifest::default(), Some(&first)));
        assert_eq!((text.matches("\"2026-11-21\"").count(), text.matches("\"2026-11-26\"").count()), (1, 1), "{text}");
    }

    #[test]
    fn a_baseline_is_stale_after_its_limit_and_not_before() {
        let baseline = baseline(1);
        let after = |days| of(&concluded(&inventory(1), Some(&baseline), None, Duration::days(days)), "KVO904");
        assert!(after(90).is_empty());
        assert_eq!(after(91), ["the baseline is 91 days old, past the limit of 90"]);
    }

    #[test]
    fn a_baseline_of_another_tenant_or_kind_is_refused() {
        let baseline = baseline(0);
        assert!(baseline.check_tenant("b.json", &"9d6a1f5e-0000-4000-8000-000000000001".parse().unwrap()).is_ok());
        let other = baseline.check_tenant("b.json", &"9d6a1f5e-0000-4000-8000-000000000002".parse().unwrap());
        assert!(other.unwrap_err().to_string().contains("b.json is of tenant 9d6a1f5e-0000-4000-8000-000000000001"));
        let later = text(&baseline).replace("\"1.0\"", "\"2.0\"");
        assert!(Baseline::read("b.json", &later).unwrap_err().to_string().contains("version 2.0"));
        assert!(Baseline::read("b.json", "{}").is_err());
    }

    #[test]
    fn a_baseline_remembers_the_credentials_of_managed_applications_and_hardened_policies() {
        let mut inventory = inventory(2);
        inventory.vaults = serde_json::from_value(serde_json::json!([{ "name": "contoso-kv", "certificates": [
            { "name": "hard", "policy": { "exportable": false, "reuseKey": false, "keyUsage": ["digitalSignature"] } },
            { "name": "soft", "policy": { "exportable": true, "reuseKey": false, "keyUsage": ["digitalSignature"] } },
            { "name": "wide", "policy": { "exportable": false, "reuseKey": false, "keyUsage": ["digitalSignature", "keyEncipherment"] } },
        ] }])).unwrap();
        let entries = [(APP.parse().unwrap(), ManifestEntry::default())].into();
        let manifest = Manifest { entries, ..Manifest::default() };
        let report = concluded(&inventory, None, None, Duration::ZERO);
        let baseline = Baseline::after(&report, &inventory, &manifest, None);
        let Seen::Read(history) = baseline.history() else { panic!() };
        assert_eq!(history.credentials.keys().map(ToString::to_string).collect::<Vec<_>>(), [APP]);
        assert_eq!(history.hardened.iter().collect::<Vec<_>>(), ["contoso-kv/hard"]);
        assert!(history.born.is_empty(), "a run sees what is, not how it was born");
    }

    #[test]
    fn an_inventory_from_a_file_is_judged_by_age_tenant_schema_and_seal() {
        let fresh = InputFile::default();
        let hours = |hours, input: &InputFile| {
            of(&concluded(&inventory(0), None, Some(input), Duration::hours(hours)), "KVO905")
        };
        assert!(hours(24, &fresh).is_empty());
        assert_eq!(hours(25, &fresh), ["the inventory is 25 hours old, past the limit of 24"]);
        assert_eq!(hours(-1, &fresh), ["the inventory is of a time that is yet to come"]);
        let of_tenant = |tenant: &str| InputFile { tenant: Some(tenant.parse().unwrap()), damage: None };
        assert!(hours(0, &of_tenant("9D6A1F5E-0000-4000-8000-000000000001")).is_empty());
        assert!(hours(0, &of_tenant("9d6a1f5e-0000-4000-8000-000000000002"))[0].contains("another tenant"));
        let cut = InputFile { tenant: None, damage: Some("it was cut off".to_owned()) };
        assert_eq!(hours(0, &cut), ["the inventory is not as it was written: it was cut off"]);
        let mut later = inventory(0);
        later.header.schema_version = "1.7".to_owned();
        let report = concluded(&later, None, Some(&fresh), Duration::ZERO);
        assert_eq!(of(&report, "KVO905"), ["the inventory is of schema 1.7, and this reads 1.0"]);
        assert!(of(&concluded(&later, None, None, Duration::days(9)), "KVO905").is_empty(), "it was collected now");
    }
}
