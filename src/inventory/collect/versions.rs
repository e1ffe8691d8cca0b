//! The second look into vaults: versions, and policy, certificate and key of what credentials point at.
//!
//! Lists name the current version of a certificate only. A key that is in no vault is a serious thing
//! to say, so the versions of everything are listed before it may be said.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use futures::stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::azure::Found;
use super::gathered::Gathered;
use super::join::{self, Sha1, Wanted};
use super::news::Listener;
use super::places::{Groups, Place, READINGS_AT_ONCE, at, certificates, number, places, places_in, put_all};
use super::refusal::NotSignedIn;
use super::run::Run;
use super::vaults::unread;
use crate::domain::{self, CertificateName, CertificateVersion, VaultName};
use crate::inventory::{BackingKey, Certificate, Digest, Evidence, Policy, Reason, Records, Seen, VersionRecord, X509};
use crate::keyvault::{self, ListedCertificate};
use crate::pki;

/// Certificates as an earlier run saw them: versions do not change, and there are never fewer.
pub(super) type Known = HashMap<VaultName, KnownVault>;

/// Those of one vault, with their places in the list.
#[derive(Debug)]
pub(super) struct KnownVault {
    places: HashMap<CertificateName, usize>,
    certificates: Records<Certificate>,
}

/// What is to be read of one certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Depth {
    /// The certificates of all its versions, to compare their keys.
    Certificates,
    /// Its policy, and certificate and key of the versions that credentials name and of the current.
    Named,
    /// All of it.
    Everything,
}

/// The certificates of an earlier run.
pub(super) fn known(vaults: Vec<crate::inventory::Vault>) -> Known {
    let of_vault = |vault: crate::inventory::Vault| match vault.certificates {
        Seen::Read(certificates) => {
            let names = certificates.iter().map(|certificate| certificate.name);
            let places = names.enumerate().map(|(place, name)| (name, place)).collect();
            Some((vault.name, KnownVault { places, certificates }))
        }
        Seen::Unread { .. } => None,
    };
    vaults.into_iter().filter_map(of_vault).collect()
}

/// Reads what the credentials need, as soon as the directory has told of them.
pub(super) async fn read(
    run: &Run<'_>,
    vaults: &mut Found,
    mut listener: Listener,
    known: &Known,
) -> Result<(), NotSignedIn> {
    let listed = current(vaults);
    // The bytes of credentials take longest, and what they could change is rare: that what a label
    // does not name is there all the same.
    if listener.pointed().await.is_some_and(|pointed| !pointed.is_subset(&listed)) {
        let unknown = places_in(vaults, |vault, certificate| before(known, vault, certificate).is_none());
        list_versions(run, vaults, &unknown, &Wanted::default(), known).await?;
    }
    let Some(wanted) = listener.wanted().await else { return Ok(()) };
    let wanted = &wanted;

    let every = run.plan.all_certificates || wanted.has_stranger(&listed);
    drop(listed);
    let to_list = places(vaults, |certificate| {
        (every || is_named(certificate, wanted)) && certificate.versions.reason() == Some(Reason::NotAsked)
    });
    list_versions(run, vaults, &to_list, wanted, known).await?;

    let depth = if run.plan.all_certificates { Depth::Everything } else { Depth::Named };
    let named = places(vaults, |certificate| {
        run.plan.all_certificates || is_named(certificate, wanted) || has_named(certificate, wanted)
    });
    look_into(run, vaults, &named, depth, wanted).await?;

    if !is_any_issued_elsewhere(vaults, wanted) {
        return read_deleted(run, vaults, wanted).await;
    }
    let rest = places(vaults, |certificate| has(certificate, |version| version.x.read().is_none()));
    look_into(run, vaults, &rest, Depth::Certificates, wanted).await?;
    let found = places(vaults, |certificate| has(certificate, |version| is_unread_key(version, wanted)));
    look_into(run, vaults, &found, Depth::Named, wanted).await?;
    read_deleted(run, vaults, wanted).await
}

/// Whether the key of some credential may be in a vault under another certificate.
fn is_any_issued_elsewhere(vaults: &Found, wanted: &Wanted) -> bool {
    let issued = wanted.issued();
    // To compare all versions costs something, and certificates of an authority are not everywhere.
    !issued.is_empty() && issued.has_stranger(all_versions(vaults))
}

/// The certificates that are listed as current.
fn current(vaults: &Found) -> HashSet<Sha1> {
    certificates(vaults).filter_map(|(_, certificate)| join::of(certificate.x5t.as_ref()?)).collect()
}

