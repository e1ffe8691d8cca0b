//! Certificates that exist: reading, listing, changing, recovering.

use std::collections::BTreeMap;

use azure_security_keyvault_certificates::models::{
    CertificateClientGetCertificateOptions, CertificateClientUpdateCertificatePropertiesOptions,
};

use super::client::Client;
use super::error::Error;
use super::list::{Contact, Contacts, ListedCertificate};
use super::operation::content;
use super::right::{
    LIST, LIST_DELETED, LIST_VERSIONS, PURGE, READ, READ_CONTACTS, READ_DELETED, READ_POLICY, RECOVER, UPDATE,
    UPDATE_POLICY,
};
use super::wire;
use crate::domain::{
    CertificateName, CertificatePolicy, CertificateVersion, DeletedCertificate, InvalidVaultObject, KeyUrl, Version,
};
use crate::http;
use crate::http::{Operation, Pages};

impl Client {
    /// A version of a certificate; without one the current. While the first version is pending
    /// this is a disabled placeholder without `der`.
    pub async fn certificate(
        &self,
        name: &CertificateName,
        version: Option<&Version>,
    ) -> Result<CertificateVersion, Error> {
        let options = CertificateClientGetCertificateOptions {
            certificate_version: version.map(|version| version.as_str().to_owned()),
            ..Default::default()
        };
        let ended = self
            .certificates(&READ, |client| async move { client.get_certificate(name.as_str(), Some(options)).await })
            .await;
        self.version_in(&READ, name, version, ended)
    }

    /// The policy of a certificate: how its next version will be, not how this one is.
    pub async fn policy(&self, name: &CertificateName) -> Result<CertificatePolicy, Error> {
        let ended =
            self.certificates(&READ_POLICY, |client| async move {
                client.get_certificate_policy(name.as_str(), None).await
            })
            .await;
        self.policy_in(&READ_POLICY, name, ended)
    }

    /// Changes what `change` has of the policy, member by member, and keeps the rest. The service
    /// does not check whether the sum makes sense.
    pub async fn update_policy(
        &self,
        name: &CertificateName,
        change: &CertificatePolicy,
    ) -> Result<CertificatePolicy, Error> {
        let content = content(&wire::Policy::from(change));
        let ended = self
            .certificates(&UPDATE_POLICY, |client| async move {
                client.update_certificate_policy(name.as_str(), content, None).await
            })
            .await;
        self.policy_in(&UPDATE_POLICY, name, ended)
    }

