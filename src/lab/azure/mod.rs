//! Role assignments of Azure: who may do what in the subscription, its resource groups and vaults.
//!
//! Both planes ask here: Resource Manager for actions, the vaults for data actions.

mod definition;

use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use definition::{BUILT_IN, Definition};

use self::definition::covers;
use super::entra::Caller;
use super::world::World;

/// Assignments, and what the subscription has paid for.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Azure {
    assignments: Vec<Assignment>,
    /// Microsoft Defender for Key Vault.
    pub(crate) has_defender: bool,
}

impl Default for Azure {
    fn default() -> Self {
        Self { assignments: Vec::new(), has_defender: true }
    }
}

/// A role for a principal, at a scope and below it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Assignment {
    pub(crate) id: Uuid,
    pub(crate) principal: Uuid,
    /// The path of a resource, of what holds it, or of an object in a vault.
    pub(crate) scope: String,
    pub(crate) role: Role,
}

/// A role of Microsoft's, or one of the tenant's own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    BuiltIn(Uuid),
    Custom { id: Uuid, data_actions: Vec<String> },
}

impl Role {
    /// A built-in role by its name or id.
    pub(crate) fn named(wanted: &str) -> Result<Self, String> {
        let id = wanted.parse().ok();
        let found = BUILT_IN.iter().find(|role| role.name.eq_ignore_ascii_case(wanted) || Some(role.id) == id);
        found.map(|role| Self::BuiltIn(role.id)).ok_or_else(|| format!("no built-in role `{wanted}`"))
    }

    /// A role that grants data actions and nothing else.
    pub(crate) fn custom(world: &mut World, data_actions: Vec<String>) -> Self {
        Self::Custom { id: world.guid(), data_actions }
    }

    pub(crate) fn id(&self) -> Uuid {
        match self {
            Self::BuiltIn(id) | Self::Custom { id, .. } => *id,
        }
    }

    /// Whether it says anything about what a vault holds.
    pub(crate) fn has_data_actions(&self) -> bool {
        match self {
            Self::BuiltIn(_) => self.built_in().is_some_and(|role| !role.data_actions.is_empty()),
            Self::Custom { .. } => true,
        }
    }

    /// Whether it grants the same as another. Roles of one's own are made anew for each grant.
    fn grants_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom { data_actions: own, .. }, Self::Custom { data_actions: theirs, .. }) => own == theirs,
            _ => self == other,
        }
    }

    fn built_in(&self) -> Option<&'static Definition> {
        BUILT_IN.iter().find(|role| role.id == self.id())
    }

    fn allows(&self, action: &str) -> bool {
        self.built_in().is_some_and(|role| {
            role.actions.iter().any(|pattern| covers(pattern, action))
                && !role.not_actions.iter().any(|pattern| covers(pattern, action))
        })
    }

    fn allows_data(&self, action: &str) -> bool {
        match self {
            Self::BuiltIn(_) => {
                self.built_in().is_some_and(|role| role.data_actions.iter().any(|pattern| covers(pattern, action)))
            }
            Self::Custom { data_actions, .. } => data_actions.iter().any(|pattern| covers(pattern, action)),
        }
    }
}

impl Azure {
    /// All assignments, in the order in which they were made.
    pub(crate) fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// Whether a caller may do something to a resource.
    pub(crate) fn allows(&self, caller: &Caller, action: &str, scope: &str) -> bool {
        self.of(caller).any(|each| is_within(scope, &each.scope) && each.role.allows(action))
    }

    /// The assignment that lets a caller do something to what a vault holds.
    pub(crate) fn allows_data(&self, caller: &Caller, action: &str, scope: &str) -> Option<Uuid> {
        let found = self.of(caller).find(|each| is_within(scope, &each.scope) && each.role.allows_data(action));
        found.map(|each| each.id)
    }

    /// Whether a caller has any role at a scope, above it or below it: such callers see that it exists.
    pub(crate) fn knows(&self, caller: &Caller, scope: &str) -> bool {
        self.of(caller).any(|each| is_within(scope, &each.scope) || is_within(&each.scope, scope))
    }

    fn of(&self, caller: &Caller) -> impl Iterator<Item = &Assignment> {
        self.assignments.iter().filter(|each| caller.is(each.principal))
    }
}

/// Whether a scope is another, or lies below it.
pub(crate) fn is_within(scope: &str, outer: &str) -> bool {
    // There is one tree of management groups, and all subscriptions hang in it.
    if outer == "/" || is_management_group(outer) {
        return true;
    }
    let begins = scope.get(..outer.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(outer));
    begins && matches!(scope.as_bytes().get(outer.len()), None | Some(b'/'))
}

