//! Secrets: the one behind each certificate, and as much of the others as shares its paths.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Kind;
use super::call::{Call, body};
use super::certificates::{AttributesInput, check_tags, insert_tags};
use super::error::{Answer, Refusal};
use super::life::{Life, Phase};
use super::model::{Attributes, Certificate, CertificateVersion, SecretVersion, StandaloneSecret, Tags};
use super::pem;
use super::pfx;
use super::policy::PEM;
use crate::lab::exchange::{Reply, Request};

impl Refusal {
    /// A disabled secret cannot be read, not even when it is deleted.
    pub(super) fn secret_disabled() -> Self {
        Self::forbidden("SecretDisabled", "Operation get is not allowed on a disabled secret.")
    }
}

impl Call<'_> {
    /// A standalone secret without its value.
    pub(super) fn secret_members(&self, name: &str, version: &SecretVersion, with_version: bool) -> Map<String, Value> {
        let mut members = Map::new();
        if let Some(content_type) = &version.content_type {
            members.insert("contentType".to_owned(), content_type.clone().into());
        }
        let shown = with_version.then_some(version.version.as_str());
        members.insert("id".to_owned(), self.url("secrets", name, shown).into());
        members.insert("attributes".to_owned(), self.attributes(&version.attributes).into());
        insert_tags(&mut members, version.tags.as_ref());
        members
    }

    fn live_secret_mut(&mut self, name: &str) -> Result<&mut StandaloneSecret, Refusal> {
        let (now, lag) = (self.now, self.lag());
        let found = self.vault.secrets.get_mut(&name.to_ascii_lowercase());
        found
            .filter(|each| each.life.phase(now, lag) == Phase::Live)
            .ok_or_else(|| Refusal::not_found(Kind::Secret, name))
    }
}

/// The item of a list for the secret behind a certificate.
pub(super) fn managed_item(
    call: &Call<'_>,
    certificate: &Certificate,
    version: &CertificateVersion,
    with_version: bool,
) -> Option<Value> {
    let shown = with_version.then_some(version.version.as_str());
    Some(json!({
        "contentType": version.content_type,
        "id": call.url("secrets", &certificate.name, shown),
        "managed": true,
        "attributes": call.attributes(&version.attributes),
    }))
}

/// GET: for a certificate its PFX or PEM, with the key only if the version was made exportable.
pub(super) fn read(call: &mut Call<'_>, name: &str, version: Option<&str>) -> Answer {
    let id = version.map_or(name.to_owned(), |version| format!("{name}/{version}"));
    let missing = || Refusal::not_found(Kind::Secret, &id);
    if let Ok(certificate) = call.live_certificate(name) {
        let found = certificate.version(version).ok_or_else(missing)?;
        return read_managed(call, certificate, found);
    }
    let secret = call.live_secret_mut(name).map_err(|_| missing())?;
    let found = match version {
        Some(version) => secret.versions.iter().find(|each| each.version.eq_ignore_ascii_case(version)),
        None => secret.versions.last(),
    };
    let (found, name) = (found.ok_or_else(missing)?.clone(), secret.name.clone());
    if !found.attributes.enabled {
        return Err(Refusal::secret_disabled());
    }
    Ok(Reply::json(StatusCode::OK, &with_value(&found, call.secret_members(&name, &found, true))))
}

fn read_managed(call: &Call<'_>, certificate: &Certificate, version: &CertificateVersion) -> Answer {
    if !version.attributes.enabled {
        return Err(Refusal::secret_disabled());
    }
    if version.exportable && version.key.is_absent() {
        return Err(Refusal::not_implemented("secrets of keys that a scale seed makes up"));
    }
    let mut members = Map::new();
    members.insert("value".to_owned(), value(version)?.into());
    members.insert("contentType".to_owned(), version.content_type.clone().into());
    members.insert("id".to_owned(), call.url("secrets", &certificate.name, Some(&version.version)).into());
    members.insert("managed".to_owned(), true.into());
    members.insert("attributes".to_owned(), call.attributes(&version.attributes).into());
    members.insert("kid".to_owned(), call.url("keys", &certificate.name, Some(&version.version)).into());
    if let (Some(order), true) = (version.preserve_order, call.version.has_preserve_order()) {
        members.insert("preserveCertOrder".to_owned(), order.into());
    }
    Ok(Reply::json(StatusCode::OK, &members))
}

