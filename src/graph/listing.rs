//! Reading all applications and service principals of a tenant, whole or by the time they were made.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::client::Client;
use super::error::{Error, failed};
use super::list::List;
use super::registration::{Keys, Principal, Registration};
use super::relation::Known;
use crate::domain::{AppId, ObjectId};
use crate::http::header;
use crate::http::{Operation, Pages, Request, Scarce, Service};

const fn safe(name: &'static str) -> Operation {
    Operation::safe(Service::Graph, name, "Application.Read.All")
}

const APPLICATIONS: Operation = safe("listing the applications").costing(2);
const PRINCIPALS: Operation = safe("listing the service principals");
const APPLICATION: Operation = safe("reading the application").costing(2);
const COUNT: Operation = safe("counting the applications");
const KEYS: Operation = safe("reading the bytes of certificates").taking(Scarce::KeyCredentials);
const DELETED: Operation = safe("listing the deleted applications");
const CHANGES: Operation = safe("listing what has changed");

/// The largest page that lists of applications give.
pub const LARGEST_PAGE: usize = 999;

/// Which of the two classes of objects with credentials.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// Application registrations.
    Applications,
    /// Service principals.
    ServicePrincipals,
}

impl Class {
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Applications => "applications",
            Self::ServicePrincipals => "servicePrincipals",
        }
    }

    const fn listing(self) -> Operation {
        match self {
            Self::Applications => APPLICATIONS,
            Self::ServicePrincipals => PRINCIPALS,
        }
    }
}

/// A part of a class by the time at which its objects were made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Everything.
    Whole,
    /// From the first moment up to, and without, the second; open where there is none.
    Between(Option<OffsetDateTime>, Option<OffsetDateTime>),
    /// Those that do not say.
    Undated,
}

impl Part {
    /// The condition of a `$filter`.
    fn filter(self) -> Option<String> {
        let text = |moment: OffsetDateTime| moment.format(&Rfc3339).unwrap_or_default();
        match self {
            Self::Whole | Self::Between(None, None) => None,
            Self::Between(from, to) => {
                let from = from.map(|from| format!("createdDateTime ge {}", text(from)));
                let to = to.map(|to| format!("createdDateTime lt {}", text(to)));
                Some([from, to].into_iter().flatten().collect::<Vec<_>>().join(" and "))
            }
            Self::Undated => Some("createdDateTime eq null".to_owned()),
        }
    }
}

/// An object that a delta query says has changed.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Changed {
    /// Which.
    pub id: ObjectId,
    /// Present if it is gone, for good or into the recycle bin.
    #[serde(rename = "@removed", default)]
    removed: Option<Removed>,
}

/// Present in what a delta query says of an object that is gone.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Removed {}

impl Changed {
    /// Whether it is no longer there.
    pub fn is_gone(&self) -> bool {
        self.removed.is_some()
    }
}

