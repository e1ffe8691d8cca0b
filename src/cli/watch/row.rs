//! What came of one certificate, for people and for machines.

use serde::Serialize;
use time::OffsetDateTime;

use crate::cli::console::{Console, Tone};
use crate::cli::failure::Failure;
use crate::cli::view::date;
use crate::domain::{CertificateName, VaultName};
use crate::rotate::{Plan, Report};

/// Days before the end at which a certificate that is still there is worth a warning, and an alarm.
const WARN_DAYS: i64 = 30;
const CRITICAL_DAYS: i64 = 7;

/// One certificate.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// The `[app.NAME]` table that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vault: Option<VaultName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<CertificateName>,
    pub(super) state: State,
    /// When the newest version that is trusted ends.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(super) ends: Option<OffsetDateTime>,
    /// When there is something to be done next.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Failure>,
}

/// How a certificate stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Its time has not come.
    NotDue,
    /// It would be rotated, or what was begun would be gone on with.
    Due,
    /// Both keys are trusted for now.
    Soaking,
    /// The old key is gone.
    Rotated,
    /// It was not possible.
    Failed,
}

impl Row {
    /// A row about what could not even be found.
    pub(super) fn lost(what: String, failure: Failure) -> Self {
        Self {
            app: Some(what),
            vault: None,
            certificate: None,
            state: State::Failed,
            ends: None,
            next: None,
            plan: None,
            report: None,
            error: Some(failure),
        }
    }

    /// One line about it.
    pub(super) fn line(&self, console: Console) -> String {
        let what = match (&self.vault, &self.certificate, &self.app) {
            (Some(vault), Some(name), Some(app)) => format!("{app} ({vault}/{name})"),
            (Some(vault), Some(name), None) => format!("{vault}/{name}"),
            (_, _, app) => app.clone().unwrap_or_default(),
        };
        let next = self.next.map(date);
        let (tone, state, about) = match self.state {
            State::NotDue => (Tone::Faint, "not due", next.map(|next| format!("until {next}"))),
            State::Due => (Tone::Strong, "due", self.steps()),
            State::Soaking => (Tone::Good, "soaking", next.map(|next| format!("both keys are trusted until {next}"))),
            State::Rotated => (Tone::Good, "rotated", Some("the old key is gone".to_owned())),
            State::Failed => (Tone::Bad, "failed", self.error.as_ref().map(|failure| failure.message().to_owned())),
        };
        format!("{} {what}: {}", console.paint(tone, &format!("{state:>8}")), about.unwrap_or_default())
    }

    fn steps(&self) -> Option<String> {
        let plan = self.plan.as_ref()?;
        Some(plan.steps.iter().map(|planned| planned.step.title()).collect::<Vec<_>>().join("; "))
    }

    /// What somebody should know before the certificate ends.
    pub(super) fn warning(&self, now: OffsetDateTime) -> Option<String> {
        let ends = self.ends?;
        let days = (ends - now).whole_days();
        if matches!(self.state, State::Soaking | State::Rotated) || days >= WARN_DAYS {
            return None;
        }
        let (vault, name) = (self.vault.as_ref()?, self.certificate.as_ref()?);
        Some(if ends <= now {
            format!("{vault}/{name} has ended, on {}", date(ends))
        } else {
            let alarm = if days < CRITICAL_DAYS { "critical: " } else { "" };
            format!("{alarm}{vault}/{name} ends in {days} days, on {}", date(ends))
        })
    }
}