/// All certificates and keys that were seen.
fn all_versions(vaults: &Found) -> impl Iterator<Item = (Option<Sha1>, Option<Digest>)> + '_ {
    certificates(vaults).flat_map(|(_, certificate)| {
        let current = (certificate.x5t.as_ref().and_then(join::of), None);
        let versions = certificate.versions.read().into_iter().flatten();
        let versions =
            versions.map(|version| (version.x5t.as_ref().and_then(join::of), version.x.read().map(|x| x.spki.clone())));
        std::iter::once(current).chain(versions.collect::<Vec<_>>())
    })
}

/// Whether the current version is named by a credential, or kvops made the certificate.
fn is_named(certificate: &Certificate, wanted: &Wanted) -> bool {
    wanted.names(certificate.x5t.as_ref()) || certificate.tags.keys().any(|tag| tag.starts_with("kvops"))
}

fn has_named(certificate: &Certificate, wanted: &Wanted) -> bool {
    has(certificate, |version| wanted.names(version.x5t.as_ref()))
}

fn has(certificate: &Certificate, is_meant: impl Fn(&VersionRecord) -> bool) -> bool {
    certificate.versions.read().into_iter().flatten().any(is_meant)
}

/// Whether a credential has the key of this version, and nobody has looked at it yet.
fn is_unread_key(version: &VersionRecord, wanted: &Wanted) -> bool {
    version.x.read().is_some_and(|x| wanted.has_key(&x.spki)) && version.key.read().is_none()
}

/// Reads something of certificates, one group of vaults after the other, and puts it beside them.
async fn in_groups<V: Serialize + DeserializeOwned>(
    run: &Run<'_>,
    vaults: &mut Found,
    groups: &Groups,
    read: impl AsyncFn(&domain::Vault, Certificate) -> Result<V, NotSignedIn>,
    put: impl Fn(&mut Certificate, V),
) -> Result<(), NotSignedIn> {
    let read = &read;
    for places in groups {
        let found: &Found = vaults;
        let readings = places.iter().filter_map(|place| Some((*place, at(found, *place)?)));
        let readings = readings.map(async |(place, (vault, certificate))| Ok((place, read(vault, certificate).await?)));
        let mut reading = stream::iter(readings).buffer_unordered(READINGS_AT_ONCE);
        let mut gathered: Gathered<Place, V> = Gathered::new();
        while let Some(one) = reading.next().await {
            gathered.extend([one?]);
        }
        drop(reading);
        put_all(vaults, gathered, &put);
        run.http.close_unused();
    }
    Ok(())
}

async fn list_versions(
    run: &Run<'_>,
    vaults: &mut Found,
    groups: &Groups,
    wanted: &Wanted,
    known: &Known,
) -> Result<(), NotSignedIn> {
    run.watcher.doing(&format!("listing the versions of {} certificates", number(groups)));
    let list = async |vault: &domain::Vault, certificate: Certificate| {
        let before = before(known, vault, &certificate);
        if let Some(versions) = before.as_ref().and_then(|before| still_true(before, &certificate, wanted)) {
            run.read(Evidence::CertificateVersions, 1);
            return Ok(Seen::Read(versions));
        }
        match run.vault(vault).versions(&certificate.name).await {
            Ok(listed) => {
                run.read(Evidence::CertificateVersions, 1);
                let before = before.as_ref().and_then(|before| before.versions.read());
                Ok(Seen::Read(newest_first(listed, before.map(Vec::as_slice).unwrap_or_default())))
            }
            Err(error) => unread(run, Evidence::CertificateVersions, &object(vault, &certificate.name), &error),
        }
    };
    in_groups(run, vaults, groups, list, |certificate, versions| certificate.versions = versions).await
}

/// What an earlier run saw of a certificate that has no new version since.
fn before(known: &Known, vault: &domain::Vault, now: &Certificate) -> Option<Certificate> {
    let known = known.get(vault.name())?;
    let before = known.certificates.get(*known.places.get(&now.name)?)?;
    Some(before).filter(|before| is_unchanged(before, now))
}

/// A new version always becomes the current one.
fn is_unchanged(before: &Certificate, now: &Certificate) -> bool {
    before.x5t.is_some() && before.x5t == now.x5t && before.created == now.created
}

/// The versions of an earlier run, with what the list says of the current one; unless a credential
/// names an older one, because whether that is enabled has to be asked.
fn still_true(before: &Certificate, now: &Certificate, wanted: &Wanted) -> Option<Vec<VersionRecord>> {
    let mut versions = before.versions.read()?.clone();
    let (current, older) = versions.split_first_mut()?;
    if current.x5t != now.x5t || older.iter().any(|version| wanted.names(version.x5t.as_ref())) {
        return None;
    }
    current.enabled = now.enabled;
    current.expires = now.expires;
    Some(versions)
}

