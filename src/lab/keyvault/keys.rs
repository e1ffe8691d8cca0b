//! Keys: those behind certificates, which are read-only, and those that stand alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Map, Value};

use super::Kind;
use super::call::Call;
use super::certificates::insert_tags;
use super::error::{Answer, Refusal};
use super::life::Phase;
use super::model::{Attributes, CertificateVersion, KeyVersion, Tags};
use crate::lab::exchange::Reply;
use crate::lab::keys::{PrivateKey, PublicKey};

/// One version of a key, whoever owns it.
#[derive(Clone, Debug)]
pub(super) struct KeyView {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) key: PrivateKey,
    pub(super) kty: String,
    pub(super) key_ops: Vec<String>,
    pub(super) attributes: Attributes,
    exportable: Option<bool>,
    tags: Option<Tags>,
    is_managed: bool,
}

impl KeyView {
    pub(super) fn managed(name: &str, from: &CertificateVersion) -> Self {
        Self {
            name: name.to_owned(),
            version: from.version.clone(),
            key: from.key.clone(),
            kty: from.kty.clone(),
            key_ops: from.key_ops.clone(),
            attributes: from.attributes,
            exportable: None,
            tags: from.tags.clone(),
            is_managed: true,
        }
    }

    pub(super) fn standalone(name: &str, from: &KeyVersion) -> Self {
        Self {
            name: name.to_owned(),
            version: from.version.clone(),
            key: from.key.clone(),
            kty: from.kty.clone(),
            key_ops: from.key_ops.clone(),
            attributes: from.attributes,
            exportable: from.exportable,
            tags: from.tags.clone(),
            is_managed: false,
        }
    }
}

impl Call<'_> {
    /// A version of a live key, or its current one.
    pub(super) fn key(&self, name: &str, version: Option<&str>) -> Result<KeyView, Refusal> {
        let id = version.map_or(name.to_owned(), |version| format!("{name}/{version}"));
        let missing = || Refusal::not_found(Kind::Key, &id);
        if let Ok(certificate) = self.live_certificate(name) {
            let found = certificate.version(version).ok_or_else(missing)?;
            return Ok(KeyView::managed(&certificate.name, found));
        }
        let key = self.vault.keys.get(&name.to_ascii_lowercase());
        let key = key.filter(|key| self.phase(&key.life) == Phase::Live).ok_or_else(missing)?;
        let found = match version {
            Some(version) => key.versions.iter().find(|each| each.version.eq_ignore_ascii_case(version)),
            None => key.versions.last(),
        };
        Ok(KeyView::standalone(&key.name, found.ok_or_else(missing)?))
    }

    /// `{key, attributes, tags?, managed?}`.
    pub(super) fn key_bundle(&self, view: &KeyView) -> Map<String, Value> {
        let mut attributes = self.attributes(&view.attributes);
        if let Some(exportable) = view.exportable {
            attributes.insert("exportable".to_owned(), exportable.into());
        }
        let mut members = Map::new();
        members.insert("key".to_owned(), self.jwk(view));
        members.insert("attributes".to_owned(), attributes.into());
        insert_tags(&mut members, view.tags.as_ref());
        if view.is_managed {
            members.insert("managed".to_owned(), true.into());
        }
        members
    }

    fn jwk(&self, view: &KeyView) -> Value {
        let mut jwk = Map::new();
        jwk.insert("kid".to_owned(), self.url("keys", &view.name, Some(&view.version)).into());
        jwk.insert("kty".to_owned(), view.kty.clone().into());
        jwk.insert("key_ops".to_owned(), view.key_ops.clone().into());
        let mut number = |member: &str, bytes: &[u8]| {
            jwk.insert(member.to_owned(), URL_SAFE_NO_PAD.encode(bytes).into());
        };
        match view.key.public() {
            PublicKey::Rsa { n, e } => {
                // What an ASN.1 INTEGER looks like. Thumbprints and comparisons must not see it.
                let zero: &[u8] = if self.settings.leading_zero { &[0] } else { &[] };
                number("n", &[zero, &n].concat());
                number("e", &e);
            }
            PublicKey::Ec { curve, x, y } => {
                number("x", &x);
                number("y", &y);
                jwk.insert("crv".to_owned(), curve.as_wire().into());
                let (x, y) = (jwk.shift_remove("x"), jwk.shift_remove("y"));
                jwk.extend([("x", x), ("y", y)].into_iter().filter_map(|(name, v)| Some((name.to_owned(), v?))));
            }
        }
        Value::Object(jwk)
    }

    /// The item of a list: `kid` without version unless it is a list of versions.
    pub(super) fn key_item(&self, view: &KeyView, with_version: bool) -> Map<String, Value> {
        let version = with_version.then_some(view.version.as_str());
        let mut item = Map::new();
        item.insert("kid".to_owned(), self.url("keys", &view.name, version).into());
        let mut attributes = self.attributes(&view.attributes);
        if let Some(exportable) = view.exportable {
            attributes.insert("exportable".to_owned(), exportable.into());
        }
        item.insert("attributes".to_owned(), attributes.into());
        insert_tags(&mut item, view.tags.as_ref());
        if view.is_managed {
            item.insert("managed".to_owned(), true.into());
        }
        item
    }
}

/// GET of a key, current or of a version.
pub(super) fn read(call: &mut Call<'_>, name: &str, version: Option<&str>) -> Answer {
    let view = call.key(name, version)?;
    Ok(Reply::json(StatusCode::OK, &call.key_bundle(&view)))
}
