//! Who can become an application: sign with one of its keys, take one away, put one in its place, or
//! add one.

use serde::Serialize;
use uuid::Uuid;

use super::Facts;
use super::access::{Holders, Missing};
use super::application::{ApplicationFacts, PrincipalFacts};
use super::credential::{KeyFacts, PasswordFacts};
use super::custody::{Custody, Export};
use super::index::Match;
use crate::domain::{AppId, CredentialId, ObjectId};
use crate::inventory::{Evidence, FederatedCredential, Owner, Reason, Seen};

/// Every way that is known to become an application.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Becoming<'a> {
    /// Client id.
    pub app_id: AppId,
    /// By its keys: of the application and of its service principal.
    pub keys: Vec<KeyWay<'a>>,
    /// By its secrets, which whoever has read them once still has.
    pub secrets: Vec<CredentialId>,
    /// By tokens of others.
    pub federated: Vec<&'a FederatedCredential>,
    /// Who can add a credential, and why.
    pub adders: Vec<Adder<'a>>,
    /// What was not read, so that there may be more ways.
    pub missing: Vec<Missing>,
}

/// What can be done with one key that is trusted now.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyWay<'a> {
    /// The credential.
    pub key_id: CredentialId,
    /// In whose hands its key is.
    pub custody: Custody,
    /// Why it is thought so.
    pub custody_why: String,
    /// `vault/name/version` of each place in a vault; none for a key of which no vault knows.
    pub places: Vec<KeyPlace<'a>>,
}

/// One place in a vault where a key is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyPlace<'a> {
    /// `vault/name/version`, as far as it is known.
    pub path: String,
    /// Who can sign, and so sign in, and prove possession for adding another key.
    pub signers: Holders<'a>,
    /// Who can take the private key away: nobody when it cannot leave the vault.
    pub exporters: Holders<'a>,
    /// Who can make or import the next version, which a roll-over would register.
    pub replacers: Holders<'a>,
    /// Who can give themselves any of that.
    pub granters: Holders<'a>,
}

/// Somebody who can add a credential.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adder<'a> {
    /// Object id.
    pub principal: Uuid,
    /// What lets them.
    #[serde(flatten)]
    pub by: AdderBy<'a>,
}

/// What lets somebody add a credential to an application.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum AdderBy<'a> {
    /// Owning the registration.
    OwnsApplication,
    /// Owning the service principal.
    OwnsServicePrincipal,
    /// A role in the directory.
    DirectoryRole {
        /// Its name.
        name: &'a str,
        /// Whether it has to be activated first.
        eligible: bool,
    },
    /// A permission on Microsoft Graph.
    Permission {
        /// Its name.
        name: &'a str,
    },
}

/// Who can become the application with a client id; `None` when there is neither an application nor
/// a service principal of it in the inventory.
pub fn who_can_become<'f>(facts: &'f Facts<'_>, app_id: AppId) -> Option<Becoming<'f>> {
    let app = facts.application(app_id).map(|app| ApplicationFacts::new(app, facts));
    let principal = facts.principal(app_id).map(|principal| PrincipalFacts::new(principal, facts));
    if app.is_none() && principal.is_none() {
        return None;
    }
    let mut found = Becoming {
        app_id,
        keys: Vec::new(),
        secrets: Vec::new(),
        federated: Vec::new(),
        adders: Vec::new(),
        missing: Vec::new(),
    };
    if let Some(app) = &app {
        found.add_credentials(&app.keys, &app.passwords, facts);
        found.add_owners(&app.app.owners, AdderBy::OwnsApplication, "owners of the application");
        match app.app.federated.get() {
            Ok(federated) => found.federated.extend(federated),
            Err(reason) => found.miss(Evidence::FederatedCredentials, reason, "federated credentials"),
        }
    }
    if let Some(principal) = &principal {
        found.add_credentials(&principal.keys, &principal.passwords, facts);
        let owners = &principal.principal.owners;
        found.add_owners(owners, AdderBy::OwnsServicePrincipal, "owners of the service principal");
    }
    let objects = app.map(|app| app.app.id).into_iter().chain(principal.map(|principal| principal.principal.id));
    found.add_directory_roles(&objects.collect::<Vec<_>>(), facts);
    found.add_permissions(facts);
    Some(found)
}

