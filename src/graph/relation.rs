//! What applications and service principals are tied to: owners, federation, permissions.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::client::Client;
use super::error::Error;
use super::list::List;
use super::listing::{Class, Removed, since_then};
use super::registration::or_default;
use crate::domain::{CredentialId, ObjectId};
use crate::http::{Operation, Service};

const fn safe(name: &'static str, permission: &'static str) -> Operation {
    Operation::safe(Service::Graph, name, permission)
}

const OWNERS: Operation = safe("listing the owners", "Application.Read.All").costing(2);
const OWNERS_OF_ONE: Operation = safe("listing the owners of an object", "Application.Read.All");
const FEDERATED: Operation = safe("finding the applications with federated credentials", "Application.Read.All");
const FEDERATED_OF_ONE: Operation = safe("listing the federated credentials", "Application.Read.All");
const APP_ROLES: Operation = safe("listing who holds roles of an API", "Application.Read.All");
const ALL_APP_ROLES: Operation = safe("listing the roles that are held", "Application.Read.All").costing(2);
const GRANTS: Operation = safe("listing the delegated permissions", "Directory.Read.All").costing(2);
const COUNT_GRANTS: Operation = safe("counting the delegated permissions", "Directory.Read.All");
const CHANGED_GRANTS: Operation = safe("listing the changed delegated permissions", "Directory.Read.All").costing(2);

/// So many owners come with an object; the rest has to be asked for.
pub const MOST_EXPANDED: usize = 20;

/// What is read of an owner.
const OWNER: &str = "id,displayName,userPrincipalName,userType,accountEnabled";

/// An owner of an application or service principal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Object id.
    pub id: ObjectId,
    /// `#microsoft.graph.user` and its kin.
    #[serde(rename = "@odata.type", default)]
    pub kind: Option<Box<str>>,
    /// Hostile text.
    #[serde(default)]
    pub display_name: Option<Box<str>>,
    /// Of a person.
    #[serde(default)]
    pub user_principal_name: Option<Box<str>>,
    /// `Member` or `Guest`; absent without the right to read people.
    #[serde(default)]
    pub user_type: Option<Box<str>>,
    /// Whether they may sign in; absent likewise.
    #[serde(default)]
    pub account_enabled: Option<bool>,
}

/// An object with its owners, of which there may be more.
#[derive(Clone, Debug, Deserialize)]
pub struct Owned {
    /// The object.
    pub id: ObjectId,
    /// Up to [`MOST_EXPANDED`] of its owners.
    #[serde(default, deserialize_with = "or_default")]
    pub owners: Vec<Owner>,
}

impl Owned {
    /// Whether there may be owners that are not here.
    pub fn may_be_cut(&self) -> bool {
        self.owners.len() >= MOST_EXPANDED
    }
}

/// An object of which nothing but its id is asked.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Known {
    /// Object id.
    pub id: ObjectId,
}

/// A federated identity credential.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Federated {
    /// Identifies the entry.
    pub id: CredentialId,
    /// Its name in the application.
    #[serde(default)]
    pub name: Option<Box<str>>,
    /// Who signs the tokens that it trusts.
    #[serde(default)]
    pub issuer: Option<Box<str>>,
    /// Whom they must be about.
    #[serde(default)]
    pub subject: Option<Box<str>>,
    /// Whom they must be for.
    #[serde(default, deserialize_with = "or_default")]
    pub audiences: Vec<Box<str>>,
    /// What a flexible credential matches instead of a subject.
    #[serde(default)]
    pub claims_matching_expression: Option<ClaimsExpression>,
    /// What its author wrote.
    #[serde(default)]
    pub description: Option<Box<str>>,
}

/// The expression of a flexible federated credential.
#[derive(Clone, Debug, Deserialize)]
pub struct ClaimsExpression {
    /// The expression.
    #[serde(default)]
    pub value: Option<Box<str>>,
}

