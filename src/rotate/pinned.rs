//! The policy that new versions are made under: what the certificate has, as far as that is hardened.

use time::OffsetDateTime;

use crate::domain::{CertificatePolicy, IssuerName};
use crate::provision::lifetime::{self, Limit};
use crate::provision::spec::{CertificateSpec, KeySpec, MAX_VALIDITY_MONTHS};

/// Subject, kind of key, validity and issuer stay where they are good; the rest is not negotiable.
pub(super) fn pinned(stored: &CertificatePolicy, fallback_subject: &str) -> CertificatePolicy {
    let key =
        stored.key_type.as_ref().zip(stored.key_size).and_then(|(kind, bits)| format!("{kind}:{bits}").parse().ok());
    let spec = CertificateSpec {
        key: key.unwrap_or_default(),
        subject: stored.subject.clone().unwrap_or_else(|| fallback_subject.to_owned()),
        validity_months: months(stored),
        issuer: stored.issuer.clone().unwrap_or_else(|| IssuerName("Self".to_owned())),
    };
    CertificatePolicy { dns_names: stored.dns_names.clone(), ..spec.policy() }
}

/// The policy to send with a new version: none where the stored one does, so that it stays evidence
/// for the versions that were made under it; a shorter one where the tenant allows no more. The error
/// is that no month fits.
pub(super) fn sent(
    stored: &CertificatePolicy,
    fallback_subject: &str,
    limit: &Limit,
    now: OffsetDateTime,
) -> Result<Option<CertificatePolicy>, ()> {
    let Limit::Longest { longest, .. } = limit else { return Ok(None) };
    // The service dates a certificate back by ten minutes, and the way there takes a while.
    let from = now - time::Duration::seconds(660);
    let Some(latest) = lifetime::add_iso(from, longest) else { return Ok(None) };
    if lifetime::add_months(now, months(stored)) <= latest {
        return Ok(None);
    }
    match lifetime::whole_months(now, latest) {
        0 => Err(()),
        months => Ok(Some(CertificatePolicy {
            validity_months: Some(months),
            ..shortened(pinned(stored, fallback_subject), months)
        })),
    }
}

/// A one-month certificate may live 28 days, and the vault takes 1 to 27 days for a month.
fn shortened(policy: CertificatePolicy, months: u32) -> CertificatePolicy {
    let spec = CertificateSpec {
        key: KeySpec::default(),
        subject: String::new(),
        validity_months: months,
        issuer: IssuerName("Self".to_owned()),
    };
    CertificatePolicy { lifetime_actions: spec.policy().lifetime_actions, ..policy }
}

fn months(stored: &CertificatePolicy) -> u32 {
    stored.validity_months.filter(|months| *months > 0).unwrap_or(MAX_VALIDITY_MONTHS).min(MAX_VALIDITY_MONTHS)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::{KeyType, LifetimeAction, LifetimeTrigger};
    use crate::provision::rules::judge_policy;

    fn loosened() -> CertificatePolicy {
        CertificatePolicy {
            issuer: Some(IssuerName("Self".to_owned())),
            key_type: Some(KeyType::Rsa),
            key_size: Some(4096),
            exportable: Some(true),
            reuse_key: Some(true),
            subject: Some("CN=billing.contoso.internal".to_owned()),
            validity_months: Some(24),
            lifetime_actions: vec![LifetimeAction {
                action: "AutoRenew".to_owned(),
                trigger: LifetimeTrigger::LifetimePercentage(80),
            }],
            ..CertificatePolicy::default()
        }
    }

    #[test]
    fn what_was_loosened_is_hardened_and_what_was_chosen_stays() {
        let policy = pinned(&loosened(), "CN=x");
        assert_eq!(judge_policy(&policy), []);
        assert_eq!((policy.key_size, policy.subject.as_deref()), (Some(4096), Some("CN=billing.contoso.internal")));
        assert_eq!(policy.validity_months, Some(12));
        let weak = CertificatePolicy { key_size: Some(1024), subject: None, ..loosened() };
        assert_eq!(
            (pinned(&weak, "CN=x").key_size, pinned(&weak, "CN=x").subject.as_deref()),
            (Some(3072), Some("CN=x"))
        );
    }

    #[test]
    fn a_policy_of_the_tenant_shortens_what_is_made_and_nothing_else_sends_a_policy() {
        let stored = pinned(&loosened(), "CN=x");
        let now = datetime!(2026-11-22 05:00 UTC);
        let limit = |longest: &str| Limit::Longest { policy: "p".to_owned(), longest: longest.to_owned() };
        assert_eq!(sent(&stored, "CN=x", &Limit::None, now), Ok(None));
        assert_eq!(sent(&stored, "CN=x", &limit("P2Y"), now), Ok(None));
        let months =
            |longest: &str| sent(&stored, "CN=x", &limit(longest), now).map(|policy| policy.unwrap().validity_months);
        assert_eq!(months("P180D"), Ok(Some(5)));
        assert_eq!(months("P40D"), Ok(Some(1)));
        assert_eq!(sent(&stored, "CN=x", &limit("P9D"), now), Err(()));
        let short = sent(&stored, "CN=x", &limit("P40D"), now).unwrap().unwrap();
        assert_eq!(judge_policy(&short), []);
    }
}
