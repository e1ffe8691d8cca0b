//! Who is not an application: people, groups, and the directory roles that anybody may hold.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

use super::Directory;

/// A person, as far as owners need one.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    pub(crate) user_principal_name: String,
    /// Somebody of another tenant.
    #[serde(default)]
    pub(crate) is_guest: bool,
    /// May not sign in.
    #[serde(default)]
    pub(crate) is_disabled: bool,
}

impl User {
    /// A person of this tenant who may sign in.
    pub(crate) fn member(id: Uuid, display_name: &str, user_principal_name: &str) -> Self {
        Self {
            id,
            display_name: display_name.to_owned(),
            user_principal_name: user_principal_name.to_owned(),
            is_guest: false,
            is_disabled: false,
        }
    }
}

/// A security group.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Group {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    /// People, service principals and other groups.
    pub(crate) members: BTreeSet<Uuid>,
}

/// A directory role that somebody holds over the whole tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct DirectoryRole {
    pub(crate) id: String,
    pub(crate) principal: Uuid,
    /// Template id of a built-in role.
    pub(crate) definition: Uuid,
    /// Held only once it has been activated.
    pub(crate) is_eligible: bool,
}

/// Built-in directory roles by their template ids, which are the same in every tenant.
pub(crate) const DIRECTORY_ROLES: [(Uuid, &str); 8] = [
    (uuid!("62e90394-69f5-4237-9190-012177145e10"), "Global Administrator"),
    (uuid!("e8611ab8-c189-46e8-94e1-60213ab1f814"), "Privileged Role Administrator"),
    (uuid!("7be44c8a-adaf-4e2a-84d6-ab2649e08a13"), "Privileged Authentication Administrator"),
    (uuid!("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"), "Application Administrator"),
    (uuid!("158c047a-c907-4556-b7ef-446551a6b5f7"), "Cloud Application Administrator"),
    (uuid!("88d8e3e3-8f55-4a1e-953a-9b9898b8876b"), "Directory Readers"),
    (uuid!("f2ef992c-3afb-46b9-b7cf-a126ee74c451"), "Global Reader"),
    (uuid!("5d6b6bb7-de71-4623-b4af-96380a352509"), "Security Reader"),
];

impl Directory {
    /// The groups that somebody is in, also by way of other groups.
    pub(crate) fn groups_of(&self, member: Uuid) -> BTreeSet<Uuid> {
        let mut found = BTreeSet::new();
        let mut open = vec![member];
        while let Some(id) = open.pop() {
            let holding = self.groups.values().filter(|group| group.members.contains(&id));
            open.extend(holding.map(|group| group.id).filter(|&group| found.insert(group)));
        }
        found
    }

    /// Everybody in a group, also by way of other groups, those groups among them.
    pub(crate) fn members_of(&self, group: Uuid) -> BTreeSet<Uuid> {
        let mut found = BTreeSet::new();
        let mut open = vec![group];
        while let Some(id) = open.pop() {
            let members = self.groups.get(&id).into_iter().flat_map(|group| &group.members);
            open.extend(members.copied().filter(|&member| found.insert(member)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_in_groups_are_followed_and_circles_end() {
        let [a, b, c, person] = [1, 2, 3, 4].map(Uuid::from_u128);
        let mut directory = Directory::default();
        for (id, member) in [(a, b), (b, c), (c, a)] {
            let group = Group { id, display_name: String::new(), members: BTreeSet::from([member]) };
            directory.groups.insert(id, group);
        }
        directory.groups.get_mut(&c).unwrap().members.insert(person);
        assert_eq!(directory.groups_of(person), BTreeSet::from([a, b, c]));
        assert_eq!(directory.members_of(a), BTreeSet::from([a, b, c, person]));
        assert_eq!(directory.groups_of(Uuid::from_u128(9)), BTreeSet::new());
    }
}
