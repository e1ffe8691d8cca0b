//! Who may do what with the key of a certificate: roles and access policies, groups taken apart.
//!
//! What is not covered: deny assignments, roles that must be activated first, and what somebody may
//! do who runs code as one of the principals.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use super::Facts;
use super::rbac::{Act, Doubt, Objects, Placed, Rbac, lower};
use crate::domain::CertificateName;
use crate::inventory::{AccessPolicy, Evidence, Reason, Seen, ServicePrincipal, Vault};

/// Who may do what in one vault.
#[derive(Debug)]
pub struct Access<'a> {
    vault: &'a Vault,
    /// Resource id in lower case.
    id: String,
    tenant: &'a str,
    rbac: &'a Rbac<'a>,
    assignments: Result<Vec<&'a Placed<'a>>, Missing>,
    facts: Facts<'a>,
}

/// Everybody who may do one thing, as far as that can be known.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holders<'a> {
    /// Each way in which somebody may: a principal can be there several times.
    pub ways: Vec<Holder<'a>>,
    /// What was not read, so that there may be more.
    pub missing: Vec<Missing>,
}

/// One way in which a principal may do something.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder<'a> {
    /// Object id.
    pub principal: Uuid,
    /// What it is.
    pub kind: PrincipalKind,
    /// The group through which it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Uuid>,
    /// What lets it.
    pub by: By<'a>,
    /// What makes that doubtful.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A group whose members were not read.
    Group,
    /// An application or a managed identity.
    ServicePrincipal,
    /// Nobody looked.
    Unknown,
}

/// What lets a principal do something.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum By<'a> {
    /// A role.
    Role {
        /// Its name. Hostile text, if it is a custom one.
        name: &'a str,
        /// Where it was assigned.
        scope: &'a str,
    },
    /// An access policy of the vault.
    AccessPolicy,
}

/// Something that was not read.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// What kind of thing.
    pub evidence: Evidence,
    /// Why.
    pub reason: Reason,
    /// What exactly.
    pub what: &'static str,
}

impl<'a> Access<'a> {
    pub(super) fn new(vault: &'a Vault, rbac: &'a Rbac<'a>, facts: &Facts<'a>) -> Self {
        let inventory = facts.inventory;
        let id = lower(&vault.resource_id);
        let missing = |evidence, reason, what| Err(Missing { evidence, reason, what });
        let assignments = match inventory.assignments.reason() {
            Some(reason) => missing(Evidence::RoleAssignments, reason, "role assignments"),
            None if id == "/" => {
                let reason = vault.properties.reason().unwrap_or(Reason::NotAsked);
                missing(Evidence::VaultProperties, reason, "where in Azure the vault is")
            }
            None => Ok(rbac.around(&id)),
        };
        Self { vault, id, tenant: inventory.header.tenant.as_str(), rbac, assignments, facts: *facts }
    }