    /// Enables, disables or tags one version. Tags that are given replace all tags.
    pub async fn update_properties(
        &self,
        name: &CertificateName,
        version: &Version,
        enabled: Option<bool>,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<CertificateVersion, Error> {
        let content = content(&wire::Update { attributes: wire::Attributes::enabled(enabled), tags });
        let options = CertificateClientUpdateCertificatePropertiesOptions {
            certificate_version: Some(version.as_str().to_owned()),
            ..Default::default()
        };
        let ended = self
            .certificates(&UPDATE, |client| async move {
                client.update_certificate_properties(name.as_str(), content, Some(options)).await
            })
            .await;
        self.version_in(&UPDATE, name, Some(version), ended)
    }

    /// All versions of a certificate. A certificate that does not exist has none: that is no error.
    pub async fn versions(&self, name: &CertificateName) -> Result<Vec<ListedCertificate>, Error> {
        let pages = self.pages(&LIST_VERSIONS, &format!("certificates/{name}/versions"), &[]);
        all(pages).await.map_err(|source| self.certificate_failed(&LIST_VERSIONS, name, None, source))
    }

    /// All certificates, with those whose first version is pending if `include_pending`.
    pub async fn list(&self, include_pending: bool) -> Result<Vec<ListedCertificate>, Error> {
        let pages = if include_pending {
            self.pages(&LIST, "certificates", &[("includePending", "true")]).keeping("includePending", "true")
        } else {
            self.pages(&LIST, "certificates", &[])
        };
        all(pages).await.map_err(|source| self.vault_failed(&LIST, "list of certificates", source))
    }

    /// Certificates in soft-delete. A deletion that has just begun does not show yet.
    pub async fn deleted_certificates(&self) -> Result<Vec<DeletedCertificate>, Error> {
        let pages = self.pages(&LIST_DELETED, "deletedcertificates", &[]);
        all(pages).await.map_err(|source| self.vault_failed(&LIST_DELETED, "list of deleted certificates", source))
    }

    /// The certificate of that name in soft-delete.
    pub async fn deleted(&self, name: &CertificateName) -> Result<DeletedCertificate, Error> {
        let ended =
            self.certificates(&READ_DELETED, |client| async move {
                client.get_deleted_certificate(name.as_str(), None).await
            })
            .await;
        let read = ended.and_then(|response| {
            let bundle = response.json::<wire::Bundle>()?;
            DeletedCertificate::try_from(bundle).map_err(|error| response.unreadable(has_bad_id(&error)))
        });
        read.map_err(|source| self.certificate_failed(&READ_DELETED, name, None, source))
    }

    /// The public certificate that was current when the name went into soft-delete, DER.
    pub async fn deleted_der(&self, name: &CertificateName) -> Result<Option<Vec<u8>>, Error> {
        let ended =
            self.certificates(&READ_DELETED, |client| async move {
                client.get_deleted_certificate(name.as_str(), None).await
            })
            .await;
        let read = ended.and_then(|response| match response.json::<wire::Bundle>()?.cer {
            Some(text) if !text.is_empty() => {
                wire::bytes(&text).map(Some).ok_or_else(|| response.unreadable("has a `cer` that is not base64"))
            }
            _ => Ok(None),
        });
        read.map_err(|source| self.certificate_failed(&READ_DELETED, name, None, source))
    }

    /// Recovers a certificate from soft-delete. It can be read some seconds later.
    pub async fn recover(&self, name: &CertificateName) -> Result<CertificateVersion, Error> {
        let ended =
            self.certificates(&RECOVER, |client| async move {
                client.recover_deleted_certificate(name.as_str(), None).await
            })
            .await;
        self.version_in(&RECOVER, name, None, ended)
    }

    /// Purges a certificate in soft-delete, with its key and all versions, for good. The name is free
    /// some seconds later.
    pub async fn purge(&self, name: &CertificateName) -> Result<(), Error> {
        let ended = self
            .certificates(&PURGE, |client| async move { client.purge_deleted_certificate(name.as_str(), None).await })
            .await;
        ended.map(|_| ()).map_err(|source| self.certificate_failed(&PURGE, name, None, source))
    }

    /// Who gets mail about the certificates of the vault; nobody is an empty list.
    pub async fn contacts(&self) -> Result<Vec<Contact>, Error> {
        let ended = self.certificates(&READ_CONTACTS, |client| async move { client.get_contacts(None).await }).await;
        let read = match ended {
            Err(error) if error.code() == Some("ContactsNotFound") => return Ok(Vec::new()),
            ended => ended.and_then(|response| response.json::<Contacts>()),
        };
        read.map(|contacts| contacts.contacts)
            .map_err(|source| self.vault_failed(&READ_CONTACTS, "list of contacts", source))
    }

    pub(super) fn version_in(
        &self,
        operation: &Operation,
        name: &CertificateName,
        version: Option<&Version>,
        ended: Result<http::Response, http::Error>,
    ) -> Result<CertificateVersion, Error> {
        let failed = |source| self.certificate_failed(operation, name, version, source);
        let response = ended.map_err(failed)?;
        let bundle: wire::Bundle = response.json().map_err(failed)?;
        let id = bundle.id.clone().unwrap_or_default();
        let key = KeyUrl::parse_certificate_id(&id, self.http.cloud())
            .map_err(|error| failed(response.unreadable(has_bad_id(&error))))?;
        let is_ours = *key.vault() == self.vault
            && key.name().as_str().eq_ignore_ascii_case(name.as_str())
            && version.is_none_or(|version| version == key.version());
        if !is_ours {
            let asked = self.vault.certificate_url(name, version);
            return Err(Error::ForeignKid { asked, answered: key.to_string() });
        }
        let der = match bundle.cer.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                Some(wire::bytes(text).ok_or_else(|| failed(response.unreadable("has a `cer` that is not base64")))?)
            }
            None => None,
        };
        Ok(CertificateVersion {
            key,
            der,
            thumbprint: bundle.x5t.as_deref().and_then(|text| text.parse().ok()),
            attributes: bundle.attributes.unwrap_or_default().into(),
            tags: bundle.tags.unwrap_or_default(),
            policy: bundle.policy.map(CertificatePolicy::from),
        })
    }

    fn policy_in(
        &self,
        operation: &Operation,
        name: &CertificateName,
        ended: Result<http::Response, http::Error>,
    ) -> Result<CertificatePolicy, Error> {
        let read = ended.and_then(|response| response.json::<wire::Policy>());
        read.map(CertificatePolicy::from).map_err(|source| self.certificate_failed(operation, name, None, source))
    }
}

/// All items of a list. One whose id no vault could have is a fault of the answer, not of the item.
async fn all<T>(mut pages: Pages<'_>) -> Result<Vec<T>, http::Error>
where
    T: TryFrom<wire::Bundle, Error = InvalidVaultObject>,
{
    let mut items = Vec::new();
    while let Some((page, response)) = pages.next_with_response::<wire::Bundle>().await? {
        for item in page {
            items.push(T::try_from(item).map_err(|error| response.unreadable(has_bad_id(&error)))?);
        }
    }
    Ok(items)
}

fn has_bad_id(error: &InvalidVaultObject) -> String {
    format!("has an unusable id: {}", crate::domain::printable(&error.to_string()))
}
