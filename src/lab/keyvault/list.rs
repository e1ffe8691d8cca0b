//! Lists of what is live: certificates, keys, secrets and their versions.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Kind;
use super::call::Call;
use super::certificates::insert_tags;
use super::error::Answer;
use super::keys::KeyView;
use super::life::Phase;
use super::model::{Certificate, CertificateVersion};
use super::paging;
use super::secrets::managed_item;
use crate::domain::Thumbprint;
use crate::lab::exchange::Request;

impl Call<'_> {
    /// The rows that a list of certificates goes through: deleted ones too, and the contacts, which
    /// the service keeps among them.
    pub(super) fn certificate_rows(&self) -> Vec<String> {
        let mut rows = self.vault.certificate_names();
        if self.vault.contacts.is_some() {
            rows.push("contacts".to_owned());
            rows.sort();
        }
        rows
    }

    /// The item of a list of certificates, without version; a placeholder has no thumbprint.
    pub(super) fn certificate_item(&self, certificate: &Certificate) -> Option<Map<String, Value>> {
        if let Some(current) = certificate.current() {
            return Some(self.version_item(certificate, current, false));
        }
        let placeholder = certificate.placeholder.as_ref()?;
        let mut item = Map::new();
        item.insert("id".to_owned(), self.url("certificates", &certificate.name, None).into());
        item.insert("attributes".to_owned(), placeholder.attributes.members().into());
        insert_tags(&mut item, placeholder.tags.as_ref());
        item.insert("subject".to_owned(), "".into());
        Some(item)
    }

    fn version_item(
        &self,
        certificate: &Certificate,
        version: &CertificateVersion,
        with_version: bool,
    ) -> Map<String, Value> {
        let shown = with_version.then_some(version.version.as_str());
        let mut item = Map::new();
        item.insert("id".to_owned(), self.url("certificates", &certificate.name, shown).into());
        item.insert("x5t".to_owned(), Thumbprint::sha1(&version.der).base64url().into());
        item.insert("attributes".to_owned(), version.attributes.members().into());
        insert_tags(&mut item, version.tags.as_ref());
        item.insert("subject".to_owned(), "".into());
        item
    }

    /// A live certificate by its row.
    fn live_row(&self, row: &str) -> Option<Cow<'_, Certificate>> {
        self.vault.find_certificate(row).filter(|each| self.phase(&each.life) == Phase::Live)
    }
}

/// GET `/certificates`.
pub(super) fn certificates(call: &mut Call<'_>, request: &Request) -> Answer {
    let with_pending = request.query("includePending").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let rows = call.certificate_rows();
    paging::page(call, request, Kind::Certificate, &rows, |row| {
        let certificate = call.live_row(row)?;
        if certificate.current().is_none() && !with_pending {
            return None;
        }
        call.certificate_item(&certificate).map(Value::Object)
    })
}

/// GET `/certificates/{name}/versions`: empty for a name that nobody has.
pub(super) fn certificate_versions(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let certificate = call.live_certificate(name).ok();
    let rows = sorted(certificate.iter().flat_map(|each| &each.versions).map(|each| &each.version));
    paging::page(call, request, Kind::Certificate, &rows, |row| {
        let certificate = certificate?;
        Some(Value::Object(call.version_item(certificate, certificate.version(Some(row))?, true)))
    })
}

/// GET `/keys`.
pub(super) fn keys(call: &mut Call<'_>, request: &Request) -> Answer {
    let rows = sorted(call.vault.certificate_names().iter().chain(call.vault.keys.keys()));
    paging::page(call, request, Kind::Key, &rows, |row| {
        let managed = call.live_row(row).and_then(|each| Some(KeyView::managed(&each.name, each.current()?)));
        let view = managed.or_else(|| call.key(row, None).ok())?;
        Some(Value::Object(call.key_item(&view, false)))
    })
}

/// GET `/keys/{name}/versions`.
pub(super) fn key_versions(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let views: Vec<KeyView> = match call.live_certificate(name) {
        Ok(certificate) => certificate.versions.iter().map(|each| KeyView::managed(&certificate.name, each)).collect(),
        Err(_) => {
            let found = call.vault.keys.get(&name.to_ascii_lowercase());
            let found = found.filter(|each| call.phase(&each.life) == Phase::Live);
            found.iter().flat_map(|key| key.versions.iter().map(|each| KeyView::standalone(&key.name, each))).collect()
        }
    };
    let rows = sorted(views.iter().map(|view| &view.version));
    paging::page(call, request, Kind::Key, &rows, |row| {
        let view = views.iter().find(|view| view.version == row)?;
        Some(Value::Object(call.key_item(view, true)))
    })
}

/// GET `/secrets`.
pub(super) fn secrets(call: &mut Call<'_>, request: &Request) -> Answer {
    let rows = sorted(call.vault.certificate_names().iter().chain(call.vault.secrets.keys()));
    paging::page(call, request, Kind::Secret, &rows, |row| {
        if let Some(certificate) = call.live_row(row) {
            return managed_item(call, &certificate, certificate.current()?, false);
        }
        let found = call.vault.secrets.get(row).filter(|each| call.phase(&each.life) == Phase::Live)?;
        Some(Value::Object(call.secret_members(&found.name, found.versions.last()?, false)))
    })
}

/// GET `/secrets/{name}/versions`.
pub(super) fn secret_versions(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    if let Ok(certificate) = call.live_certificate(name) {
        let rows = sorted(certificate.versions.iter().map(|each| &each.version));
        return paging::page(call, request, Kind::Secret, &rows, |row| {
            managed_item(call, certificate, certificate.version(Some(row))?, true)
        });
    }
    let found = call.vault.secrets.get(&name.to_ascii_lowercase());
    let found = found.filter(|each| call.phase(&each.life) == Phase::Live);
    let rows = sorted(found.iter().flat_map(|secret| &secret.versions).map(|each| &each.version));
    paging::page(call, request, Kind::Secret, &rows, |row| {
        let secret = found?;
        let version = secret.versions.iter().find(|each| each.version == row)?;
        Some(Value::Object(call.secret_members(&secret.name, version, true)))
    })
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut rows: Vec<_> = names.cloned().collect();
    rows.sort();
    rows.dedup();
    rows
}
