//! Vaults as Azure resources.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::client::{Client, safe};
use super::error::Error;
use super::query::Rows;
use crate::http::{Operation, Scarce};

const VAULTS: Operation = safe("looking for vaults", "Reader").taking(Scarce::ResourceGraph);
const LOGS: Operation = safe("reading where a vault writes its log", "Reader");
const PLAN: Operation = safe("reading the Defender plan for vaults", "Reader");

// The order makes pages stable: without one, rows may move between them. Without `id` among the
// columns there is no second page at all.
const ALL_VAULTS: &str = "Resources | where type =~ 'microsoft.keyvault/vaults' \
     | project id, name, location, subscriptionId, tags, properties | order by id asc";

const SUBSCRIPTIONS: Operation = safe("listing the subscriptions", "Reader").taking(Scarce::ResourceGraph);

const ALL_SUBSCRIPTIONS: &str = "ResourceContainers | where type =~ 'microsoft.resources/subscriptions' \
     | project id, subscriptionId, properties | order by id asc";

/// A subscription that the identity can see.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its GUID.
    pub subscription_id: Box<str>,
    /// What is above it.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: Above,
}

/// The management groups above a subscription.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Above {
    /// From the nearest to the root; absent if it may not be seen.
    #[serde(default)]
    pub management_group_ancestors_chain: Option<Vec<ManagementGroup>>,
}

/// A management group.
#[derive(Clone, Debug, Deserialize)]
pub struct ManagementGroup {
    /// Its name, the last part of its id.
    pub name: Box<str>,
}

/// A vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vault {
    /// Resource id.
    pub id: Box<str>,
    /// Its name, which is the first label of its host.
    pub name: Box<str>,
    /// Region.
    #[serde(default)]
    pub location: Option<Box<str>>,
    /// Subscription.
    #[serde(default)]
    pub subscription_id: Option<Box<str>>,
    /// Hostile text.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: BTreeMap<Box<str>, Option<Box<str>>>,
    /// How it is kept.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: Properties,
}

/// How a vault is kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Properties {
    /// Where it answers.
    #[serde(default)]
    pub vault_uri: Option<Box<str>>,
    /// Standard or premium.
    #[serde(default, deserialize_with = "or_default")]
    pub sku: Sku,
    /// Roles if true, else access policies.
    #[serde(default)]
    pub enable_rbac_authorization: Option<bool>,
    /// `Enabled`, `Disabled`, `SecuredByPerimeter`.
    #[serde(default)]
    pub public_network_access: Option<Box<str>>,
    /// Its firewall.
    #[serde(default)]
    pub network_acls: Option<NetworkRules>,
    /// Whether what is deleted stays recoverable for its whole time.
    #[serde(default)]
    pub enable_purge_protection: Option<bool>,
    /// Whether what is deleted is recoverable at all.
    #[serde(default)]
    pub enable_soft_delete: Option<bool>,
    /// For how long.
    #[serde(default)]
    pub soft_delete_retention_in_days: Option<u32>,
    /// Who may do what, without roles.
    #[serde(default, deserialize_with = "or_default")]
    pub access_policies: Vec<AccessPolicy>,
}

/// The tier of a vault.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Sku {
    /// `standard` or `premium`, in any case.
    #[serde(default)]
    pub name: Option<Box<str>>,
}

/// The firewall of a vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRules {
    /// `Allow` or `Deny`.
    #[serde(default)]
    pub default_action: Option<Box<str>>,
}

/// What one principal may do in a vault without roles.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessPolicy {
    /// Object id.
    pub object_id: Uuid,
    /// What.
    #[serde(default, deserialize_with = "or_default")]
    pub permissions: Permitted,
}

/// Permissions by kind of object.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Permitted {
    /// On keys.
    #[serde(default, deserialize_with = "or_default")]
    pub keys: Vec<Box<str>>,
    /// On secrets.
    #[serde(default, deserialize_with = "or_default")]
    pub secrets: Vec<Box<str>>,
    /// On certificates.
    #[serde(default, deserialize_with = "or_default")]
    pub certificates: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct Listed<T> {
    #[serde(default = "Vec::new")]
    value: Vec<T>,
}

