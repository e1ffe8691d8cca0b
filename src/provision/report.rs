//! What came of a run, in the order in which people ask.

use serde::Serialize;
use time::OffsetDateTime;

use super::attach::Attachment;
use super::lifetime::moment_of;
use super::plan::{Existing, Observed, Plan};
use super::prove::Proof;
use crate::domain::{
    AppId, Application, CertificateName, CertificateOperation, CertificatePolicy, KeyType, KeyUrl, ObjectId, Vault,
    Version,
};
use crate::pki::Certificate;

/// How it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything was as it should be; nothing was written.
    NoChange,
    /// The certificate is there, and the application, if one was named, trusts it.
    Provisioned,
    /// A request waits for a certificate from an own CA.
    AwaitsMerge,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The application, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationFacts>,
    /// The vault.
    pub vault: Vault,
    /// The certificate's name.
    pub name: CertificateName,
    /// The certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateFacts>,
    /// The pending request, PKCS#10 in DER.
    #[serde(skip)]
    pub request: Option<Vec<u8>>,
    /// How it was attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// How it was proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Who gets the mail before expiry; absent when that may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contacts: Option<Vec<String>>,
    /// What the user ought to know.
    pub warnings: Vec<String>,
}

/// Which application.
#[derive(Clone, Debug, Serialize)]
pub struct ApplicationFacts {
    /// Object id.
    pub id: ObjectId,
    /// Client id.
    pub app_id: AppId,
    /// Hostile text.
    pub display_name: Option<String>,
}

/// Which certificate, in every spelling that some tool asks for.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateFacts {
    /// `kid`: vault, name and version.
    pub key_id: KeyUrl,
    /// The version.
    pub version: Version,
    /// Whether the private key can leave the vault; absent when that cannot be known.
    pub exportable: Option<bool>,
    /// How that is known.
    pub exportable_evidence: String,
    /// What the key may do.
    pub key_operations: Vec<String>,
    /// The key usage extension.
    pub key_usage: Option<Vec<String>>,
    /// Such as `RSA 3072`.
    pub key: String,
    /// Distinguished name.
    pub subject: String,
    /// SHA-1, upper-case hex: portal and Graph.
    pub thumbprint: String,
    /// SHA-1, base64url: Key Vault and JOSE.
    pub x5t: String,
    /// SHA-256, base64url: JOSE.
    #[serde(rename = "x5t#S256")]
    pub x5t_s256: String,
    /// SHA-256, upper-case hex.
    pub thumbprint_sha256: String,
    /// SHA-1, standard base64: manifests.
    pub thumbprint_base64: String,
    /// Start of validity.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// End of validity.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// When the vault writes to its contacts.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub rotate_from: Option<OffsetDateTime>,
    /// The certificate itself.
    #[serde(skip)]
    pub certificate: Certificate,
}

