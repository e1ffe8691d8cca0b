//! People, groups and directory roles: the lab has no pages on which to make them.

use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Answer, Refusal};
use crate::lab::directory::{DIRECTORY_ROLES, DirectoryRole, Group, User};
use crate::lab::world::World;

/// The body of `POST /users`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    name: String,
    account: String,
    #[serde(default)]
    guest: bool,
    #[serde(default)]
    disabled: bool,
}

/// The body of `POST /groups`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGroup {
    name: String,
    #[serde(default)]
    members: Vec<Uuid>,
}

/// The body of `POST /permissions` for a directory role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assign {
    principal: Uuid,
    /// Its name, or its template id.
    directory_role: String,
    #[serde(default)]
    eligible: bool,
    #[serde(default)]
    remove: bool,
}

/// Adds a person.
pub(super) fn add_user(world: &mut World, new: NewUser) -> Answer {
    let id = world.guid();
    let user = User {
        id,
        display_name: new.name,
        user_principal_name: new.account,
        is_guest: new.guest,
        is_disabled: new.disabled,
    };
    world.directory.users.insert(id, user);
    Ok(json!({ "id": id }))
}

/// Adds a group.
pub(super) fn add_group(world: &mut World, new: NewGroup) -> Answer {
    let id = world.guid();
    let group = Group { id, display_name: new.name, members: new.members.into_iter().collect() };
    world.directory.groups.insert(id, group);
    Ok(json!({ "id": id }))
}

/// Gives a directory role, or takes it away.
pub(super) fn assign(world: &mut World, wanted: Assign) -> Answer {
    let role = DIRECTORY_ROLES.iter().find(|(id, name)| {
        name.eq_ignore_ascii_case(&wanted.directory_role) || wanted.directory_role.parse() == Ok(*id)
    });
    let &(definition, _) =
        role.ok_or_else(|| Refusal::Malformed(format!("the lab has no directory role `{}`", wanted.directory_role)))?;
    let held = &mut world.directory.directory_roles;
    held.retain(|role| role.principal != wanted.principal || role.definition != definition);
    if wanted.remove {
        return Ok(json!({ "principal": wanted.principal, "directory_role": null }));
    }
    let id = world.guid().simple().to_string();
    let role = DirectoryRole { id, principal: wanted.principal, definition, is_eligible: wanted.eligible };
    world.directory.directory_roles.push(role);
    Ok(json!({ "principal": wanted.principal, "directory_role": definition }))
}
