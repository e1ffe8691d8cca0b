//! The first look into vaults: what is listed, what is deleted, who gets mail.

use futures::StreamExt as _;
use futures::stream;

use super::azure::Found;
use super::refusal::{self, NotSignedIn};
use super::run::Run;
use crate::domain;
use crate::inventory::{Certificate, DeletedCertificate, Digest, Evidence, Reason, Seen, Vault};
use crate::keyvault::{self, ListedCertificate};

/// So many vaults are looked into at once.
const VAULTS_AT_ONCE: usize = 64;

/// Lists every vault. What one of them refuses is a gap of that vault. The answer are those that neither
/// Azure nor anybody at their address knows.
pub(super) async fn list(run: &Run<'_>, vaults: &mut Found) -> Result<Vec<String>, NotSignedIn> {
    let readings = vaults.iter_mut().map(|(place, vault)| list_one(run, place, vault));
    let mut reading = stream::iter(readings).buffer_unordered(VAULTS_AT_ONCE);
    let mut missing = Vec::new();
    while let Some(one) = reading.next().await {
        missing.extend(one?);
    }
    missing.sort_unstable();
    Ok(missing)
}

async fn list_one(run: &Run<'_>, place: &domain::Vault, vault: &mut Vault) -> Result<Option<String>, NotSignedIn> {
    let client = run.vault(place);
    let name = place.name().as_str();
    run.watcher.doing(&format!("reading vault {name}"));
    match client.list(false).await {
        Ok(listed) => {
            let mut certificates: Vec<_> = listed.into_iter().map(certificate).collect();
            certificates.sort_by(|one, other| one.name.cmp(&other.name));
            // A certificate that was deleted or made in between may show twice.
            certificates.dedup_by(|one, other| one.name == other.name);
            run.read(Evidence::Certificates, certificates.len());
            vault.certificates = Seen::Read(certificates.into());
        }
        Err(error) => {
            let refusal = refusal::of_vault(&error)?;
            vault.certificates = Seen::unread(refusal.reason);
            run.gap(refusal.gap(Evidence::Certificates, name));
            // Who is not let in at the door need not knock at the others.
            if matches!(refusal.reason, Reason::Firewall | Reason::Failed) {
                for evidence in [Evidence::DeletedCertificates, Evidence::Contacts] {
                    run.gap(refusal.gap(evidence, name));
                }
                vault.deleted = Seen::unread(refusal.reason);
                vault.contacts = Seen::unread(refusal.reason);
                let is_unknown = vault.properties.read().is_none() && refusal::is_nobody(&error);
                return Ok(is_unknown.then(|| name.to_owned()));
            }
        }
    }
    // One after the other, over one connection: there may be a thousand vaults.
    vault.deleted = match client.deleted_certificates().await {
        Ok(listed) => {
            let mut deleted: Vec<_> = listed.into_iter().map(deleted_certificate).collect();
            deleted.sort_by(|one, other| one.name.cmp(&other.name));
            deleted.dedup_by(|one, other| one.name == other.name);
            run.read(Evidence::DeletedCertificates, 1);
            Seen::Read(deleted)
        }
        Err(error) => unread(run, Evidence::DeletedCertificates, name, &error)?,
    };
    vault.contacts = match client.contacts().await {
        Ok(contacts) => {
            run.read(Evidence::Contacts, 1);
            let with_mail =
                contacts.iter().filter(|contact| contact.email.as_deref().is_some_and(|mail| !mail.is_empty()));
            Seen::Read(u32::try_from(with_mail.count()).unwrap_or(u32::MAX))
        }
        Err(error) => unread(run, Evidence::Contacts, name, &error)?,
    };
    Ok(None)
}

/// Notes a refusal of a vault.
pub(super) fn unread<T>(
    run: &Run<'_>,
    evidence: Evidence,
    object: &str,
    error: &keyvault::Error,
) -> Result<Seen<T>, NotSignedIn> {
    Ok(Seen::unread(run.refused_by_vault(evidence, object, error)?))
}

fn certificate(listed: ListedCertificate) -> Certificate {
    Certificate {
        name: listed.name,
        x5t: listed.thumbprint.map(Digest::from),
        enabled: listed.attributes.enabled,
        created: listed.attributes.created,
        expires: listed.attributes.not_after,
        tags: listed.tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        policy: Seen::default(),
        versions: Seen::default(),
    }
}

fn deleted_certificate(listed: domain::DeletedCertificate) -> DeletedCertificate {
    DeletedCertificate {
        name: listed.name,
        x5t: listed.thumbprint.map(Digest::from),
        x: Seen::default(),
        deleted_at: listed.deleted_at,
        purge_at: listed.purge_at,
    }
}
