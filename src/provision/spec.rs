//! The certificate that is wanted: the hardened policy, with the few things that may be chosen.

use std::fmt;
use std::str::FromStr;

use crate::domain::{AppId, CertificatePolicy, IssuerName, KeyType, KeyUsage, LifetimeAction, LifetimeTrigger};

/// `id-kp-clientAuth` of RFC 5280 4.2.1.12.
pub const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

/// Days before expiry at which the vault writes to its contacts.
const MAIL_DAYS_BEFORE_EXPIRY: u32 = 30;

/// The longest validity that kvops makes, in months.
pub const MAX_VALIDITY_MONTHS: u32 = 12;

/// What may be chosen about a certificate. Everything else is fixed: not exportable, a new key for
/// each version, digital signature only, client authentication, mail and never automatic renewal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateSpec {
    /// Kind and size of the key.
    pub key: KeySpec,
    /// Distinguished name.
    pub subject: String,
    /// Calendar months, 1 to [`MAX_VALIDITY_MONTHS`].
    pub validity_months: u32,
    /// `Self`, `Unknown` for a certificate that an own CA makes, or a configured issuer.
    pub issuer: IssuerName,
}

impl CertificateSpec {
    /// The whole policy. It is sent with every new version, so that a policy that somebody has
    /// loosened in the meantime cannot shape it.
    pub fn policy(&self) -> CertificatePolicy {
        CertificatePolicy {
            issuer: Some(self.issuer.clone()),
            key_type: Some(self.key.kind.clone()),
            key_size: Some(self.key.bits),
            curve: None,
            exportable: Some(false),
            reuse_key: Some(false),
            content_type: Some("application/x-pkcs12".to_owned()),
            subject: Some(self.subject.clone()),
            dns_names: Vec::new(),
            extended_key_usage: vec![CLIENT_AUTH.to_owned()],
            key_usage: vec![KeyUsage::digital_signature()],
            validity_months: Some(self.validity_months),
            lifetime_actions: vec![LifetimeAction {
                action: "EmailContacts".to_owned(),
                trigger: LifetimeTrigger::DaysBeforeExpiry(self.mail_days()),
            }],
            created: None,
            updated: None,
        }
    }

    /// A one-month certificate may live 28 days; the service takes 1 to 27 days a month.
    fn mail_days(&self) -> u32 {
        if self.validity_months == 1 { 7 } else { MAIL_DAYS_BEFORE_EXPIRY }
    }
}

/// Kind and size of a key, written `RSA:3072` or `RSA-HSM:2048`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeySpec {
    /// RSA, in software or in an HSM.
    pub kind: KeyType,
    /// Bits of the modulus.
    pub bits: u32,
}

impl Default for KeySpec {
    fn default() -> Self {
        Self { kind: KeyType::Rsa, bits: 3072 }
    }
}

impl fmt::Display for KeySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.bits)
    }
}

/// A key that Entra would not take, or that Key Vault does not make.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidKeySpec {
    /// An elliptic curve.
    #[error("`{0}`: Entra documents client assertions with RSA keys only; use RSA:3072")]
    NotRsa(String),
    /// Anything else.
    #[error("`{0}` is not a key: use RSA:2048, RSA:3072, RSA:4096, or RSA-HSM with one of these sizes")]
    Unknown(String),
}

impl FromStr for KeySpec {
    type Err = InvalidKeySpec;

    fn from_str(text: &str) -> Result<Self, InvalidKeySpec> {
        let (kind, bits) = text.split_once(':').unwrap_or((text, "3072"));
        let kind = KeyType::from_wire(&kind.to_ascii_uppercase());
        if matches!(kind, KeyType::Ec | KeyType::EcHsm) {
            return Err(InvalidKeySpec::NotRsa(text.to_owned()));
        }
        match bits.parse() {
            Ok(bits @ (2048 | 3072 | 4096)) if kind.is_rsa() => Ok(Self { kind, bits }),
            _ => Err(InvalidKeySpec::Unknown(text.to_owned())),
        }
    }
}

/// The subject `CN={app}.{company}.internal`. What a user wrote into the display name only goes in
/// as far as it is a host label; where nothing of it remains, the client id stands in.
pub fn subject(display_name: Option<&str>, app_id: AppId, company: &str) -> String {
    let app = label(display_name.unwrap_or_default()).unwrap_or_else(|| app_id.to_string());
    let company = label(company).unwrap_or_else(|| "kvops".to_owned());
    format!("CN={app}.{company}.internal")
}

/// Lower-case letters, digits and single hyphens, at most 36 of them: three parts fit into the 64
/// characters of a common name (RFC 5280 A.1, `ub-common-name`) if the company's is cut likewise.
fn label(text: &str) -> Option<String> {
    let mut label = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => label.push(c),
            _ if !label.ends_with('-') && !label.is_empty() => label.push('-'),
            _ => {}
        }
    }
    label.truncate(if label.len() > 36 { 18 } else { 36 });
    let label = label.trim_end_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_rsa_of_a_size_that_the_vault_makes() {
        assert_eq!("RSA:3072".parse(), Ok(KeySpec::default()));
        assert_eq!("rsa-hsm:2048".parse(), Ok(KeySpec { kind: KeyType::RsaHsm, bits: 2048 }));
        assert_eq!("EC:P-256".parse::<KeySpec>(), Err(InvalidKeySpec::NotRsa("EC:P-256".to_owned())));
        for bad in ["RSA:1024", "RSA:3073", "DSA:2048", "", ":", "RSA:"] {
            assert!(bad.parse::<KeySpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn hostile_names_leave_only_a_host_label_in_the_subject() {
        let app_id: AppId = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        let with = |name| subject(name, app_id, "Contoso Ltd.");
        assert_eq!(with(Some("Billing API")), "CN=billing-api.contoso-ltd.internal");
        assert_eq!(with(Some("x,O=Evil\u{1b}[2J")), "CN=x-o-evil-2j.contoso-ltd.internal");
        assert_eq!(with(Some("請求")), format!("CN={app_id}.contoso-ltd.internal"));
        assert_eq!(with(None), format!("CN={app_id}.contoso-ltd.internal"));
        assert!(with(Some(&"a".repeat(300))).len() <= 3 + 64);
    }

    #[test]
    fn the_policy_is_the_hardened_one() {
        let spec = CertificateSpec {
            key: KeySpec::default(),
            subject: "CN=a.b.internal".to_owned(),
            validity_months: 12,
            issuer: IssuerName("Self".to_owned()),
        };
        let policy = spec.policy();
        assert_eq!((policy.exportable, policy.reuse_key), (Some(false), Some(false)));
        assert_eq!(policy.key_usage, [KeyUsage::digital_signature()]);
        assert!(policy.lifetime_actions.iter().all(LifetimeAction::is_email_contacts));
    }
}
