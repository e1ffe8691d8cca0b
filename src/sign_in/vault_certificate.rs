//! The newest version of a vault's certificate that Entra accepts.
//!
//! "The latest" is never signed with blindly: a renewal makes a version that no application trusts
//! yet. A version that kvops has marked as proven comes first, the newest of them before the others;
//! where none is marked, the newest is tried and then older ones, but only while Entra says that it
//! does not know the key.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::application::{Key, SignInRequest, SignedIn};
use super::error::Error;
use super::vault_key::sign_in_with;
use crate::domain::{CertificateAttributes, CertificateName, CertificateVersion, STATE_PROVEN, TAG_STATE, Version};
use crate::http;
use crate::keyvault::{self, VaultSigner};
use crate::pki::{Certificate, SignerIdentity};

/// How long the choice of a version is kept: a rotation is followed within this time at the latest,
/// and at once when Entra refuses the old key.
const KEEP: Duration = Duration::minutes(5);

/// So many older versions are tried before the refusal is passed on.
const MOST_VERSIONS: usize = 5;

/// A certificate by name, or one version of it.
#[derive(Debug)]
pub struct VaultCertificate {
    vault: keyvault::Client,
    name: CertificateName,
    version: Option<Version>,
    chosen: Mutex<Option<(VaultSigner, OffsetDateTime)>>,
}

impl VaultCertificate {
    /// The certificate `name`. With a `version` no other is tried.
    pub fn new(vault: &keyvault::Client, name: CertificateName, version: Option<Version>) -> Self {
        Self { vault: vault.clone(), name, version, chosen: Mutex::new(None) }
    }

