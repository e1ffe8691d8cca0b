//! Applications, service principals and what belongs to them: what Graph writes and Entra reads.

mod first_party;
mod object;
mod people;
mod scale;
mod table;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub(crate) use first_party::GRAPH_APP_ID;
pub(crate) use object::{
    Application, Credentials, FederatedCredential, KeyCredential, Kind, Object, PasswordCredential, RoleAssignment,
    ServicePrincipal,
};
pub(crate) use people::{DIRECTORY_ROLES, DirectoryRole, Group, User};
pub(crate) use scale::{Resource, Scale};
pub(crate) use table::{Change, Table, View};

/// The directory of the lab's tenant. Always asked through its methods, because a `scale` seed
/// makes most of its objects up when they are looked at.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Directory {
    applications: Table<Application>,
    service_principals: Table<ServicePrincipal>,
    scale: Option<Scale>,
    pub(crate) users: BTreeMap<Uuid, User>,
    #[serde(default)]
    pub(crate) groups: BTreeMap<Uuid, Group>,
    #[serde(default)]
    pub(crate) directory_roles: Vec<DirectoryRole>,
    /// Delegated consent, by its id.
    grants: BTreeMap<String, PermissionGrant>,
    /// Consent (by its id, gone or not) → the revision of its last change.
    #[serde(default)]
    granted: BTreeMap<String, u64>,
    pub(crate) policies: Policies,
    /// Credential (`keyId`) → its last use at the token endpoint.
    sign_ins: BTreeMap<Uuid, SignIn>,
    /// When reads that select `keyCredentials` were served, within the last minute.
    #[serde(skip)]
    pub(crate) key_reads: Vec<OffsetDateTime>,
    /// The last change of `keyCredentials`, and of which object.
    #[serde(skip)]
    pub(crate) keys_changed: Option<(Uuid, OffsetDateTime)>,
    /// Counts changes.
    revision: u64,
    replication: Replication,
}

/// Consent to delegated permissions.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct PermissionGrant {
    pub(crate) client: Uuid,
    /// `AllPrincipals` or `Principal`.
    pub(crate) consent_type: String,
    pub(crate) principal: Option<Uuid>,
    pub(crate) resource: Uuid,
    pub(crate) scope: String,
}

/// The app management policies, as Graph shows them.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Policies {
    /// What differs from the default of the tenant's default policy.
    pub(crate) default: serde_json::Map<String, Value>,
    /// What differs from the defaults of the authorization policy.
    #[serde(default)]
    pub(crate) authorization: serde_json::Map<String, Value>,
    pub(crate) custom: BTreeMap<Uuid, Value>,
    /// Application or service principal → custom policy. One at most.
    pub(crate) assigned: BTreeMap<Uuid, Uuid>,
}

/// A credential's last use.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct SignIn {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    /// Client id of the resource that the token was for.
    pub(crate) resource: Option<Uuid>,
}

/// How reads lag behind writes.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Replication {
    #[serde(with = "time::serde::rfc3339::option")]
    written_at: Option<OffsetDateTime>,
    reads_since: u32,
}

/// Which reads after a write meet a replica without it; the lowest bit is the first read.
const STALE_READS: u32 = 0b0110_1001_0010_1100_0110_1011_0010_1101;

impl Directory {
    /// Makes the tenant as large as told. Written objects stay and take precedence.
    pub(crate) fn scale(&mut self, mut scale: Scale) {
        let graph = self.service_principal_by_app_id(GRAPH_APP_ID).map(|graph| {
            let known = graph.members.get("appRoles").and_then(Value::as_array).into_iter().flatten();
            let role = |role: &Value| Some((role["id"].as_str()?.parse().ok()?, role["value"].as_str()?.to_owned()));
            Resource { id: graph.id, roles: known.filter_map(role).collect() }
        });
        scale.graph = graph;
        self.scale = Some(scale);
    }

