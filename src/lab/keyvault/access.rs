//! Who may do what in a vault: role assignments or access policies, and the network before both.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::Refusal;
use super::model::Vault;
use super::permission::Permission;
use crate::lab::azure::{self, Azure, Role};
use crate::lab::entra::Caller;
use crate::lab::world::World;

const PREFIX: &str = "Microsoft.KeyVault/vaults/";

/// The rules of one vault. Access policies count in their own mode only; roles are Azure's.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Access {
    pub(super) mode: Mode,
    pub(super) network: Network,
    pub(super) policies: Vec<AccessPolicy>,
}

/// How a vault decides. New vaults use roles.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    #[default]
    Rbac,
    AccessPolicies,
}

/// Whether the caller's address is let in at all.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Network {
    #[default]
    Open,
    /// A firewall knows some addresses, the caller's among them.
    Restricted,
    /// A firewall knows other addresses only.
    Firewall,
    /// Public access is off: private link only.
    PrivateLink,
}

/// What a principal may do under access policies: always in the whole vault.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct AccessPolicy {
    principal: Uuid,
    permissions: BTreeMap<String, BTreeSet<String>>,
}

impl AccessPolicy {
    /// As Resource Manager shows it.
    pub(super) fn shown(&self, tenant: Uuid) -> Value {
        json!({ "tenantId": tenant, "objectId": self.principal, "permissions": self.permissions })
    }
}

impl Vault {
    /// Decides, and gives the role assignment that allowed it. `object` is `certificates/NAME` and
    /// the like, absent for lists.
    pub(super) fn authorise(
        &self,
        azure: &Azure,
        caller: &Caller,
        permission: Permission,
        object: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        self.let_in(caller)?;
        match self.access.mode {
            Mode::Rbac => {
                let action = format!("{PREFIX}{}", permission.action);
                let scope = self.scope_of(object);
                let found = azure.allows_data(caller, &action, &scope);
                found
                    .map(|id| Some(id.simple().to_string()))
                    .ok_or_else(|| self.forbidden_by_rbac(caller, permission, &scope))
            }
            Mode::AccessPolicies if self.access.policies.iter().any(|each| each.allows(caller, permission)) => Ok(None),
            Mode::AccessPolicies => Err(self.forbidden_by_policy(caller, permission)),
        }
    }

    fn let_in(&self, caller: &Caller) -> Result<(), Refusal> {
        let (who, vault) = (describe(caller), self.place());
        match self.access.network {
            Network::Open | Network::Restricted => Ok(()),
            Network::Firewall => Err(Refusal::forbidden(
                "ForbiddenByFirewall",
                format!(
                    "Client address is not authorized and caller is not a trusted service.\r\nClient address: \
                     127.0.0.1\r\nCaller: {who}\r\nVault: {vault}"
                ),
            )),
            Network::PrivateLink => Err(Refusal::forbidden(
                "ForbiddenByConnection",
                format!(
                    "Public network access is disabled and request is not from a trusted service nor via an approved \
                     private link.\r\nCaller: {who}\r\nVault: {vault}"
                ),
            )),
        }
    }

    fn forbidden_by_policy(&self, caller: &Caller, permission: Permission) -> Refusal {
        let message = format!(
            "The user, group or application '{}' does not have {} {} permission on key vault '{}'. For help resolving \
             this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
            describe(caller),
            permission.collection,
            permission.verb,
            self.place()
        );
        Refusal::forbidden("ForbiddenByPolicy", message)
    }

    /// The path of the vault, or of an object in it.
    fn scope_of(&self, object: Option<&str>) -> String {
        match object {
            Some(object) => format!("{}/{object}", self.resource_id()),
            None => self.resource_id(),
        }
    }

    fn forbidden_by_rbac(&self, caller: &Caller, permission: Permission, scope: &str) -> Refusal {
        let message = format!(
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role \
             definitions were changed recently, please observe propagation time.\r\nCaller: {}\r\nAction: \
             '{PREFIX}{}'\r\nResource: '{}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: \
             'DeniedWithNoValidRBAC' \r\nVault: {}\r\n",
            describe(caller),
            permission.action,
            scope.to_lowercase(),
            self.place()
        );
        Refusal::forbidden("ForbiddenByRbac", message)
    }

    fn place(&self) -> String {
        format!("{};location={}", self.name, self.location)
    }
}

impl AccessPolicy {
    fn allows(&self, caller: &Caller, permission: Permission) -> bool {
        let has = |verb: &str| self.permissions.get(permission.collection).is_some_and(|verbs| verbs.contains(verb));
        let is_issuer_verb = permission.verb.ends_with("issuers");
        caller.is(self.principal) && (has(permission.verb) || has("all") || is_issuer_verb && has("manageissuers"))
    }
}

