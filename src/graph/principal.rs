//! Service principals and owners.

use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::error::{Error, failed};
use crate::domain::{AppId, ObjectId, ServicePrincipal};
use crate::http::{Method, Operation, Service};

const READ: Operation = Operation::safe(Service::Graph, "reading the service principal", "Application.Read.All");
const CREATE: Operation =
    Operation::once(Service::Graph, "creating the service principal", "Application.ReadWrite.OwnedBy");
const LIST_OWNERS: Operation =
    Operation::safe(Service::Graph, "listing the application's owners", "Application.Read.All");

const OF_WHAT_KIND: Operation = Operation::safe(Service::Graph, "looking up what principals are", "Directory.Read.All");

/// So many principals can be looked up at once.
pub const MOST_LOOKED_UP: usize = 1_000;

/// A user, group or service principal, as lists of references show it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryObject {
    /// Object id.
    pub id: ObjectId,
    /// `#microsoft.graph.user` and its kin.
    #[serde(rename = "@odata.type", default)]
    pub kind: Option<String>,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Of a user.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// Of a service principal.
    #[serde(default)]
    pub app_id: Option<AppId>,
}

impl Client {
    /// The application's identity in this tenant, if it has one.
    pub async fn service_principal(&self, app_id: AppId) -> Result<Option<ServicePrincipal>, Error> {
        let url = self.url(&format!("servicePrincipals(appId='{app_id}')"), &[]);
        match self.get(&READ, url).await {
            Ok(principal) => Ok(Some(principal)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives an application an identity in this tenant.
    pub async fn create_service_principal(&self, app_id: AppId) -> Result<ServicePrincipal, Error> {
        let body = json!({ "appId": app_id, "accountEnabled": true });
        let response = self.write(&CREATE, Method::POST, self.url("servicePrincipals", &[]), &body).await?;
        response.json().map_err(|source| failed(&CREATE, source))
    }

    /// What the principals are that others name by id, at most [`MOST_LOOKED_UP`]. Those that are
    /// gone are left out.
    pub async fn principals_by_id(&self, ids: &[ObjectId]) -> Result<Vec<DirectoryObject>, Error> {
        #[derive(Deserialize)]
        struct Found {
            value: Vec<DirectoryObject>,
        }
        let body = json!({ "ids": ids, "types": ["user", "group", "servicePrincipal"] });
        let response =
            self.write(&OF_WHAT_KIND, Method::POST, self.url("directoryObjects/getByIds", &[]), &body).await?;
        let found: Found = response.json().map_err(|source| failed(&OF_WHAT_KIND, source))?;
        Ok(found.value)
    }

    /// Who owns an application.
    pub async fn owners(&self, id: ObjectId) -> Result<Vec<DirectoryObject>, Error> {
        self.all(&LIST_OWNERS, self.url(&format!("applications/{id}/owners"), &[])).await
    }
}
