//! Records of what the vault's own types say.

use super::vault::{BackingKey, Policy};
use crate::domain::{CertificatePolicy, KeyUsage, LifetimeAction, LifetimeTrigger, VaultKey};

impl From<&CertificatePolicy> for Policy {
    fn from(policy: &CertificatePolicy) -> Self {
        let mut record = Self {
            issuer: policy.issuer.as_ref().map(|issuer| issuer.0.as_str().into()),
            key_type: policy.key_type.as_ref().map(|kind| kind.as_wire().into()),
            key_size: policy.key_size,
            curve: policy.curve.as_deref().map(Into::into),
            exportable: policy.exportable,
            reuse_key: policy.reuse_key,
            key_usage: policy.key_usage.iter().map(|KeyUsage(usage)| usage.as_str().into()).collect(),
            extended_key_usage: policy.extended_key_usage.iter().map(|usage| usage.as_str().into()).collect(),
            validity_months: policy.validity_months,
            auto_renew: policy.lifetime_actions.iter().any(LifetimeAction::is_auto_renew),
            created: policy.created,
            updated: policy.updated,
            ..Self::default()
        };
        for action in policy.lifetime_actions.iter().filter(|action| action.is_email_contacts()) {
            match action.trigger {
                LifetimeTrigger::DaysBeforeExpiry(days) => record.mail_days = Some(days),
                LifetimeTrigger::LifetimePercentage(percent) => record.mail_percentage = Some(percent),
                LifetimeTrigger::Unspecified => {}
            }
        }
        record
    }
}

impl From<&VaultKey> for BackingKey {
    fn from(key: &VaultKey) -> Self {
        Self {
            kty: Some(key.key_type.as_wire().into()),
            key_ops: key.operations.iter().map(|operation| operation.as_str().into()).collect(),
            exportable: key.exportable,
            enabled: key.enabled,
            expires: key.not_after,
        }
    }
}
