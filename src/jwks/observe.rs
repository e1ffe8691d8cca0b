//! What the vault says: all versions over all pages, and the certificates of those that count.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::error::ReadError;
use super::timeline::{Timeline, VersionFacts};
use super::windows::Windows;
use crate::domain::{CertificateName, KeyUrl, TAG_APP, TAG_JWKS_PROMOTED, UNASSIGNED, Vault, Version, printable};
use crate::keyvault::{self, ListedCertificate};
use crate::pki::{self, Certificate, Jwk, SignatureAlgorithm};

/// So many certificates are read at once.
const PARALLEL: usize = 8;

/// The versions at the moment of a reading.
#[derive(Clone, Debug)]
pub struct Observed {
    /// When the list was asked for, by the vault's clock.
    pub read_at: OffsetDateTime,
    /// The vault.
    pub vault: Vault,
    /// The certificate.
    pub name: CertificateName,
    /// All versions.
    pub versions: Vec<VersionFacts>,
    /// Tags of each version: who writes one tag writes all.
    pub tags: BTreeMap<Version, BTreeMap<String, String>>,
    /// The keys of those that are published.
    pub keys: BTreeMap<Version, Arc<VersionKey>>,
}

/// The public side of one version. It never changes.
#[derive(Debug)]
pub struct VersionKey {
    /// Where the key is.
    pub key: KeyUrl,
    /// Its certificate.
    pub certificate: Certificate,
    /// How it signs.
    pub algorithm: SignatureAlgorithm,
    /// What verifiers read.
    pub jwk: Jwk,
}

impl VersionKey {
    /// Its name in the published set: the version in the vault. Never a thumbprint, because Entra looks
    /// certificates of applications up by those.
    pub fn kid(&self) -> &str {
        self.key.version().as_str()
    }
}

impl Observed {
    /// Reads the versions of `name`. Certificates that `known` has already are not read again.
    pub async fn read(
        vault: &keyvault::Client,
        name: &CertificateName,
        windows: &Windows,
        algorithm: Option<SignatureAlgorithm>,
        known: Option<&Self>,
    ) -> Result<Self, ReadError> {
        let http = vault.http();
        let asked_at = http.clock().now();
        let listed = vault.versions(name).await?;
        // By the vault's clock, which the answer may be the first to tell.
        let read_at = http.service_now().saturating_sub((http.clock().now() - asked_at).max(Duration::ZERO));
        if let Some(application) = listed.iter().find_map(application_of) {
            return Err(ReadError::OfApplication {
                name: name.clone(),
                vault: Box::new(vault.vault().clone()),
                application,
            });
        }
        let versions: Vec<VersionFacts> = listed.iter().filter_map(facts).collect();
        let timeline = Timeline::new(&versions, windows, read_at).map_err(|source| ReadError::NoKey {
            name: name.clone(),
            vault: Box::new(vault.vault().clone()),
            source,
        })?;
        let wanted: Vec<Version> = timeline.published().map(|key| key.facts.version.clone()).collect();
        let read = wanted.into_iter().map(|version| async move {
            let known = known.and_then(|known| known.keys.get(&version)).map(Arc::clone);
            let key = match known {
                Some(key) => key,
                None => Arc::new(read_key(vault, name, &version, algorithm).await?),
            };
            Ok::<_, ReadError>((version, key))
        });
        let keys = stream::iter(read).buffered(PARALLEL).try_collect().await?;
        let tags = listed.into_iter().filter_map(|listed| Some((listed.version?, listed.tags))).collect();
        Ok(Self { read_at, vault: vault.vault().clone(), name: name.clone(), versions, tags, keys })
    }
}

async fn read_key(
    vault: &keyvault::Client,
    name: &CertificateName,
    version: &Version,
    algorithm: Option<SignatureAlgorithm>,
) -> Result<VersionKey, ReadError> {
    let read = vault.certificate(name, Some(version)).await?;
    let in_vault = || (name.clone(), Box::new(vault.vault().clone()), version.clone());
    let unusable = |source| {
        let (name, vault, version) = in_vault();
        ReadError::Certificate { name, vault, version, source }
    };
    let Some(der) = read.der else {
        let (name, vault, version) = in_vault();
        return Err(ReadError::NoCertificate { name, vault, version });
    };
    let certificate = Certificate::from_der(&der).map_err(unusable)?;
    let algorithm = match algorithm.filter(|algorithm| algorithm.fits(certificate.public_key())) {
        Some(chosen) => chosen,
        // A key of another kind, from before a change of policy, keeps its own algorithm.
        None => SignatureAlgorithm::default_of(certificate.curve())
            .ok_or_else(|| unusable(pki::Error::KeyKind(certificate.public_key().description())))?,
    };
    let jwk = Jwk::new(&certificate, version.as_str(), algorithm).map_err(unusable)?;
    Ok(VersionKey { key: read.key, certificate, algorithm, jwk })
}

fn facts(listed: &ListedCertificate) -> Option<VersionFacts> {
    let promoted = listed.tags.get(TAG_JWKS_PROMOTED);
    Some(VersionFacts {
        version: listed.version.clone()?,
        // What the service does not say is not taken for a yes.
        is_enabled: listed.attributes.enabled == Some(true),
        created_at: listed.attributes.created,
        not_before: listed.attributes.not_before,
        not_after: listed.attributes.not_after,
        promoted_at: promoted.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok()),
    })
}

/// The application that an enabled version was made for, as its tag says.
fn application_of(listed: &ListedCertificate) -> Option<String> {
    let application = listed.tags.get(TAG_APP).filter(|_| listed.attributes.enabled == Some(true))?;
    (application != UNASSIGNED).then(|| printable(application))
}
