//! Remedies that differ with the credential at hand.

use crate::audit::facts::CredentialKind;

/// Takes a certificate away: `az` looks for its id among certificates only when told so.
pub(super) const REMOVE_CERTIFICATE: &str = "az ad {kind} credential delete --id {app} --key-id {part} --cert";

/// Takes a secret away.
pub(super) const REMOVE_SECRET: &str = "az ad {kind} credential delete --id {app} --key-id {part}";

/// Takes a credential away.
pub(super) fn removal(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Certificate => REMOVE_CERTIFICATE,
        CredentialKind::Secret => REMOVE_SECRET,
    }
}
