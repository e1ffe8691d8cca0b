//! Who may do what: permissions of the token, and ownership.

use super::fault::Fault;
use crate::lab::directory::Object;
use crate::lab::entra::Caller;

/// What an operation asks for, apart from writing one object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Right {
    /// Listing and reading applications and service principals.
    ReadApplications,
    /// Creating them: also with `OwnedBy`, which then makes the creator an owner.
    CreateApplications,
    ReadDirectory,
    ReadPeople,
    ReadGroups,
    ReadOrganization,
    ReadGrants,
    ReadRoles,
    ReadEligibleRoles,
    ReadPolicies,
    WritePolicies,
    ReadSignIns,
    AssignRoles,
    Consent,
}

impl Right {
    const fn permissions(self) -> &'static [&'static str] {
        match self {
            // OwnedBy lists and reads all applications; it writes only its own.
            Self::ReadApplications => &[
                "Application.Read.All",
                "Application.ReadWrite.All",
                "Application.ReadWrite.OwnedBy",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::CreateApplications => {
                &["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", "Directory.ReadWrite.All"]
            }
            Self::ReadDirectory => &[
                "Application.Read.All",
                "Application.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
                "User.Read.All",
            ],
            Self::ReadPeople => &["User.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"],
            Self::ReadGroups => {
                &["GroupMember.Read.All", "Group.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"]
            }
            Self::ReadOrganization => &["Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"],
            Self::ReadGrants => &[
                "DelegatedPermissionGrant.Read.All",
                "DelegatedPermissionGrant.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::ReadRoles => &[
                "RoleManagement.Read.Directory",
                "RoleManagement.ReadWrite.Directory",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::ReadEligibleRoles => &[
                "RoleEligibilitySchedule.Read.Directory",
                "RoleManagement.Read.Directory",
                "RoleManagement.ReadWrite.Directory",
            ],
            Self::ReadPolicies => &["Policy.Read.All", "Policy.ReadWrite.ApplicationConfiguration"],
            Self::WritePolicies => &["Policy.ReadWrite.ApplicationConfiguration"],
            Self::ReadSignIns => &["AuditLog.Read.All"],
            Self::AssignRoles => &["AppRoleAssignment.ReadWrite.All", "Directory.ReadWrite.All"],
            Self::Consent => &["DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All"],
        }
    }
}

/// Refuses a token without any of the permissions.
pub(super) fn require(caller: &Caller, right: Right) -> Result<(), Fault> {
    if may(caller, right) { Ok(()) } else { Err(Fault::denied()) }
}

/// Whether a token has any of the permissions.
pub(super) fn may(caller: &Caller, right: Right) -> bool {
    has_any(caller, right.permissions())
}

/// Refuses a caller that may not change this object.
pub(super) fn require_write<T: Object>(caller: &Caller, object: &T) -> Result<(), Fault> {
    if has_any(caller, &["Application.ReadWrite.All", "Directory.ReadWrite.All"]) {
        return Ok(());
    }
    let created_it =
        object.members().get("createdByAppId").and_then(|id| id.as_str()) == Some(caller.app_id.to_string()).as_deref();
    let owns_it = object.owners().contains(&caller.object_id) || (created_it && is_app_only(caller));
    if has_any(caller, &["Application.ReadWrite.OwnedBy"]) && owns_it { Ok(()) } else { Err(Fault::denied()) }
}

/// Whether a new object gets its creator as owner: a person always, an application when its right
/// to write rests on ownership.
pub(super) fn creator_becomes_owner(caller: &Caller) -> bool {
    !is_app_only(caller) || !has_any(caller, &["Application.ReadWrite.All", "Directory.ReadWrite.All"])
}

/// A token that speaks for an application alone.
pub(super) fn is_app_only(caller: &Caller) -> bool {
    caller.scopes.is_empty()
}

fn has_any(caller: &Caller, permissions: &[&str]) -> bool {
    caller.roles.iter().chain(&caller.scopes).any(|role| permissions.contains(&role.as_str()))
}
