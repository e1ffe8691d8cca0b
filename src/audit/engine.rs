//! Runs every rule over every object, once.

use super::facts::{ApplicationFacts, CertificateFacts, Desk, Facts, Joined, PrincipalFacts, VaultFacts};
use super::findings::Findings;
use super::history::History;
use super::manifest::Manifest;
use super::omitted::Unknowns;
use super::policy::Policy;
use super::report::{Report, Tally};
use super::rule::{Case, Check, Rule};
use super::summary::{Collector, Summary};
use super::verdict::{Step, Verdicts};
use crate::domain::{AppId, TenantId};
use crate::inventory::{Inventory, Seen};

/// Judges an inventory by a policy.
pub fn judge(inventory: &Inventory, policy: &Policy, manifest: &Manifest, history: &Seen<History>) -> Report {
    let joined = Joined::new(inventory, manifest, history, &policy.data);
    let mut run = Run::new(policy, &inventory.header.tenant);
    let mut summary = Collector::new(inventory, &policy.data);
    for app in &inventory.applications {
        let desk = Desk::default();
        let facts = joined.facts(&desk);
        let app = ApplicationFacts::new(&app, &facts);
        run.each(&facts, Some(app.app.app_id), &app.steps, |check, case, verdicts| match check {
            Check::Application(check) | Check::Identity(check, _) => {
                check(&app, case, verdicts);
                true
            }
            _ => false,
        });
        summary.application(&app, &run.case(&facts, Some(app.app.app_id)), &facts);
    }
    for principal in &inventory.service_principals {
        let desk = Desk::default();
        let facts = joined.facts(&desk);
        let principal = PrincipalFacts::new(&principal, &facts);
        run.each(&facts, Some(principal.principal.app_id), &principal.steps, |check, case, verdicts| match check {
            Check::ServicePrincipal(check) | Check::Identity(_, check) => {
                check(&principal, case, verdicts);
                true
            }
            _ => false,
        });
        summary.principal(&principal, &run.case(&facts, Some(principal.principal.app_id)), &facts);
    }
    // Of an application, what is behind it: the vaults that hold its keys, and not the tenant.
    let is_narrow = inventory.header.is_narrowed_to_applications;
    for vault in &inventory.vaults {
        let desk = Desk::default();
        let facts = joined.facts(&desk);
        let vault = VaultFacts::new(vault, &facts);
        let is_behind = !is_narrow || vault.certificates.iter().any(CertificateFacts::is_trusted);
        run.each(&facts, None, &[], |check, case, verdicts| match check {
            Check::Vault(_) if !is_behind => false,
            Check::Vault(check) => {
                check(&vault, case, verdicts);
                true
            }
            _ => false,
        });
        summary.vault(&vault, &run.case(&facts, None), &facts);
        for certificate in &vault.certificates {
            run.certificate(&facts, certificate);
        }
    }
    let desk = Desk::default();
    run.each(&joined.facts(&desk), None, &[], |check, case, verdicts| match check {
        Check::Tenant(_) if is_narrow => false,
        Check::Tenant(check) => {
            check(case, verdicts);
            true
        }
        _ => false,
    });
    drop(joined);
    run.report(inventory, summary.finish())
}

struct Run<'a> {
    policy: &'a Policy,
    findings: Findings,
    unknowns: Unknowns,
    tallies: Vec<Tally>,
}

impl<'a> Run<'a> {
    fn new(policy: &'a Policy, tenant: &TenantId) -> Self {
        let tally = |rule: &&'static Rule| Tally { rule, objects: 0, passed: 0, findings: 0, unknown: 0 };
        let tallies = policy.rules.iter().map(tally).collect();
        let findings = Findings::new(tenant.clone());
        Self { policy, findings, unknowns: Unknowns::default(), tallies }
    }

    fn certificate(&mut self, facts: &Facts<'_>, certificate: &CertificateFacts<'_>) {
        self.each_of(facts, None, &certificate.steps, Some(certificate), |check, case, verdicts| match check {
            Check::Certificate(check) => {
                check(certificate, case, verdicts);
                true
            }
            _ => false,
        });
    }

    /// What holds for an application, or for nothing in particular.
    fn case<'f>(&self, facts: &'f Facts<'f>, app: Option<AppId>) -> Case<'f>
    where
        'a: 'f,
    {
        Case { facts, params: self.policy.params_for(app), rules: &self.policy.rules }
    }

    /// Runs the rules that `apply` has a use for on one object; it says whether it had.
    fn each(
        &mut self,
        facts: &Facts<'_>,
        app: Option<AppId>,
        steps: &[Step],
        apply: impl Fn(&Check, &Case<'_>, &mut Verdicts<'_>) -> bool,
    ) {
        self.each_of(facts, app, steps, None, apply);
    }

    fn each_of(
        &mut self,
        facts: &Facts<'_>,
        app: Option<AppId>,
        steps: &[Step],
        certificate: Option<&CertificateFacts<'_>>,
        apply: impl Fn(&Check, &Case<'_>, &mut Verdicts<'_>) -> bool,
    ) {
        let case = self.case(facts, app);
        for tally in &mut self.tallies {
            let (found, unknown) = (self.findings.len(), self.unknowns.number());
            let mut verdicts = Verdicts {
                rule: tally.rule,
                severity: self.policy.severity_of(tally.rule),
                steps,
                certificate,
                findings: &mut self.findings,
                unknowns: &mut self.unknowns,
            };
            let parts = tally.rule.check.parts().iter();
            if parts.filter(|check| apply(check, &case, &mut verdicts)).count() == 0 {
                continue;
            }
            let (found, unknown) = (self.findings.len() - found, self.unknowns.number() - unknown);
            tally.objects += 1;
            tally.findings += found as u64;
            tally.unknown += u64::from(unknown > 0);
            tally.passed += u64::from(found == 0 && unknown == 0);
        }
    }

    fn report(self, inventory: &Inventory, summary: Summary) -> Report {
        let (unknowns, omitted) = self.unknowns.finish();
        let mut report = Report {
            profile: self.policy.profile.clone(),
            coverage: inventory.coverage.clone(),
            findings: self.findings,
            unknowns,
            omitted,
            tallies: self.tallies,
            summary,
            ..Report::new(inventory.header.clone())
        };
        report.sort();
        report
    }
}
