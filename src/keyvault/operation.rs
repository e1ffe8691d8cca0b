//! Certificates in the making: creation, the pending operation, cancellation, merge.

use azure_core::http::RequestContent;
use azure_core::http::poller::PollerOptions;
use azure_security_keyvault_certificates::models::CertificateClientCreateCertificateOptions;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt as _;
use serde::Serialize;

use super::client::{Client, NewCertificate};
use super::error::Error;
use super::right::{CANCEL, CREATE, DELETE_OPERATION, MERGE, READ_OPERATION};
use super::wire;
use crate::domain::{CertificateName, CertificateOperation, CertificateVersion};
use crate::http;
use crate::http::Operation;

impl Client {
    /// Starts a new version of a certificate with a single request. It is never repeated after a
    /// lost answer: look at [`Client::operation`] before you create again.
    pub async fn create(&self, name: &CertificateName, new: &NewCertificate) -> Result<CertificateOperation, Error> {
        let body = wire::Create {
            policy: new.policy.as_ref().map(wire::Policy::from),
            tags: &new.tags,
            attributes: wire::Attributes::enabled(new.enabled),
        };
        let content = content(&body);
        let ended = self
            .certificates(&CREATE, |client| async move {
                // The shortest pause that the SDK accepts. None is made: the poller is dropped after
                // the first answer, and we poll by our own clock.
                let method_options =
                    PollerOptions { frequency: azure_core::time::Duration::seconds(1), ..Default::default() };
                let options = CertificateClientCreateCertificateOptions { method_options };
                client.begin_create_certificate(name.as_str(), content, Some(options))?.try_next().await
            })
            .await;
        self.operation_in(&CREATE, name, ended)
    }

    /// The operation that makes, or made, the newest version. It stays after it has ended.
    pub async fn operation(&self, name: &CertificateName) -> Result<CertificateOperation, Error> {
        let ended = self
            .certificates(&READ_OPERATION, |client| async move {
                client.get_certificate_operation(name.as_str(), None).await
            })
            .await;
        self.operation_in(&READ_OPERATION, name, ended)
    }

    /// Asks for the cancellation of the operation. It may still complete.
    pub async fn cancel(&self, name: &CertificateName) -> Result<CertificateOperation, Error> {
        let content = content(&serde_json::json!({ "cancellation_requested": true }));
        let ended = self
            .certificates(&CANCEL, |client| async move {
                client.update_certificate_operation(name.as_str(), content, None).await
            })
            .await;
        self.operation_in(&CANCEL, name, ended)
    }

    /// Forgets the operation. What it made stays, a disabled placeholder of a first version too.
    pub async fn delete_operation(&self, name: &CertificateName) -> Result<CertificateOperation, Error> {
        let ended = self
            .certificates(&DELETE_OPERATION, |client| async move {
                client.delete_certificate_operation(name.as_str(), None).await
            })
            .await;
        self.operation_in(&DELETE_OPERATION, name, ended)
    }

    /// Completes an operation of issuer `Unknown` with the certificate made for its CSR, leaf first.
    pub async fn merge(&self, name: &CertificateName, chain: &[Vec<u8>]) -> Result<CertificateVersion, Error> {
        let content = content(&wire::Merge { x5c: chain.iter().map(|der| STANDARD.encode(der)).collect() });
        let ended = self
            .certificates(&MERGE, |client| async move { client.merge_certificate(name.as_str(), content, None).await })
            .await;
        self.version_in(&MERGE, name, None, ended)
    }

    fn operation_in(
        &self,
        operation: &Operation,
        name: &CertificateName,
        ended: Result<http::Response, http::Error>,
    ) -> Result<CertificateOperation, Error> {
        let read = ended.and_then(|response| response.json::<wire::Operation>());
        read.map(CertificateOperation::from).map_err(|source| self.certificate_failed(operation, name, None, source))
    }
}

/// Our JSON under the SDK's type. The wire structs have string keys and finite numbers only.
pub(super) fn content<T>(body: &impl Serialize) -> RequestContent<T> {
    RequestContent::from(serde_json::to_vec(body).unwrap_or_default())
}
