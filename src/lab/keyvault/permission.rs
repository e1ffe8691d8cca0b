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
