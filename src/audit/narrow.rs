//! Narrowing an inventory down to a few applications or vaults, as reading the tenant would have been.

use std::collections::BTreeSet;

use crate::domain::{AppId, VaultName};
use crate::inventory::{Inventory, Seen};

/// Leaves of an inventory the applications and the vaults that are named; all of them where none is.
pub fn narrow(inventory: &mut Inventory, applications: &BTreeSet<AppId>, vaults: &BTreeSet<VaultName>) {
    if !applications.is_empty() {
        inventory.applications.retain(|application| applications.contains(&application.app_id));
        inventory.service_principals.retain(|principal| applications.contains(&principal.app_id));
        inventory.deleted_applications = Seen::default();
        inventory.header.is_narrowed_to_applications = true;
    }
    if !vaults.is_empty() {
        inventory.vaults.retain(|vault| vaults.contains(&vault.name));
        inventory.header.is_narrowed_to_vaults = true;
    }
}
