//! Keys without a certificate: create, import, change, rotate.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Kind;
use super::call::{Call, body};
use super::certificates::{AttributesInput, check_tags};
use super::error::{Answer, Refusal};
use super::keys::KeyView;
use super::life::{Life, Phase};
use super::model::{Attributes, KeyVersion, StandaloneKey, Tags};
use super::x509::add_months;
use crate::lab::exchange::{Reply, Request};
use crate::lab::keys::{Curve, KeyKind, PrivateKey, RsaNumbers};

const RSA_OPS: [&str; 6] = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"];
const EC_OPS: [&str; 2] = ["sign", "verify"];

#[derive(Debug, Deserialize)]
struct Create {
    kty: String,
    key_size: Option<u32>,
    crv: Option<String>,
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesInput>,
    tags: Option<Tags>,
}

/// POST `/keys/{name}/create`: a new version at once.
pub(super) fn create(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let sent: Create = body(request)?;
    check_tags(sent.tags.as_ref())?;
    check_owner(call, name, "create")?;
    call.check_name_is_free(Kind::Key, name)?;
    let kind = match sent.kty.as_str() {
        "RSA" | "RSA-HSM" => {
            Some(sent.key_size.unwrap_or(2048)).filter(|bits| [2048, 3072, 4096].contains(bits)).map(KeyKind::Rsa)
        }
        "EC" | "EC-HSM" => Curve::from_wire(sent.crv.as_deref().unwrap_or("P-256")).map(KeyKind::Ec),
        "oct" | "oct-HSM" => return Err(Refusal::not_implemented("symmetric keys")),
        _ => return Err(Refusal::invalid_property("kty", "")),
    };
    let kind = kind.ok_or_else(|| Refusal::invalid_property("key_size", ""))?;
    let mut attributes = Attributes::new(call.now);
    attributes.take(sent.attributes);
    let version = KeyVersion {
        version: call.fresh_id(),
        key: call.keys.take(kind),
        kty: sent.kty,
        key_ops: sent.key_ops.unwrap_or_else(|| default_ops(kind)),
        exportable: Some(false),
        attributes,
        tags: sent.tags,
    };
    add(call, name, version)
}

#[derive(Debug, Deserialize)]
struct Import {
    key: Jwk,
    attributes: Option<AttributesInput>,
    tags: Option<Tags>,
}

/// A private JSON Web Key, base64url.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl std::fmt::Debug for Jwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jwk({})", self.kty)
    }
}

impl Jwk {
    fn private_key(&self) -> Option<PrivateKey> {
        match self.kty.as_str() {
            "RSA" | "RSA-HSM" => PrivateKey::from_rsa_numbers(&RsaNumbers {
                n: number(self.n.as_ref())?,
                e: number(self.e.as_ref())?,
                d: number(self.d.as_ref())?,
                p: number(self.p.as_ref())?,
                q: number(self.q.as_ref())?,
                dp: number(self.dp.as_ref())?,
                dq: number(self.dq.as_ref())?,
                qi: number(self.qi.as_ref())?,
            }),
            "EC" | "EC-HSM" => {
                let bytes = |text: Option<&String>| URL_SAFE_NO_PAD.decode(text?).ok();
                let curve = Curve::from_wire(self.crv.as_deref()?)?;
                let (d, x, y) = (bytes(self.d.as_ref())?, bytes(self.x.as_ref())?, bytes(self.y.as_ref())?);
                PrivateKey::from_ec_numbers(curve, &d, &x, &y)
            }
            _ => None,
        }
    }
}

/// Clients send RSA numbers with a leading zero or without.
fn number(text: Option<&String>) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text?).ok()?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

/// PUT `/keys/{name}`.
pub(super) fn import(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let sent: Import = body(request)?;
    check_tags(sent.tags.as_ref())?;
    check_owner(call, name, "import")?;
    call.check_name_is_free(Kind::Key, name)?;
    let key = sent.key.private_key().ok_or_else(|| Refusal::invalid_property("key", ""))?;
    let mut attributes = Attributes::new(call.now);
    attributes.take(sent.attributes);
    let version = KeyVersion {
        version: call.fresh_id(),
        kty: sent.key.kty,
        key_ops: sent.key.key_ops.unwrap_or_else(|| default_ops(key.kind())),
        key,
        exportable: None,
        attributes,
        tags: sent.tags,
    };
    add(call, name, version)
}

#[derive(Debug, Deserialize)]
struct Update {
    key_ops: Option<Vec<String>>,
    attributes: Option<AttributesInput>,
    tags: Option<Tags>,
}

/// PATCH of a version, or of the current one.
pub(super) fn update(call: &mut Call<'_>, name: &str, version: Option<&str>, request: &Request) -> Answer {
    let sent: Update = body(request)?;
    check_tags(sent.tags.as_ref())?;
    check_owner(call, name, "update")?;
    let now = call.now;
    let stored = live_mut(call, name)?;
    let found = match version {
        Some(version) => stored.versions.iter_mut().find(|each| each.version.eq_ignore_ascii_case(version)),
        None => stored.versions.last_mut(),
    };
    let found = found.ok_or_else(|| Refusal::not_found(Kind::Key, name))?;
    found.attributes.take(sent.attributes);
    found.attributes.updated = now;
    found.key_ops = sent.key_ops.unwrap_or_else(|| found.key_ops.clone());
    found.tags = sent.tags.or(found.tags.take());
    super::keys::read(call, name, version)
}

