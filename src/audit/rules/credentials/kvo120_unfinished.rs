//! KVO120: a vault certificate, and a secret beside it.

use crate::audit::facts::{ApplicationFacts, KeyFacts};
use crate::audit::params::Params;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO120",
    name: "app-migration-unfinished",
    title: "Vault certificate and secret side by side",
    group: Group::Credentials,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes, Evidence::Vaults, Evidence::CertificateDetails],
    params: &["migration_days"],
    fix: "kvops token --app {app} --vault VAULT --name NAME --expect azpacr=2, which proves the certificate, then kvops detach --app {app} --vault VAULT --name NAME --secret all",
    mitre: &["T1552.001"],
    controls: &["NIST SP 800-53 IA-5"],
    references: &["https://learn.microsoft.com/entra/identity-platform/certificate-credentials"],
    page: include_str!("../../../../docs/rules/KVO120.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let secrets = app.secrets().count();
    if secrets == 0 {
        return;
    }
    let Some(key) = settled_key(app, case.params) else {
        if let Some((evidence, reason)) = old_keys(app, case.params).find_map(|key| unread(key, case)) {
            out.unknown(app.subject(), evidence, reason, "whether its certificate can be copied was not read");
        }
        return;
    };
    let days = key.age_days.unwrap_or_default();
    let remain = if secrets == 1 {
        "a client secret still works".to_owned()
    } else {
        format!("{secrets} client secrets still work")
    };
    let message = format!("a certificate whose key cannot be copied is {days} days old, and {remain}");
    let id = key.key.key_id;
    let mut finding = out.finding(app.subject(), message).evidence(
        Evidence::CertificateDetails,
        format!("keyCredentials[{id}]"),
        &key.custody_why,
    );
    for secret in app.secrets() {
        let field = format!("passwordCredentials[{}].keyId", secret.password.key_id);
        finding = finding.evidence(Evidence::Applications, field, "active");
    }
    finding.report();
}

/// A key that cannot be copied, and that was there long enough to be used.
pub(super) fn settled_key<'f, 'a>(app: &'f ApplicationFacts<'a>, params: &Params) -> Option<&'f KeyFacts<'a>> {
    old_keys(app, params).find(|key| key.custody.is_safe())
}

fn old_keys<'f, 'a>(app: &'f ApplicationFacts<'a>, params: &Params) -> impl Iterator<Item = &'f KeyFacts<'a>> {
    let days = i64::from(params.migration_days);
    app.sign_in_keys().filter(move |key| key.age_days.is_none_or(|age| age > days))
}

/// What would have to be read to know whether a key can be copied.
fn unread(key: &KeyFacts<'_>, case: &Case<'_>) -> Option<(Evidence, Reason)> {
    let policy = key.proven().filter_map(|found| found.certificate?.policy.reason()).next();
    key.unread_for_custody(case.facts).or(policy.map(|reason| (Evidence::CertificateDetails, reason)))
}