impl Client {
    /// The applications of a part, with all that lists show by default: keys come without bytes.
    pub fn registrations(&self, part: Part) -> List<'_, Registration> {
        self.part(Class::Applications, part, &[("$top", "999")], APPLICATIONS)
    }

    /// The service principals of a part.
    pub fn principals(&self, part: Part) -> List<'_, Principal> {
        self.part(Class::ServicePrincipals, part, &[("$top", "999")], PRINCIPALS)
    }

    /// The ids of a part, and nothing else.
    pub fn ids_of(&self, class: Class, part: Part) -> List<'_, Known> {
        self.part(class, part, &[("$select", "id"), ("$top", "999")], class.listing())
    }

    /// The certificates of a part with their bytes, if the directory gives them in lists. There are
    /// 150 such requests a minute for the whole tenant.
    pub fn keys_of(&self, class: Class, part: Part) -> List<'_, Keys> {
        self.part(class, part, &[("$select", "id,appId,keyCredentials"), ("$top", "999")], KEYS)
    }

    /// The certificates of one object with their bytes.
    pub async fn keys_of_one(&self, class: Class, id: ObjectId) -> Result<Keys, Error> {
        let path = format!("{}/{id}", class.path());
        self.get(&KEYS, self.url(&path, &[("$select", "id,keyCredentials")])).await
    }

    /// One application as lists show it.
    pub async fn registration(&self, id: ObjectId) -> Result<Registration, Error> {
        self.get(&APPLICATION, self.url(&format!("applications/{id}"), &[])).await
    }

    /// The service principal of an application, as lists show it.
    pub async fn principal(&self, app_id: AppId) -> Result<Option<Principal>, Error> {
        match self.get(&PRINCIPALS, self.url(&format!("servicePrincipals(appId='{app_id}')"), &[])).await {
            Ok(principal) => Ok(Some(principal)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Several objects of a class by their ids; those that are gone are left out. At most fifteen
    /// fit into one condition.
    pub fn some_of<T: DeserializeOwned>(&self, class: Class, ids: &[ObjectId]) -> List<'_, T> {
        self.listed(self.url(class.path(), &[("$filter", &any_of(ids))]), class.listing())
    }

    /// The certificates of several objects with their bytes, if the directory gives them in lists. At
    /// most fifteen fit into one condition.
    pub fn keys_of_some(&self, class: Class, ids: &[ObjectId]) -> List<'_, Keys> {
        let filter = any_of(ids);
        let query = [("$filter", filter.as_str()), ("$select", "id,appId,keyCredentials")];
        self.listed(self.url(class.path(), &query), KEYS)
    }

    /// How many objects a part has, by the index that answers such questions, which lags a little.
    pub async fn count(&self, class: Class, part: Part) -> Result<usize, Error> {
        let filter = part.filter();
        let query: Vec<_> = filter.iter().map(|filter| ("$filter", filter.as_str())).collect();
        self.counted(&COUNT, self.url(&format!("{}/$count", class.path()), &query)).await
    }

    pub(super) async fn counted(&self, operation: &Operation, url: Url) -> Result<usize, Error> {
        let request = eventual(Request::get(url)).header(header::ACCEPT, "text/plain");
        let response = self.send(operation, request).await?;
        let text = std::str::from_utf8(response.body()).unwrap_or_default();
        // Some front ends put a byte order mark before the digits.
        let digits = text.trim_start_matches('\u{feff}').trim();
        digits.parse().map_err(|_| failed(operation, response.unreadable("is not the number that was expected")))
    }

    /// Applications in the recycle bin.
    pub fn deleted_registrations(&self) -> List<'_, Registration> {
        let url = self.url("directory/deletedItems/microsoft.graph.application", &[("$top", "999")]);
        self.listed(url, DELETED)
    }

    /// What has changed since the moment of a delta link; without one, a link for the next time and
    /// nothing else.
    pub fn changes(&self, class: Class, since: Option<&str>) -> List<'_, Changed> {
        self.listed(self.url(&format!("{}/delta", class.path()), &[since_then(since)]), CHANGES)
    }

    /// The certificates of what has changed, with their bytes if the directory gives them in lists. A
    /// delta query that selects something tells of changes to nothing else.
    pub fn changed_keys(&self, class: Class, since: Option<&str>) -> List<'_, Keys> {
        let query = [("$select", "id,keyCredentials"), since_then(since)];
        self.listed(self.url(&format!("{}/delta", class.path()), &query), KEYS)
    }

    pub(super) fn part<T>(&self, class: Class, part: Part, query: &[(&str, &str)], operation: Operation) -> List<'_, T>
    where
        T: DeserializeOwned,
    {
        let Some(filter) = part.filter() else { return self.listed(self.url(class.path(), query), operation) };
        let mut query = query.to_vec();
        query.push(("$filter", &filter));
        if part != Part::Undated {
            return self.listed(self.url(class.path(), &query), operation);
        }
        // Only the index knows what is missing.
        query.push(("$count", "true"));
        self.indexed(self.url(class.path(), &query), operation)
    }

    pub(super) fn listed<T: DeserializeOwned>(&self, first: Url, operation: Operation) -> List<'_, T> {
        List::new(self.pages(&operation, first), operation)
    }

    /// A list that only the eventually consistent index can give; it wants the header on each page.
    pub(super) fn indexed<T: DeserializeOwned>(&self, first: Url, operation: Operation) -> List<'_, T> {
        let request = eventual(Request::get(first));
        List::new(Pages::new(self.http(), &operation, request, self.auth()), operation)
    }
}

pub(super) fn since_then(token: Option<&str>) -> (&str, &str) {
    ("$deltatoken", token.unwrap_or("latest"))
}

fn any_of(ids: &[ObjectId]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
    format!("id in ({})", ids.join(","))
}

fn eventual(request: Request) -> Request {
    request.header(header::HeaderName::from_static("consistencylevel"), "eventual")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn parts_are_disjoint_by_their_conditions() {
        let (from, to) = (datetime!(2020-01-01 00:00 UTC), datetime!(2021-01-01 00:00 UTC));
        assert_eq!(Part::Whole.filter(), None);
        assert_eq!(Part::Between(None, None).filter(), None);
        assert_eq!(Part::Between(None, Some(from)).filter().unwrap(), "createdDateTime lt 2020-01-01T00:00:00Z");
        assert_eq!(
            Part::Between(Some(from), Some(to)).filter().unwrap(),
            "createdDateTime ge 2020-01-01T00:00:00Z and createdDateTime lt 2021-01-01T00:00:00Z"
        );
        assert_eq!(Part::Undated.filter().unwrap(), "createdDateTime eq null");
    }

    #[test]
    fn what_is_gone_is_told_apart_from_what_has_changed() {
        let id = "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10";
        let read = |more: &str| serde_json::from_str::<Changed>(&format!(r#"{{"id":"{id}"{more}}}"#)).unwrap();
        assert!(read(r#","@removed":{"reason":"changed"}"#).is_gone());
        assert!(!read(r#","displayName":"x""#).is_gone());
    }
}
