//! KVO208: nobody is told before it expires.

use super::scope::{is_in_scope, weighed};
use crate::audit::facts::CertificateFacts;
use crate::audit::manifest::ManifestEntry;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::audit::wording::counted;
use crate::inventory::{Evidence, Policy};

pub(super) const RULE: Rule = Rule {
    id: "KVO208",
    name: "cert-expiry-silent",
    title: "Nobody is told before a vault certificate expires",
    group: Group::Certificates,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Certificates, Evidence::CertificateDetails, Evidence::Contacts],
    params: &["certificate_scope", "max_mail_percentage"],
    fix: "az keyvault certificate contact add --vault-name {vault} --email ADDRESS, then kvops harden --vault {vault} --name {certificate}",
    mitre: &[],
    controls: &["NIST SP 800-53 SC-12", "Azure Policy 12ef42cb"],
    references: &["https://learn.microsoft.com/azure/key-vault/certificates/overview-renew-certificate"],
    page: include_str!("../../../../docs/rules/KVO208.md"),
    check: Check::Certificate(check),
};

fn check(certificate: &CertificateFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if !is_in_scope(certificate, case) || is_told_otherwise(certificate, case) {
        return;
    }
    let policy = certificate.certificate.policy.get();
    let contacts = certificate.vault.contacts.get();
    let silent = policy.ok().and_then(|policy| silence(policy, case.params.max_mail_percentage));
    let message = match (silent, policy, contacts) {
        (Some(message), _, _) => message,
        (None, _, Ok(0)) => "the vault has no contacts that mail before expiry could go to".to_owned(),
        (None, Err(reason), _) => {
            let why = "whether mail goes out before expiry";
            return out.unknown(certificate.subject(), Evidence::CertificateDetails, reason, why);
        }
        (None, Ok(_), Err(reason)) => {
            let why = "whether there is anybody that mail before expiry goes to";
            return out.unknown(certificate.subject(), Evidence::Contacts, reason, why);
        }
        (None, Ok(_), Ok(_)) => return,
    };
    let mut draft = out.finding(certificate.subject(), message);
    if let Ok(policy) = policy {
        let days = policy.mail_days.map(|days| format!("{} before expiry", counted(days, "day")));
        let percent = policy.mail_percentage.map(|percent| format!("at {percent} % of the lifetime"));
        let when = days.or(percent).unwrap_or_else(|| "never".to_owned());
        draft = draft.evidence(Evidence::CertificateDetails, "policy.lifetime_actions[EmailContacts]", when);
    }
    if let Ok(contacts) = contacts {
        draft = draft.evidence(Evidence::Contacts, "contacts", contacts);
    }
    weighed(draft, certificate.is_trusted()).report();
}

/// What is wrong with the mail that a policy sends, if anything is.
fn silence(policy: &Policy, max_percentage: u32) -> Option<String> {
    match (policy.mail_days, policy.mail_percentage) {
        (None, None) => Some("the policy sends no mail before expiry".to_owned()),
        (None, Some(percent)) if percent > max_percentage => {
            Some(format!("mail goes out after {percent} % of the lifetime, past the limit of {max_percentage}"))
        }
        _ => None,
    }
}

/// Whether somebody wrote down who is told.
fn is_told_otherwise(certificate: &CertificateFacts<'_>, case: &Case<'_>) -> bool {
    let entries = &case.facts.manifest.entries;
    let is_of_it = |entry: &ManifestEntry| {
        let vault = certificate.vault.name.as_str();
        let is_vault = entry.vault.as_deref().is_some_and(|named| {
            named.eq_ignore_ascii_case(vault) || named.to_lowercase().starts_with(&format!("https://{vault}."))
        });
        is_vault && entry.certificate.as_deref() == Some(certificate.certificate.name.as_str())
    };
    let of_apps = certificate.trusting.iter().filter_map(|trust| entries.get(&trust.app_id()));
    of_apps.chain(entries.values().filter(|entry| is_of_it(entry))).any(|entry| entry.notify.is_some())
}