    /// The version that would sign now: the one in use, or the newest that is marked as proven, or
    /// the newest.
    pub async fn signer(&self) -> Result<VaultSigner, Error> {
        if let Some(signer) = self.kept() {
            return Ok(signer);
        }
        let current = self.vault.certificate(&self.name, self.version.as_ref()).await?;
        let of_current = self.signer_of(&current);
        if self.version.is_some() || (is_proven(&current.tags) && of_current.is_ok()) {
            return of_current;
        }
        // Nobody has seen a token of the newest, or it can sign no more: whoever signs now signs with
        // the one before.
        let proven = match self.versions(is_proven).await {
            Ok(proven) => proven,
            Err(error) if is_forbidden(&error) => {
                tracing::debug!("the versions may not be listed, so only the newest can sign");
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        for version in proven.iter().filter(|version| *version != current.key.version()) {
            let proven = self.vault.certificate(&self.name, Some(version)).await?;
            if let Ok(signer) = self.signer_of(&proven) {
                return Ok(signer);
            }
        }
        of_current
    }

    fn signer_of(&self, version: &CertificateVersion) -> Result<VaultSigner, Error> {
        let unusable = |reason| Error::NoUsableVersion {
            name: self.name.clone(),
            vault: Box::new(self.vault.vault().clone()),
            reason,
        };
        let der = version.der.as_ref().ok_or_else(|| unusable("the first version has not been issued yet"))?;
        if version.attributes.enabled == Some(false) {
            return Err(unusable("it is disabled"));
        }
        match validity(&version.attributes, self.vault.http().service_now()) {
            Validity::Valid => {}
            Validity::NotYet => return Err(unusable("it is not valid yet, and a vault does not sign with such a key")),
            Validity::Expired => {
                return Err(unusable("it has expired, and a vault does not sign with an expired key"));
            }
        }
        let certificate = Certificate::from_der(der).map_err(|source| Error::Certificate {
            name: self.name.clone(),
            vault: Box::new(self.vault.vault().clone()),
            source,
        })?;
        let identity = SignerIdentity::Certificate(Box::new(certificate));
        Ok(VaultSigner::new(&self.vault, version.key.clone(), identity))
    }

    /// Enabled and valid versions whose tags pass, newest first.
    async fn versions(&self, passes: impl Fn(&BTreeMap<String, String>) -> bool + Send) -> Result<Vec<Version>, Error> {
        let now = self.vault.http().service_now();
        let mut versions = self.vault.versions(&self.name).await?;
        versions.retain(|version| {
            version.attributes.enabled != Some(false)
                && validity(&version.attributes, now) == Validity::Valid
                && passes(&version.tags)
        });
        versions.sort_by_key(|version| std::cmp::Reverse(version.attributes.created));
        Ok(versions.into_iter().filter_map(|version| version.version).take(MOST_VERSIONS).collect())
    }

    fn kept(&self) -> Option<VaultSigner> {
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.as_ref().filter(|(_, until)| self.now() < *until).map(|(signer, _)| signer.clone())
    }

    fn keep(&self, signer: &VaultSigner) {
        let until = self.now().saturating_add(KEEP);
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some((signer.clone(), until));
    }

    fn forget(&self) {
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The local clock, which is good enough for how long something is kept.
    fn now(&self) -> OffsetDateTime {
        self.vault.http().clock().now()
    }
}

#[async_trait]
impl Key for VaultCertificate {
    async fn sign_in(&self, http: &http::Client, request: SignInRequest<'_>) -> Result<SignedIn, Error> {
        let first = self.signer().await?;
        let refusal = match sign_in_with(&first, http, request).await {
            Err(error) if error.is_unknown_key() && self.version.is_none() => error,
            Ok(signed_in) => {
                self.keep(&first);
                return Ok(signed_in);
            }
            Err(error) => {
                // A key that was disabled or replaced is looked for anew the next time.
                self.forget();
                return Err(error);
            }
        };
        self.forget();
        let versions = match self.versions(|_| true).await {
            // Who may not list them can still read the newest, which may be newer than the one that was kept.
            Err(error) if is_forbidden(&error) => {
                vec![self.vault.certificate(&self.name, None).await?.key.version().clone()]
            }
            versions => versions?,
        };
        for version in versions {
            if version == *first.key().version() {
                continue;
            }
            let Ok(signer) = self.signer_of(&self.vault.certificate(&self.name, Some(&version)).await?) else {
                continue;
            };
            match sign_in_with(&signer, http, request).await {
                Err(error) if error.is_unknown_key() => {}
                Ok(signed_in) => {
                    tracing::info!(key = %signer.key(), "Entra does not know the newest version and accepts an older one");
                    self.keep(&signer);
                    return Ok(signed_in);
                }
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }
}

fn is_proven(tags: &BTreeMap<String, String>) -> bool {
    tags.get(TAG_STATE).map(String::as_str) == Some(STATE_PROVEN)
}

/// Who may read a certificate need not be allowed to list its versions.
fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Vault(keyvault::Error::MissingPermission { .. }))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Validity {
    NotYet,
    Valid,
    Expired,
}

fn validity(attributes: &CertificateAttributes, now: OffsetDateTime) -> Validity {
    match (attributes.not_before, attributes.not_after) {
        (Some(start), _) if now < start => Validity::NotYet,
        (_, Some(end)) if end <= now => Validity::Expired,
        _ => Validity::Valid,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn not_yet_is_told_from_no_more() {
        let attributes = CertificateAttributes {
            not_before: Some(datetime!(2026-01-01 0:00 UTC)),
            not_after: Some(datetime!(2027-01-01 0:00 UTC)),
            ..CertificateAttributes::default()
        };
        assert_eq!(validity(&attributes, datetime!(2025-12-31 23:59:59 UTC)), Validity::NotYet);
        assert_eq!(validity(&attributes, datetime!(2026-01-01 0:00 UTC)), Validity::Valid);
        assert_eq!(validity(&attributes, datetime!(2027-01-01 0:00 UTC)), Validity::Expired);
        assert_eq!(validity(&CertificateAttributes::default(), datetime!(2027-01-01 0:00 UTC)), Validity::Valid);
    }
}