    /// The service principal with an object id, if it is one of those that may anything in a vault.
    pub fn service(&self, principal: Uuid) -> Option<&'a ServicePrincipal> {
        self.rbac.services.get(&principal)
    }

    /// Whether roles decide what happens in the vault, and not access policies.
    pub fn has_roles(&self) -> Result<bool, Reason> {
        self.vault.properties.get().map(|properties| properties.rbac == Some(true))
    }

    /// Who can sign with the key of a certificate.
    pub fn signers(&self, certificate: &CertificateName) -> Holders<'a> {
        self.holders(Act::Sign, Some(certificate))
    }

    /// Who can read the secret behind a certificate: the private key, if that is exportable.
    pub fn readers(&self, certificate: &CertificateName) -> Holders<'a> {
        self.holders(Act::ReadSecret, Some(certificate))
    }

    /// Who can put another key in the place of a certificate's, which the next roll-over would register.
    pub fn replacers(&self, certificate: &CertificateName) -> Holders<'a> {
        let mut holders = self.holders(Act::CreateCertificate, Some(certificate));
        holders.add(self.holders(Act::ImportCertificate, Some(certificate)));
        holders
    }

    /// Who can give themselves any of that.
    pub fn granters(&self, certificate: &CertificateName) -> Holders<'a> {
        let mut holders = self.holders(Act::AssignRoles, Some(certificate));
        match self.has_roles() {
            // Whoever may write the vault may write its access policies.
            Ok(false) => holders.add(self.holders(Act::ChangeVault, None)),
            Ok(true) => {}
            Err(reason) => holders.miss(self.unread_properties(reason)),
        }
        holders
    }

    /// Who may do something with a certificate, its key or its secret, or with the vault as a whole.
    pub fn holders(&self, act: Act, certificate: Option<&CertificateName>) -> Holders<'a> {
        let mut holders = Holders::default();
        let policies = match (act.is_on_data(), self.vault.properties.get()) {
            (false, _) => None,
            (true, Ok(properties)) if properties.rbac == Some(true) => None,
            (true, Ok(properties)) => Some(&properties.access_policies),
            (true, Err(reason)) => {
                holders.miss(self.unread_properties(reason));
                return holders;
            }
        };
        match (policies, &self.assignments) {
            (Some(policies), _) => {
                for policy in policies.iter().filter(|policy| permits(policy, act)) {
                    let way = self.way(policy.principal, &policy.principal_type, By::AccessPolicy, None);
                    self.spread(way, &policy.members, &mut holders);
                }
            }
            (None, Err(missing)) => holders.miss(*missing),
            (None, Ok(assignments)) => {
                let resources = self.resources(act, certificate);
                for placed in assignments {
                    self.add_assignment(placed, act, &resources, &mut holders);
                }
            }
        }
        holders
    }

    fn add_assignment(&self, placed: &'a Placed<'a>, act: Act, resources: &[String], holders: &mut Holders<'a>) {
        let assignment = placed.assignment;
        let role = self.rbac.role(assignment.role);
        if role.is_some_and(|role| !role.permits(act)) {
            return;
        }
        let above = self.vault.properties.read().and_then(|properties| properties.management_groups.read());
        let above = above.map(Vec::as_slice);
        let Some(doubt) = resources.iter().filter_map(|id| placed.reach(act, id, self.tenant, above)).min() else {
            return;
        };
        let Some(role) = role else {
            let reason = self.facts.gap(Evidence::RoleAssignments).unwrap_or(Reason::Failed);
            holders.miss(Missing { evidence: Evidence::RoleAssignments, reason, what: "the definition of a role" });
            return;
        };
        let by = By::Role { name: role.name, scope: &assignment.scope };
        let way = self.way(assignment.principal, &assignment.principal_type, by, doubt);
        self.spread(way, &assignment.members, holders);
    }

    /// Where an assignment must reach so that the act is permitted: any of these is enough.
    fn resources(&self, act: Act, certificate: Option<&CertificateName>) -> Vec<String> {
        let Some(name) = certificate.map(|name| name.as_str().to_lowercase()) else { return vec![self.id.clone()] };
        let at = |objects: Objects| format!("{}/{}/{name}", self.id, objects.name());
        match act.policy_word() {
            Some((objects, _)) => vec![at(objects)],
            None if act == Act::AssignRoles => vec![at(Objects::Keys), at(Objects::Secrets), at(Objects::Certificates)],
            None => vec![self.id.clone()],
        }
    }

    fn way(&self, principal: Uuid, kind: &str, by: By<'a>, doubt: Option<Doubt>) -> Holder<'a> {
        let kind = if kind.eq_ignore_ascii_case("Group") {
            PrincipalKind::Group
        } else if kind.eq_ignore_ascii_case("User") {
            PrincipalKind::User
        } else if kind.eq_ignore_ascii_case("ServicePrincipal") {
            PrincipalKind::ServicePrincipal
        } else {
            self.kind(principal)
        };
        Holder { principal, kind, group: None, by, doubt }
    }

    /// Takes a group apart.
    fn spread(&self, way: Holder<'a>, members: &Seen<Vec<Uuid>>, holders: &mut Holders<'a>) {
        let is_single = matches!(way.kind, PrincipalKind::User | PrincipalKind::ServicePrincipal);
        match members.get() {
            _ if is_single => holders.ways.push(way),
            Ok(members) => {
                holders.ways.extend(members.iter().map(|member| Holder {
                    principal: *member,
                    kind: self.kind_of_member(*member),
                    group: Some(way.principal),
                    ..way.clone()
                }));
            }
            Err(reason) => {
                let what = if way.kind == PrincipalKind::Group {
                    "members of a group"
                } else {
                    "whether a principal is a group"
                };
                holders.miss(Missing { evidence: Evidence::RoleAssignments, reason, what });
                holders.ways.push(way);
            }
        }
    }

    fn kind(&self, principal: Uuid) -> PrincipalKind {
        if self.rbac.services.contains_key(&principal) {
            PrincipalKind::ServicePrincipal
        } else if self.rbac.groups.contains(&principal) {
            PrincipalKind::Group
        } else if self.rbac.people.contains(&principal) {
            PrincipalKind::User
        } else {
            PrincipalKind::Unknown
        }
    }

    /// Groups hold people and service principals, and the latter are all known.
    fn kind_of_member(&self, principal: Uuid) -> PrincipalKind {
        let knows_all =
            self.facts.principals_unread().is_none() && !self.facts.inventory.header.is_narrowed_to_applications;
        match self.kind(principal) {
            PrincipalKind::Unknown if knows_all => PrincipalKind::User,
            kind => kind,
        }
    }

    fn unread_properties(&self, reason: Reason) -> Missing {
        Missing { evidence: Evidence::VaultProperties, reason, what: "whether roles or access policies decide" }
    }
}

