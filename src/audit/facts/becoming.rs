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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::audit::facts::{Desk, Joined};
    use crate::audit::{Data, Manifest};
    use crate::inventory::{Inventory, Records};

    const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv-one";
    const APP: u32 = 0xa1;

    fn id(number: u32) -> String {
        Uuid::from_u128(number.into()).to_string()
    }

    fn x(number: u32) -> Value {
        json!({
            "sha1": format!("{number:040X}"), "spki": format!("{number:064X}"), "alg": "RSA", "bits": 3072,
            "not_before": "2026-10-01T00:00:00Z", "not_after": "2027-10-01T00:00:00Z",
        })
    }

    /// An application that trusts a key of a vault, one that is nowhere, a secret and a federated token.
    fn tenant(exportable: bool) -> Inventory {
        let key = |number: u32, end: &str| {
            json!({
                "keyId": id(100 + number), "type": "AsymmetricX509Cert", "usage": "Verify", "x": x(number),
                "start": "2026-10-01T00:00:00Z", "end": end,
            })
        };
        let role = |number: u32, actions: Value, data: Value| json!({ "id": id(number), "name": "r", "permissions": [{ "actions": actions, "dataActions": data }] });
        let assigned = |principal: u32, role: u32| json!({ "principal": id(principal), "principalType": "User", "role": id(role), "scope": VAULT });
        serde_json::from_value(json!({
            "header": { "schemaVersion": "1.0", "tenant": id(9), "cloud": "public", "collectedAt": "2026-11-21T00:00:00Z" },
            "applications": [{
                "id": id(0xa), "appId": id(APP), "owners": [{ "id": id(60) }],
                "keys": [key(1, "2027-10-01T00:00:00Z"), key(2, "2027-10-01T00:00:00Z"), key(3, "2026-11-01T00:00:00Z")],
                "passwords": [{ "keyId": id(200), "end": "2027-01-01T00:00:00Z" }, { "keyId": id(201), "end": "2026-01-01T00:00:00Z" }],
                "federated": [{ "id": "f", "issuer": "https://token.actions.githubusercontent.com" }],
            }],
            "servicePrincipals": [
                { "id": id(0x1a), "appId": id(APP), "owners": [], "appRoles": [] },
                { "id": id(70), "appId": id(71), "appRoles": [
                    { "resource": "00000003-0000-0000-c000-000000000000", "role": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9" },
                    { "resource": id(5), "role": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9" },
                ] },
                { "id": id(80), "appId": id(81), "appRoles": { "unread": "rbac" } },
            ],
            "directoryRoles": [
                { "principal": id(61), "role": "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "scope": "/" },
                { "principal": id(62), "role": "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "scope": format!("/{}", id(0xa)), "isEligible": true },
                { "principal": id(63), "role": "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "scope": format!("/{}", id(0xb)) },
                { "principal": id(64), "role": id(65), "scope": "/" },
            ],
            "vaults": [{
                "name": "kv-one", "resourceId": VAULT, "properties": { "rbac": true },
                "certificates": [{
                    "name": "billing",
                    "policy": { "issuer": "Self", "exportable": exportable, "updated": "2026-10-01T00:00:00Z" },
                    "versions": [{
                        "version": format!("{:032x}", 1), "created": "2026-10-01T00:10:00Z", "x": x(1), "key": { "kty": "RSA" },
                    }],
                }],
            }],
            "assignments": [assigned(50, 40), assigned(51, 41), assigned(52, 42), assigned(53, 43)],
            "roleDefinitions": [
                role(40, json!([]), json!(["Microsoft.KeyVault/vaults/keys/sign/action"])),
                role(41, json!([]), json!(["Microsoft.KeyVault/vaults/secrets/getSecret/action"])),
                role(42, json!([]), json!(["Microsoft.KeyVault/vaults/certificates/import/action"])),
                role(43, json!(["Microsoft.Authorization/roleAssignments/write"]), json!([])),
            ],
            "coverage": { "counts": { "vaults": { "expected": 1, "read": 1 } } },
        }))
        .unwrap()
    }

    fn with<T>(inventory: &Inventory, look: impl FnOnce(Option<Becoming<'_>>) -> T) -> T {
        let (manifest, history, data) = (Manifest::default(), Seen::default(), Data::shipped());
        let (joined, desk) = (Joined::new(inventory, &manifest, &history, &data), Desk::default());
        let facts = joined.facts(&desk);
        look(who_can_become(&facts, AppId::new(Uuid::from_u128(APP.into()))))
    }

    fn only(holders: &Holders<'_>) -> Vec<u128> {
        holders.certain().iter().map(Uuid::as_u128).collect()
    }

    #[test]
    fn each_trusted_key_says_who_can_sign_with_it_take_it_replace_it_and_let_himself_in() {
        with(&tenant(true), |found| {
            let found = found.unwrap();
            assert_eq!(found.keys.len(), 2, "the third has ended");
            let place = &found.keys[0].places[0];
            assert_eq!(place.path, format!("kv-one/billing/{:032x}", 1));
            let all = [&place.signers, &place.exporters, &place.replacers, &place.granters].map(only);
            assert_eq!(all, [[50], [51], [52], [53]]);
            assert_eq!((found.keys[1].custody, found.keys[1].places.len()), (Custody::Foreign, 0));
        });
    }

    #[test]
    fn nobody_takes_away_a_key_that_cannot_leave_its_vault() {
        with(&tenant(false), |found| {
            let place = &found.unwrap().keys[0].places[0];
            assert_eq!((only(&place.signers), only(&place.exporters)), (vec![50], vec![]));
        });
    }

    #[test]
    fn owners_roles_and_permissions_add_keys_and_what_was_not_read_is_said() {
        with(&tenant(true), |found| {
            let found = found.unwrap();
            let adders: Vec<_> = found.adders.iter().map(|adder| (adder.principal.as_u128(), adder.by)).collect();
            let name = "Application Administrator";
            assert_eq!(
                adders,
                [
                    (60, AdderBy::OwnsApplication),
                    (61, AdderBy::DirectoryRole { name, eligible: false }),
                    (62, AdderBy::DirectoryRole { name, eligible: true }),
                    (70, AdderBy::Permission { name: "Application.ReadWrite.All" }),
                ]
            );
            assert_eq!(found.secrets, [CredentialId::new(Uuid::from_u128(200))]);
            assert_eq!(found.federated.len(), 1);
            let missing: Vec<_> = found.missing.iter().map(|missing| missing.evidence).collect();
            assert_eq!(missing, [Evidence::AppRoles]);
        });
    }

    #[test]
    fn of_an_application_that_is_not_there_nothing_is_said() {
        let mut inventory = tenant(true);
        inventory.applications = Records::new();
        inventory.service_principals = Records::new();
        with(&inventory, |found| assert!(found.is_none()));
    }
}
