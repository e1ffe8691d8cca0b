//! KVO110: the newest credential is old.

use time::{Duration, OffsetDateTime};

use crate::audit::facts::{ActiveCredential, ApplicationFacts, CredentialKind};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO110",
    name: "app-credential-not-rotated",
    title: "Credential was not rotated",
    group: Group::Credentials,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes],
    params: &["rotate_secret_days", "rotate_cert_days"],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME, let the workload sign with that, then kvops detach --app {app} --vault VAULT --name NEW-NAME --unused",
    mitre: &[],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-53 IA-5"],
    references: &["https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final"],
    page: include_str!("../../../../docs/rules/KVO110.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let dated = app.active().filter_map(|credential| Some((born(&credential, app)?, credential)));
    let Some((born, newest)) = dated.max_by_key(|(born, _)| born.latest) else {
        if app.active().next().is_some() {
            out.unknown(app.subject(), Evidence::Applications, Reason::Failed, "no credential says when it began");
        }
        return;
    };
    let days = match newest.kind {
        CredentialKind::Secret => case.params.rotate_secret_days,
        CredentialKind::Certificate => case.params.rotate_cert_days,
    };
    if born.latest < case.facts.now - Duration::days(days.into()) {
        let age = (case.facts.now - born.latest).whole_days();
        let message = format!("the newest credential, a {}, is {age} days old, past {days}", newest.kind);
        let evidence = if born.is_by_key { Evidence::KeyBytes } else { Evidence::Applications };
        let field = newest.field(if born.is_by_key { "key" } else { "startDateTime" });
        out.finding(app.subject(), message).evidence(evidence, field, born.latest.date()).report();
    } else if let Some(reason) = born.unread {
        let why = "an old key that is registered again has new dates, and the bytes were not read";
        out.unknown(app.subject(), Evidence::KeyBytes, reason, why);
    }
}

/// When a credential began to exist.
struct Birth {
    /// Not later than this.
    latest: OffsetDateTime,
    /// The key is older than the entry.
    is_by_key: bool,
    /// Why it may be earlier still.
    unread: Option<Reason>,
}

/// A key that is registered again, or certified again, is no new key: its first trace counts.
fn born(credential: &ActiveCredential<'_, '_>, app: &ApplicationFacts<'_>) -> Option<Birth> {
    let Some(key) = credential.key.filter(|key| !key.key.is_symmetric()) else {
        return Some(Birth { latest: credential.start?, is_by_key: false, unread: None });
    };
    let x = match key.key.x.get() {
        Ok(x) => x,
        Err(reason) => return Some(Birth { latest: credential.start?, is_by_key: false, unread: Some(reason) }),
    };
    let same = app.keys.iter().filter(|other| other.key.x.read().is_some_and(|other| other.spki == x.spki));
    let entries = same.flat_map(|other| [other.key.start, other.key.x.read().map(|x| x.not_before)]).flatten();
    let versions = key.proven().filter_map(|found| found.version()?.created);
    let first = entries.chain(versions).min()?;
    Some(Birth { latest: first, is_by_key: Some(first) != credential.start, unread: None })
}
