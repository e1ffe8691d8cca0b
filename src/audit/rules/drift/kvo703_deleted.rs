//! KVO703: a deleted certificate that is still trusted.

use super::common::{unknown_places, unless_settling};
use crate::audit::facts::{ApplicationFacts, Match, Place};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{DeletedCertificate, Evidence};

pub(super) const RULE: Rule = Rule {
    id: "KVO703",
    name: "cert-deleted-still-trusted",
    title: "Deleted vault certificate is still trusted",
    group: Group::Drift,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[
        Evidence::Applications,
        Evidence::KeyBytes,
        Evidence::Vaults,
        Evidence::CertificateVersions,
        Evidence::DeletedCertificates,
    ],
    params: &["settle_minutes"],
    fix: "find out who deleted it (audit log of the vault), then kvops detach --app {app} --vault VAULT --name NAME --key {part}",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 AC-2", "NIST SP 800-53 IR-4"],
    references: &["https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview"],
    page: include_str!("../../../../docs/rules/KVO703.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    unknown_places(app, case, out);
    for key in app.sign_in_keys() {
        if key.proven().any(|found| !found.is_deleted()) {
            continue;
        }
        let Some((found, deleted)) = key.proven().find_map(|found| Some((found, deleted(found)?))) else { continue };
        let until =
            deleted.purge_at.map_or(String::new(), |end| format!(", and can be recovered until {}", end.date()));
        let id = key.key.key_id;
        let message = format!("the certificate behind a key was deleted{until}");
        let mut finding = out.finding(app.subject().part(id), message);
        if let Some(at) = deleted.deleted_at {
            finding =
                finding.evidence(Evidence::DeletedCertificates, format!("{}.deletedDate", found.path()), at.date());
        }
        let finding = finding.evidence(Evidence::Applications, format!("keyCredentials[{id}]"), "active");
        unless_settling(finding, key.key.start, case).report();
    }
}

fn deleted<'a>(found: &Match<'a>) -> Option<&'a DeletedCertificate> {
    match found.place {
        Place::Deleted(deleted) => Some(deleted),
        Place::Version(_) | Place::Listed => None,
    }
}