impl CertificateFacts {
    /// Reads the facts of a version.
    pub fn of(existing: &Existing) -> Self {
        let certificate = &existing.certificate;
        let (exportable, exportable_evidence) =
            exportability(existing.exportable, &existing.key_type, &existing.policy, existing.attributes.created);
        Self {
            key_id: existing.key.clone(),
            version: existing.key.version().clone(),
            exportable,
            exportable_evidence,
            key_operations: existing.operations.clone(),
            key_usage: certificate.key_usage().map(<[String]>::to_vec),
            key: certificate.public_key().description(),
            subject: certificate.subject().to_owned(),
            thumbprint: certificate.sha1().hex(),
            x5t: certificate.sha1().base64url(),
            x5t_s256: certificate.sha256().base64url(),
            thumbprint_sha256: certificate.sha256().hex(),
            thumbprint_base64: certificate.sha1().base64(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            rotate_from: rotate_from(certificate, &existing.policy),
            certificate: certificate.clone(),
        }
    }
}

/// Whether the key of a version can leave the vault, and how that is known.
///
/// Key Vault has one policy for all versions, and it says how the next one will be. It proves
/// something about a version only if it has not been changed since before that version was made.
pub fn exportability(
    of_key: Option<bool>,
    kind: &KeyType,
    policy: &CertificatePolicy,
    created: Option<OffsetDateTime>,
) -> (Option<bool>, String) {
    if let Some(exportable) = of_key {
        return (Some(exportable), format!("attributes.exportable of this version's key is {exportable}"));
    }
    if matches!(kind, KeyType::RsaHsm | KeyType::EcHsm) {
        return (Some(false), "the key was made in an HSM, which never gives one out".to_owned());
    }
    match (policy.exportable, policy.updated, created) {
        (None, ..) => (None, "neither the key nor the policy says so".to_owned()),
        (Some(exportable), Some(updated), Some(created)) if updated <= created => (
            Some(exportable),
            format!(
                "the policy it was made under says key_props.exportable {exportable}, unchanged since before it was made"
            ),
        ),
        (Some(exportable), Some(updated), Some(_)) => (
            None,
            format!(
                "the policy says key_props.exportable {exportable}, but it was changed on {} after this version was made",
                updated.date()
            ),
        ),
        (Some(exportable), ..) => {
            (None, format!("the policy says key_props.exportable {exportable}, but not since when"))
        }
    }
}

fn rotate_from(certificate: &Certificate, policy: &CertificatePolicy) -> Option<OffsetDateTime> {
    let action = policy.lifetime_actions.iter().find(|action| action.is_email_contacts())?;
    moment_of(&action.trigger, certificate.not_before(), certificate.not_after())
}

impl Report {
    pub(super) fn of_certificate(
        outcome: Outcome,
        observed: &Observed,
        plan: &Plan,
        existing: &Existing,
        attachment: Option<Attachment>,
        proof: Option<Proof>,
    ) -> Self {
        let mut warnings = plan.warnings.clone();
        for key_id in attachment.iter().flat_map(|attachment| &attachment.removed_meanwhile) {
            warnings.push(format!("somebody removed the entry {key_id} of the application while this ran"));
        }
        Self {
            outcome,
            application: observed.application.as_ref().map(ApplicationFacts::from),
            vault: observed.vault.clone(),
            name: observed.name.clone(),
            certificate: Some(CertificateFacts::of(existing)),
            request: None,
            attachment,
            proof,
            contacts: observed.contacts.clone(),
            warnings,
        }
    }

    pub(super) fn of_request(observed: &Observed, plan: &Plan, operation: &CertificateOperation) -> Self {
        Self {
            outcome: Outcome::AwaitsMerge,
            application: observed.application.as_ref().map(ApplicationFacts::from),
            vault: observed.vault.clone(),
            name: observed.name.clone(),
            certificate: None,
            request: operation.csr.clone(),
            attachment: None,
            proof: None,
            contacts: observed.contacts.clone(),
            warnings: plan.warnings.clone(),
        }
    }
}

impl From<&Application> for ApplicationFacts {
    fn from(application: &Application) -> Self {
        Self { id: application.id, app_id: application.app_id, display_name: application.display_name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn policy(updated: Option<OffsetDateTime>) -> CertificatePolicy {
        CertificatePolicy { exportable: Some(false), updated, ..CertificatePolicy::default() }
    }

    #[test]
    fn a_policy_that_was_changed_later_proves_nothing_about_a_version() {
        let made = Some(datetime!(2026-01-01 12:00:03 UTC));
        let known = |updated| exportability(None, &KeyType::Rsa, &policy(updated), made).0;
        assert_eq!(known(Some(datetime!(2026-01-01 12:00:00 UTC))), Some(false));
        assert_eq!(known(made), Some(false));
        assert_eq!(known(Some(datetime!(2026-01-01 12:00:04 UTC))), None);
        assert_eq!(known(None), None);
        assert_eq!(exportability(None, &KeyType::Rsa, &policy(made), None).0, None);
    }

    #[test]
    fn what_the_key_itself_says_and_an_hsm_are_proof_enough() {
        assert_eq!(exportability(Some(true), &KeyType::Rsa, &policy(None), None).0, Some(true));
        assert_eq!(exportability(None, &KeyType::RsaHsm, &policy(None), None).0, Some(false));
        // What the policy says of the next version does not make this key one of an HSM.
        let hsm = CertificatePolicy { key_type: Some(KeyType::RsaHsm), ..policy(None) };
        assert_eq!(exportability(None, &KeyType::Rsa, &hsm, None).0, None);
        assert_eq!(exportability(None, &KeyType::Rsa, &CertificatePolicy::default(), None).0, None);
    }
}
