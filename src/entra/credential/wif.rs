//! Workload identity: the token that a cluster puts into a pod.

use std::sync::Arc;

use super::federated::{Federated, TokenFile};
use super::{Credential, Setup, SourceInfo};
use crate::entra::error::Error;

pub(super) const SOURCE: SourceInfo = SourceInfo {
    name: "wif",
    summary: "workload identity of a Kubernetes pod",
    variables: &["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"],
};

pub(super) fn build(setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    let path = setup.required(SOURCE.name, "AZURE_FEDERATED_TOKEN_FILE")?;
    Ok(Arc::new(Federated {
        name: SOURCE.name,
        description: "workload identity",
        http: setup.http.clone(),
        tenant: setup.tenant_or(SOURCE.name, "AZURE_TENANT_ID")?,
        client: setup.required_app(SOURCE.name, "AZURE_CLIENT_ID")?,
        issuer: TokenFile { credential: SOURCE.name, path: path.into() },
    }))
}
