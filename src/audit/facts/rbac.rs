//! What roles permit, and where assignments reach: Azure's rules for wildcards, exclusions, scopes and conditions.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use crate::inventory::{Assignment, Inventory, RoleDefinition, RolePermissions, ServicePrincipal};

/// Something that a principal may do to an application's key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Sign with the key, and so sign in as the application.
    Sign,
    /// Read the secret behind the certificate: the private key too, if that is exportable.
    ReadSecret,
    /// Make a version with a new key.
    CreateCertificate,
    /// Change its policy, tags, or whether it is enabled.
    UpdateCertificate,
    /// Bring in a version with a key from elsewhere.
    ImportCertificate,
    /// Change the vault or its access policies.
    ChangeVault,
    /// Assign roles.
    AssignRoles,
}

/// Why somebody may perhaps not do what an assignment seems to let him.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// The assignment has a condition about it.
    Condition,
    /// It is at a management group, and nobody read which ones the vault's subscription is in.
    ManagementGroup,
    /// It is at something below the object.
    Below,
}

/// The role assignments of an inventory, by where they are.
#[derive(Debug, Default)]
pub(super) struct Rbac<'a> {
    /// By scope in lower case; what is below a vault is with the vault.
    by_scope: HashMap<String, Vec<Placed<'a>>>,
    management_groups: Vec<Placed<'a>>,
    roles: HashMap<Uuid, Role<'a>>,
    pub(super) groups: HashSet<Uuid>,
    pub(super) people: HashSet<Uuid>,
    /// Those service principals that any of this is about.
    pub(super) services: HashMap<Uuid, ServicePrincipal>,
}

/// An assignment, with its scope in lower case.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub(super) assignment: &'a Assignment,
    scope: String,
}

/// A role, reduced to the acts that matter here.
#[derive(Debug)]
pub(super) struct Role<'a> {
    pub(super) name: &'a str,
    acts: Vec<Act>,
}

const MANAGEMENT_GROUPS: &str = "/providers/microsoft.management/managementgroups/";
const VAULTS: &str = "/providers/microsoft.keyvault/vaults/";

impl Act {
    const ALL: [Self; 7] = [
        Self::Sign,
        Self::ReadSecret,
        Self::CreateCertificate,
        Self::UpdateCertificate,
        Self::ImportCertificate,
        Self::ChangeVault,
        Self::AssignRoles,
    ];

    /// Names of the operations, any of which is enough, in lower case.
    fn operations(self) -> &'static [&'static str] {
        match self {
            Self::Sign => &["microsoft.keyvault/vaults/keys/sign/action"],
            Self::ReadSecret => &["microsoft.keyvault/vaults/secrets/getsecret/action"],
            Self::CreateCertificate => &["microsoft.keyvault/vaults/certificates/create/action"],
            Self::UpdateCertificate => &["microsoft.keyvault/vaults/certificates/update/action"],
            Self::ImportCertificate => &["microsoft.keyvault/vaults/certificates/import/action"],
            Self::ChangeVault => &["microsoft.keyvault/vaults/write", "microsoft.keyvault/vaults/accesspolicies/write"],
            Self::AssignRoles => &["microsoft.authorization/roleassignments/write"],
        }
    }

    /// Whether it is done to what the vault holds, and not to the vault.
    pub const fn is_on_data(self) -> bool {
        !matches!(self, Self::ChangeVault | Self::AssignRoles)
    }

    /// Whether a set of permissions includes it.
    fn is_in(self, permissions: &RolePermissions) -> bool {
        let (given, taken) = if self.is_on_data() {
            (&permissions.data_actions, &permissions.not_data_actions)
        } else {
            (&permissions.actions, &permissions.not_actions)
        };
        let any = |patterns: &[Box<str>], operation: &str| patterns.iter().any(|pattern| matches(pattern, operation));
        self.operations().iter().any(|operation| any(given, operation) && !any(taken, operation))
    }

    /// The access policy permission that grants it: kind of object and word.
    pub(super) const fn policy_word(self) -> Option<(Objects, &'static str)> {
        match self {
            Self::Sign => Some((Objects::Keys, "sign")),
            Self::ReadSecret => Some((Objects::Secrets, "get")),
            Self::CreateCertificate => Some((Objects::Certificates, "create")),
            Self::UpdateCertificate => Some((Objects::Certificates, "update")),
            Self::ImportCertificate => Some((Objects::Certificates, "import")),
            Self::ChangeVault | Self::AssignRoles => None,
        }
    }
}

/// Kinds of objects in a vault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Objects {
    Keys,
    Secrets,
    Certificates,
}

impl Objects {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Secrets => "secrets",
            Self::Certificates => "certificates",
        }
    }
}

