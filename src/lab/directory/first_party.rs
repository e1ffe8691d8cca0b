//! Microsoft's own service principals that every tenant has.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::{Uuid, uuid};

use super::Directory;
use super::object::{Credentials, ServicePrincipal};

/// Client id of Microsoft Graph.
pub(crate) const GRAPH_APP_ID: Uuid = uuid!("00000003-0000-0000-c000-000000000000");

/// The tenant that owns Microsoft's applications.
const MICROSOFT: Uuid = uuid!("f8cdef31-a31e-4b4a-93e4-5f571e91255a");

/// Client id, display name, names under which tokens are asked for it, application roles.
type FirstParty = (Uuid, &'static str, &'static [&'static str], &'static [(Uuid, &'static str)]);

const FIRST_PARTY: &[FirstParty] = &[
    (
        GRAPH_APP_ID,
        "Microsoft Graph",
        &["https://graph.microsoft.com", "https://graph.microsoft.com/", "https://graph.microsoft.us"],
        &[
            (uuid!("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"), "Application.Read.All"),
            (uuid!("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"), "Application.ReadWrite.All"),
            (uuid!("18a4783c-866b-4cc7-a460-3d5e5662c884"), "Application.ReadWrite.OwnedBy"),
            (uuid!("06b708a9-e830-4db3-a914-8e69da51d44f"), "AppRoleAssignment.ReadWrite.All"),
            (uuid!("b0afded3-3588-46d8-8b3d-9842eff778da"), "AuditLog.Read.All"),
            (uuid!("81b4724a-58aa-41c1-8a55-84ef97466587"), "DelegatedPermissionGrant.Read.All"),
            (uuid!("8e8e4742-1d95-4f68-9d56-6ee75648c72a"), "DelegatedPermissionGrant.ReadWrite.All"),
            (uuid!("7ab1d382-f21e-4acd-a863-ba3e13f7da61"), "Directory.Read.All"),
            (uuid!("19dbc75e-c2e2-444c-a770-ec69d8559fc7"), "Directory.ReadWrite.All"),
            (uuid!("5b567255-7703-4780-807c-7be8301ae99b"), "Group.Read.All"),
            (uuid!("98830695-27a2-44f7-8c18-0c3ebc9698f6"), "GroupMember.Read.All"),
            (uuid!("810c84a8-4a9e-49e6-bf7d-12d183f40d01"), "Mail.Read"),
            (uuid!("498476ce-e0fe-48b0-b801-37ba7e2685c6"), "Organization.Read.All"),
            (uuid!("246dd0d5-5bd0-4def-940b-0421030a5b68"), "Policy.Read.All"),
            (uuid!("be74164b-cff1-491c-8741-e671cb536e13"), "Policy.ReadWrite.ApplicationConfiguration"),
            (uuid!("ff278e11-4a33-4d0c-83d2-d01dc58929a5"), "RoleEligibilitySchedule.Read.Directory"),
            (uuid!("483bed4a-2ad3-4361-a73b-c83ccdbdc53c"), "RoleManagement.Read.Directory"),
            (uuid!("9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"), "RoleManagement.ReadWrite.Directory"),
            (uuid!("df021288-bdef-4463-88db-98f22de89214"), "User.Read.All"),
        ],
    ),
    (
        uuid!("797f4846-ba00-4fd7-ba43-dac1f8f63013"),
        "Windows Azure Service Management API",
        &["https://management.azure.com/", "https://management.core.windows.net/"],
        &[],
    ),
    (uuid!("cfa8b339-82a2-471a-a3c9-0fc0be7a4093"), "Azure Key Vault", &["https://vault.azure.net"], &[]),
];

impl Directory {
    /// Adds Microsoft's service principals. `guid` gives their object ids.
    pub(crate) fn add_first_party(&mut self, now: OffsetDateTime, mut guid: impl FnMut() -> Uuid) {
        for (app_id, name, names, roles) in FIRST_PARTY {
            let principal = first_party(guid(), *app_id, name, names, roles, now);
            self.put(principal, now);
        }
    }
}

fn first_party(
    id: Uuid,
    app_id: Uuid,
    name: &str,
    names: &[&str],
    roles: &[(Uuid, &str)],
    now: OffsetDateTime,
) -> ServicePrincipal {
    let role = |(id, value): &(Uuid, &str)| {
        json!({
            "allowedMemberTypes": ["Application"],
            "description": format!("Allows what {value} allows."),
            "displayName": value,
            "id": id,
            "isEnabled": true,
            "origin": "Application",
            "value": value,
        })
    };
    let names = names.iter().map(|&name| Value::from(name)).chain([Value::from(app_id.to_string())]);
    let mut members = Map::new();
    members.insert("displayName".to_owned(), json!(name));
    members.insert("appDisplayName".to_owned(), json!(name));
    members.insert("appOwnerOrganizationId".to_owned(), json!(MICROSOFT));
    members.insert("signInAudience".to_owned(), json!("AzureADMultipleOrgs"));
    members.insert("servicePrincipalNames".to_owned(), names.collect());
    members.insert("appRoles".to_owned(), roles.iter().map(role).collect());
    // They are older than the member.
    members.insert("createdDateTime".to_owned(), Value::Null);
    ServicePrincipal {
        id,
        app_id,
        created_at: now,
        credentials: Credentials::default(),
        owners: BTreeSet::new(),
        roles: Vec::new(),
        members,
    }
}