/// Whether a scope is a management group.
pub(crate) fn is_management_group(scope: &str) -> bool {
    scope.to_ascii_lowercase().starts_with("/providers/microsoft.management/managementgroups/")
}

/// A role at a scope outside vaults, as the control endpoint takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    principal: Uuid,
    role: String,
    /// `subscription`, which means each that there is, `management-group`, `resource-group/NAME`, or a whole path.
    #[serde(default = "subscription")]
    scope: String,
    #[serde(default)]
    remove: bool,
}

fn subscription() -> String {
    "subscription".to_owned()
}

/// Gives a role or takes it away: `{principal, role, scope?, remove?}`.
pub(crate) fn grant(world: &mut World, body: &Value) -> Result<Value, String> {
    let grant: Grant = serde_json::from_value(body.clone()).map_err(|error| error.to_string())?;
    let subscription = format!("/subscriptions/{}", world.keyvault.subscription());
    let scopes = match (grant.scope.as_str(), grant.scope.split_once('/')) {
        ("subscription", _) => {
            world.keyvault.subscriptions().into_iter().map(|id| format!("/subscriptions/{id}")).collect()
        }
        ("management-group", _) => vec![management_group(world)],
        (_, Some(("resource-group", name))) => vec![format!("{subscription}/resourceGroups/{name}")],
        (path, Some(("", _))) => vec![path.to_owned()],
        (other, _) => {
            return Err(format!("`{other}` is no scope: subscription, management-group or resource-group/NAME"));
        }
    };
    let principal = principal(world, grant.principal);
    let role = Role::named(&grant.role)?;
    for scope in &scopes {
        if grant.remove {
            revoke(world, principal, Some(&role), |other| other.eq_ignore_ascii_case(scope));
        } else {
            assign(world, principal, role.clone(), scope);
        }
    }
    Ok(json!({ "principal": principal, "role": grant.role, "scope": scopes.first() }))
}

/// The path of the tenant's root management group.
pub(crate) fn management_group(world: &World) -> String {
    format!("/providers/Microsoft.Management/managementGroups/{}", world.tenant)
}

/// Azure knows principals by their object id; the control endpoint also takes a client id.
pub(crate) fn principal(world: &World, id: Uuid) -> Uuid {
    world.directory.service_principal_by_app_id(id).map_or(id, |found| found.id)
}

/// Adds an assignment.
pub(crate) fn assign(world: &mut World, principal: Uuid, role: Role, scope: &str) {
    let id = uuid::Builder::from_random_bytes(world.random.random()).into_uuid();
    world.azure.assignments.push(Assignment { id, principal, scope: scope.to_owned(), role });
}

/// Takes assignments of a principal away at the scopes that are meant; those of one role, if one is given.
pub(crate) fn revoke(world: &mut World, principal: Uuid, role: Option<&Role>, is_meant: impl Fn(&str) -> bool) {
    world.azure.assignments.retain(|each| {
        each.principal != principal || !is_meant(&each.scope) || role.is_some_and(|role| !role.grants_like(&each.role))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_itself_and_what_is_below_and_no_namesake() {
        let vault = "/subscriptions/s/resourceGroups/lab/providers/Microsoft.KeyVault/vaults/a";
        for outer in ["/", "/subscriptions/S", "/subscriptions/s/resourcegroups/LAB", vault] {
            assert!(is_within(vault, outer), "{outer}");
        }
        assert!(is_within(vault, "/providers/Microsoft.Management/managementGroups/root"));
        assert!(is_within(&format!("{vault}/keys/k"), vault));
        for other in ["/subscriptions/other", "/subscriptions/s/resourceGroups/la", &format!("{vault}/keys/k")] {
            assert!(!is_within(vault, other), "{other}");
        }
    }

    #[test]
    fn a_reader_sees_the_vault_and_nothing_in_it() {
        let reader = Role::named("Reader").unwrap();
        assert!(reader.allows("Microsoft.KeyVault/vaults/read") && !reader.has_data_actions());
        assert!(!reader.allows("Microsoft.KeyVault/vaults/write"));
        let vault_reader = Role::named("Key Vault Reader").unwrap();
        assert!(vault_reader.allows("Microsoft.KeyVault/vaults/read"));
        assert!(vault_reader.allows_data("Microsoft.KeyVault/vaults/certificates/read"));
        assert!(!vault_reader.allows_data("Microsoft.KeyVault/vaults/secrets/getSecret/action"));
        assert!(!Role::named("Contributor").unwrap().allows("Microsoft.Authorization/roleAssignments/write"));
        assert!(Role::named("Nobody").is_err());
    }
}
