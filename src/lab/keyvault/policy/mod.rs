//! The policy of a certificate: the service's defaults, its checks, and PATCH member by member.

mod input;
mod usage;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) use self::input::PolicyInput;
pub(super) use self::usage::{KEY_USAGES, key_ops};

use self::input::X509Input;
use self::usage::canonical_usages;
use super::error::Refusal;
use super::subject;
use crate::lab::keys::{Curve, KeyKind};

const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
pub(super) const PKCS12: &str = "application/x-pkcs12";
pub(super) const PEM: &str = "application/x-pem-file";

/// A policy with everything filled in. Members are in the order of the wire.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Policy {
    pub(super) key_props: KeyProps,
    pub(super) secret_props: SecretProps,
    pub(super) x509_props: X509Props,
    pub(super) lifetime_actions: Vec<LifetimeAction>,
    pub(super) issuer: IssuerRef,
    pub(super) attributes: PolicyAttributes,
    #[serde(rename = "platformManaged", skip_serializing_if = "Option::is_none", default)]
    pub(super) platform_managed: Option<Value>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct KeyProps {
    pub(super) exportable: bool,
    pub(super) kty: String,
    pub(super) key_size: u32,
    pub(super) reuse_key: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) crv: Option<String>,
}

impl KeyProps {
    /// What to generate. `None` for what no key can be: a PATCH may have left nonsense behind.
    pub(super) fn kind(&self) -> Option<KeyKind> {
        if self.is_ec() {
            return Curve::from_wire(self.crv.as_deref().unwrap_or("P-256")).map(KeyKind::Ec);
        }
        let is_offered = self.is_rsa() && [2048, 3072, 4096].contains(&self.key_size);
        is_offered.then_some(KeyKind::Rsa(self.key_size))
    }

    fn is_ec(&self) -> bool {
        matches!(self.kty.as_str(), "EC" | "EC-HSM")
    }

