//! Tenants of any size: objects that are computed from their number when somebody looks.
//!
//! Nothing is stored. An identifier holds its object's number, mixed with a hash, so that a look-up
//! by id costs as little as a look-up by number, and a foreign GUID is recognised as one.

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::PermissionGrant;
use super::object::{
    Application, Credentials, FederatedCredential, KeyCredential, Kind, PasswordCredential, RoleAssignment,
    ServicePrincipal,
};
use crate::lab::fleet::{Fleet, MadeUp, mix};

/// The measures of a made-up tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Scale {
    pub(crate) seed: u64,
    pub(crate) applications: u32,
    /// Those below the number of applications belong to them; the others to foreign tenants.
    pub(crate) service_principals: u32,
    /// The moment around which credentials are valid, expired and about to expire.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) now: OffsetDateTime,
    /// The certificates of the vaults, which some of the applications trust.
    pub(crate) fleet: Fleet,
    /// Microsoft Graph in this tenant, whose roles they are granted. Known once the tenant is.
    pub(crate) graph: Option<Resource>,
}

/// A resource and its application roles.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Resource {
    /// Object id of its service principal.
    pub(crate) id: Uuid,
    /// Id and value.
    pub(crate) roles: Vec<(Uuid, String)>,
}

/// The tenant grew by one application in this time, evenly, up to its `now`.
const HISTORY: Duration = Duration::days(8 * 365);

/// What is what in an identifier's hash.
#[derive(Clone, Copy)]
enum Salt {
    Application = 1,
    ServicePrincipal = 2,
    AppId = 3,
    ForeignAppId = 4,
    Credential = 5,
    Role = 6,
    Choice = 7,
}

