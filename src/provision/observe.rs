//! Looking at vault and directory before anything is decided.

use time::OffsetDateTime;

use super::error::Error;
use super::key_list;
use super::lifetime::Limit;
use super::plan::{AttachedSigner, Existing, Observed, TAG_APP, TAG_STATE, VaultState};
use super::rules::{judge_policy, judge_version};
use crate::domain::{
    Application, CertificateName, CertificateOperation, CertificateVersion, KeyCredential, KeyUrl, ObjectId,
    OperationStatus, Thumbprint, Version,
};
use crate::graph;
use crate::keyvault;
use crate::pki::Certificate;

/// The two services, each with its own identity.
#[derive(Clone, Copy, Debug)]
pub struct Services<'a> {
    /// The vault.
    pub vault: &'a keyvault::Client,
    /// The directory; none when only the vault's half is wanted.
    pub graph: Option<&'a graph::Client>,
}

/// Looks at everything that a decision rests on.
pub async fn observe(
    services: Services<'_>,
    application: Option<ObjectId>,
    name: &CertificateName,
    now: OffsetDateTime,
) -> Result<Observed, Error> {
    let state = vault_state(services.vault, name);
    let contacts = contacts(services.vault);
    let ((state, last_request), contacts) = futures::try_join!(state, contacts)?;
    let application = match (services.graph, application) {
        (Some(graph), Some(id)) => Some(self::application(graph, id).await?),
        _ => None,
    };
    let limit = match (services.graph, &application) {
        (Some(graph), Some(application)) => limit(graph, application, now).await?,
        _ => Limit::None,
    };
    let signer = match &application {
        Some(application) => signer(services.vault, &application.key_credentials, Some(name), now).await?,
        None => None,
    };
    Ok(Observed {
        application,
        vault: services.vault.vault().clone(),
        name: name.clone(),
        state,
        contacts,
        limit,
        signer,
        last_request,
        now,
    })
}