/// POST `…/rotate`: a new version of the same kind, which expires as the rotation policy says.
pub(super) fn rotate(call: &mut Call<'_>, name: &str) -> Answer {
    check_owner(call, name, "rotate")?;
    let (now, id, keys) = (call.now, call.fresh_id(), call.keys);
    let stored = live_mut(call, name)?;
    let current = stored.versions.last().cloned().ok_or_else(|| Refusal::not_found(Kind::Key, name))?;
    let lifetime = stored.rotation.as_ref().and_then(|policy| policy["attributes"]["expiryTime"].as_str());
    let expires = lifetime.and_then(|text| after(now, text));
    let key = keys.take(current.key.kind());
    stored.versions.push(KeyVersion {
        version: id,
        key,
        attributes: Attributes { expires, ..Attributes::new(now) },
        ..current
    });
    super::keys::read(call, name, None)
}

/// GET `…/rotationpolicy`. Without one of its own a key has the service's default: a notice.
pub(super) fn read_rotation(call: &mut Call<'_>, name: &str) -> Answer {
    let view = call.key(name, None)?;
    let stored = call.vault.keys.get(&name.to_ascii_lowercase()).and_then(|key| key.rotation.clone());
    let policy = stored.unwrap_or_else(|| {
        json!({
            "lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}}],
            "attributes": {"created": view.attributes.created, "updated": view.attributes.updated},
        })
    });
    let id = format!("{}/rotationpolicy", call.url("keys", &view.name, None));
    let reply = json!({"id": id, "lifetimeActions": policy["lifetimeActions"], "attributes": policy["attributes"]});
    Ok(Reply::json(StatusCode::OK, &reply))
}

/// PUT `…/rotationpolicy`.
pub(super) fn set_rotation(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let sent: Value = body(request)?;
    check_owner(call, name, "setrotationpolicy")?;
    let now = call.now;
    let stored = live_mut(call, name)?;
    let created = stored.rotation.as_ref().and_then(|policy| policy["attributes"]["created"].as_i64()).unwrap_or(now);
    let mut attributes = json!({});
    if let Some(expiry) = sent["attributes"].get("expiryTime").filter(|value| !value.is_null()) {
        attributes["expiryTime"] = expiry.clone();
    }
    attributes["created"] = created.into();
    attributes["updated"] = now.into();
    stored.rotation = Some(json!({"lifetimeActions": sent["lifetimeActions"], "attributes": attributes}));
    read_rotation(call, name)
}

fn add(call: &mut Call<'_>, name: &str, version: KeyVersion) -> Answer {
    let stored = call.vault.keys.entry(name.to_ascii_lowercase()).or_insert_with(|| StandaloneKey {
        name: name.to_owned(),
        life: Life::default(),
        versions: Vec::new(),
        rotation: None,
    });
    stored.versions.push(version.clone());
    let view = KeyView::standalone(&stored.name, &version);
    Ok(Reply::json(StatusCode::OK, &call.key_bundle(&view)))
}

/// The key of a certificate is not to be changed by itself.
fn check_owner(call: &Call<'_>, name: &str, operation: &str) -> Result<(), Refusal> {
    if call.live_certificate(name).is_ok() { Err(Refusal::managed(Kind::Key, operation)) } else { Ok(()) }
}

fn live_mut<'c>(call: &'c mut Call<'_>, name: &str) -> Result<&'c mut StandaloneKey, Refusal> {
    let (now, lag) = (call.now, call.lag());
    let found = call.vault.keys.get_mut(&name.to_ascii_lowercase());
    found.filter(|each| each.life.phase(now, lag) == Phase::Live).ok_or_else(|| Refusal::not_found(Kind::Key, name))
}

fn default_ops(kind: KeyKind) -> Vec<String> {
    let ops: &[&str] = if matches!(kind, KeyKind::Rsa(_)) { &RSA_OPS } else { &EC_OPS };
    ops.iter().map(|&op| op.to_owned()).collect()
}

/// Adds an ISO 8601 duration of one part: `P30D`, `P6M`, `P2Y`.
fn after(now: i64, duration: &str) -> Option<i64> {
    let text = duration.strip_prefix('P')?;
    let unit = text.chars().last()?;
    let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
    match unit {
        'D' => Some(now + i64::from(count) * 86400),
        'M' => Some(add_months(now, count)),
        'Y' => Some(add_months(now, count.checked_mul(12)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_one_part_are_understood() {
        assert_eq!(after(0, "P30D"), Some(30 * 86400));
        assert_eq!(after(0, "P1Y"), Some(365 * 86400));
        assert_eq!(after(0, "P1M"), Some(31 * 86400));
        for bad in ["", "P", "30D", "P1Y6M", "PT5M"] {
            assert_eq!(after(0, bad), None, "{bad}");
        }
    }
}