#[derive(Deserialize)]
struct Setting {
    #[serde(default, deserialize_with = "or_default")]
    properties: SettingProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettingProperties {
    #[serde(default, deserialize_with = "or_default")]
    logs: Vec<Log>,
    #[serde(default)]
    workspace_id: Option<String>,
    #[serde(default)]
    storage_account_id: Option<String>,
    #[serde(default)]
    event_hub_authorization_rule_id: Option<String>,
    #[serde(default)]
    marketplace_partner_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    category_group: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
}

#[derive(Deserialize)]
struct Pricing {
    #[serde(default, deserialize_with = "or_default")]
    properties: PricingProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PricingProperties {
    #[serde(default)]
    pricing_tier: Option<String>,
}

impl Client {
    /// The subscriptions that the identity can see. Resource Graph answers about those and says
    /// nothing of others, so that none at all is not the same as no vault.
    pub fn subscriptions(&self) -> Rows<'_, Subscription> {
        self.query(&SUBSCRIPTIONS, ALL_SUBSCRIPTIONS)
    }

    /// Every vault that the identity can see.
    pub fn vaults(&self) -> Rows<'_, Vault> {
        self.query(&VAULTS, ALL_VAULTS)
    }

    /// Whether the audit events of a vault are written anywhere.
    pub async fn is_logged(&self, vault: &str) -> Result<bool, Error> {
        let path = format!("{}/providers/Microsoft.Insights/diagnosticSettings", vault.trim_start_matches('/'));
        let settings: Listed<Setting> = self.get(&LOGS, self.url(&path, "2021-05-01-preview")).await?;
        Ok(settings.value.iter().any(|setting| setting.properties.has_audit_events()))
    }

    /// Whether Defender for Key Vault watches a subscription.
    pub async fn is_defended(&self, subscription: &str) -> Result<bool, Error> {
        let path = format!("subscriptions/{subscription}/providers/Microsoft.Security/pricings/KeyVaults");
        let plan: Pricing = self.get(&PLAN, self.url(&path, "2024-01-01")).await?;
        Ok(plan.properties.pricing_tier.is_some_and(|tier| tier.eq_ignore_ascii_case("Standard")))
    }
}

impl SettingProperties {
    fn has_audit_events(&self) -> bool {
        let goes_somewhere = [
            &self.workspace_id,
            &self.storage_account_id,
            &self.event_hub_authorization_rule_id,
            &self.marketplace_partner_id,
        ]
        .into_iter()
        .any(|place| place.as_deref().is_some_and(|place| !place.is_empty()));
        goes_somewhere && self.logs.iter().any(Log::is_audit)
    }
}

impl Log {
    fn is_audit(&self) -> bool {
        let is = |text: &Option<String>, wanted: &[&str]| {
            text.as_deref().is_some_and(|text| wanted.iter().any(|wanted| text.eq_ignore_ascii_case(wanted)))
        };
        self.enabled == Some(true)
            && (is(&self.category, &["AuditEvent"]) || is(&self.category_group, &["audit", "allLogs"]))
    }
}

/// An explicit `null` is as good as nothing.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn audit_events_count_only_when_they_are_on_and_go_somewhere() {
        let is_logged = |properties: serde_json::Value| {
            serde_json::from_value::<SettingProperties>(properties).unwrap().has_audit_events()
        };
        let audit = json!([{ "category": "AuditEvent", "enabled": true }]);
        assert!(is_logged(json!({ "workspaceId": "/w", "logs": audit })));
        assert!(is_logged(
            json!({ "storageAccountId": "/s", "logs": [{ "categoryGroup": "allLogs", "enabled": true }] })
        ));
        assert!(!is_logged(json!({ "workspaceId": null, "logs": audit })));
        assert!(!is_logged(json!({ "workspaceId": "/w", "logs": [{ "category": "AuditEvent", "enabled": false }] })));
        assert!(!is_logged(json!({ "workspaceId": "/w", "logs": null })));
    }

    #[test]
    fn a_vault_of_few_words_is_read() {
        let vault: Vault = serde_json::from_value(json!({
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v", "name": "v",
            "tags": null, "properties": { "sku": null, "accessPolicies": null, "networkAcls": null },
        }))
        .unwrap();
        assert_eq!(vault.properties.enable_purge_protection, None);
        assert!(vault.properties.access_policies.is_empty());
    }
}