/// A permission for applications that a principal holds on an API.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleHolder {
    /// Id of the role.
    pub app_role_id: ObjectId,
    /// Who holds it.
    pub principal_id: ObjectId,
    /// `ServicePrincipal`, `User`, `Group`.
    #[serde(default)]
    pub principal_type: Option<Box<str>>,
    /// Object id of the API's service principal.
    pub resource_id: ObjectId,
    /// Since when.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_date_time: Option<OffsetDateTime>,
}

/// A service principal with the permissions that it holds, of which there may be more.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// The service principal.
    pub id: ObjectId,
    /// Up to [`MOST_EXPANDED`] of them; absent where the directory does not expand this relation.
    #[serde(default)]
    pub app_role_assignments: Option<Vec<RoleHolder>>,
}

impl Holding {
    /// Whether there may be permissions that are not here.
    pub fn may_be_cut(&self) -> bool {
        self.app_role_assignments.as_ref().is_some_and(|held| held.len() >= MOST_EXPANDED)
    }
}

/// A delegated permission.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Names the grant.
    #[serde(default)]
    pub id: Box<str>,
    /// Object id of the client's service principal.
    pub client_id: ObjectId,
    /// `AllPrincipals` or `Principal`.
    #[serde(default)]
    pub consent_type: Option<Box<str>>,
    /// The person, if only one has consented.
    #[serde(default)]
    pub principal_id: Option<ObjectId>,
    /// Object id of the API's service principal.
    pub resource_id: ObjectId,
    /// Names of scopes with blanks between them.
    #[serde(default)]
    pub scope: Option<Box<str>>,
}

/// For whom a delegated permission was given. These are all kinds that there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consent {
    /// For everybody in the tenant.
    ForAll,
    /// For one person.
    ForOne,
}

impl Consent {
    /// The condition of a `$filter`.
    const fn filter(self) -> &'static str {
        match self {
            Self::ForAll => "consentType eq 'AllPrincipals'",
            Self::ForOne => "consentType eq 'Principal'",
        }
    }
}

/// What a delta query says of a delegated permission: at least what has changed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedGrant {
    /// Names the grant.
    pub id: Box<str>,
    #[serde(default)]
    client_id: Option<ObjectId>,
    #[serde(default)]
    consent_type: Option<Box<str>>,
    #[serde(default)]
    principal_id: Option<ObjectId>,
    #[serde(default)]
    resource_id: Option<ObjectId>,
    #[serde(default)]
    scope: Option<Box<str>>,
    #[serde(rename = "@removed", default)]
    removed: Option<Removed>,
}

impl ChangedGrant {
    /// Whether it was revoked.
    pub fn is_gone(&self) -> bool {
        self.removed.is_some()
    }

    /// The grant as it is now. `None`: it is new here, and says too little of itself.
    pub fn over(self, before: Option<Grant>) -> Option<Grant> {
        let known = before.as_ref();
        Some(Grant {
            client_id: self.client_id.or(known.map(|grant| grant.client_id))?,
            resource_id: self.resource_id.or(known.map(|grant| grant.resource_id))?,
            principal_id: self.principal_id.or(known.and_then(|grant| grant.principal_id)),
            consent_type: self.consent_type.or_else(|| known.and_then(|grant| grant.consent_type.clone())),
            scope: self.scope.or_else(|| known.and_then(|grant| grant.scope.clone())),
            id: self.id,
        })
    }
}

