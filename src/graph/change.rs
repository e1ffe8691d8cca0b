//! Changing a registration, and taking back what was granted to it.

use serde_json::Value;

use super::client::Client;
use super::error::Error;
use crate::domain::{CredentialId, ObjectId};
use crate::http::{Method, Operation, Request, Service};

/// What is written is the whole value, so that writing it twice changes nothing more.
const CHANGE: Operation = Operation::safe(Service::Graph, "changing the registration", "Application.ReadWrite.OwnedBy");
const REVOKE: Operation =
    Operation::safe(Service::Graph, "revoking a delegated permission", "DelegatedPermissionGrant.ReadWrite.All");
const UNTRUST: Operation =
    Operation::safe(Service::Graph, "removing a federated credential", "Application.ReadWrite.OwnedBy");

impl Client {
    /// Writes members of an application. Objects are merged by the service, lists are replaced.
    pub async fn change_application(&self, id: ObjectId, members: &Value) -> Result<(), Error> {
        self.write(&CHANGE, Method::PATCH, self.url(&format!("applications/{id}"), &[]), members).await.map(drop)
    }

    /// Revokes a delegated permission. One that is gone is as good as revoked.
    pub async fn revoke_grant(&self, grant: &str) -> Result<(), Error> {
        let mut url = self.url("oauth2PermissionGrants", &[]);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(grant);
        }
        gone(self.send(&REVOKE, Request::delete(url)).await.map(drop))
    }

    /// Removes a federated credential. One that is gone is as good as removed.
    pub async fn remove_federation(&self, id: ObjectId, credential: CredentialId) -> Result<(), Error> {
        let url = self.url(&format!("applications/{id}/federatedIdentityCredentials/{credential}"), &[]);
        gone(self.send(&UNTRUST, Request::delete(url)).await.map(drop))
    }
}

fn gone(ended: Result<(), Error>) -> Result<(), Error> {
    match ended {
        Err(Error::NotFound { .. }) => Ok(()),
        ended => ended,
    }
}