    /// The registration with this client id.
    pub(crate) fn application_by_app_id(&self, app_id: Uuid) -> Option<Cow<'_, Application>> {
        self.find_by_app_id(app_id, View::Current)
    }

    /// The service principal of this client id.
    pub(crate) fn service_principal_by_app_id(&self, app_id: Uuid) -> Option<Cow<'_, ServicePrincipal>> {
        self.find_by_app_id(app_id, View::Current)
    }

    /// An object by its object id.
    pub(crate) fn find<T: Object>(&self, id: Uuid, view: View) -> Option<Cow<'_, T>> {
        T::table(self).find(self.scale.as_ref(), id, view)
    }

    /// An object by its client id.
    pub(crate) fn find_by_app_id<T: Object>(&self, app_id: Uuid, view: View) -> Option<Cow<'_, T>> {
        T::table(self).find_by_app_id(self.scale.as_ref(), app_id, view)
    }

    /// All objects of a kind that may match `hint`, from a position on, in the order in which they
    /// were created. A position is a cursor: opaque, and one more continues after it.
    pub(crate) fn scan<'a, T: Object>(
        &'a self,
        hint: &Hint,
        from: u64,
        view: View,
    ) -> impl Iterator<Item = (u64, Cow<'a, T>)> + use<'a, T> {
        let one = hint.id.is_some() || hint.app_id.is_some();
        let found = if one && from == 0 { self.find_hinted(hint, view) } else { None };
        let rest = (!one).then(|| self.scan_all(hint, from, view));
        found.map(|object| (0, object)).into_iter().chain(rest.into_iter().flatten())
    }

    fn find_hinted<'a, T: Object>(&'a self, hint: &Hint, view: View) -> Option<Cow<'a, T>> {
        match (&hint.id, &hint.app_id) {
            (Some(id), _) => self.find(Uuid::try_parse(id).ok()?, view),
            (None, Some(app_id)) => self.find_by_app_id(Uuid::try_parse(app_id).ok()?, view),
            (None, None) => None,
        }
    }

    fn scan_all<'a, T: Object>(
        &'a self,
        hint: &Hint,
        from: u64,
        view: View,
    ) -> impl Iterator<Item = (u64, Cow<'a, T>)> + use<'a, T> {
        let scale = self.scale.as_ref();
        let all = scale.map_or(0..0, |scale| scale.created_within(T::KIND, hint.created_from, hint.created_to));
        let range = match (scale, &hint.display_name) {
            // Once one of them was changed, any may bear any name.
            (Some(scale), Some(name)) if !T::table(self).holds_generated() => {
                scale.index_of_name(T::KIND, name).map_or(0..0, |index| index..index + 1)
            }
            _ => all,
        };
        T::table(self).scan(scale, from, range, hint.name_prefix.clone(), view)
    }

    /// The objects that somebody has written, without those that a `scale` seed makes up.
    pub(crate) fn stored<T: Object>(&self, view: View) -> impl Iterator<Item = &T> {
        T::table(self).stored(view)
    }

    /// How many objects of a kind there are.
    pub(crate) fn count<T: Object>(&self) -> usize {
        T::table(self).count(self.scale.as_ref())
    }

    /// Creates or replaces an object.
    pub(crate) fn put<T: Object>(&mut self, object: T, now: OffsetDateTime) {
        let revision = self.change(now);
        let scale = self.scale.take();
        T::table_mut(self).put(scale.as_ref(), object, now, revision);
        self.scale = scale;
    }

    /// Moves an object to the deleted items. False if there is none.
    pub(crate) fn delete<T: Object>(&mut self, id: Uuid, now: OffsetDateTime) -> bool {
        let revision = self.change(now);
        let scale = self.scale.take();
        let found = T::table_mut(self).delete(scale.as_ref(), id, now, revision);
        self.scale = scale;
        found
    }

    /// Takes an object out of the deleted items.
    pub(crate) fn restore<T: Object>(&mut self, id: Uuid, now: OffsetDateTime) -> Option<T> {
        let revision = self.change(now);
        T::table_mut(self).restore(id, now, revision)
    }

    /// Forgets an object of the deleted items. False if it is not there.
    pub(crate) fn purge<T: Object>(&mut self, id: Uuid, now: OffsetDateTime) -> bool {
        let revision = self.change(now);
        T::table_mut(self).purge(id, now, revision)
    }

    /// The deleted items of a kind, with the time of their deletion.
    pub(crate) fn deleted<T: Object>(&self, now: OffsetDateTime) -> impl Iterator<Item = (&T, OffsetDateTime)> {
        T::table(self).deleted(now)
    }

    /// What changed after a revision, oldest change first.
    pub(crate) fn changes<T: Object>(&self, after: u64) -> Vec<Change<'_, T>> {
        let mut changes: Vec<_> = T::table(self).changes(after).collect();
        changes.sort_by_key(|(revision, _)| *revision);
        changes.into_iter().map(|(_, change)| change).collect()
    }

    /// The number of the last change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Notes that a credential was used for a token to the application `resource`.
    pub(crate) fn record_sign_in(&mut self, key_id: Uuid, resource: Option<Uuid>, at: OffsetDateTime) {
        self.sign_ins.insert(key_id, SignIn { at, resource });
    }

    /// A credential's last use.
    pub(crate) fn sign_in(&self, key_id: Uuid) -> Option<SignIn> {
        let made_up = || Some(SignIn { at: self.scale.as_ref()?.last_use(key_id)?, resource: None });
        self.sign_ins.get(&key_id).copied().or_else(made_up)
    }

    /// The first position at which somebody may hold a role of this resource: what a `scale` seed makes
    /// up has roles of Microsoft Graph alone.
    pub(crate) fn first_holder(&self, resource: Uuid) -> u64 {
        let is_graph = self.scale.as_ref().and_then(|scale| scale.graph.as_ref()).is_some_and(|it| it.id == resource);
        if is_graph { 0 } else { table::FIRST_WRITTEN }
    }

    /// A consent that somebody has written.
    pub(crate) fn grant(&self, id: &str) -> Option<&PermissionGrant> {
        self.grants.get(id)
    }

    /// Writes a consent.
    pub(crate) fn put_grant(&mut self, id: String, grant: PermissionGrant) {
        self.revision += 1;
        self.granted.insert(id.clone(), self.revision);
        self.grants.insert(id, grant);
    }

    /// Revokes a consent. False if there is none.
    pub(crate) fn remove_grant(&mut self, id: &str) -> bool {
        let is_found = self.grants.remove(id).is_some();
        if is_found {
            self.revision += 1;
            self.granted.insert(id.to_owned(), self.revision);
        }
        is_found
    }

    /// The consents of one client.
    pub(crate) fn grants_of(&self, client: Uuid) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, PermissionGrant>)> {
        let made_up = self.scale.as_ref().and_then(|scale| {
            scale.grant(scale.index_of_id(Kind::ServicePrincipal, client).filter(|&index| index < scale.applications)?)
        });
        let made_up = made_up.filter(|(id, _)| !self.grants.contains_key(id));
        let written = self.grants.iter().filter(move |(_, grant)| grant.client == client);
        let written = written.map(|(id, grant)| (Cow::Borrowed(id.as_str()), Cow::Borrowed(grant)));
        made_up.map(|(id, grant)| (Cow::Owned(id), Cow::Owned(grant))).into_iter().chain(written)
    }

    /// Consents that changed after a revision, oldest change first, without what they are if they are gone.
    pub(crate) fn changed_grants(&self, after: u64) -> Vec<(&str, Option<&PermissionGrant>)> {
        let mut changed: Vec<_> = self.granted.iter().filter(|(_, revision)| **revision > after).collect();
        changed.sort_by_key(|(_, revision)| **revision);
        changed.into_iter().map(|(id, _)| (id.as_str(), self.grants.get(id))).collect()
    }

    /// Consents, from a position on: those that a `scale` seed makes up first.
    pub(crate) fn grants_from(
        &self,
        from: u64,
    ) -> impl Iterator<Item = (u64, (Cow<'_, str>, Cow<'_, PermissionGrant>))> {
        let scale = self.scale.as_ref();
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        let made_up = scale.into_iter().flat_map(move |scale| {
            let of = move |index| scale.grant(index).map(|grant| (u64::from(index), grant));
            (first..scale.len(Kind::Application).min(scale.len(Kind::ServicePrincipal))).filter_map(of)
        });
        let made_up = made_up
            .filter(|(_, (id, _))| !self.grants.contains_key(id))
            .map(|(position, (id, grant))| (position, (Cow::Owned(id), Cow::Owned(grant))));
        let written = (table::FIRST_WRITTEN..)
            .zip(&self.grants)
            .skip(usize::try_from(from.saturating_sub(table::FIRST_WRITTEN)).unwrap_or(usize::MAX));
        let written =
            written.map(|(position, (id, grant))| (position, (Cow::Borrowed(id.as_str()), Cow::Borrowed(grant))));
        made_up.chain(written)
    }

    /// Changes a share of the objects that a `scale` seed makes up, as a day in a large tenant does:
    /// each gets one more credential, and the consent of one more person. Tells how many.
    pub(crate) fn churn(&mut self, percent: f64, now: OffsetDateTime) -> u32 {
        let Some(scale) = self.scale.clone() else { return 0 };
        let changed: Vec<_> = scale.changing(percent).collect();
        for &index in &changed {
            self.put(scale.changed_application(index, now), now);
            if let Some((id, grant)) = scale.new_grant(index, now) {
                self.put_grant(id, grant);
            }
        }
        u32::try_from(changed.len()).unwrap_or(u32::MAX)
    }

    /// The replica that the next read meets. For `lag` seconds after a write, reads come from two
    /// replicas in a fixed irregular order that begins with the slower one.
    pub(crate) fn next_view(&mut self, now: OffsetDateTime, lag: u32) -> View {
        let lag = Duration::seconds(lag.into());
        let Replication { written_at, reads_since } = &mut self.replication;
        match *written_at {
            Some(at) if at <= now && now < at + lag => {
                let is_stale = STALE_READS.rotate_right(*reads_since) & 1 == 1;
                *reads_since = reads_since.wrapping_add(1);
                if is_stale { View::AsOf(now - lag) } else { View::Current }
            }
            _ => View::Current,
        }
    }

    /// Lets every replica catch up. For seeds, whose objects have been there for long.
    pub(crate) fn settle(&mut self) {
        self.replication = Replication::default();
    }

    fn change(&mut self, now: OffsetDateTime) -> u64 {
        self.replication = Replication { written_at: Some(now), reads_since: 0 };
        self.revision += 1;
        self.revision
    }
}

/// What a query already knows about its matches, so that a tenant of a million need not be read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Hint {
    pub(crate) created_from: Option<OffsetDateTime>,
    pub(crate) created_to: Option<OffsetDateTime>,
    pub(crate) display_name: Option<String>,
    /// What the display name begins with, in lower case.
    pub(crate) name_prefix: Option<String>,
    /// Object id and client id, as text that may be no GUID.
    pub(crate) id: Option<String>,
    pub(crate) app_id: Option<String>,
}