impl<'a> Rbac<'a> {
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        let mut rbac = Self::default();
        for assignment in inventory.assignments.read().into_iter().flatten() {
            let scope = lower(&assignment.scope);
            let place = vault_of(&scope).to_owned();
            let is_of_group = scope.starts_with(MANAGEMENT_GROUPS);
            let placed = Placed { assignment, scope };
            if is_of_group {
                rbac.management_groups.push(placed);
            } else {
                rbac.by_scope.entry(place).or_default().push(placed);
            }
            rbac.note_kind(assignment.principal, &assignment.principal_type);
        }
        for properties in inventory.vaults.iter().filter_map(|vault| vault.properties.read()) {
            for policy in &properties.access_policies {
                rbac.note_kind(policy.principal, &policy.principal_type);
            }
        }
        rbac.services = services(inventory);
        for role in &inventory.role_definitions {
            rbac.roles.insert(role.id, Role::of(role));
        }
        rbac
    }

    fn note_kind(&mut self, principal: Uuid, kind: &str) {
        if kind.eq_ignore_ascii_case("Group") {
            self.groups.insert(principal);
        } else if kind.eq_ignore_ascii_case("User") {
            self.people.insert(principal);
        }
    }

    pub(super) fn role(&self, id: Uuid) -> Option<&Role<'a>> {
        self.roles.get(&id)
    }

    /// The assignments at, above and below a vault, by its resource id in lower case.
    pub(super) fn around(&self, vault: &str) -> Vec<&Placed<'a>> {
        let mut found: Vec<_> = self.management_groups.iter().collect();
        let above = vault.match_indices('/').map(|(end, _)| if end == 0 { "/" } else { &vault[..end] });
        for scope in above.chain([vault]) {
            found.extend(self.by_scope.get(scope).into_iter().flatten());
        }
        found
    }
}

fn services(inventory: &Inventory) -> HashMap<Uuid, ServicePrincipal> {
    let assignments = inventory.assignments.read().into_iter().flatten();
    let properties = inventory.vaults.iter().filter_map(|vault| vault.properties.read());
    let policies = properties.flat_map(|properties| &properties.access_policies);
    let mut named: HashSet<Uuid> = HashSet::new();
    for (principal, members) in assignments
        .map(|assignment| (assignment.principal, &assignment.members))
        .chain(policies.map(|policy| (policy.principal, &policy.members)))
    {
        named.insert(principal);
        named.extend(members.read().into_iter().flatten());
    }
    let all = inventory.service_principals.iter().map(|principal| (principal.id.uuid(), principal));
    all.filter(|(id, _)| named.contains(id)).collect()
}

impl<'a> Role<'a> {
    fn of(role: &'a RoleDefinition) -> Self {
        let may = |act: &Act| role.permissions.iter().any(|permissions| act.is_in(permissions));
        Self { name: &role.name, acts: Act::ALL.into_iter().filter(may).collect() }
    }

    pub(super) fn permits(&self, act: Act) -> bool {
        self.acts.contains(&act)
    }
}

impl Placed<'_> {
    /// Whether the assignment holds for a resource: `None` if not, else what makes that doubtful.
    /// `above` are the names of the management groups that the resource is in, where they were read.
    pub(super) fn reach(
        &self,
        act: Act,
        resource: &str,
        tenant: &str,
        above: Option<&[Box<str>]>,
    ) -> Option<Option<Doubt>> {
        let limits = |text: &str| act.operations().iter().any(|name| is_limited(text, name));
        let condition = || self.assignment.condition.as_deref().is_some_and(limits).then_some(Doubt::Condition);
        if let Some(group) = self.scope.strip_prefix(MANAGEMENT_GROUPS) {
            return match above {
                // The root group has the tenant's name, and everything in it.
                _ if group.eq_ignore_ascii_case(tenant) => Some(condition()),
                Some(names) => names.iter().any(|name| name.eq_ignore_ascii_case(group)).then(condition),
                None => Some(condition().or(Some(Doubt::ManagementGroup))),
            };
        }
        if is_at_or_below(resource, &self.scope) {
            return Some(condition());
        }
        is_at_or_below(&self.scope, resource).then(|| condition().or(Some(Doubt::Below)))
    }
}

