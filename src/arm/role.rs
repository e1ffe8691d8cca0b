//! Role assignments and definitions of Azure.

use serde::Deserialize;
use uuid::Uuid;

use super::client::{Client, safe};
use super::query::Rows;
use super::vault::or_default;
use crate::http::{Operation, Scarce};

const ASSIGNMENTS: Operation = safe("listing the role assignments", "Reader").taking(Scarce::ResourceGraph);
const DEFINITIONS: Operation = safe("listing the role definitions", "Reader").taking(Scarce::ResourceGraph);

const ALL_ASSIGNMENTS: &str = "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' \
     | project id, properties | order by id asc";
const ALL_DEFINITIONS: &str = "authorizationresources | where type =~ 'microsoft.authorization/roledefinitions' \
     | project id, name, properties | order by id asc";

/// A role that a principal has at a scope.
#[derive(Clone, Debug, Deserialize)]
pub struct Assignment {
    /// What of whom where.
    pub properties: Assigned,
}

/// The content of an assignment.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assigned {
    /// Object id.
    pub principal_id: Uuid,
    /// `User`, `Group`, `ServicePrincipal` …
    #[serde(default)]
    pub principal_type: Option<Box<str>>,
    /// Resource id of the role.
    pub role_definition_id: Box<str>,
    /// Resource id of the scope.
    #[serde(default)]
    pub scope: Box<str>,
    /// When it holds, if not always.
    #[serde(default)]
    pub condition: Option<Box<str>>,
}

/// A role.
#[derive(Clone, Debug, Deserialize)]
pub struct Definition {
    /// Resource id, whose last part is its GUID.
    pub id: Box<str>,
    /// What it permits.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: Defined,
}

/// The content of a role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Defined {
    /// Its name.
    #[serde(default)]
    pub role_name: Option<Box<str>>,
    /// What it permits.
    #[serde(default, deserialize_with = "or_default")]
    pub permissions: Vec<Permissions>,
}

/// One set of permissions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// Actions on resources.
    #[serde(default, deserialize_with = "or_default")]
    pub actions: Vec<Box<str>>,
    /// Taken out of those.
    #[serde(default, deserialize_with = "or_default")]
    pub not_actions: Vec<Box<str>>,
    /// Actions on data.
    #[serde(default, deserialize_with = "or_default")]
    pub data_actions: Vec<Box<str>>,
    /// Taken out of those.
    #[serde(default, deserialize_with = "or_default")]
    pub not_data_actions: Vec<Box<str>>,
}

impl Assigned {
    /// GUID of the role.
    pub fn role(&self) -> Option<Uuid> {
        last_guid(&self.role_definition_id)
    }
}

impl Definition {
    /// GUID of the role.
    pub fn guid(&self) -> Option<Uuid> {
        last_guid(&self.id)
    }
}

impl Client {
    /// Every role assignment that the identity can see, at whatever scope.
    pub fn role_assignments(&self) -> Rows<'_, Assignment> {
        self.query(&ASSIGNMENTS, ALL_ASSIGNMENTS).seen_from_above()
    }

    /// Every role, built in or custom.
    pub fn role_definitions(&self) -> Rows<'_, Definition> {
        self.query(&DEFINITIONS, ALL_DEFINITIONS).seen_from_above()
    }
}

fn last_guid(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id.trim_end_matches('/').rsplit('/').next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_by_the_last_part_of_its_id_at_any_scope() {
        let guid = "21090545-7ca7-4776-b22c-e363652d74d2";
        for prefix in ["", "/subscriptions/s"] {
            let id = format!("{prefix}/providers/Microsoft.Authorization/roleDefinitions/{guid}");
            assert_eq!(last_guid(&id).unwrap().to_string(), guid);
        }
        assert_eq!(last_guid("/providers/x"), None);
    }
}
