//! Remedies that differ with the credential at hand.

use crate::audit::facts::CredentialKind;

/// Takes a certificate of any identity away: `az` looks for its id among certificates only when told so.
pub(super) const REMOVE_CERTIFICATE: &str = "az ad {kind} credential delete --id {app} --key-id {part} --cert";

/// The same for a secret.
pub(super) const REMOVE_SECRET: &str = "az ad {kind} credential delete --id {app} --key-id {part}";

/// Takes a credential of an application away, once what remains is proven.
pub(super) fn removal(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Certificate => "kvops detach --app {app} --vault VAULT --name NAME --key {part}",
        CredentialKind::Secret => "kvops detach --app {app} --vault VAULT --name NAME --secret {part}",
    }
}