fn describe(caller: &Caller) -> String {
    format!("appid={};oid={};iss=https://sts.windows.net/{}/", caller.app_id, caller.object_id, caller.tenant)
}

/// A change of access, as the control endpoint takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    vault: String,
    mode: Option<Mode>,
    network: Option<Network>,
    principal: Option<Uuid>,
    /// Name or id of a built-in role.
    role: Option<String>,
    /// Data actions of a role of one's own.
    actions: Option<Vec<String>>,
    /// For access policies: collection to verbs.
    permissions: Option<BTreeMap<String, BTreeSet<String>>>,
    scope: Option<String>,
    #[serde(default)]
    remove: bool,
}

/// Changes who may do what in a vault: `{vault, mode?, network?, principal?, role? | actions? |
/// permissions?, scope?, remove?}`. Rights alone set the mode they belong to. The error says what
/// is wrong with the body.
pub(crate) fn grant(world: &mut World, body: &Value) -> Result<Value, String> {
    let grant: Grant = serde_json::from_value(body.clone()).map_err(|error| error.to_string())?;
    let role = role_of(world, &grant)?;
    let principal = grant.principal.map(|id| azure::principal(world, id));
    let vault = world.keyvault.vault_mut(&grant.vault).ok_or_else(|| format!("no vault `{}`", grant.vault))?;
    let access = &mut vault.access;
    access.network = grant.network.unwrap_or(access.network);
    let implied = match (&role, &grant.permissions) {
        (Some(_), Some(_)) => return Err("give a role or permissions, not both: a vault has one mode".to_owned()),
        // A role of the management plane alone says nothing about what the vault holds.
        (Some(role), None) => role.has_data_actions().then_some(Mode::Rbac),
        (None, Some(_)) => Some(Mode::AccessPolicies),
        (None, None) => None,
    };
    if let (Some(mode), Some(implied)) = (grant.mode, implied)
        && mode != implied
    {
        return Err("the rights do not belong to that mode".to_owned());
    }
    access.mode = grant.mode.or(implied).unwrap_or(access.mode);
    let answer = json!({"vault": vault.name, "mode": vault.access.mode, "network": vault.access.network});
    let Some(principal) = principal else {
        return if role.is_some() || grant.permissions.is_some() {
            Err("`principal` is missing".to_owned())
        } else {
            Ok(answer)
        };
    };
    vault.access.change(principal, &grant);
    let object = grant.scope.as_deref().map(|scope| scope.trim_matches('/'));
    let (whole, scope) = (vault.resource_id(), vault.scope_of(object));
    match role {
        role if grant.remove => azure::revoke(world, principal, role.as_ref(), |other| {
            if object.is_some() { other.eq_ignore_ascii_case(&scope) } else { azure::is_within(other, &whole) }
        }),
        Some(role) => azure::assign(world, principal, role, &scope),
        None => {}
    }
    Ok(answer)
}

impl Access {
    fn change(&mut self, principal: Uuid, grant: &Grant) {
        if grant.remove {
            self.policies.retain_mut(|each| each.principal != principal || each.lose(grant.permissions.as_ref()));
            return;
        }
        if let Some(permissions) = &grant.permissions {
            // As in the portal: a principal has one policy, and a new one replaces it.
            let permissions = permissions
                .iter()
                .map(|(collection, verbs)| {
                    (collection.to_lowercase(), verbs.iter().map(|verb| verb.to_lowercase()).collect())
                })
                .collect();
            self.policies.retain(|each| each.principal != principal);
            self.policies.push(AccessPolicy { principal, permissions });
        }
    }
}

impl AccessPolicy {
    /// Takes permissions away, all of them if none is named. Tells whether any is left.
    fn lose(&mut self, permissions: Option<&BTreeMap<String, BTreeSet<String>>>) -> bool {
        let Some(permissions) = permissions else { return false };
        for (collection, verbs) in permissions {
            if let Some(held) = self.permissions.get_mut(&collection.to_lowercase()) {
                held.retain(|verb| !verbs.iter().any(|lost| lost.eq_ignore_ascii_case(verb)));
            }
        }
        self.permissions.values().any(|verbs| !verbs.is_empty())
    }
}

fn role_of(world: &mut World, grant: &Grant) -> Result<Option<Role>, String> {
    match (&grant.role, &grant.actions) {
        (Some(_), Some(_)) => Err("give a role or actions, not both".to_owned()),
        (None, None) => Ok(None),
        (Some(wanted), None) => Role::named(wanted).map(Some),
        (None, Some(actions)) => {
            let whole = |action: &String| format!("{PREFIX}{}", action.strip_prefix(PREFIX).unwrap_or(action));
            Ok(Some(Role::custom(world, actions.iter().map(whole).collect())))
        }
    }
}
