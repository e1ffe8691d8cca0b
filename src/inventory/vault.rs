//! Vaults, their certificates, and who may do what there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::digest::Digest;
use super::records::Records;
use super::seen::{Seen, exact};
use super::word::Word;
use super::x509::X509;
use crate::domain::{CertificateName, VaultName, Version};

/// A vault.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vault {
    /// Name.
    pub name: VaultName,
    /// `https://NAME.SUFFIX/`.
    #[serde(default)]
    pub url: Box<str>,
    /// Azure resource id; empty when the vault was named and not discovered.
    #[serde(default)]
    pub resource_id: Box<str>,
    /// What Azure says of it.
    #[serde(default)]
    pub properties: Seen<Box<VaultProperties>>,
    /// Whether its audit events are written anywhere.
    #[serde(default)]
    pub is_logged: Seen<bool>,
    /// Whether Defender for Key Vault watches its subscription.
    #[serde(default)]
    pub is_defended: Seen<bool>,
    /// How many contacts get mail before expiry.
    #[serde(default)]
    pub contacts: Seen<u32>,
    /// Its certificates, by name.
    #[serde(default)]
    pub certificates: Seen<Records<Certificate>>,
    /// Its deleted certificates, by name.
    #[serde(default)]
    pub deleted: Seen<Vec<DeletedCertificate>>,
}

/// What Azure Resource Manager says of a vault.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VaultProperties {
    /// Region.
    pub location: Box<str>,
    /// Subscription.
    pub subscription: Box<str>,
    /// Names of the management groups above the subscription: assignments there reach the vault.
    pub management_groups: Seen<Vec<Box<str>>>,
    /// `standard` or `premium`.
    pub sku: Box<str>,
    /// `enableRbacAuthorization`; absent means access policies.
    pub rbac: Option<bool>,
    /// `publicNetworkAccess`.
    pub public_network_access: Option<Box<str>>,
    /// `networkAcls.defaultAction`.
    pub network_default_action: Option<Box<str>>,
    /// `enablePurgeProtection`.
    pub purge_protection: Option<bool>,
    /// `enableSoftDelete`; absent in newer vaults, which all have it.
    pub soft_delete: Option<bool>,
    /// `softDeleteRetentionInDays`.
    pub soft_delete_days: Option<u32>,
    /// Access policies, empty with RBAC.
    pub access_policies: Vec<AccessPolicy>,
    /// Tags of the resource. Hostile text.
    pub tags: BTreeMap<Box<str>, Box<str>>,
}

/// What one principal may do in a vault without RBAC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessPolicy {
    /// Object id of a user, group or service principal.
    pub principal: Uuid,
    /// `User`, `Group`, `ServicePrincipal`; empty when nobody looked: a vault does not say it.
    #[serde(default)]
    pub principal_type: Box<str>,
    /// Members of a group, all levels; unread for other principals.
    #[serde(default)]
    pub members: Seen<Vec<Uuid>>,
    /// Permissions on keys, lower case.
    #[serde(default)]
    pub keys: Box<[Box<str>]>,
    /// Permissions on secrets, lower case.
    #[serde(default)]
    pub secrets: Box<[Box<str>]>,
    /// Permissions on certificates, lower case.
    #[serde(default)]
    pub certificates: Box<[Box<str>]>,
}

/// A role that a principal has at a scope.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// Object id.
    pub principal: Uuid,
    /// `User`, `Group`, `ServicePrincipal`.
    #[serde(default)]
    pub principal_type: Box<str>,
    /// Members of a group, all levels; unread for other principals.
    #[serde(default)]
    pub members: Seen<Vec<Uuid>>,
    /// GUID of the role definition.
    pub role: Uuid,
    /// Azure resource id of the scope.
    pub scope: Box<str>,
    /// Condition of the assignment, if any.
    #[serde(default)]
    pub condition: Option<Box<str>>,
}

/// A role of Azure RBAC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleDefinition {
    /// GUID.
    pub id: Uuid,
    /// Name.
    #[serde(default)]
    pub name: Box<str>,
    /// What it permits.
    #[serde(default)]
    pub permissions: Box<[RolePermissions]>,
}

/// One set of permissions of a role; `*` in a name stands for anything.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolePermissions {
    /// Actions on the resource.
    pub actions: Box<[Box<str>]>,
    /// Taken out of those.
    pub not_actions: Box<[Box<str>]>,
    /// Actions on data.
    pub data_actions: Box<[Box<str>]>,
    /// Taken out of those.
    pub not_data_actions: Box<[Box<str>]>,
}

