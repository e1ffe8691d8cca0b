//! Deleting, and what can be done with the deleted: the same for all three kinds of objects.

use http::StatusCode;
use serde_json::{Map, Value};

use super::Kind;
use super::call::Call;
use super::error::{Answer, Refusal};
use super::keys::KeyView;
use super::life::{Life, Phase};
use super::paging;
use crate::lab::exchange::{Reply, Request};

impl Call<'_> {
    fn life_mut(&mut self, kind: Kind, name: &str) -> Option<&mut Life> {
        let key = name.to_ascii_lowercase();
        match kind {
            Kind::Certificate => self.vault.certificates.get_mut(&key).map(|each| &mut each.life),
            Kind::Key => self.vault.keys.get_mut(&key).map(|each| &mut each.life),
            Kind::Secret => self.vault.secrets.get_mut(&key).map(|each| &mut each.life),
        }
    }

    /// Where an object stands, if there is one.
    fn phase_of(&mut self, kind: Kind, name: &str) -> Option<Phase> {
        let life = self.life_mut(kind, name).copied()?;
        Some(self.phase(&life))
    }

    /// The whole object, whatever phase it is in.
    fn any_bundle(&self, kind: Kind, name: &str) -> Option<Map<String, Value>> {
        let key = name.to_ascii_lowercase();
        match kind {
            Kind::Certificate => Some(self.bundle(self.vault.certificates.get(&key)?)),
            Kind::Key => {
                let stored = self.vault.keys.get(&key)?;
                Some(self.key_bundle(&KeyView::standalone(&stored.name, stored.versions.last()?)))
            }
            Kind::Secret => {
                let stored = self.vault.secrets.get(&key)?;
                Some(self.secret_members(&stored.name, stored.versions.last()?, true))
            }
        }
    }

    fn deleted_bundle(&mut self, kind: Kind, name: &str) -> Result<Reply, Refusal> {
        let life = self.life_mut(kind, name).copied().unwrap_or_default();
        let mut members = self.deletion(kind, name, &life);
        members.extend(self.any_bundle(kind, name).unwrap_or_default());
        Ok(Reply::json(StatusCode::OK, &members))
    }

    /// The item of a list of deleted objects, if the row is one.
    fn deleted_item(&self, kind: Kind, row: &str) -> Option<Value> {
        let (life, name, item) = match kind {
            Kind::Certificate => {
                let found = self.vault.certificates.get(row)?;
                let mut item = self.certificate_item(found)?;
                item.shift_remove("subject");
                let attributes = found.current().map(|v| &v.attributes);
                let attributes = attributes.or(found.placeholder.as_ref().map(|p| &p.attributes))?;
                item.insert("attributes".to_owned(), self.attributes(attributes).into());
                (found.life, &found.name, item)
            }
            Kind::Key => {
                let found = self.vault.keys.get(row)?;
                let view = KeyView::standalone(&found.name, found.versions.last()?);
                (found.life, &found.name, self.key_item(&view, false))
            }
            Kind::Secret => {
                let found = self.vault.secrets.get(row)?;
                (found.life, &found.name, self.secret_members(&found.name, found.versions.last()?, false))
            }
        };
        if self.phase(&life) != Phase::Deleted {
            return None;
        }
        let mut members = self.deletion(kind, name, &life);
        members.extend(item);
        Some(Value::Object(members))
    }
}

/// DELETE of a live object: answers at once, shows later.
pub(super) fn delete(call: &mut Call<'_>, kind: Kind, name: &str) -> Answer {
    if kind != Kind::Certificate && call.live_certificate(name).is_ok() {
        return Err(Refusal::managed(kind, "delete"));
    }
    if call.phase_of(kind, name) != Some(Phase::Live) {
        return Err(Refusal::not_found(kind, name));
    }
    let now = call.now;
    if let Some(life) = call.life_mut(kind, name) {
        life.delete(now);
    }
    call.deleted_bundle(kind, name)
}

/// GET of a deleted object.
pub(super) fn read(call: &mut Call<'_>, kind: Kind, name: &str) -> Answer {
    if call.phase_of(kind, name) != Some(Phase::Deleted) {
        return Err(Refusal::deleted_not_found(kind, name));
    }
    let stored = call.vault.secrets.get(&name.to_ascii_lowercase()).and_then(|stored| stored.versions.last());
    if kind == Kind::Secret && stored.is_some_and(|version| !version.attributes.enabled) {
        return Err(Refusal::secret_disabled());
    }
    call.deleted_bundle(kind, name)
}

/// POST `…/recover`: answers at once, shows later.
pub(super) fn recover(call: &mut Call<'_>, kind: Kind, name: &str) -> Answer {
    match call.phase_of(kind, name) {
        None => Err(Refusal::not_found(kind, name)),
        Some(Phase::Live | Phase::Recovering) => Err(Refusal::exists_already(kind, name)),
        Some(Phase::Deleting) => Err(Refusal::being_deleted(kind, name)),
        Some(Phase::Deleted) => {
            let now = call.now;
            if let Some(life) = call.life_mut(kind, name) {
                life.recover(now);
            }
            Ok(Reply::json(StatusCode::OK, &call.any_bundle(kind, name).unwrap_or_default()))
        }
    }
}

/// DELETE of a deleted object: gone for good.
pub(super) fn purge(call: &mut Call<'_>, kind: Kind, name: &str) -> Answer {
    match call.phase_of(kind, name) {
        None | Some(Phase::Live | Phase::Recovering) => return Err(Refusal::deleted_not_found(kind, name)),
        Some(Phase::Deleting) => return Err(Refusal::being_deleted(kind, name)),
        Some(Phase::Deleted) => {}
    }
    if call.vault.retention.purge_protection {
        let message = "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault \
                       service will automatically purge it after the retention period has passed.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message));
    }
    let key = name.to_ascii_lowercase();
    match kind {
        Kind::Certificate => {
            call.vault.certificates.remove(&key);
            call.vault.forget(&key);
        }
        Kind::Key => drop(call.vault.keys.remove(&key)),
        Kind::Secret => drop(call.vault.secrets.remove(&key)),
    }
    call.vault.purged.insert(key, call.now);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// GET of all deleted objects of a kind.
pub(super) fn list(call: &mut Call<'_>, kind: Kind, request: &Request) -> Answer {
    let rows: Vec<_> = match kind {
        Kind::Certificate => call.certificate_rows(),
        Kind::Key => call.vault.keys.keys().cloned().collect(),
        Kind::Secret => call.vault.secrets.keys().cloned().collect(),
    };
    paging::page(call, request, kind, &rows, |row| call.deleted_item(kind, row))
}