impl<'f> Becoming<'f> {
    fn add_credentials(&mut self, keys: &[KeyFacts<'f>], passwords: &[PasswordFacts<'f>], facts: &'f Facts<'_>) {
        for key in keys.iter().filter(|key| key.is_sign_in()) {
            let places = key.proven().map(|found| place(found, key, facts)).collect();
            self.keys.push(KeyWay {
                key_id: key.key.key_id,
                custody: key.custody,
                custody_why: key.custody_why.clone(),
                places,
            });
        }
        let secrets = passwords.iter().filter(|secret| secret.is_active && !secret.is_saml);
        self.secrets.extend(secrets.map(|secret| secret.password.key_id));
    }

    fn add_owners(&mut self, owners: &Seen<Vec<Owner>>, by: AdderBy<'f>, what: &'static str) {
        match owners.get() {
            Ok(owners) => {
                self.adders.extend(owners.iter().map(|owner| Adder { principal: owner.id.uuid(), by }));
            }
            Err(reason) => self.miss(Evidence::Owners, reason, what),
        }
    }

    /// Roles over the whole directory, or over one of the application's two objects.
    fn add_directory_roles(&mut self, objects: &[ObjectId], facts: &'f Facts<'_>) {
        let roles = match facts.inventory.directory_roles.get() {
            Ok(roles) => roles,
            Err(reason) => return self.miss(Evidence::DirectoryRoles, reason, "roles in the directory"),
        };
        let reaches = |scope: &str| {
            let object = scope.trim_start_matches('/');
            object.is_empty() || objects.iter().any(|id| id.to_string().eq_ignore_ascii_case(object))
        };
        for role in roles.iter().filter(|role| reaches(&role.scope)) {
            if let Some(name) = facts.data.tiers.tier0_directory_roles.get(&role.role) {
                let by = AdderBy::DirectoryRole { name, eligible: role.is_eligible };
                self.adders.push(Adder { principal: role.principal.uuid(), by });
            }
        }
    }

    fn add_permissions(&mut self, facts: &'f Facts<'_>) {
        let tiers = &facts.data.tiers;
        for principal in &facts.inventory.service_principals {
            let granted = match principal.app_roles.get() {
                Ok(granted) => granted,
                Err(reason) => {
                    self.miss(Evidence::AppRoles, reason, "permissions of service principals");
                    continue;
                }
            };
            for grant in granted.iter().filter(|grant| grant.resource == tiers.graph) {
                if let Some(name) = tiers.tier0_app_roles.get(&grant.role) {
                    let by = AdderBy::Permission { name };
                    self.adders.push(Adder { principal: principal.id.uuid(), by });
                }
            }
        }
        if let Some(reason) = facts.principals_unread() {
            self.miss(Evidence::ServicePrincipals, reason, "service principals");
        }
    }

    fn miss(&mut self, evidence: Evidence, reason: Reason, what: &'static str) {
        let missing = Missing { evidence, reason, what };
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }
}

fn place<'f>(found: &Match<'f>, key: &KeyFacts<'f>, facts: &'f Facts<'_>) -> KeyPlace<'f> {
    let path = found.path();
    let Some(certificate) = found.certificate else {
        // In a deleted certificate nobody can sign, read or replace anything until it is recovered.
        let nobody = Holders::default;
        return KeyPlace { path, signers: nobody(), exporters: nobody(), replacers: nobody(), granters: nobody() };
    };
    let access = facts.access(found.vault);
    let can_leave = key.export.is_none_or(|(export, _)| export != Export::No);
    KeyPlace {
        path,
        signers: access.signers(&certificate.name),
        exporters: if can_leave { access.readers(&certificate.name) } else { Holders::default() },
        replacers: access.replacers(&certificate.name),
        granters: access.granters(&certificate.name),
    }
}