impl Client {
    /// All objects of a class with their first owners. An expansion comes in pages of at most 100.
    pub fn owners_of_all(&self, class: Class, part: super::listing::Part) -> List<'_, Owned> {
        let expand = format!("owners($select={OWNER})");
        self.part(class, part, &[("$select", "id"), ("$expand", &expand), ("$top", "100")], OWNERS)
    }

    /// All owners of one object.
    pub fn owners_of_one(&self, class: Class, id: ObjectId) -> List<'_, Owner> {
        let url = self.url(&format!("{}/{id}/owners", class.path()), &[("$select", OWNER), ("$top", "999")]);
        self.listed(url, OWNERS_OF_ONE)
    }

    /// The applications that trust tokens of others: the rest need not be asked one by one.
    pub fn with_federation(&self) -> List<'_, Known> {
        let query = [
            ("$filter", "federatedIdentityCredentials/$count ne 0"),
            ("$count", "true"),
            ("$select", "id"),
            ("$top", "999"),
        ];
        self.indexed(self.url("applications", &query), FEDERATED)
    }

    /// The federated credentials of one application.
    pub fn federation(&self, id: ObjectId) -> List<'_, Federated> {
        self.listed(self.url(&format!("applications/{id}/federatedIdentityCredentials"), &[]), FEDERATED_OF_ONE)
    }

    /// Who holds permissions for applications on an API, by the object id of its service principal.
    pub fn role_holders(&self, resource: ObjectId) -> List<'_, RoleHolder> {
        let path = format!("servicePrincipals/{resource}/appRoleAssignedTo");
        self.listed(self.url(&path, &[("$top", "999")]), APP_ROLES)
    }

    /// All service principals of a part with the first permissions that they hold.
    pub fn roles_held_by_all(&self, part: super::listing::Part) -> List<'_, Holding> {
        let expand = "appRoleAssignments($select=appRoleId,principalId,resourceId)";
        let query = [("$select", "id"), ("$expand", expand), ("$top", "100")];
        self.part(Class::ServicePrincipals, part, &query, ALL_APP_ROLES)
    }

    /// The permissions that one principal holds.
    pub fn roles_held(&self, principal: ObjectId) -> List<'_, RoleHolder> {
        let path = format!("servicePrincipals/{principal}/appRoleAssignments");
        self.listed(self.url(&path, &[("$top", "999")]), APP_ROLES.costing(2))
    }

    /// The delegated permissions of the tenant: all, or those of one kind.
    pub fn grants(&self, consent: Option<Consent>) -> List<'_, Grant> {
        let filter = consent.map(|consent| ("$filter", consent.filter()));
        let query: Vec<_> = [("$top", "999")].into_iter().chain(filter).collect();
        self.listed(self.url("oauth2PermissionGrants", &query), GRANTS)
    }

    /// How many there are, by the index that answers such questions, which lags a little.
    pub async fn count_grants(&self, consent: Option<Consent>) -> Result<usize, Error> {
        let filter = consent.map(|consent| ("$filter", consent.filter()));
        self.counted(&COUNT_GRANTS, self.url("oauth2PermissionGrants/$count", filter.as_slice())).await
    }

    /// The delegated permissions that have changed since the moment of a delta link; without one, a link for
    /// the next time and nothing else.
    pub fn changed_grants(&self, since: Option<&str>) -> List<'_, ChangedGrant> {
        self.listed(self.url("oauth2PermissionGrants/delta", &[since_then(since)]), CHANGED_GRANTS)
    }

    /// The delegated permissions of one client.
    pub fn grants_of(&self, principal: ObjectId) -> List<'_, Grant> {
        self.listed(self.url(&format!("servicePrincipals/{principal}/oauth2PermissionGrants"), &[]), GRANTS)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_grant_keeps_what_its_change_does_not_mention() {
        let id = "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10";
        let before: Grant = serde_json::from_value(json!({
            "id": "g", "clientId": id, "consentType": "AllPrincipals", "resourceId": id, "scope": "User.Read",
        }))
        .unwrap();
        let change = |value| serde_json::from_value::<ChangedGrant>(value).unwrap();
        let wider = change(json!({ "id": "g", "scope": "User.Read Mail.Read" }));
        let after = wider.clone().over(Some(before.clone())).unwrap();
        assert_eq!(after, Grant { scope: Some("User.Read Mail.Read".into()), ..before });
        assert!(wider.over(None).is_none(), "nobody knows whose it is");
        assert!(change(json!({ "id": "g", "@removed": { "reason": "deleted" } })).is_gone());
    }
}
