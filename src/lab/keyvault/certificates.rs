//! Certificates: reading them, and changing their attributes, tags and policy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Kind;
use super::call::{Call, body};
use super::error::{Answer, Refusal};
use super::life::Phase;
use super::model::{Certificate, CertificateVersion, Tags};
use super::policy::PolicyInput;
use crate::domain::Thumbprint;
use crate::lab::exchange::{Reply, Request};

impl Call<'_> {
    /// A certificate that is neither deleted nor on its way there or back.
    pub(super) fn live_certificate(&self, name: &str) -> Result<&Certificate, Refusal> {
        let found = self.vault.certificates.get(&name.to_ascii_lowercase());
        found
            .filter(|certificate| self.phase(&certificate.life) == Phase::Live)
            .ok_or_else(|| Refusal::not_found(Kind::Certificate, name))
    }

    /// The same, to be changed.
    pub(super) fn live_certificate_mut(&mut self, name: &str) -> Result<&mut Certificate, Refusal> {
        self.live_certificate(name)?;
        let found = self.vault.certificates.get_mut(&name.to_ascii_lowercase());
        found.ok_or_else(|| Refusal::not_found(Kind::Certificate, name))
    }

    /// The whole certificate: its current version or its placeholder, with policy and operation.
    pub(super) fn bundle(&self, certificate: &Certificate) -> Map<String, Value> {
        let (mut members, preserve_order) = match (certificate.current(), &certificate.placeholder) {
            (Some(version), _) => (self.version_members(certificate, version), version.preserve_order),
            (None, Some(placeholder)) => {
                let mut members = Map::new();
                let id = self.url("certificates", &certificate.name, Some(&placeholder.version));
                members.insert("id".to_owned(), id.into());
                members.insert("attributes".to_owned(), self.attributes(&placeholder.attributes).into());
                insert_tags(&mut members, placeholder.tags.as_ref());
                (members, placeholder.preserve_order)
            }
            (None, None) => (Map::new(), None),
        };
        members.insert("policy".to_owned(), self.policy(certificate));
        if certificate.pending.is_some() {
            let id = format!("{}/pending", self.url("certificates", &certificate.name, None));
            members.insert("pending".to_owned(), json!({ "id": id }));
        }
        if let (Some(order), true) = (preserve_order, self.version.has_preserve_order()) {
            members.insert("preserveCertOrder".to_owned(), order.into());
        }
        members
    }

    fn version_members(&self, certificate: &Certificate, version: &CertificateVersion) -> Map<String, Value> {
        let mut members = Map::new();
        for (member, collection) in [("id", "certificates"), ("kid", "keys"), ("sid", "secrets")] {
            members.insert(member.to_owned(), self.url(collection, &certificate.name, Some(&version.version)).into());
        }
        members.insert("x5t".to_owned(), Thumbprint::sha1(&version.der).base64url().into());
        members.insert("cer".to_owned(), STANDARD.encode(&version.der).into());
        members.insert("attributes".to_owned(), self.attributes(&version.attributes).into());
        insert_tags(&mut members, version.tags.as_ref());
        members
    }

    fn policy(&self, certificate: &Certificate) -> Value {
        certificate.policy.to_wire(format!("{}/policy", self.url("certificates", &certificate.name, None)))
    }
}

/// Tags are shown only where there are some.
pub(super) fn insert_tags(members: &mut Map<String, Value>, tags: Option<&Tags>) {
    if let Some(tags) = tags.filter(|tags| !tags.is_empty()) {
        members.insert("tags".to_owned(), json!(tags));
    }
}

/// GET of the current version, with policy and operation.
pub(super) fn read(call: &mut Call<'_>, name: &str) -> Answer {
    let certificate = call.live_certificate(name)?;
    Ok(Reply::json(StatusCode::OK, &call.bundle(certificate)))
}

/// GET of one version, without policy and operation.
pub(super) fn read_version(call: &mut Call<'_>, name: &str, version: &str) -> Answer {
    let certificate = call.live_certificate(name)?;
    if let Some(found) = certificate.version(Some(version)) {
        let mut members = call.version_members(certificate, found);
        if let (Some(order), true) = (found.preserve_order, call.version.has_preserve_order()) {
            members.insert("preserveCertOrder".to_owned(), order.into());
        }
        return Ok(Reply::json(StatusCode::OK, &members));
    }
    let placeholder = certificate.placeholder.as_ref().filter(|each| each.version.eq_ignore_ascii_case(version));
    let placeholder = placeholder.ok_or_else(|| Refusal::not_found(Kind::Certificate, &format!("{name}/{version}")))?;
    let id = call.url("certificates", &certificate.name, Some(&placeholder.version));
    Ok(Reply::json(StatusCode::OK, &json!({"id": id, "attributes": call.attributes(&placeholder.attributes)})))
}

/// What PATCH changes. `nbf` and `exp` are the certificate's own: sent ones are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Update {
    attributes: Option<AttributesInput>,
    tags: Option<Tags>,
    policy: Option<PolicyInput>,
}

/// The attributes that clients may set on a certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AttributesInput {
    pub(super) enabled: Option<bool>,
    #[serde(rename = "nbf")]
    pub(super) not_before: Option<i64>,
    #[serde(rename = "exp")]
    pub(super) expires: Option<i64>,
}

/// PATCH of the current version or a given one.
pub(super) fn update(call: &mut Call<'_>, name: &str, version: Option<&str>, request: &Request) -> Answer {
    let update: Update = body(request)?;
    let now = call.now;
    let certificate = call.live_certificate_mut(name)?;
    let wanted = match version {
        Some(version) => certificate.versions.iter_mut().find(|each| each.version.eq_ignore_ascii_case(version)),
        None => certificate.versions.last_mut(),
    };
    let (attributes, tags) = match (wanted, &mut certificate.placeholder) {
        (Some(found), _) => (&mut found.attributes, &mut found.tags),
        (None, Some(placeholder)) if version.is_none_or(|version| version == placeholder.version) => {
            (&mut placeholder.attributes, &mut placeholder.tags)
        }
        _ => return Err(Refusal::not_found(Kind::Certificate, &format!("{name}/{}", version.unwrap_or_default()))),
    };
    check_tags(update.tags.as_ref())?;
    attributes.updated = now;
    attributes.enabled = update.attributes.and_then(|sent| sent.enabled).unwrap_or(attributes.enabled);
    *tags = update.tags.or(tags.take());
    if let Some(policy) = update.policy {
        certificate.policy.patch(policy, now)?;
    }
    match version {
        Some(version) => read_version(call, name, version),
        None => read(call, name),
    }
}

/// The service takes at most 15 tags of 256 characters each.
pub(super) fn check_tags(tags: Option<&Tags>) -> Result<(), Refusal> {
    let Some(tags) = tags else { return Ok(()) };
    let is_long = |text: &String| text.chars().count() > 256;
    if tags.len() > 15 || tags.iter().any(|(name, value)| is_long(name) || is_long(value)) {
        return Err(Refusal::invalid_property("tags", ""));
    }
    Ok(())
}

/// GET of the policy.
pub(super) fn read_policy(call: &mut Call<'_>, name: &str) -> Answer {
    let certificate = call.live_certificate(name)?;
    Ok(Reply::json(StatusCode::OK, &call.policy(certificate)))
}

/// PATCH of the policy. The answer is the whole policy.
pub(super) fn update_policy(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let input: PolicyInput = body(request)?;
    let now = call.now;
    call.live_certificate_mut(name)?.policy.patch(input, now)?;
    read_policy(call, name)
}
