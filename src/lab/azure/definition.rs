//! The built-in roles that an audit of vaults meets.

use uuid::{Uuid, uuid};

/// A built-in role, with the patterns of what it allows.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) id: Uuid,
    pub(crate) actions: &'static [&'static str],
    pub(crate) not_actions: &'static [&'static str],
    pub(crate) data_actions: &'static [&'static str],
}

/// What officers, users and readers of vaults may do in the management plane.
const LOOK_AT_VAULTS: &[&str] = &[
    "Microsoft.Authorization/*/read",
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Support/*",
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/vaults/read",
    "Microsoft.KeyVault/operations/read",
];

macro_rules! roles {
    ($($name:literal $id:literal $actions:expr, not $not:expr, data $data:expr;)*) => {
        &[$(Definition { name: $name, id: uuid!($id), actions: $actions, not_actions: $not, data_actions: $data }),*]
    };
}

/// All of them.
pub(crate) const BUILT_IN: &[Definition] = roles! {
    "Owner" "8e3af657-a8ff-443c-a75c-2fe8c4bcb635" &["*"], not &[], data &[];
    "Contributor" "b24988ac-6180-42a0-ab88-20f7382dd24c" &["*"],
        not &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/*/write",
            "Microsoft.Authorization/elevateAccess/Action",
        ], data &[];
    "Reader" "acdd72a7-3385-48ef-bd42-f606fba81ae7" &["*/read"], not &[], data &[];
    "User Access Administrator" "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
        &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"], not &[], data &[];
    "Security Reader" "39bc4728-0917-49c7-9d2c-d95423bc2eb4"
        &["Microsoft.Authorization/*/read", "Microsoft.Security/*/read", "Microsoft.Resources/subscriptions/read"],
        not &[], data &[];
    "Key Vault Contributor" "f25e0fa2-a7c8-4377-a976-54943a77a395"
        &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.KeyVault/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ],
        not &[
            "Microsoft.KeyVault/locations/deletedVaults/purge/action",
            "Microsoft.KeyVault/hsmPools/*",
            "Microsoft.KeyVault/managedHsms/*",
        ], data &[];
    "Key Vault Administrator" "00482a5a-887f-4fb3-b363-3b7fe8e74483" LOOK_AT_VAULTS, not &[],
        data &["Microsoft.KeyVault/vaults/*"];
    "Key Vault Certificates Officer" "a4417e6f-fecd-4de8-b567-7b0420556985" LOOK_AT_VAULTS, not &[],
        data &[
            "Microsoft.KeyVault/vaults/certificatecas/*",
            "Microsoft.KeyVault/vaults/certificates/*",
            "Microsoft.KeyVault/vaults/certificatecontacts/write",
        ];
    "Key Vault Certificate User" "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba" &[], not &[],
        data &[
            "Microsoft.KeyVault/vaults/certificates/read",
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            "Microsoft.KeyVault/vaults/keys/read",
        ];
    "Key Vault Crypto User" "12338af0-0e69-4776-bea7-57ae8d297424" &[], not &[],
        data &[
            "Microsoft.KeyVault/vaults/keys/read",
            "Microsoft.KeyVault/vaults/keys/update/action",
            "Microsoft.KeyVault/vaults/keys/backup/action",
            "Microsoft.KeyVault/vaults/keys/encrypt/action",
            "Microsoft.KeyVault/vaults/keys/decrypt/action",
            "Microsoft.KeyVault/vaults/keys/wrap/action",
            "Microsoft.KeyVault/vaults/keys/unwrap/action",
            "Microsoft.KeyVault/vaults/keys/sign/action",
            "Microsoft.KeyVault/vaults/keys/verify/action",
        ];
    "Key Vault Crypto Officer" "14b46e9e-c2b7-41b4-b07b-48a6ebf60603" LOOK_AT_VAULTS, not &[],
        data &["Microsoft.KeyVault/vaults/keys/*", "Microsoft.KeyVault/vaults/keyrotationpolicies/*"];
    "Key Vault Secrets User" "4633458b-17de-408a-b874-0445c86b69e6" &[], not &[],
        data &[
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ];
    "Key Vault Secrets Officer" "b86a8fe4-44ce-4948-aee5-eccb2c155cd7" LOOK_AT_VAULTS, not &[],
        data &["Microsoft.KeyVault/vaults/secrets/*"];
    "Key Vault Reader" "21090545-7ca7-4776-b22c-e363652d74d2" LOOK_AT_VAULTS, not &[],
        data &["Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"];
    // It hands out roles and has no right on data itself.
    "Key Vault Data Access Administrator" "8b54135c-b56d-4d72-a534-26097cfdc8d8"
        &[
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.KeyVault/vaults/*/read",
            "Microsoft.KeyVault/vaults/read",
        ], not &[], data &[];
};

/// Whether a pattern covers an action. `*` stands for any text.
pub(super) fn covers(pattern: &str, action: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, action, is_covered) in [
            ("*", "keys/sign/action", true),
            ("keys/*", "keys/sign/action", true),
            ("keys/*", "secrets/getSecret/action", false),
            ("*/read", "certificates/read", true),
            ("*/read", "secrets/getSecret/action", false),
            ("keys/read", "keys/read", true),
            ("keys/read", "keys/read/more", false),
        ] {
            assert_eq!(covers(pattern, action), is_covered, "{pattern} {action}");
        }
    }

    #[test]
    fn a_signer_cannot_read_certificates_or_secrets() {
        let signer = BUILT_IN.iter().find(|role| role.name == "Key Vault Crypto User").unwrap().data_actions;
        let may =
            |action: &str| signer.iter().any(|pattern| covers(pattern, &format!("Microsoft.KeyVault/vaults/{action}")));
        assert!(may("keys/sign/action"));
        assert!(!may("certificates/read") && !may("secrets/getSecret/action") && !may("keys/create/action"));
    }
}
