//! Applications: finding, reading, registering.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, quoted};
use super::error::{Candidate, Error, failed};
use crate::domain::{AppId, Application, ObjectId};
use crate::http::{Method, Operation, Pages, Request, Response, Service};

const READ: Operation = Operation::safe(Service::Graph, "reading the application", "Application.Read.All");
const FIND: Operation = Operation::safe(Service::Graph, "looking for the application", "Application.Read.All");
const LIST: Operation = Operation::safe(Service::Graph, "listing the applications", "Application.Read.All");
const REGISTER: Operation =
    Operation::once(Service::Graph, "registering the application", "Application.ReadWrite.OwnedBy");
const DELETE: Operation = Operation::once(Service::Graph, "deleting the application", "Application.ReadWrite.OwnedBy");

/// An application, and everything that Graph said about it.
#[derive(Clone, Debug)]
pub struct ApplicationRecord {
    /// What kvops understands.
    pub application: Application,
    /// All of it, as it came: what was there before a change has to be there after it.
    pub raw: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    id: ObjectId,
    app_id: AppId,
    #[serde(default)]
    display_name: Option<String>,
}

impl Client {
    /// The application with an object id.
    pub async fn application(&self, id: ObjectId) -> Result<ApplicationRecord, Error> {
        let ended = self.send(&READ, Request::get(self.url(&format!("applications/{id}"), &[]))).await;
        record(ended, &id.to_string())
    }

    /// The application with a client id. This key in the path is consistent sooner than a filter.
    pub async fn application_by_app_id(&self, app_id: AppId) -> Result<ApplicationRecord, Error> {
        let path = format!("applications(appId='{app_id}')");
        let ended = self.send(&READ, Request::get(self.url(&path, &[]))).await;
        record(ended, &app_id.to_string())
    }

    /// The application that a person named: by client id, object id or exact display name.
    pub async fn find_application(&self, reference: &str) -> Result<ApplicationRecord, Error> {
        let reference = reference.trim();
        let Ok(app_id) = reference.parse::<AppId>() else {
            return self.application_named(reference).await;
        };
        match self.application_by_app_id(app_id).await {
            Err(error) if error.is_not_found() => self.application(ObjectId::new(app_id.uuid())).await,
            ended => ended,
        }
    }

    async fn application_named(&self, name: &str) -> Result<ApplicationRecord, Error> {
        let none = || Error::NoSuchApplication { reference: name.to_owned() };
        if name.is_empty() {
            return Err(none());
        }
        let filter = format!("displayName eq {}", quoted(name));
        let url = self.url("applications", &[("$filter", &filter), ("$select", "id,appId,displayName")]);
        let found: Vec<Named> = self.all(&FIND, url).await?;
        // The directory compares without case; a person who names an application does not.
        let exact: Vec<_> = found.iter().filter(|found| found.display_name.as_deref() == Some(name)).collect();
        match exact[..] {
            [] => Err(none()),
            [one] => self.application(one.id).await,
            _ => {
                let candidate = |named: &&Named| Candidate {
                    id: named.id,
                    app_id: named.app_id,
                    display_name: named.display_name.clone().unwrap_or_default(),
                };
                Err(Error::Ambiguous { name: name.to_owned(), candidates: exact.iter().map(candidate).collect() })
            }
        }
    }

    /// Every application of the tenant, in pages of 999, with the members that are named.
    pub fn applications(&self, select: &[&str]) -> Pages<'_> {
        let select = select.join(",");
        self.pages(&LIST, self.url("applications", &[("$select", &select), ("$top", "999")]))
    }

    /// Puts a name to what ended the pages of [`Client::applications`].
    pub fn applications_failed(&self, source: crate::http::Error) -> Error {
        failed(&LIST, source)
    }

    /// Registers an application for this tenant only. The default audience would include personal
    /// accounts, so it is always stated.
    pub async fn register_application(&self, display_name: &str) -> Result<ApplicationRecord, Error> {
        let body = json!({ "displayName": display_name, "signInAudience": "AzureADMyOrg" });
        let ended = self.write(&REGISTER, Method::POST, self.url("applications", &[]), &body).await;
        record(ended, display_name)
    }

    /// Deletes an application; it stays recoverable for 30 days.
    pub async fn delete_application(&self, id: ObjectId) -> Result<(), Error> {
        let url = self.url(&format!("applications/{id}"), &[]);
        self.send(&DELETE, Request::delete(url)).await.map(drop)
    }
}

fn record(ended: Result<Response, Error>, reference: &str) -> Result<ApplicationRecord, Error> {
    let response = match ended {
        Err(Error::NotFound { .. }) => {
            return Err(Error::NoSuchApplication { reference: reference.to_owned() });
        }
        ended => ended?,
    };
    let raw: Value = response.json().map_err(|source| failed(&READ, source))?;
    let application = Application::deserialize(&raw)
        .map_err(|_| failed(&READ, response.unreadable("lacks a member that every application has")))?;
    Ok(ApplicationRecord { application, raw })
}