/// A certificate with its versions.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Name.
    pub name: CertificateName,
    /// SHA-1 of the current version, upper-case hex; absent while the first is pending.
    #[serde(default)]
    pub x5t: Option<Digest>,
    /// Whether the current version may be used.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// When the current version was made.
    #[serde(default, with = "super::compact::moment::option")]
    pub created: Option<OffsetDateTime>,
    /// End of validity of the current version.
    #[serde(default, with = "super::compact::moment::option")]
    pub expires: Option<OffsetDateTime>,
    /// Tags of the current version. Hints, and hostile text.
    #[serde(default)]
    pub tags: BTreeMap<Box<str>, Box<str>>,
    /// What makes the next version; one policy for all versions.
    #[serde(default)]
    pub policy: Seen<Box<Policy>>,
    /// All versions, newest first.
    #[serde(default, deserialize_with = "exact")]
    pub versions: Seen<Vec<VersionRecord>>,
}

/// A certificate policy, as rules read it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// `Self`, `Unknown`, or a CA.
    pub issuer: Option<Word>,
    /// `RSA`, `RSA-HSM`, `EC`, `EC-HSM`.
    pub key_type: Option<Word>,
    /// Bits.
    pub key_size: Option<u32>,
    /// Curve.
    pub curve: Option<Box<str>>,
    /// `key_props.exportable`.
    pub exportable: Option<bool>,
    /// `key_props.reuse_key`.
    pub reuse_key: Option<bool>,
    /// Key usages.
    pub key_usage: Box<[Word]>,
    /// Extended key usages.
    pub extended_key_usage: Box<[Word]>,
    /// Months of validity.
    pub validity_months: Option<u32>,
    /// Whether the vault renews by itself.
    pub auto_renew: bool,
    /// When mail goes out: days before expiry; absent when none does.
    pub mail_days: Option<u32>,
    /// When mail goes out: percent of the lifetime; absent when none does.
    pub mail_percentage: Option<u32>,
    /// When the policy was made.
    #[serde(with = "super::compact::moment::option")]
    pub created: Option<OffsetDateTime>,
    /// When it was last changed.
    #[serde(with = "super::compact::moment::option")]
    pub updated: Option<OffsetDateTime>,
}

/// One version of a certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionRecord {
    /// The version.
    #[serde(with = "super::compact::version")]
    pub version: Version,
    /// SHA-1 as the vault states it, upper-case hex.
    #[serde(default)]
    pub x5t: Option<Digest>,
    /// Whether it may be used.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// The moment of issue.
    #[serde(default, with = "super::compact::moment::option")]
    pub created: Option<OffsetDateTime>,
    /// The moment of the last change.
    #[serde(default, with = "super::compact::moment::option")]
    pub updated: Option<OffsetDateTime>,
    /// End of validity; absent when it has none.
    #[serde(default, with = "super::compact::moment::option")]
    pub expires: Option<OffsetDateTime>,
    /// Tags. Hints, and hostile text.
    #[serde(default)]
    pub tags: BTreeMap<Box<str>, Box<str>>,
    /// What the certificate says.
    #[serde(default)]
    pub x: Seen<Box<X509>>,
    /// The key behind it.
    #[serde(default)]
    pub key: Seen<Box<BackingKey>>,
}

/// The key behind a version.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackingKey {
    /// `RSA`, `RSA-HSM`, `EC`, `EC-HSM`.
    pub kty: Option<Word>,
    /// What it may do.
    pub key_ops: Box<[Word]>,
    /// `attributes.exportable`. The managed key behind an exportable certificate lacks it too.
    pub exportable: Option<bool>,
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// End of validity.
    #[serde(with = "super::compact::moment::option")]
    pub expires: Option<OffsetDateTime>,
}

/// A deleted certificate that can be recovered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedCertificate {
    /// Name.
    pub name: CertificateName,
    /// SHA-1 of the version that was current, upper-case hex.
    #[serde(default)]
    pub x5t: Option<Digest>,
    /// What that version says; read only when a label names it.
    #[serde(default)]
    pub x: Seen<Box<X509>>,
    /// When it was deleted.
    #[serde(default, with = "super::compact::moment::option")]
    pub deleted_at: Option<OffsetDateTime>,
    /// Until when it can be recovered.
    #[serde(default, with = "super::compact::moment::option")]
    pub purge_at: Option<OffsetDateTime>,
}

impl Policy {
    /// Whether it makes keys that cannot be copied, are new in every version, and only sign.
    pub fn is_hardened(&self) -> bool {
        let only_signs = matches!(&*self.key_usage, [usage] if usage.eq_ignore_ascii_case("digitalSignature"));
        self.exportable == Some(false) && self.reuse_key == Some(false) && only_signs
    }
}