fn permits(policy: &AccessPolicy, act: Act) -> bool {
    let Some((objects, word)) = act.policy_word() else { return false };
    let words = match objects {
        Objects::Keys => &policy.keys,
        Objects::Secrets => &policy.secrets,
        Objects::Certificates => &policy.certificates,
    };
    words.iter().any(|given| given.eq_ignore_ascii_case(word) || given.eq_ignore_ascii_case("all"))
}

impl<'a> Holders<'a> {
    /// The principals that may for certain, each once; a group whose members were not read is one.
    pub fn certain(&self) -> BTreeSet<Uuid> {
        self.ways.iter().filter(|way| way.doubt.is_none()).map(|way| way.principal).collect()
    }

    /// The principals that may, or may perhaps.
    pub fn possible(&self) -> BTreeSet<Uuid> {
        self.ways.iter().map(|way| way.principal).collect()
    }

    /// Why there may be more than are certain: `None` when these are all.
    pub fn doubt(&self) -> Option<Missing> {
        let unread = self.missing.first().copied();
        unread.or_else(|| {
            let certain = self.certain();
            let open = self.ways.iter().filter(|way| !certain.contains(&way.principal)).find_map(|way| way.doubt)?;
            let (reason, what) = match open {
                Doubt::Condition => (Reason::Parse, "what the condition of an assignment comes to"),
                Doubt::ManagementGroup => (Reason::NotAsked, "the management groups above the vault"),
                Doubt::Below => (Reason::Parse, "what an assignment below the object comes to"),
            };
            Some(Missing { evidence: Evidence::RoleAssignments, reason, what })
        })
    }

    fn miss(&mut self, missing: Missing) {
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }

    fn add(&mut self, other: Self) {
        for way in other.ways {
            if !self.ways.contains(&way) {
                self.ways.push(way);
            }
        }
        for missing in other.missing {
            self.miss(missing);
        }
    }
}