fn value(version: &CertificateVersion) -> Result<String, Refusal> {
    let key = version.exportable.then_some(&version.key);
    if version.content_type == PEM {
        let mut certificates: Vec<&[u8]> = version.chain.iter().map(|each| each.0.as_slice()).collect();
        let keeps_order = version.preserve_order.unwrap_or(false);
        let place = if keeps_order { version.leaf_index.min(certificates.len()) } else { 0 };
        certificates.insert(place, &version.der);
        return Ok(pem::write(key, &certificates));
    }
    let pfx = pfx::write(key, &version.der, &version.chain);
    let pfx = pfx.map_err(|error| Refusal::not_implemented(&format!("a PFX for this certificate ({error})")))?;
    Ok(STANDARD.encode(pfx))
}

#[derive(Debug, Deserialize)]
struct Set {
    value: Option<String>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    attributes: Option<AttributesInput>,
    tags: Option<Tags>,
}

/// PUT: a new version of a standalone secret.
pub(super) fn set(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let sent: Set = body(request)?;
    check_tags(sent.tags.as_ref())?;
    if call.live_certificate(name).is_ok() {
        return Err(Refusal::managed(Kind::Secret, "set"));
    }
    call.check_name_is_free(Kind::Secret, name)?;
    let value = sent.value.ok_or_else(|| Refusal::invalid_property("value", ""))?;
    let mut attributes = Attributes::new(call.now);
    attributes.take(sent.attributes);
    let version =
        SecretVersion { version: call.fresh_id(), value, content_type: sent.content_type, attributes, tags: sent.tags };
    let stored = call.vault.secrets.entry(name.to_ascii_lowercase()).or_insert_with(|| StandaloneSecret {
        name: name.to_owned(),
        life: Life::default(),
        versions: Vec::new(),
    });
    stored.versions.push(version.clone());
    let name = stored.name.clone();
    Ok(Reply::json(StatusCode::OK, &with_value(&version, call.secret_members(&name, &version, true))))
}

/// PATCH: attributes, content type and tags of a version.
pub(super) fn update(call: &mut Call<'_>, name: &str, version: Option<&str>, request: &Request) -> Answer {
    let sent: Set = body(request)?;
    check_tags(sent.tags.as_ref())?;
    if call.live_certificate(name).is_ok() {
        return Err(Refusal::managed(Kind::Secret, "update"));
    }
    let now = call.now;
    let secret = call.live_secret_mut(name)?;
    let found = match version {
        Some(version) => secret.versions.iter_mut().find(|each| each.version.eq_ignore_ascii_case(version)),
        None => secret.versions.last_mut(),
    };
    let found = found.ok_or_else(|| Refusal::not_found(Kind::Secret, name))?;
    found.attributes.take(sent.attributes);
    found.attributes.updated = now;
    found.content_type = sent.content_type.or(found.content_type.take());
    found.tags = sent.tags.or(found.tags.take());
    let (found, name) = (found.clone(), secret.name.clone());
    Ok(Reply::json(StatusCode::OK, &call.secret_members(&name, &found, true)))
}

fn with_value(version: &SecretVersion, rest: Map<String, Value>) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("value".to_owned(), version.value.clone().into());
    members.extend(rest);
    members
}

impl Attributes {
    /// Takes what a client may set on keys and secrets.
    pub(super) fn take(&mut self, sent: Option<AttributesInput>) {
        let sent = sent.unwrap_or_default();
        self.enabled = sent.enabled.unwrap_or(self.enabled);
        self.not_before = sent.not_before.or(self.not_before);
        self.expires = sent.expires.or(self.expires);
    }
}
