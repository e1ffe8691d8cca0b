//! What each operation needs: a data action under RBAC, a permission under access policies.

/// The right to do one thing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Permission {
    /// Below `Microsoft.KeyVault/vaults/`.
    pub(super) action: &'static str,
    /// `certificates`, `keys` or `secrets`.
    pub(super) collection: &'static str,
    /// The name in an access policy, in lower case.
    pub(super) verb: &'static str,
}

macro_rules! permissions {
    ($($name:ident: $collection:literal $verb:literal $action:literal;)*) => {
        impl Permission {
            $(pub(super) const $name: Self = Self { action: $action, collection: $collection, verb: $verb };)*
        }
    };
}

permissions! {
    CERTIFICATE_GET: "certificates" "get" "certificates/read";
    CERTIFICATE_LIST: "certificates" "list" "certificates/read";
    CERTIFICATE_CREATE: "certificates" "create" "certificates/create/action";
    CERTIFICATE_IMPORT: "certificates" "import" "certificates/import/action";
    CERTIFICATE_UPDATE: "certificates" "update" "certificates/update/action";
    CERTIFICATE_DELETE: "certificates" "delete" "certificates/delete";
    CERTIFICATE_RECOVER: "certificates" "recover" "certificates/recover/action";
    CERTIFICATE_PURGE: "certificates" "purge" "certificates/purge/action";
    CERTIFICATE_BACKUP: "certificates" "backup" "certificates/backup/action";
    CERTIFICATE_RESTORE: "certificates" "restore" "certificates/restore/action";
    CONTACTS_READ: "certificates" "managecontacts" "certificates/read";
    CONTACTS_WRITE: "certificates" "managecontacts" "certificatecontacts/write";
    ISSUER_GET: "certificates" "getissuers" "certificatecas/read";
    ISSUER_LIST: "certificates" "listissuers" "certificatecas/read";
    ISSUER_SET: "certificates" "setissuers" "certificatecas/write";
    ISSUER_DELETE: "certificates" "deleteissuers" "certificatecas/delete";
    KEY_GET: "keys" "get" "keys/read";
    KEY_LIST: "keys" "list" "keys/read";
    KEY_CREATE: "keys" "create" "keys/create/action";
    KEY_IMPORT: "keys" "import" "keys/import/action";
    KEY_UPDATE: "keys" "update" "keys/update/action";
    KEY_DELETE: "keys" "delete" "keys/delete";
    KEY_RECOVER: "keys" "recover" "keys/recover/action";
    KEY_PURGE: "keys" "purge" "keys/purge/action";
    KEY_SIGN: "keys" "sign" "keys/sign/action";
    KEY_VERIFY: "keys" "verify" "keys/verify/action";
    KEY_ROTATE: "keys" "rotate" "keys/rotate/action";
    KEY_ROTATION_GET: "keys" "getrotationpolicy" "keyrotationpolicies/read";
    KEY_ROTATION_SET: "keys" "setrotationpolicy" "keyrotationpolicies/write";
    SECRET_GET: "secrets" "get" "secrets/getSecret/action";
    SECRET_LIST: "secrets" "list" "secrets/readMetadata/action";
    SECRET_SET: "secrets" "set" "secrets/setSecret/action";
    SECRET_UPDATE: "secrets" "set" "secrets/update/action";
    SECRET_DELETE: "secrets" "delete" "secrets/delete";
    SECRET_RECOVER: "secrets" "recover" "secrets/recover/action";
    SECRET_PURGE: "secrets" "purge" "secrets/purge/action";
}

/// A built-in role: name, id, patterns of data actions.
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) id: &'static str,
    pub(super) actions: &'static [&'static str],
}

/// The built-in roles that touch the data plane.
pub(super) const ROLES: [Role; 9] = [
    Role { name: "Key Vault Administrator", id: "00482a5a-887f-4fb3-b363-3b7fe8e74483", actions: &["*"] },
    Role {
        name: "Key Vault Certificates Officer",
        id: "a4417e6f-fecd-4de8-b567-7b0420556985",
        actions: &["certificatecas/*", "certificates/*", "certificatecontacts/write"],
    },
    Role {
        name: "Key Vault Certificate User",
        id: "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
        actions: &["certificates/read", "secrets/getSecret/action", "secrets/readMetadata/action", "keys/read"],
    },
    Role {
        name: "Key Vault Crypto User",
        id: "12338af0-0e69-4776-bea7-57ae8d297424",
        actions: &[
            "keys/read",
            "keys/update/action",
            "keys/backup/action",
            "keys/encrypt/action",
            "keys/decrypt/action",
            "keys/wrap/action",
            "keys/unwrap/action",
            "keys/sign/action",
            "keys/verify/action",
        ],
    },
    Role {
        name: "Key Vault Crypto Officer",
        id: "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
        actions: &["keys/*", "keyrotationpolicies/*"],
    },
    Role {
        name: "Key Vault Secrets User",
        id: "4633458b-17de-408a-b874-0445c86b69e6",
        actions: &["secrets/getSecret/action", "secrets/readMetadata/action"],
    },
    Role { name: "Key Vault Secrets Officer", id: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", actions: &["secrets/*"] },
    Role {
        name: "Key Vault Reader",
        id: "21090545-7ca7-4776-b22c-e363652d74d2",
        actions: &["*/read", "secrets/readMetadata/action"],
    },
    // It hands out roles and has no right on data itself.
    Role { name: "Key Vault Data Access Administrator", id: "8b54135c-b56d-4d72-a534-26097cfdc8d8", actions: &[] },
];

/// Whether a pattern of data actions covers one. `*` stands for any text.
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
        let signer = &ROLES.iter().find(|role| role.name == "Key Vault Crypto User").unwrap().actions;
        let may = |permission: Permission| signer.iter().any(|pattern| covers(pattern, permission.action));
        assert!(may(Permission::KEY_SIGN));
        assert!(!may(Permission::CERTIFICATE_GET) && !may(Permission::SECRET_GET) && !may(Permission::KEY_CREATE));
    }
}
