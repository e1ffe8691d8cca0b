//! The JSON of Key Vault, in its own spelling. Everything is optional that the service may leave
//! out, unknown members are ignored, and nothing here outlives a call.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::domain::{
    CertificateAttributes, CertificateOperation, CertificatePolicy, IssuerName, KeyType, KeyUsage, LifetimeAction,
    LifetimeTrigger, OperationStatus,
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Bundle {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) x5t: Option<String>,
    #[serde(default)]
    pub(super) cer: Option<String>,
    #[serde(default)]
    pub(super) attributes: Option<Attributes>,
    #[serde(default)]
    pub(super) tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) policy: Option<Policy>,
    #[serde(rename = "recoveryId", default)]
    pub(super) recovery_id: Option<String>,
    #[serde(rename = "deletedDate", default)]
    pub(super) deleted_date: Option<i64>,
    #[serde(rename = "scheduledPurgeDate", default)]
    pub(super) scheduled_purge_date: Option<i64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Attributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
    #[serde(default, skip_serializing)]
    nbf: Option<i64>,
    #[serde(default, skip_serializing)]
    exp: Option<i64>,
    #[serde(default, skip_serializing)]
    created: Option<i64>,
    #[serde(default, skip_serializing)]
    updated: Option<i64>,
    #[serde(rename = "recoveryLevel", default, skip_serializing)]
    pub(super) recovery_level: Option<String>,
    #[serde(rename = "recoverableDays", default, skip_serializing)]
    recoverable_days: Option<u32>,
    #[serde(default, skip_serializing)]
    pub(super) exportable: Option<bool>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Policy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<Issuer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_props: Option<KeyProperties>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_props: Option<SecretProperties>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x509_props: Option<X509Properties>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifetime_actions: Option<Vec<Action>>,
    #[serde(default, skip_serializing)]
    attributes: Option<Attributes>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Issuer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct KeyProperties {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kty: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exportable: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reuse_key: Option<bool>,
}

#[derive(Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct SecretProperties {
    #[serde(rename = "contentType", default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
}

#[derive(Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct X509Properties {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sans: Option<Names>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ekus: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_usage: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validity_months: Option<u32>,
}

#[derive(Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Names {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dns_names: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Action {
    #[serde(default)]
    trigger: Trigger,
    #[serde(default)]
    action: ActionKind,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Trigger {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifetime_percentage: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days_before_expiry: Option<u32>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct ActionKind {
    #[serde(default)]
    action_type: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Operation {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    status_details: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    csr: Option<String>,
    #[serde(default)]
    cancellation_requested: Option<bool>,
    #[serde(default)]
    issuer: Option<Issuer>,
    #[serde(default)]
    error: Option<OperationError>,
}

#[derive(Debug, Deserialize)]
struct OperationError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// The body of a creation.
#[derive(Debug, Serialize)]
pub(super) struct Create<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<Policy>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<Attributes>,
}

/// The body of a change to a version.
#[derive(Debug, Serialize)]
pub(super) struct Update<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<&'a BTreeMap<String, String>>,
}