fn newest_first(listed: Vec<ListedCertificate>, known: &[VersionRecord]) -> Vec<VersionRecord> {
    let mut versions: Vec<_> = listed.into_iter().filter_map(version).collect();
    versions.sort_by(|one, other| (other.created, &one.version).cmp(&(one.created, &other.version)));
    versions.dedup_by(|one, other| one.version == other.version);
    for version in &mut versions {
        if let Some(before) = known.iter().find(|before| before.version == version.version) {
            version.x = before.x.clone();
            version.key = before.key.clone();
        }
    }
    // It may still be in the memory of the answer, which is several times as large.
    versions.shrink_to_fit();
    versions
}

fn version(listed: ListedCertificate) -> Option<VersionRecord> {
    Some(VersionRecord {
        version: listed.version?,
        x5t: listed.thumbprint.map(Digest::from),
        enabled: listed.attributes.enabled,
        created: listed.attributes.created,
        updated: listed.attributes.updated,
        expires: listed.attributes.not_after,
        tags: listed.tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        x: Seen::default(),
        key: Seen::default(),
    })
}

async fn look_into(
    run: &Run<'_>,
    vaults: &mut Found,
    groups: &Groups,
    depth: Depth,
    wanted: &Wanted,
) -> Result<(), NotSignedIn> {
    run.watcher.doing(&format!("reading {} certificates", number(groups)));
    let look = async |vault: &domain::Vault, certificate: Certificate| {
        look_into_one(run, &run.vault(vault), certificate, depth, wanted).await
    };
    in_groups(run, vaults, groups, look, |certificate, seen| *certificate = seen).await
}

async fn look_into_one(
    run: &Run<'_>,
    client: &keyvault::Client,
    mut certificate: Certificate,
    depth: Depth,
    wanted: &Wanted,
) -> Result<Certificate, NotSignedIn> {
    let name = certificate.name.clone();
    let object = object(client.vault(), &name);
    let mut current = None;
    if depth != Depth::Certificates {
        // The current version comes with the policy, in one answer.
        match client.certificate(&name, None).await {
            Ok(mut read) => {
                certificate.policy = read.policy.take().map_or(Seen::unread(Reason::Parse), |policy| {
                    run.read(Evidence::CertificateDetails, 1);
                    Seen::Read(Box::new(Policy::from(&policy)))
                });
                current = Some(read);
            }
            Err(error) => certificate.policy = unread(run, Evidence::CertificateDetails, &object, &error)?,
        }
    }
    let Seen::Read(versions) = &mut certificate.versions else { return Ok(certificate) };
    for (index, version) in versions.iter_mut().enumerate() {
        let is_meant = depth != Depth::Named
            || index == 0
            || wanted.names(version.x5t.as_ref())
            || version.x.read().is_some_and(|x| wanted.has_key(&x.spki));
        if !is_meant {
            continue;
        }
        if let Some(read) = current.take_if(|read| *read.key.version() == version.version) {
            put(version, &read);
        } else if version.x.read().is_none() {
            match client.certificate(&name, Some(&version.version)).await {
                Ok(read) => put(version, &read),
                Err(error) => version.x = unread(run, Evidence::CertificateDetails, &object, &error)?,
            }
        }
        if depth != Depth::Certificates && version.key.read().is_none() {
            version.key = match client.key(&name, Some(&version.version)).await {
                Ok(key) => Seen::Read(Box::new(BackingKey::from(&key))),
                Err(error) => unread(run, Evidence::CertificateDetails, &object, &error)?,
            };
        }
    }
    Ok(certificate)
}

fn put(version: &mut VersionRecord, read: &CertificateVersion) {
    version.enabled = read.attributes.enabled;
    version.updated = read.attributes.updated;
    if let Some(der) = &read.der {
        version.x = facts(der);
    }
}

fn facts(der: &[u8]) -> Seen<Box<X509>> {
    let parsed = pki::Certificate::from_der(der);
    parsed.map_or(Seen::unread(Reason::Parse), |certificate| Seen::Read(Box::new(X509::of(&certificate))))
}

/// The bytes of deleted certificates that credentials name.
async fn read_deleted(run: &Run<'_>, vaults: &mut Found, wanted: &Wanted) -> Result<(), NotSignedIn> {
    for (place, vault) in vaults.iter_mut() {
        let Seen::Read(deleted) = &mut vault.deleted else { continue };
        for certificate in deleted.iter_mut().filter(|certificate| wanted.names(certificate.x5t.as_ref())) {
            certificate.x = match run.vault(place).deleted_der(&certificate.name).await {
                Ok(Some(der)) => facts(&der),
                Ok(None) => Seen::unread(Reason::Parse),
                Err(error) => unread(run, Evidence::DeletedCertificates, &object(place, &certificate.name), &error)?,
            };
        }
    }
    Ok(())
}

fn object(vault: &domain::Vault, name: &CertificateName) -> String {
    format!("{}/{name}", vault.name())
}