    fn is_rsa(&self) -> bool {
        matches!(self.kty.as_str(), "RSA" | "RSA-HSM")
    }
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct SecretProps {
    #[serde(rename = "contentType")]
    pub(super) content_type: String,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct X509Props {
    /// Absent for platform-managed certificates only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) sans: Option<Sans>,
    pub(super) ekus: Vec<String>,
    pub(super) key_usage: Vec<String>,
    pub(super) validity_months: u32,
    pub(super) basic_constraints: BasicConstraints,
}

/// Subject alternative names. Lists that were not sent are not shown.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Sans {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) emails: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dns_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upns: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uris: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip_addresses: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct BasicConstraints {
    pub(super) ca: bool,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct LifetimeAction {
    pub(super) trigger: Trigger,
    pub(super) action: ActionType,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Trigger {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) lifetime_percentage: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) days_before_expiry: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct ActionType {
    pub(super) action_type: String,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct IssuerRef {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) cty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) cert_transparency: Option<bool>,
}

impl IssuerRef {
    pub(super) fn is_self(&self) -> bool {
        self.name.eq_ignore_ascii_case("Self")
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.name.eq_ignore_ascii_case("Unknown")
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct PolicyAttributes {
    pub(super) enabled: bool,
    pub(super) created: i64,
    pub(super) updated: i64,
}

/// What an import finds in the certificate. It goes before whatever was sent.
#[derive(Clone, Debug)]
pub(super) struct Imported {
    pub(super) x509: X509Props,
    pub(super) kind: KeyKind,
    pub(super) content_type: &'static str,
}

impl Policy {
    /// The policy of a `create`: what was sent over the service's defaults, checked.
    pub(super) fn create(input: PolicyInput, now: i64) -> Result<Self, Refusal> {
        if let Some(platform) = input.platform_managed.clone() {
            return Ok(Self::platform_managed(platform, now));
        }
        let mut policy = Self::defaults(&input, now);
        policy.take(input)?;
        policy.check()?;
        Ok(policy)
    }

    /// The policy of an `import`.
    pub(super) fn import(input: PolicyInput, found: Imported, now: i64) -> Result<Self, Refusal> {
        let sent_content_type = input.secret_props.as_ref().and_then(|props| props.content_type.clone());
        let mut policy = Self::defaults(&input, now);
        policy.take(PolicyInput { x509_props: None, ..input })?;
        policy.x509_props = found.x509;
        policy.secret_props.content_type = sent_content_type.unwrap_or_else(|| found.content_type.to_owned());
        let is_hsm = policy.key_props.kty.ends_with("-HSM");
        let (kty, key_size, crv) = match found.kind {
            KeyKind::Rsa(bits) => ("RSA", bits, None),
            KeyKind::Ec(curve) => ("EC", curve.bits(), Some(curve.as_wire().to_owned())),
        };
        policy.key_props.kty = if is_hsm { format!("{kty}-HSM") } else { kty.to_owned() };
        policy.key_props.key_size = key_size;
        policy.key_props.crv = crv;
        Ok(policy)
    }

    /// PATCH: merges member by member and checks no more than the types. It can leave nonsense,
    /// as in the service; the next renewal fails then.
    pub(super) fn patch(&mut self, input: PolicyInput, now: i64) -> Result<(), Refusal> {
        self.take(input)?;
        self.attributes.updated = now;
        Ok(())
    }

    /// The wire form, with its id in front.
    pub(super) fn to_wire(&self, id: String) -> Value {
        let mut members = Map::new();
        members.insert("id".to_owned(), id.into());
        if let Ok(Value::Object(rest)) = serde_json::to_value(self) {
            members.extend(rest);
        }
        Value::Object(members)
    }

    fn defaults(input: &PolicyInput, now: i64) -> Self {
        let sent = input.key_props.clone().unwrap_or_default();
        let is_ec = sent.kty.as_deref().is_some_and(|kty| kty.starts_with("EC"));
        let is_hsm = sent.kty.as_deref().is_some_and(|kty| kty.ends_with("-HSM"));
        let curve = is_ec.then(|| sent.crv.clone().unwrap_or_else(|| "P-256".to_owned()));
        let curve_bits = curve.as_deref().and_then(Curve::from_wire).map_or(256, Curve::bits);
        let issuer = IssuerRef {
            name: input.issuer.as_ref().and_then(|issuer| issuer.name.clone()).unwrap_or_else(|| "Unknown".to_owned()),
            cty: None,
            cert_transparency: None,
        };
        let action = if issuer.is_unknown() { "EmailContacts" } else { "AutoRenew" };
        let usages: &[&str] = if is_ec { &["digitalSignature"] } else { &["digitalSignature", "keyEncipherment"] };
        Self {
            key_props: KeyProps {
                exportable: !is_hsm,
                kty: if is_ec { "EC" } else { "RSA" }.to_owned(),
                key_size: if is_ec { curve_bits } else { 2048 },
                reuse_key: false,
                crv: curve,
            },
            secret_props: SecretProps { content_type: PKCS12.to_owned() },
            x509_props: X509Props {
                subject: None,
                sans: None,
                ekus: vec![SERVER_AUTH.to_owned(), CLIENT_AUTH.to_owned()],
                key_usage: usages.iter().map(|&usage| usage.to_owned()).collect(),
                validity_months: 12,
                basic_constraints: BasicConstraints { ca: false },
            },
            lifetime_actions: vec![LifetimeAction::at_percentage(80, action)],
            issuer,
            attributes: PolicyAttributes { enabled: true, created: now, updated: now },
            platform_managed: None,
        }
    }

    fn platform_managed(platform: Value, now: i64) -> Self {
        let mut policy = Self::defaults(&PolicyInput::default(), now);
        let sans = serde_json::from_value(platform["metadata"]["sans"].clone());
        policy.x509_props.sans = sans.ok();
        policy.x509_props.ekus = vec![SERVER_AUTH.to_owned()];
        policy.x509_props.validity_months = 3;
        policy.lifetime_actions = vec![LifetimeAction::at_percentage(50, "AutoRenew")];
        policy.issuer.name = "PlatformManaged".to_owned();
        policy.platform_managed = Some(platform);
        policy
    }

    /// Lays what was sent over what is there. Arrays are replaced; `nbf` and `exp` are dropped.
    fn take(&mut self, input: PolicyInput) -> Result<(), Refusal> {
        if let Some(sent) = input.key_props {
            let changes_kind = sent.kty.is_some();
            set(&mut self.key_props.exportable, sent.exportable);
            set(&mut self.key_props.kty, sent.kty);
            set(&mut self.key_props.key_size, sent.key_size);
            set(&mut self.key_props.reuse_key, sent.reuse_key);
            if sent.crv.is_some() || (changes_kind && !self.key_props.is_ec()) {
                self.key_props.crv = sent.crv;
            }
        }
        if let Some(sent) = input.secret_props {
            set(&mut self.secret_props.content_type, sent.content_type);
        }
        if let Some(sent) = input.x509_props {
            self.take_x509(sent)?;
        }
        set(&mut self.lifetime_actions, input.lifetime_actions);
        if let Some(sent) = input.issuer {
            set(&mut self.issuer.name, sent.name);
            self.issuer.cty = sent.cty.or(self.issuer.cty.take());
            self.issuer.cert_transparency = sent.cert_transparency.or(self.issuer.cert_transparency);
        }
        set(&mut self.attributes.enabled, input.attributes.and_then(|sent| sent.enabled));
        Ok(())
    }

    fn take_x509(&mut self, sent: X509Input) -> Result<(), Refusal> {
        let props = &mut self.x509_props;
        if let Some(text) = sent.subject {
            if !text.is_empty() && subject::parse(&text).is_none() {
                return Err(Refusal::invalid_property("policy.x509_props", "Invalid X.500 distinguished name"));
            }
            props.subject = Some(text);
        }
        props.sans = sent.sans.or(props.sans.take());
        set(&mut props.ekus, sent.ekus);
        if let Some(usages) = sent.key_usage {
            props.key_usage = canonical_usages(&usages)?;
        }
        set(&mut props.validity_months, sent.validity_months);
        set(&mut props.basic_constraints, sent.basic_constraints);
        Ok(())
    }

    fn check(&self) -> Result<(), Refusal> {
        let invalid = |property: &str| Err(Refusal::invalid_property(property, ""));
        if self.key_props.kind().is_none() {
            return invalid("policy.key_props");
        }
        if self.key_props.kty.ends_with("-HSM") && self.key_props.exportable {
            return Err(Refusal::invalid_property("policy.key_props", "A key in an HSM cannot be exportable"));
        }
        if ![PKCS12, PEM].contains(&self.secret_props.content_type.as_str()) {
            return invalid("policy.secret_props");
        }
        let has_subject = self.x509_props.subject.as_deref().is_some_and(|subject| !subject.is_empty());
        let has_sans = self.x509_props.sans.as_ref().is_some_and(|sans| !sans.is_empty());
        if !has_subject && !has_sans || !(1..=1200).contains(&self.x509_props.validity_months) {
            return invalid("policy.x509_props");
        }
        for action in &self.lifetime_actions {
            action.check(self.x509_props.validity_months)?;
        }
        Ok(())
    }
}

impl Sans {
    /// Whether no name is in it.
    pub(super) fn is_empty(&self) -> bool {
        [&self.emails, &self.dns_names, &self.upns, &self.uris, &self.ip_addresses]
            .into_iter()
            .all(|names| names.as_ref().is_none_or(Vec::is_empty))
    }
}

impl LifetimeAction {
    fn at_percentage(percentage: u32, action: &str) -> Self {
        Self {
            trigger: Trigger { lifetime_percentage: Some(percentage), days_before_expiry: None },
            action: ActionType { action_type: action.to_owned() },
        }
    }

    pub(super) fn is_auto_renew(&self) -> bool {
        self.action.action_type.eq_ignore_ascii_case("AutoRenew")
    }

    /// The moment at which this happens to a certificate of that validity.
    pub(super) fn due_at(&self, not_before: i64, not_after: i64) -> Option<i64> {
        if let Some(days) = self.trigger.days_before_expiry {
            return Some(not_after - i64::from(days) * 86400);
        }
        let percentage = i64::from(self.trigger.lifetime_percentage?);
        Some(not_before + (not_after - not_before) * percentage / 100)
    }

    fn check(&self, months: u32) -> Result<(), Refusal> {
        let is_known = ["AutoRenew", "EmailContacts"].iter().any(|a| a.eq_ignore_ascii_case(&self.action.action_type));
        let is_in_range = match (self.trigger.lifetime_percentage, self.trigger.days_before_expiry) {
            (Some(percentage), None) => (1..=99).contains(&percentage),
            (None, Some(days)) => (1..=27 * months).contains(&days),
            _ => false,
        };
        if is_known && is_in_range { Ok(()) } else { Err(Refusal::invalid_property("policy.lifetime_actions", "")) }
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
