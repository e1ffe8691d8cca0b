//! What a call needs: the same right in the two languages of Key Vault.

use crate::http::{Operation, Service};

/// A right on a vault. Vaults use role assignments or access policies, never both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Right {
    /// Name of the permission in an access policy, as in `certificates get`.
    pub policy: &'static str,
    /// Data action of Azure RBAC.
    pub action: &'static str,
    /// The least built-in role that grants the action and does not open secrets.
    pub role: &'static str,
}

const READER: &str = "Key Vault Reader";
const CERTIFICATES_OFFICER: &str = "Key Vault Certificates Officer";
const CRYPTO_USER: &str = "Key Vault Crypto User";

/// One row for each permission that an operation below names.
const RIGHTS: &[Right] = &[
    Right {
        policy: "certificates create",
        action: "Microsoft.KeyVault/vaults/certificates/create/action",
        role: CERTIFICATES_OFFICER,
    },
    Right { policy: "certificates get", action: "Microsoft.KeyVault/vaults/certificates/read", role: READER },
    Right { policy: "certificates list", action: "Microsoft.KeyVault/vaults/certificates/read", role: READER },
    Right {
        policy: "certificates update",
        action: "Microsoft.KeyVault/vaults/certificates/update/action",
        role: CERTIFICATES_OFFICER,
    },
    Right {
        policy: "certificates recover",
        action: "Microsoft.KeyVault/vaults/certificates/recover/action",
        role: CERTIFICATES_OFFICER,
    },
    Right {
        policy: "certificates purge",
        action: "Microsoft.KeyVault/vaults/certificates/purge/action",
        role: "Key Vault Administrator",
    },
    Right {
        policy: "certificates managecontacts",
        action: "Microsoft.KeyVault/vaults/certificatecontacts/write",
        role: CERTIFICATES_OFFICER,
    },
    Right { policy: "keys get", action: "Microsoft.KeyVault/vaults/keys/read", role: READER },
    Right { policy: "keys sign", action: "Microsoft.KeyVault/vaults/keys/sign/action", role: CRYPTO_USER },
    Right { policy: "keys verify", action: "Microsoft.KeyVault/vaults/keys/verify/action", role: CRYPTO_USER },
];

/// Every right that kvops can use, for the page on permissions.
pub const fn rights() -> &'static [Right] {
    RIGHTS
}

/// The right behind an operation.
pub(super) fn right_for(operation: &Operation) -> Option<&'static Right> {
    RIGHTS.iter().find(|right| right.policy == operation.permission)
}

const fn safe(name: &'static str, permission: &'static str) -> Operation {
    Operation::safe(Service::KeyVault, name, permission)
}

// A lost answer to a creation is never followed by another creation: whoever creates looks at the
// pending operation first.
pub(super) const CREATE: Operation =
    Operation::once(Service::KeyVault, "creating the certificate", "certificates create");
pub(super) const MERGE: Operation =
    Operation::once(Service::KeyVault, "merging the certificate", "certificates create");
pub(super) const READ: Operation = safe("reading the certificate", "certificates get");
pub(super) const READ_OPERATION: Operation = safe("reading the pending operation", "certificates get");
pub(super) const CANCEL: Operation = safe("cancelling the pending operation", "certificates update");
pub(super) const DELETE_OPERATION: Operation =
    Operation::once(Service::KeyVault, "deleting the pending operation", "certificates update");
pub(super) const READ_POLICY: Operation = safe("reading the certificate's policy", "certificates get");
pub(super) const UPDATE_POLICY: Operation = safe("updating the certificate's policy", "certificates update");
pub(super) const UPDATE: Operation = safe("updating the certificate", "certificates update");
pub(super) const LIST: Operation = safe("listing the certificates", "certificates list");
pub(super) const LIST_VERSIONS: Operation = safe("listing the certificate's versions", "certificates list");
pub(super) const LIST_DELETED: Operation = safe("listing the deleted certificates", "certificates list");
pub(super) const READ_DELETED: Operation = safe("reading the deleted certificate", "certificates get");
pub(super) const RECOVER: Operation =
    Operation::once(Service::KeyVault, "recovering the certificate", "certificates recover");
pub(super) const PURGE: Operation = safe("purging the deleted certificate", "certificates purge");
pub(super) const READ_CONTACTS: Operation = safe("reading the vault's contacts", "certificates managecontacts");
pub(super) const READ_KEY: Operation = safe("reading the key", "keys get");
pub(super) const SIGN: Operation = safe("signing with the key", "keys sign");
pub(super) const VERIFY: Operation = safe("verifying with the key", "keys verify");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_row_and_none_touches_secrets() {
        for operation in [
            CREATE,
            MERGE,
            READ,
            READ_OPERATION,
            CANCEL,
            DELETE_OPERATION,
            READ_POLICY,
            UPDATE_POLICY,
            UPDATE,
            LIST,
            LIST_VERSIONS,
            LIST_DELETED,
            READ_DELETED,
            RECOVER,
            PURGE,
            READ_CONTACTS,
            READ_KEY,
            SIGN,
            VERIFY,
        ] {
            assert!(right_for(&operation).is_some(), "{}", operation.name);
        }
        assert!(RIGHTS.iter().all(|right| !right.action.to_lowercase().contains("secret")));
    }
}
