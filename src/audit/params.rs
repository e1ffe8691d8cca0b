//! The limits that people tune. Defaults, units and ranges stand in `policies/params.toml`, which is
//! compiled in; a test holds the two together.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Every limit that a rule reads.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Days before expiry from which a successor must be ready (KVO105, KVO505).
    pub warn_days: u32,
    /// Days before expiry from which that is critical (KVO105, KVO505, KVO705).
    pub crit_days: u32,
    /// Days for which an expired credential may lie around (KVO104).
    pub grace_days: u32,
    /// Longest life of a secret, in days (KVO102).
    pub max_secret_days: u32,
    /// Longest life of a certificate, in days (KVO106).
    pub max_cert_days: u32,
    /// The same for a key in an HSM (KVO106).
    pub max_cert_days_hsm: u32,
    /// Life of a certificate from which it is high (KVO106).
    pub long_cert_days: u32,
    /// Active keys that an application needs for rolling over (KVO108).
    pub max_active: u32,
    /// Active keys from which it is medium (KVO108).
    pub many_active: u32,
    /// Days without use after which a certificate is unused (KVO109, KVO704).
    pub unused_days: u32,
    /// Days without use after which a secret is unused (KVO109).
    pub unused_secret_days: u32,
    /// Days after which a secret must have been replaced (KVO110).
    pub rotate_secret_days: u32,
    /// Days after which a certificate must have been replaced (KVO110).
    pub rotate_cert_days: u32,
    /// Smallest RSA modulus, in bits (KVO111, KVO210).
    pub min_rsa_bits: u32,
    /// Days for which a secret may live beside a vault certificate (KVO120).
    pub migration_days: u32,
    /// Validity of a vault certificate, in months (KVO207).
    pub max_validity_months: u32,
    /// Percent of the lifetime after which mail is too late (KVO208).
    pub max_mail_percentage: u32,
    /// Principals that may sign with one key (KVO309).
    pub max_signers: u32,
    /// Object ids of people who are let in on purpose, for emergencies (KVO301).
    pub break_glass: Vec<Uuid>,
    /// Which certificates 2xx rules look at: only those that an application trusts, or that are tagged for
    /// one; or all.
    pub certificate_scope: CertificateScope,
    /// Whether a key without the vault's own evidence of its policy at birth is enough (KVO202).
    pub require_ledger: bool,
    /// Whether a key must be in an HSM, whatever the tier (KVO205).
    pub require_hsm: bool,
    /// Whether unusual extended key usages of the service's default count fully (KVO213).
    pub strict_eku: bool,
    /// Whether a vault that trusted services may pass counts as restricted (KVO306).
    pub allow_public_network: bool,
    /// Days without sign-in after which a service principal is dormant (KVO506).
    pub stale_days: u32,
    /// Longest life of secrets in the tenant's policy, in days; the service compares with "less than" (KVO603).
    pub max_policy_secret_days: u32,
    /// Longest life of certificates in the tenant's policy, in days (KVO604).
    pub max_policy_cert_days: u32,
    /// Days for which two keys are trusted at once (KVO109, KVO704).
    pub overlap_days: u32,
    /// Minutes for which a new version may be unattached, because somebody is at it (KVO705).
    pub settle_minutes: u32,
    /// Days after which a certificate that nobody trusts is an orphan (KVO706).
    pub orphan_days: u32,
    /// Longest waiver, in days (KVO903).
    pub max_waiver_days: u32,
    /// Most objects that one waiver may cover (KVO903).
    pub max_waiver_objects: u32,
    /// Days after which a baseline is stale (KVO904).
    pub max_baseline_days: u32,
    /// Hours after which an inventory from a file is stale (KVO905).
    pub max_inventory_hours: u32,
}

/// Which certificates of a vault are judged.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateScope {
    /// Those that an application trusts, or that are tagged for one.
    AppCredentials,
    /// All of them, for TLS too.
    All,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            warn_days: 30,
            crit_days: 7,
            grace_days: 7,
            max_secret_days: 180,
            max_cert_days: 365,
            max_cert_days_hsm: 730,
            long_cert_days: 1095,
            max_active: 2,
            many_active: 5,
            unused_days: 30,
            unused_secret_days: 90,
            rotate_secret_days: 180,
            rotate_cert_days: 365,
            min_rsa_bits: 2048,
            migration_days: 14,
            max_validity_months: 12,
            max_mail_percentage: 90,
            max_signers: 3,
            break_glass: Vec::new(),
            certificate_scope: CertificateScope::AppCredentials,
            require_ledger: false,
            require_hsm: false,
            strict_eku: false,
            allow_public_network: false,
            stale_days: 90,
            max_policy_secret_days: 180,
            max_policy_cert_days: 365,
            overlap_days: 14,
            settle_minutes: 60,
            orphan_days: 30,
            max_waiver_days: 180,
            max_waiver_objects: 20,
            max_baseline_days: 90,
            max_inventory_hours: 24,
        }
    }
}