/// What is there, and the id of the last operation under the name.
async fn vault_state(vault: &keyvault::Client, name: &CertificateName) -> Result<(VaultState, Option<String>), Error> {
    let version = match vault.certificate(name, None).await {
        Ok(version) => version,
        Err(error) if error.is_not_found() => return Ok((absent_or_deleted(vault, name).await?, None)),
        Err(error) => return Err(error.into()),
    };
    let operation = match vault.operation(name).await {
        Ok(operation) => Some(operation),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    let last_request = operation.as_ref().and_then(|operation| operation.request_id.clone());
    let state = match (&version.der, operation) {
        (Some(der), operation) => {
            let certificate = Certificate::from_der(der)?;
            VaultState::Present(Box::new(existing(vault, &version, certificate, operation).await?))
        }
        // A placeholder: the first version is in the making.
        (None, Some(operation)) if operation.status == OperationStatus::InProgress => VaultState::Pending {
            operation: Box::new(operation),
            made_for: version.tags.get(TAG_APP).cloned(),
            gaps: judge_policy(&vault.policy(name).await?),
        },
        // It failed, or somebody deleted the operation.
        (None, _) => VaultState::Absent,
    };
    Ok((state, last_request))
}

/// One version of a certificate, judged; without a version the current one.
pub async fn version(
    vault: &keyvault::Client,
    name: &CertificateName,
    version: Option<&Version>,
) -> Result<Existing, Error> {
    let version = vault.certificate(name, version).await?;
    let Some(der) = &version.der else {
        return Err(Error::NotIssued {
            name: name.clone(),
            reason: "its first version is still in the making".to_owned(),
        });
    };
    let certificate = Certificate::from_der(der)?;
    existing(vault, &version, certificate, None).await
}

/// Judges a version by its certificate, its key and the policy in force.
pub async fn existing(
    vault: &keyvault::Client,
    version: &CertificateVersion,
    certificate: Certificate,
    pending: Option<CertificateOperation>,
) -> Result<Existing, Error> {
    let key = vault.key(version.key.name(), Some(version.key.version())).await?;
    let policy = match &version.policy {
        Some(policy) => policy.clone(),
        None => vault.policy(version.key.name()).await?,
    };
    let gaps = judge_version(&certificate, &key, &policy, version.attributes.created);
    Ok(Existing {
        key: version.key.clone(),
        certificate,
        attributes: version.attributes.clone(),
        made_for: version.tags.get(TAG_APP).cloned(),
        state: version.tags.get(TAG_STATE).cloned(),
        tags: version.tags.clone(),
        key_type: key.key_type.clone(),
        exportable: key.exportable,
        operations: key.operations.clone(),
        policy,
        gaps,
        pending,
    })
}

async fn absent_or_deleted(vault: &keyvault::Client, name: &CertificateName) -> Result<VaultState, Error> {
    match vault.deleted(name).await {
        Ok(deleted) => Ok(VaultState::Deleted(deleted)),
        Err(error) if error.is_not_found() => Ok(VaultState::Absent),
        // Who may create but not look among the deleted learns of it from the creation.
        Err(keyvault::Error::MissingPermission { .. }) => Ok(VaultState::Absent),
        Err(error) => Err(error.into()),
    }
}

async fn contacts(vault: &keyvault::Client) -> Result<Option<Vec<String>>, Error> {
    match vault.contacts().await {
        Ok(contacts) => Ok(Some(contacts.into_iter().filter_map(|contact| contact.email).collect())),
        Err(keyvault::Error::MissingPermission { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The longest validity that the tenant's policies allow for an application.
pub async fn limit(graph: &graph::Client, application: &Application, now: OffsetDateTime) -> Result<Limit, Error> {
    match graph.app_management_policies(application.id).await {
        Ok(policies) => Ok(Limit::of(&policies, application.created_date_time, now)),
        Err(error @ graph::Error::MissingPermission { .. }) => Ok(Limit::Unknown { reason: error.to_string() }),
        Err(error) => Err(error.into()),
    }
}

/// An application with the bytes of its keys: a label may say anything.
pub async fn application(graph: &graph::Client, id: ObjectId) -> Result<Application, graph::Error> {
    let mut application = graph.application(id).await?.application;
    if application.key_credentials.iter().any(KeyCredential::is_for_sign_in) {
        for read in graph.key_credentials(id).await? {
            // Either reading may be late, so that what one of them shows is kept.
            match application.key_credentials.iter_mut().find(|known| known.key_id == read.key_id) {
                Some(known) => known.key = read.key,
                None => application.key_credentials.push(read),
            }
        }
    }
    Ok(application)
}

/// Of the certificate itself where its bytes were read; else what the label says.
fn thumbprint(key: &KeyCredential) -> Option<Thumbprint> {
    match key.key.as_deref() {
        Some(bytes) => key_list::der_of(bytes).map(|der| Thumbprint::sha1(&der)),
        None => key.thumbprint(),
    }
}

/// Looks for a version in this vault that is among the keys of an application: first among the
/// versions of the certificate that is named, then among the current versions of all others.
pub async fn signer(
    vault: &keyvault::Client,
    keys: &[KeyCredential],
    name: Option<&CertificateName>,
    now: OffsetDateTime,
) -> Result<Option<AttachedSigner>, Error> {
    let trusted: Vec<_> = keys
        .iter()
        .filter(|key| key.is_for_sign_in() && key.is_valid_at(now))
        .filter_map(|key| Some((thumbprint(key)?, key.key_id)))
        .collect();
    if trusted.is_empty() {
        return Ok(None);
    }
    let find = |thumbprint: Option<Thumbprint>| {
        let thumbprint = thumbprint?;
        trusted.iter().find(|(known, _)| *known == thumbprint).map(|(_, key_id)| *key_id)
    };
    if let Some(name) = name {
        for listed in vault.versions(name).await? {
            if let (Some(key_id), Some(version)) = (find(listed.thumbprint), &listed.version)
                && listed.attributes.enabled != Some(false)
            {
                let key = KeyUrl::new(vault.vault().clone(), name.clone(), version.clone());
                return Ok(Some(AttachedSigner { key, key_id }));
            }
        }
    }
    let listed = match vault.list(false).await {
        Ok(listed) => listed,
        Err(keyvault::Error::MissingPermission { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    for listed in listed {
        let Some(key_id) = find(listed.thumbprint).filter(|_| listed.attributes.enabled != Some(false)) else {
            continue;
        };
        let version = vault.certificate(&listed.name, None).await?;
        if version.thumbprint == listed.thumbprint {
            return Ok(Some(AttachedSigner { key: version.key, key_id }));
        }
    }
    Ok(None)
}