/// The body of a merge.
#[derive(Debug, Serialize)]
pub(super) struct Merge {
    pub(super) x5c: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct KeyBundle {
    pub(super) key: Jwk,
    #[serde(default)]
    pub(super) attributes: Option<Attributes>,
    #[serde(default)]
    pub(super) managed: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Jwk {
    pub(super) kid: String,
    pub(super) kty: String,
    #[serde(default)]
    pub(super) key_ops: Option<Vec<String>>,
    #[serde(default)]
    pub(super) n: Option<String>,
    #[serde(default)]
    pub(super) e: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Signature {
    pub(super) kid: String,
    pub(super) value: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Verified {
    pub(super) value: bool,
}

impl Attributes {
    pub(super) fn not_after(&self) -> Option<OffsetDateTime> {
        self.exp.and_then(moment)
    }

    pub(super) fn enabled(enabled: Option<bool>) -> Option<Self> {
        enabled.map(|enabled| Self { enabled: Some(enabled), ..Self::default() })
    }
}

impl From<Attributes> for CertificateAttributes {
    fn from(wire: Attributes) -> Self {
        Self {
            enabled: wire.enabled,
            not_before: wire.nbf.and_then(moment),
            not_after: wire.exp.and_then(moment),
            created: wire.created.and_then(moment),
            updated: wire.updated.and_then(moment),
            recovery_level: wire.recovery_level,
            recoverable_days: wire.recoverable_days,
        }
    }
}

impl From<Policy> for CertificatePolicy {
    fn from(wire: Policy) -> Self {
        let attributes = wire.attributes.unwrap_or_default();
        let key = wire.key_props.unwrap_or_default();
        let x509 = wire.x509_props.unwrap_or_default();
        Self {
            issuer: wire.issuer.and_then(|issuer| issuer.name).map(IssuerName),
            key_type: key.kty.as_deref().map(KeyType::from_wire),
            key_size: key.key_size,
            curve: key.crv,
            exportable: key.exportable,
            reuse_key: key.reuse_key,
            content_type: wire.secret_props.and_then(|properties| properties.content_type),
            subject: x509.subject,
            dns_names: x509.sans.and_then(|names| names.dns_names).unwrap_or_default(),
            extended_key_usage: x509.ekus.unwrap_or_default(),
            key_usage: x509.key_usage.unwrap_or_default().into_iter().map(KeyUsage).collect(),
            validity_months: x509.validity_months,
            lifetime_actions: wire.lifetime_actions.unwrap_or_default().into_iter().map(LifetimeAction::from).collect(),
            created: attributes.created.and_then(moment),
            updated: attributes.updated.and_then(moment),
        }
    }
}

impl From<Action> for LifetimeAction {
    fn from(wire: Action) -> Self {
        let trigger = match (wire.trigger.days_before_expiry, wire.trigger.lifetime_percentage) {
            (Some(days), _) => LifetimeTrigger::DaysBeforeExpiry(days),
            (None, Some(share)) => LifetimeTrigger::LifetimePercentage(share),
            (None, None) => LifetimeTrigger::Unspecified,
        };
        Self { action: wire.action.action_type, trigger }
    }
}

impl From<&CertificatePolicy> for Policy {
    /// What is `None` or empty is left out: the service fills in a default, or keeps what it has.
    fn from(policy: &CertificatePolicy) -> Self {
        let key = KeyProperties {
            kty: policy.key_type.as_ref().map(|kind| kind.as_wire().to_owned()),
            key_size: policy.key_size,
            crv: policy.curve.clone(),
            exportable: policy.exportable,
            reuse_key: policy.reuse_key,
        };
        let x509 = X509Properties {
            subject: policy.subject.clone(),
            sans: some(policy.dns_names.clone()).map(|names| Names { dns_names: Some(names) }),
            ekus: some(policy.extended_key_usage.clone()),
            key_usage: some(policy.key_usage.iter().map(|usage| usage.0.clone()).collect()),
            validity_months: policy.validity_months,
        };
        let actions = policy.lifetime_actions.iter().map(Action::from).collect();
        Self {
            issuer: policy.issuer.as_ref().map(|issuer| Issuer { name: Some(issuer.0.clone()) }),
            key_props: (key != KeyProperties::default()).then_some(key),
            secret_props: policy.content_type.clone().map(|kind| SecretProperties { content_type: Some(kind) }),
            x509_props: (x509 != X509Properties::default()).then_some(x509),
            lifetime_actions: some(actions),
            attributes: None,
        }
    }
}

impl From<&LifetimeAction> for Action {
    fn from(action: &LifetimeAction) -> Self {
        let trigger = match action.trigger {
            LifetimeTrigger::DaysBeforeExpiry(days) => Trigger { days_before_expiry: Some(days), ..Trigger::default() },
            LifetimeTrigger::LifetimePercentage(share) => {
                Trigger { lifetime_percentage: Some(share), ..Trigger::default() }
            }
            LifetimeTrigger::Unspecified => Trigger::default(),
        };
        Self { trigger, action: ActionKind { action_type: action.action.clone() } }
    }
}

impl From<Operation> for CertificateOperation {
    fn from(wire: Operation) -> Self {
        let error = wire.error.map(|error| (error.code.unwrap_or_default(), error.message.unwrap_or_default()));
        Self {
            status: OperationStatus::from_wire(wire.status.as_deref().unwrap_or_default()),
            status_details: wire.status_details,
            request_id: wire.request_id,
            csr: wire.csr.as_deref().and_then(bytes),
            cancellation_requested: wire.cancellation_requested.unwrap_or_default(),
            issuer: wire.issuer.and_then(|issuer| issuer.name).map(IssuerName),
            error,
        }
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Seconds since 1970.
pub(super) fn moment(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// base64 in either alphabet, padded or not: the service uses one for certificates and the other
/// for numbers and signatures.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(text.replace('-', "+").replace('_', "/")).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy() -> Value {
        json!({
            "issuer": {"name": "Self"},
            "key_props": {"kty": "RSA", "key_size": 3072, "exportable": false, "reuse_key": false},
            "secret_props": {"contentType": "application/x-pkcs12"},
            "x509_props": {"subject": "CN=billing", "ekus": ["1.3.6.1.5.5.7.3.2"], "key_usage": ["digitalSignature"], "validity_months": 12},
            "lifetime_actions": [{"trigger": {"days_before_expiry": 30}, "action": {"action_type": "EmailContacts"}}],
        })
    }

    #[test]
    fn a_policy_goes_out_as_it_came_in() {
        let wire: Policy = serde_json::from_value(policy()).unwrap();
        let domain = CertificatePolicy::from(wire);
        assert_eq!(serde_json::to_value(Policy::from(&domain)).unwrap(), policy());
    }

    #[test]
    fn an_empty_policy_says_nothing() {
        assert_eq!(serde_json::to_value(Policy::from(&CertificatePolicy::default())).unwrap(), json!({}));
    }

    #[test]
    fn an_unknown_action_and_unknown_members_are_no_error() {
        let mut wire = policy();
        wire["lifetime_actions"][0]["action"]["action_type"] = json!("autoRenewTomorrow");
        wire["platformManaged"] = json!(true);
        wire["x509_props"]["basic_constraints"] = json!({"ca": false});
        let domain = CertificatePolicy::from(serde_json::from_value::<Policy>(wire).unwrap());
        assert_eq!(domain.lifetime_actions[0].action, "autoRenewTomorrow");
    }

    #[test]
    fn an_absent_exportable_is_not_false() {
        let domain = CertificatePolicy::from(serde_json::from_value::<Policy>(json!({"key_props": {}})).unwrap());
        assert_eq!(domain.exportable, None);
    }
}