impl Scale {
    /// How many objects there are of a kind.
    pub(super) fn len(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Application => self.applications,
            Kind::ServicePrincipal => self.service_principals,
        }
    }

    /// The number of the object with this id.
    pub(super) fn index_of_id(&self, kind: Kind, id: Uuid) -> Option<u32> {
        let salt = match kind {
            Kind::Application => Salt::Application,
            Kind::ServicePrincipal => Salt::ServicePrincipal,
        };
        self.index_of(salt, id).filter(|&index| index < self.len(kind))
    }

    /// The number of the object with this client id.
    pub(super) fn index_of_app_id(&self, kind: Kind, app_id: Uuid) -> Option<u32> {
        let own = self.index_of(Salt::AppId, app_id).filter(|&index| index < self.applications);
        let foreign = || self.index_of(Salt::ForeignAppId, app_id).filter(|&index| index >= self.applications);
        own.or_else(foreign).filter(|&index| index < self.len(kind))
    }

    /// The number of the object with this display name.
    pub(super) fn index_of_name(&self, kind: Kind, name: &str) -> Option<u32> {
        let index = name.rsplit('-').next()?.parse().ok()?;
        (index < self.len(kind) && self.name(index) == name).then_some(index)
    }

    /// The numbers of the objects that were created in a span of time.
    pub(super) fn created_within(
        &self,
        kind: Kind,
        from: Option<OffsetDateTime>,
        to: Option<OffsetDateTime>,
    ) -> Range<u32> {
        let len = self.len(kind);
        let first_at_or_after = |moment: OffsetDateTime| {
            let (mut low, mut high) = (0, len);
            while low < high {
                let middle = low + (high - low) / 2;
                if self.created_at(middle) < moment { low = middle + 1 } else { high = middle }
            }
            low
        };
        let start = from.map_or(0, first_at_or_after);
        // The end is an estimate from above, since `le` and `lt` are told apart by the filter itself.
        let end = to.map_or(len, |moment| first_at_or_after(moment + Duration::SECOND));
        start..end.max(start)
    }

    pub(super) fn name(&self, index: u32) -> String {
        const TEAMS: [&str; 8] = ["billing", "crm", "deploy", "hr", "ingest", "portal", "reports", "sync"];
        format!("{}-{index:07}", TEAMS[self.choice(index, 1, TEAMS.len() as u64) as usize])
    }

    pub(super) fn application(&self, index: u32) -> Application {
        Application {
            id: self.id(Salt::Application, index),
            app_id: self.id(Salt::AppId, index),
            created_at: self.created_at(index),
            credentials: self.credentials(index),
            federated: if self.choice(index, 2, 200) == 0 { vec![self.federated(index)] } else { Vec::new() },
            owners: if self.choice(index, 3, 4) == 0 {
                BTreeSet::new()
            } else {
                BTreeSet::from([self.id(Salt::ServicePrincipal, 0)])
            },
            members: self.members(index),
        }
    }

    pub(super) fn service_principal(&self, index: u32) -> ServicePrincipal {
        let is_own = index < self.applications;
        let mut members = Map::new();
        members.insert("displayName".to_owned(), json!(self.name(index)));
        members.insert("appDisplayName".to_owned(), json!(self.name(index)));
        if !is_own {
            members.insert("appOwnerOrganizationId".to_owned(), json!(self.id(Salt::Choice, index)));
        }
        // One in fifty hides a secret where the portal does not show it.
        let credentials = if self.choice(index, 4, 50) == 0 {
            Credentials { keys: Vec::new(), passwords: vec![self.password(index, 9, 700, 30)] }
        } else {
            Credentials::default()
        };
        ServicePrincipal {
            id: self.id(Salt::ServicePrincipal, index),
            app_id: self.id(if is_own { Salt::AppId } else { Salt::ForeignAppId }, index),
            created_at: self.created_at(index),
            credentials,
            owners: BTreeSet::new(),
            roles: self.roles(index),
            members,
        }
    }

    pub(super) fn created_at(&self, index: u32) -> OffsetDateTime {
        let of = i64::from(self.applications.max(self.service_principals).max(1));
        let age = HISTORY.whole_seconds() * (of - i64::from(index)) / of;
        (self.now - Duration::seconds(age)).replace_nanosecond(0).unwrap_or(self.now)
    }

    /// The certificate in a vault that an application trusts, by its number: one application in three
    /// as long as there are certificates, and no two the same.
    fn certificate_of(&self, index: u32) -> Option<u64> {
        let every = (u64::from(self.applications) / self.fleet.len().max(1)).max(3);
        let index = u64::from(index);
        (index.is_multiple_of(every) && index / every < self.fleet.len()).then(|| index / every)
    }

    /// A mixture in which each fault occurs and most objects are in order.
    fn credentials(&self, index: u32) -> Credentials {
        let (mut keys, mut passwords) = (Vec::new(), Vec::new());
        if let Some(number) = self.certificate_of(index) {
            // The newest version, both of two, or only the one that has been followed by another.
            let versions = self.fleet.versions(number);
            let trusted = if versions == 2 && self.choice(index, 10, 3) == 0 { 0..1 } else { 0..versions };
            keys.extend(
                trusted.map(|version| self.key(index, u64::from(version), self.fleet.version(number, version))),
            );
            if self.choice(index, 11, 12) == 0 {
                passwords.push(self.password(index, 2, 170, 10));
            }
            return Credentials { keys, passwords };
        }
        let stranger = |age| self.fleet.stranger(u64::from(index), age);
        match self.choice(index, 5, 100) {
            0..10 => keys.push(self.key(index, 0, stranger(60))),
            10..13 => keys.push(self.key(index, 0, stranger(400))),
            13..15 => keys.push(self.key(index, 0, stranger(360))),
            15..40 => passwords.push(self.password(index, 2, 90, 90)),
            40..46 => passwords.push(self.password(index, 2, 200, 530)),
            46..48 => passwords.push(self.password(index, 2, 900, 26_000)),
            48..54 => passwords.push(self.password(index, 2, 800, -70)),
            _ => {}
        }
        if self.choice(index, 12, 5000) == 0 && self.fleet.len() > 0 {
            // Bears the label of a certificate in a vault, and is another.
            let mut key = self.key(index, 3, stranger(30));
            key.custom_key_identifier = Some(self.fleet.version(u64::from(index) % self.fleet.len(), 0).label());
            keys.push(key);
        }
        Credentials { keys, passwords }
    }

    fn key(&self, index: u32, slot: u64, made: MadeUp) -> KeyCredential {
        let time = |at: i64| OffsetDateTime::from_unix_timestamp(at).unwrap_or(self.now);
        KeyCredential {
            key_id: self.random_guid(Salt::Credential, index, slot),
            custom_key_identifier: Some(made.label()),
            key: made.der,
            display_name: Some(format!("CN={}", self.name(index))),
            start: time(made.not_before),
            end: time(made.not_after),
            kind: "AsymmetricX509Cert".to_owned(),
            usage: "Verify".to_owned(),
            added_at: time(made.created),
        }
    }

    /// Two roles of Graph each, now and then one that rules the tenant. Foreign ones have none.
    fn roles(&self, index: u32) -> Vec<RoleAssignment> {
        const USUAL: [&str; 4] = ["User.Read.All", "Mail.Read", "Group.Read.All", "Application.Read.All"];
        const RULING: &str = "RoleManagement.ReadWrite.Directory";
        let Some(graph) = self.graph.as_ref().filter(|_| index < self.applications) else { return Vec::new() };
        let first = self.choice(index, 13, 3) as usize;
        let second = if self.choice(index, 14, 500) == 0 { RULING } else { USUAL[3] };
        let granted = [USUAL[first], second].into_iter().enumerate();
        let found = granted.filter_map(|(slot, value)| {
            let (role_id, value) = graph.roles.iter().find(|(_, known)| known == value)?;
            Some(RoleAssignment {
                id: self.random_guid(Salt::Role, index, slot as u64).simple().to_string(),
                resource: graph.id,
                role_id: *role_id,
                value: value.clone(),
                created_at: self.created_at(index),
            })
        });
        found.collect()
    }

    /// Consent to an application: every third has some, and half of these of one person.
    pub(crate) fn grant(&self, index: u32) -> Option<(String, PermissionGrant)> {
        if self.choice(index, 15, 3) != 0 {
            return None;
        }
        let is_of_one = self.choice(index, 17, 2) == 0;
        self.consent(index, is_of_one.then(|| self.random_guid(Salt::Choice, index, 99)))
    }

    /// Consent of one person, given at this moment.
    pub(super) fn new_grant(&self, index: u32, now: OffsetDateTime) -> Option<(String, PermissionGrant)> {
        self.consent(index, Some(self.random_guid(Salt::Choice, index, 100 + now.unix_timestamp().unsigned_abs())))
    }

    fn consent(&self, index: u32, principal: Option<Uuid>) -> Option<(String, PermissionGrant)> {
        let (client, resource) = (self.id(Salt::ServicePrincipal, index), self.graph.as_ref()?.id);
        let ids = [Some(client), Some(resource), principal];
        let bytes: Vec<u8> = ids.into_iter().flatten().flat_map(|id| id.to_bytes_le()).collect();
        let consent_type = if principal.is_some() { "Principal" } else { "AllPrincipals" }.to_owned();
        let grant = PermissionGrant { client, consent_type, principal, resource, scope: "User.Read".to_owned() };
        Some((URL_SAFE_NO_PAD.encode(bytes), grant))
    }

    /// The applications that a change of this share of the tenant hits.
    pub(super) fn changing(&self, percent: f64) -> impl Iterator<Item = u32> {
        let of_million = (percent.clamp(0.0, 100.0) * 10_000.0) as u64;
        (0..self.applications).filter(move |&index| self.choice(index, 16, 1_000_000) < of_million)
    }

    /// An application with one more certificate, made today and in no vault.
    pub(super) fn changed_application(&self, index: u32, now: OffsetDateTime) -> Application {
        let mut application = self.application(index);
        let fleet = Fleet { at: now.unix_timestamp(), ..self.fleet };
        let slot = 100 + now.unix_timestamp().unsigned_abs();
        application.credentials.keys.push(self.key(index, slot, fleet.stranger(!u64::from(index), 0)));
        application
    }

    /// When a credential was last used. One in eight never was.
    pub(crate) fn last_use(&self, key_id: Uuid) -> Option<OffsetDateTime> {
        let hash = mix(self.seed ^ key_id.as_u128() as u64);
        let days = i64::try_from(hash / 8 % 60).unwrap_or_default();
        (!hash.is_multiple_of(8)).then(|| self.now - Duration::days(days))
    }

    fn password(&self, index: u32, slot: u64, age_days: i64, left_days: i64) -> PasswordCredential {
        PasswordCredential {
            key_id: self.random_guid(Salt::Credential, index, slot),
            secret_text: format!("{:040x}", self.hash(Salt::Credential, index, slot + 100)),
            display_name: None,
            start: self.now - Duration::days(age_days),
            end: self.now + Duration::days(left_days),
            added_at: self.now - Duration::days(age_days),
        }
    }

    fn federated(&self, index: u32) -> FederatedCredential {
        FederatedCredential {
            id: self.random_guid(Salt::Credential, index, 3),
            name: "pipeline".to_owned(),
            issuer: "https://token.actions.githubusercontent.com".to_owned(),
            subject: format!("repo:contoso/{}:environment:production", self.name(index)),
            description: None,
            audiences: vec!["api://AzureADTokenExchange".to_owned()],
        }
    }

    fn members(&self, index: u32) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("displayName".to_owned(), json!(self.name(index)));
        let audience = if self.choice(index, 6, 10) == 0 { "AzureADMultipleOrgs" } else { "AzureADMyOrg" };
        members.insert("signInAudience".to_owned(), json!(audience));
        if self.choice(index, 7, 8) == 0 {
            members.insert(
                "web".to_owned(),
                json!({
                    "redirectUris": [format!("https://{}.contoso.example/signin", self.name(index))],
                    "implicitGrantSettings": {
                        "enableAccessTokenIssuance": self.choice(index, 8, 5) == 0,
                        "enableIdTokenIssuance": true,
                    },
                }),
            );
        }
        members
    }

    /// 0 ≤ result < of, the same whenever it is asked.
    fn choice(&self, index: u32, what: u64, of: u64) -> u64 {
        self.hash(Salt::Choice, index, what) % of
    }

    fn random_guid(&self, salt: Salt, index: u32, slot: u64) -> Uuid {
        let high = self.hash(salt, index, 2 * slot);
        let low = self.hash(salt, index, 2 * slot + 1);
        uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid()
    }

    /// 90 bits of hash and, behind a mask that depends on them, the number.
    fn id(&self, salt: Salt, index: u32) -> Uuid {
        let high = self.hash(salt, index, 0);
        let middle = self.hash(salt, index, 1) as u32;
        let masked = index ^ mix(u64::from(middle) ^ self.seed) as u32;
        let bits = (u128::from(high) << 64) | (u128::from(middle) << 32) | u128::from(masked);
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    fn index_of(&self, salt: Salt, id: Uuid) -> Option<u32> {
        let bits = id.as_u128();
        // The variant takes two bits of the middle, and the mask was made before it was set.
        (0..4).find_map(|variant| {
            let middle = ((bits >> 32) as u32 & 0x3fff_ffff) | (variant << 30);
            let index = bits as u32 ^ mix(u64::from(middle) ^ self.seed) as u32;
            (self.id(salt, index) == id).then_some(index)
        })
    }

    fn hash(&self, salt: Salt, index: u32, word: u64) -> u64 {
        mix(mix(mix(self.seed ^ salt as u64) ^ u64::from(index)) ^ word)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn scale() -> Scale {
        let now = datetime!(2026-11-21 12:00 UTC);
        let fleet = Fleet { seed: 7, vaults: 2, certificates: 100, at: now.unix_timestamp() };
        let graph =
            Some(Resource { id: Uuid::from_u128(9), roles: vec![(Uuid::from_u128(10), "Mail.Read".to_owned())] });
        Scale { seed: 7, applications: 1000, service_principals: 1200, now, fleet, graph }
    }

    #[test]
    fn an_object_is_found_by_each_of_its_names_and_a_stranger_by_none() {
        let scale = scale();
        for index in [0, 1, 17, 999] {
            let app = scale.application(index);
            assert_eq!(scale.index_of_id(Kind::Application, app.id), Some(index));
            assert_eq!(scale.index_of_app_id(Kind::Application, app.app_id), Some(index));
            assert_eq!(scale.index_of_name(Kind::Application, &scale.name(index)), Some(index));
            assert_eq!(scale.index_of_id(Kind::ServicePrincipal, app.id), None);
            assert_eq!(scale.service_principal(index).app_id, app.app_id);
        }
        let foreign = scale.service_principal(1100);
        assert_eq!(scale.index_of_app_id(Kind::ServicePrincipal, foreign.app_id), Some(1100));
        assert_eq!(scale.index_of_app_id(Kind::Application, foreign.app_id), None);
        assert_eq!(scale.index_of_id(Kind::Application, Uuid::from_u128(42)), None);
    }

    #[test]
    fn every_certificate_of_a_vault_is_trusted_by_one_application_at_most() {
        let scale = scale();
        let trusted: Vec<_> = (0..1000).filter_map(|index| scale.certificate_of(index)).collect();
        assert_eq!(trusted, (0..200).collect::<Vec<_>>());
        let labels: BTreeSet<_> = (0..200)
            .flat_map(|number| (0..scale.fleet.versions(number)).map(move |version| (number, version)))
            .map(|(number, version)| scale.fleet.version(number, version).label())
            .collect();
        let held = scale.application(5).credentials.keys;
        assert!(held.iter().all(|key| labels.contains(key.custom_key_identifier.as_deref().unwrap())), "{held:?}");
        assert!(!held.is_empty());
    }

    #[test]
    fn labels_are_those_of_the_bytes_but_for_a_few() {
        let mut scale = scale();
        scale.applications = 20_000;
        let lies = |index: u32| {
            scale
                .application(index)
                .credentials
                .keys
                .iter()
                .any(|key| key.custom_key_identifier != Some(crate::domain::Thumbprint::sha1(&key.key).hex()))
        };
        let liars = (0..20_000).filter(|&index| lies(index)).count();
        assert!((1..12).contains(&liars), "{liars}");
    }

    #[test]
    fn shards_by_creation_time_cover_all_without_overlap() {
        let scale = scale();
        let middle = scale.created_at(500);
        let old = scale.created_within(Kind::Application, None, Some(middle));
        let new = scale.created_within(Kind::Application, Some(middle), None);
        assert_eq!((old.start, new.end), (0, 1000));
        assert_eq!(new.start, 500);
        assert!(old.end >= 500 && old.end <= 501, "{old:?}");
    }
}
