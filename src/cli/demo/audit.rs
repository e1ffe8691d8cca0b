//! The audits of the story: the tenant as it was found, and the application afterwards.

use std::path::Path;
use std::sync::Arc;

use super::super::audit::outputs;
use super::{APP, FOLDER, Failure, Lines, Stage, Tone, broken};
use crate::audit::{Choice, Finding, Ground, Manifest, Own, Policy, Report, Severity, judge};
use crate::domain::{ObjectId, printable};
use crate::inventory::{Clients, Plan, Seen, State, Unwatched, collect};
use crate::report::{self, Format, Options};

/// So many findings are told; the others stand in the report.
const TOLD: usize = 8;

impl Stage {
    /// Shows what an audit of the whole tenant finds.
    pub(super) async fn audit_all(&self) -> Result<(), Failure> {
        let scene = self.scene();
        scene.title(2, "What an audit finds here")?;
        scene.command("kvops audit")?;
        let report = self.audited().await?;
        let mut lines = Lines::default();
        lines.add("read", format!("{:.0} % of what there is", report.coverage.percent()));
        let count = |severity: Severity| report.findings.entries().filter(|found| found.severity() == severity).count();
        let counts: Vec<_> =
            Severity::ALL.into_iter().filter(|s| count(*s) > 0).map(|s| format!("{} {s}", count(s))).collect();
        lines.add("findings", counts.join(", "));
        scene.show(&lines)?;
        for finding in report.findings.iter().take(TOLD) {
            scene.say(&self.told(&finding))?;
        }
        let others = report.findings.len().saturating_sub(TOLD);
        scene.say(&format!("… and {others} more. Each names what to do next."))?;
        let is_known = report.findings.iter().any(|found| *found.rule == *"KVO101" && *found.subject.name == *APP);
        if report.coverage.percent() < 100.0 || !is_known {
            return Err(broken("the audit did not see the whole tenant, or not the secret"));
        }
        Ok(())
    }

    /// Shows what the audit says of the application now, and writes the whole of it down.
    pub(super) async fn audit_again(&self, application: ObjectId) -> Result<(), Failure> {
        let scene = self.scene();
        scene.title(11, "The audit once more")?;
        let page = Path::new(FOLDER).join("report.html");
        scene.command(&format!("kvops audit --format table --format html={}", page.display()))?;
        let report = self.audited().await?;
        let id = application.to_string();
        let of_it: Vec<_> = report.findings.iter().filter(|found| *found.subject.id == *id).collect();
        let is_about_the_key = |found: &&Finding| found.subject.part.is_some();
        let of_key = of_it.iter().filter(|found| is_about_the_key(found)).count();
        let certificate = format!("contoso-kv/{APP}");
        let of_certificate = report.findings.iter().filter(|found| *found.subject.id == *certificate).count();
        let mut lines = Lines::default();
        let none = |count: usize| match count {
            0 => self.console.paint(Tone::Good, "no finding"),
            count => self.console.paint(Tone::Bad, &format!("{count} findings")),
        };
        lines.add("the new key", none(of_key));
        lines.add("its certificate", none(of_certificate));
        scene.show(&lines)?;
        for finding in &of_it {
            scene.say(&self.told(finding))?;
        }
        scene.say("The secret is still there: take it away once nobody uses it. What was just made has no finding.")?;
        outputs::whole(&page, |out| report::write(Format::Html, &report, &Options::default(), out))?;
        scene.say(&format!("The whole report: {}", page.display()))?;
        if of_key + of_certificate > 0 {
            return Err(broken("what kvops has made does not pass its own audit"));
        }
        Ok(())
    }

    async fn audited(&self) -> Result<Report, Failure> {
        let tokens = || Arc::clone(&self.tokens);
        let clients = Clients { http: self.http.clone(), graph: tokens(), vaults: tokens() };
        let plan = Plan::all(self.tenant.clone());
        let inventory = collect(&clients, &plan, &mut State::none(), &Unwatched).await?;
        let now = inventory.header.collected_at;
        let choice = Choice { profile: None, team: None, waivers: None, own: Own::default(), today: now.date() };
        let policy = Policy::load(&choice)?;
        let mut report = judge(&inventory, &policy, &Manifest::default(), &Seen::default());
        report.conclude(&Ground { policy: &policy, baseline: None, input: None, now }, &inventory);
        Ok(report)
    }

    fn told(&self, finding: &Finding) -> String {
        let tone = if finding.severity >= Severity::High { Tone::Bad } else { Tone::Warning };
        let severity = self.console.paint(tone, &format!("{:8}", finding.severity.name()));
        format!(
            "{severity} {} {}: {}",
            finding.rule,
            printable(&finding.subject.name),
            printable(&finding.details.message)
        )
    }
}