impl By<'_> {
    /// For people: the role with its scope, or that it is an access policy.
    pub fn describe(&self) -> String {
        match self {
            Self::Role { name, scope } => format!("{name} at {scope}"),
            Self::AccessPolicy => "an access policy".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::audit::facts::{Desk, Joined};
    use crate::audit::{Data, Manifest};
    use crate::inventory::Inventory;

    const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv";

    fn id(number: u32) -> String {
        Uuid::from_u128(number.into()).to_string()
    }

    /// Everybody who may, certain ones by number, and what is missing.
    fn found(properties: Value, assignments: Value, act: Act) -> (Vec<u128>, Vec<u128>, Option<&'static str>) {
        let role = |number: u32, permissions: Value| json!({ "id": id(number), "permissions": [permissions] });
        let inventory: Inventory = serde_json::from_value(json!({
            "header": { "schemaVersion": "1.0", "tenant": id(9), "cloud": "public", "collectedAt": "2026-11-21T00:00:00Z" },
            "servicePrincipals": [{ "id": id(50), "appId": id(51) }],
            "vaults": [{ "name": "kv-one", "resourceId": VAULT, "properties": properties }],
            "assignments": assignments,
            "roleDefinitions": [
                role(100, json!({ "dataActions": ["Microsoft.KeyVault/vaults/keys/*"] })),
                role(101, json!({ "dataActions": ["*"], "notDataActions": ["*/getSecret/action"] })),
                role(102, json!({ "actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"] })),
                role(103, json!({ "actions": ["*"] })),
            ],
        }))
        .unwrap();
        let (manifest, history, data) = (Manifest::default(), Seen::default(), Data::shipped());
        let (joined, desk) = (Joined::new(&inventory, &manifest, &history, &data), Desk::default());
        let facts = joined.facts(&desk);
        let name: CertificateName = "billing".parse().unwrap();
        let access = facts.access(&inventory.vaults[0]);
        let holders = if act == Act::AssignRoles { access.granters(&name) } else { access.holders(act, Some(&name)) };
        let numbers = |ids: BTreeSet<Uuid>| ids.iter().map(Uuid::as_u128).collect();
        (numbers(holders.certain()), numbers(holders.possible()), holders.doubt().map(|missing| missing.what))
    }

    fn assigned(principal: u32, role: u32, scope: &str) -> Value {
        json!({ "principal": id(principal), "principalType": "User", "role": id(role), "scope": scope })
    }

    #[test]
    fn roles_count_where_they_reach_the_key_and_hold_what_they_permit() {
        let assignments = json!([
            assigned(1, 100, "/subscriptions/s"),
            assigned(2, 100, &format!("{VAULT}/keys/billing")),
            assigned(3, 100, &format!("{VAULT}/keys/other")),
            assigned(4, 100, &format!("{VAULT}/secrets/billing")),
            assigned(5, 101, VAULT),
            assigned(6, 103, "/"),
            assigned(7, 100, "/subscriptions/other"),
        ]);
        let rbac = json!({ "rbac": true });
        assert_eq!(found(rbac.clone(), assignments.clone(), Act::Sign), (vec![1, 2, 5], vec![1, 2, 5], None));
        assert_eq!(found(rbac, assignments, Act::ReadSecret), (vec![], vec![], None));
    }

    #[test]
    fn groups_are_taken_apart_and_one_that_was_not_read_stands_for_itself() {
        let group = |members: Value| {
            json!([
                { "principal": id(20), "principalType": "Group", "members": members, "role": id(100), "scope": VAULT },
                assigned(1, 100, VAULT),
            ])
        };
        let rbac = json!({ "rbac": true });
        assert_eq!(found(rbac.clone(), group(json!([id(1), id(2)])), Act::Sign), (vec![1, 2], vec![1, 2], None));
        assert_eq!(found(rbac.clone(), group(json!([])), Act::Sign), (vec![1], vec![1], None));
        let unread = found(rbac, group(json!({ "unread": "rbac" })), Act::Sign);
        assert_eq!(unread, (vec![1, 20], vec![1, 20], Some("members of a group")));
    }

    #[test]
    fn a_condition_makes_doubtful_what_it_is_about() {
        let mut one = assigned(1, 100, VAULT);
        one["condition"] = "@Resource[x] StringEquals 'y'".into();
        let rbac = json!({ "rbac": true });
        let what = "what the condition of an assignment comes to";
        assert_eq!(found(rbac.clone(), json!([one]), Act::Sign), (vec![], vec![1], Some(what)));
        // Somebody who may for certain too is in no doubt.
        assert_eq!(found(rbac, json!([one, assigned(1, 100, "/")]), Act::Sign), (vec![1], vec![1], None));
    }

    #[test]
    fn access_policies_decide_where_roles_do_not() {
        let policies = json!({ "accessPolicies": [
            { "principal": id(1), "principalType": "User", "keys": ["Sign"] },
            { "principal": id(50), "keys": ["all"] },
            { "principal": id(2), "principalType": "User", "keys": ["get"], "secrets": ["all"] },
        ]});
        let roles = json!([assigned(3, 100, VAULT)]);
        assert_eq!(found(policies.clone(), roles.clone(), Act::Sign), (vec![1, 50], vec![1, 50], None));
        assert_eq!(found(policies, roles, Act::ReadSecret), (vec![2], vec![2], None));
        let unknown = json!({ "accessPolicies": [{ "principal": id(7), "keys": ["sign"] }] });
        let what = Some("whether a principal is a group");
        assert_eq!(found(unknown, json!({ "unread": "rbac" }), Act::Sign), (vec![7], vec![7], what));
    }

    #[test]
    fn whoever_writes_a_vault_with_access_policies_can_let_himself_in() {
        let roles = json!([assigned(1, 102, VAULT), assigned(2, 103, "/subscriptions/s")]);
        assert_eq!(found(json!({ "rbac": true }), roles.clone(), Act::AssignRoles), (vec![2], vec![2], None));
        assert_eq!(found(json!({ "rbac": false }), roles, Act::AssignRoles), (vec![1, 2], vec![1, 2], None));
    }

    #[test]
    fn nothing_unread_is_taken_for_nobody() {
        let what = Some("whether roles or access policies decide");
        assert_eq!(found(json!({ "unread": "rbac" }), json!([]), Act::Sign), (vec![], vec![], what));
        let unread = found(json!({ "rbac": true }), json!({ "unread": "rbac" }), Act::Sign);
        assert_eq!(unread, (vec![], vec![], Some("role assignments")));
        let role = found(json!({ "rbac": true }), json!([assigned(1, 999, VAULT)]), Act::Sign);
        assert_eq!(role, (vec![], vec![], Some("the definition of a role")));
    }
}
