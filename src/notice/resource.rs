//! Azure's own path to a vault: `/subscriptions/…/Microsoft.KeyVault/vaults/NAME`.

use uuid::Uuid;

use crate::domain::VaultName;

/// The vault that a resource id names, with its subscription. The id may lie within a longer URL.
pub(super) fn vault_of(text: &str) -> Option<(Uuid, VaultName)> {
    let lower = text.to_ascii_lowercase();
    let (_, after) = lower.split_once("/subscriptions/")?;
    let subscription = Uuid::try_parse(segment(after)).ok()?;
    let (_, after) = after.split_once("/providers/microsoft.keyvault/vaults/")?;
    Some((subscription, segment(after).parse().ok()?))
}

fn segment(text: &str) -> &str {
    text.split(['/', '?', '#', '&']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vault_is_found_in_a_bare_id_and_in_a_link_to_the_portal() {
        let id = "/subscriptions/8fb6b6a1-2c3d-4e5f-8a9b-0c1d2e3f4a5b/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/Contoso-KV";
        for text in [id.to_owned(), format!("https://portal.azure.com/#@contoso.com/resource{id}/overview")] {
            let (subscription, vault) = vault_of(&text).unwrap();
            assert_eq!(subscription.to_string(), "8fb6b6a1-2c3d-4e5f-8a9b-0c1d2e3f4a5b");
            assert_eq!(vault.as_str(), "contoso-kv");
        }
        for bad in ["", "/subscriptions/x/providers/Microsoft.KeyVault/vaults/kv", &id[..70]] {
            assert_eq!(vault_of(bad), None, "{bad}");
        }
    }
}
