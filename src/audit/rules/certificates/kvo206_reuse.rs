//! KVO206: renewal keeps the key.

use super::scope::{is_in_scope, weighed};
use crate::audit::facts::{CertificateFacts, Origin, VersionFacts};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO206",
    name: "cert-key-reused",
    title: "Private key is kept when the certificate is renewed",
    group: Group::Certificates,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateVersions, Evidence::CertificateDetails],
    params: &["certificate_scope"],
    fix: "kvops harden --vault {vault} --name {certificate}, then kvops provision --app APP --vault {vault} --name NEW-NAME",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 SC-12", "NIST SP 800-57 5.3"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/about-certificates"],
    page: include_str!("../../../../docs/rules/KVO206.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !is_in_scope(certificate, case) {
        return;
    }
    let record = certificate.certificate;
    let pairs = || certificate.versions.windows(2).enumerate().filter(|(index, pair)| matters(*index, pair));
    let same = pairs().filter(|(_, pair)| spki(&pair[0]).is_some() && spki(&pair[0]) == spki(&pair[1])).count();
    let policy = record.policy.read();
    let message = match same {
        0 if policy.is_some_and(|policy| policy.reuse_key == Some(true)) => {
            "the policy keeps the key on renewal".to_owned()
        }
        0 => {
            let undecided = pairs().find_map(|(_, pair)| unread(certificate, pair));
            if let Some(reason) = record.versions.reason() {
                out.unknown(certificate.subject(), Evidence::CertificateVersions, reason, "its versions were not read");
            } else if let Some(reason) = record.policy.reason().or(undecided) {
                let why = "whether renewal keeps the key, and kept it";
                out.unknown(certificate.subject(), Evidence::CertificateDetails, reason, why);
            }
            return;
        }
        1 => "a version has the same key as the one before it".to_owned(),
        count => format!("{count} versions have the same key as the one before them"),
    };
    let reuse = policy.and_then(|policy| policy.reuse_key);
    let mut draft = out.finding(certificate.subject(), message).evidence(
        Evidence::CertificateDetails,
        "policy.key_props.reuse_key",
        reuse.map_or("not read".to_owned(), |reuse| reuse.to_string()),
    );
    for (_, pair) in pairs().filter(|(_, pair)| spki(&pair[0]) == spki(&pair[1])) {
        let Some(spki) = spki(&pair[0]) else { continue };
        let field =
            format!("versions {} and {}: SHA-256 of the public key", pair[1].version.version, pair[0].version.version);
        draft = draft.evidence(Evidence::CertificateDetails, field, spki);
    }
    weighed(draft, certificate.is_trusted()).report();
}

/// A pair of versions that nobody trusts, and that are followed by others, is history.
fn matters(index: usize, pair: &[VersionFacts<'_>]) -> bool {
    index == 0 || pair.iter().any(VersionFacts::is_trusted)
}

fn spki<'v>(version: &'v VersionFacts<'_>) -> Option<&'v str> {
    version.version.x.read().map(|x| x.spki.as_str())
}

/// Why it cannot be told whether a version has the key of the one before. A version that the vault
/// made under today's policy has a new one if that policy says so.
fn unread(certificate: &CertificateFacts<'_>, pair: &[VersionFacts<'_>]) -> Option<Reason> {
    let (newer, older) = (&pair[0], &pair[1]);
    let reason = newer.version.x.reason().or(older.version.x.reason())?;
    let policy = certificate.certificate.policy.read()?;
    let is_of_today = policy.updated.zip(newer.version.created).is_some_and(|(updated, created)| updated <= created);
    let is_made_here = matches!(newer.origin, Origin::Generated | Origin::Assumed);
    (!(is_of_today && is_made_here)).then_some(reason)
}