/// An id in lower case without the slash at its end; `/` for everything.
pub(super) fn lower(id: &str) -> String {
    let id = id.trim().to_lowercase();
    match id.trim_end_matches('/') {
        "" => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

fn is_at_or_below(id: &str, scope: &str) -> bool {
    scope == "/" || id.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The vault that a scope is in, or the scope.
fn vault_of(scope: &str) -> &str {
    let Some(start) = scope.find(VAULTS).map(|at| at + VAULTS.len()) else { return scope };
    scope[start..].find('/').map_or(scope, |length| &scope[..start + length])
}

/// Whether a pattern of a role names an operation: letters of any case, and `*` for anything.
fn matches(pattern: &str, operation: &str) -> bool {
    let pattern = pattern.to_lowercase();
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == operation };
    let Some(mut left) = operation.strip_prefix(head) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let tail = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(tail)
}

/// Whether a condition has a say about an operation. Conditions are written as "not this action, or
/// …"; one that is written so and names other actions only lets this one through. Whatever else it
/// says is not worked out.
fn is_limited(condition: &str, operation: &str) -> bool {
    let text: String = condition.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let mut named = text.match_indices("actionmatches{'").peekable();
    if named.peek().is_none() {
        return !text.is_empty();
    }
    named.any(|(at, word)| {
        let name = text[at + word.len()..].split('\'').next().unwrap_or_default();
        !text[..at].ends_with("!(") || matches(name, operation)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGN: &str = "microsoft.keyvault/vaults/keys/sign/action";

    #[test]
    fn patterns_are_azures() {
        for pattern in [
            "*",
            "Microsoft.KeyVault/vaults/*",
            "Microsoft.KeyVault/vaults/keys/sign/action",
            "Microsoft.KeyVault/*/sign/action",
            "*/action",
            "Microsoft.KeyVault/vaults/keys/*/action",
        ] {
            assert!(matches(pattern, SIGN), "{pattern}");
        }
        for pattern in ["", "Microsoft.KeyVault/vaults/keys/sign", "*/read", "Microsoft.Key/*", "*/sign/action/*", "x*"]
        {
            assert!(!matches(pattern, SIGN), "{pattern}");
        }
        assert!(!matches("ab*ba", "aba"), "the ends of a pattern do not overlap");
    }

    #[test]
    fn what_is_taken_out_of_a_set_of_permissions_may_be_given_by_another() {
        let all = RolePermissions { data_actions: ["*".into()].into(), ..RolePermissions::default() };
        let not_sign = RolePermissions { not_data_actions: ["*/keys/sign/action".into()].into(), ..all.clone() };
        assert!(!Act::Sign.is_in(&not_sign));
        assert!(Act::ReadSecret.is_in(&not_sign));
        let role = RoleDefinition { id: Uuid::nil(), name: "r".into(), permissions: [not_sign, all].into() };
        assert!(Role::of(&role).permits(Act::Sign));
        assert!(!Role::of(&role).permits(Act::ChangeVault), "data actions are no actions");
    }

    #[test]
    fn an_assignment_reaches_what_is_at_or_below_its_scope_and_nothing_that_only_begins_alike() {
        let vault = "/subscriptions/s/resourcegroups/g/providers/microsoft.keyvault/vaults/v";
        let key = format!("{vault}/keys/k");
        let at = |scope: &str, above: Option<&[Box<str>]>| {
            let assignment = Assignment {
                principal: Uuid::nil(),
                principal_type: "User".into(),
                members: crate::inventory::Seen::default(),
                role: Uuid::nil(),
                scope: scope.into(),
                condition: None,
            };
            let scope = lower(&assignment.scope);
            Placed { assignment: &assignment, scope }.reach(Act::Sign, &key, "tenant", above)
        };
        for scope in ["/", "/Subscriptions/S", "/subscriptions/s/resourceGroups/G/", vault, &key] {
            assert_eq!(at(scope, None), Some(None), "{scope}");
        }
        for scope in [
            "/subscriptions/s2",
            "/subscriptions/s/resourceGroups/g2",
            &format!("{vault}/keys/k2"),
            &format!("{vault}/secrets/k"),
        ] {
            assert_eq!(at(scope, None), None, "{scope}");
        }
        assert_eq!(at(&format!("{key}/versions/1"), None), Some(Some(Doubt::Below)));
        let group = "/providers/Microsoft.Management/managementGroups/Prod";
        assert_eq!(at(group, None), Some(Some(Doubt::ManagementGroup)));
        assert_eq!(at(group, Some(&["root".into(), "prod".into()])), Some(None));
        assert_eq!(at(group, Some(&["root".into()])), None);
        assert_eq!(at("/providers/Microsoft.Management/managementGroups/tenant", None), Some(None));
    }

    #[test]
    fn a_condition_limits_only_the_actions_that_it_is_about() {
        let usual = "((!(ActionMatches{'Microsoft.KeyVault/vaults/secrets/*'})) OR (@Resource[x] StringEquals 'y'))";
        assert!(!is_limited(usual, SIGN));
        assert!(is_limited(usual, "microsoft.keyvault/vaults/secrets/getsecret/action"));
        assert!(is_limited("@Resource[x] StringEquals 'y'", SIGN));
        assert!(is_limited("ActionMatches{'Microsoft.KeyVault/vaults/secrets/*'} AND @Resource[x] Exists", SIGN));
        assert!(!is_limited(" ", SIGN));
    }

    #[test]
    fn what_is_below_a_vault_is_found_with_it() {
        let vault = "/subscriptions/s/resourcegroups/g/providers/microsoft.keyvault/vaults/v";
        assert_eq!(vault_of(&format!("{vault}/keys/k")), vault);
        assert_eq!(vault_of(vault), vault);
        assert_eq!(vault_of("/subscriptions/s"), "/subscriptions/s");
    }
}
