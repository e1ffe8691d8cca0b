//! Records as rules of others see them: what was seen, and beside it what was derived.
//!
//! Members in camel case are evidence; those in snake case are derived, and whoever reads the document
//! back ignores them. Every time stands there twice: as text, and as nanoseconds under `…_ns`.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::audit::facts::{
    ApplicationFacts, CertificateFacts, Custody, Daemon, Facts, KeyFacts, Match, PasswordFacts, PrincipalFacts, Tier,
    VaultFacts, VersionFacts, custody_of_version, origin_of_version,
};
use crate::audit::manifest::ManifestEntry;
use crate::inventory::Certificate;

/// The members that hold a time.
const TIMES: [&str; 17] = [
    "collectedAt",
    "tenantCreatedAt",
    "createdAt",
    "deletedAt",
    "purgeAt",
    "start",
    "end",
    "created",
    "updated",
    "expires",
    "createdAfter",
    "lastUsed",
    "lastSignIn",
    "lastUserSignIn",
    "not_before",
    "not_after",
    "takenAt",
];

/// An object of the document, made of a record.
pub(super) fn record(kind: &str, record: &impl Serialize) -> Map<String, Json> {
    let mut object = Map::new();
    object.insert("kind".to_owned(), kind.into());
    if let Ok(Json::Object(members)) = serde_json::to_value(record) {
        object.extend(members);
    }
    object
}

/// An application.
pub(super) fn application(app: &ApplicationFacts<'_>, facts: &Facts<'_>) -> Map<String, Json> {
    let mut object = record("application", app.app);
    let daemon = match &app.daemon {
        Daemon::Yes(_) => Some(true),
        Daemon::No(_) => Some(false),
        Daemon::Unknown(..) => None,
    };
    object.extend(tier(&app.tier));
    object.insert("is_daemon".to_owned(), daemon.into());
    object.insert("manifest".to_owned(), app.manifest.map_or(Json::Null, manifest));
    object.insert("service_principal".to_owned(), app.principal.map(|principal| principal.id.to_string()).into());
    extend_each(&mut object, "keys", app.keys.iter().map(|key| derived_key(key, facts)));
    extend_each(&mut object, "passwords", app.passwords.iter().map(derived_password));
    object
}

/// A service principal.
pub(super) fn principal(principal: &PrincipalFacts<'_>, facts: &Facts<'_>) -> Map<String, Json> {
    let mut object = record("service-principal", principal.principal);
    object.extend(tier(&principal.tier));
    object.insert("is_first_party".to_owned(), principal.is_first_party.into());
    object.insert("is_managed_identity".to_owned(), principal.is_managed_identity().into());
    object.insert("manifest".to_owned(), principal.manifest.map_or(Json::Null, manifest));
    object.insert("application".to_owned(), principal.app.map(|app| app.id.to_string()).into());
    extend_each(&mut object, "keys", principal.keys.iter().map(|key| derived_key(key, facts)));
    extend_each(&mut object, "passwords", principal.passwords.iter().map(derived_password));
    object
}

/// A vault, without its certificates: each of them is an object of its own.
pub(super) fn vault(vault: &VaultFacts<'_>) -> Map<String, Json> {
    let mut object = record("vault", vault.vault);
    if vault.vault.certificates.read().is_some() {
        object.insert("certificates".to_owned(), Json::Array(Vec::new()));
        object.insert("certificates_read".to_owned(), vault.certificates.len().into());
    }
    object
}

/// A certificate.
pub(super) fn certificate(certificate: &CertificateFacts<'_>) -> Map<String, Json> {
    let mut object = record("certificate", certificate.certificate);
    object.insert("vault".to_owned(), certificate.vault.name.as_str().into());
    object.insert("is_app_credential".to_owned(), certificate.is_app_credential.into());
    extend_each(&mut object, "versions", certificate.versions.iter().map(derived_version));
    object
}

/// Writes every time a second time, as nanoseconds since 1970.
pub(super) fn with_nanoseconds(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(with_nanoseconds),
        Json::Object(members) => {
            let times: Vec<_> = TIMES
                .iter()
                .filter_map(|name| Some((format!("{name}_ns"), nanoseconds(members.get(*name)?.as_str()?)?)))
                .collect();
            members.values_mut().for_each(with_nanoseconds);
            members.extend(times);
        }
        _ => {}
    }
}

/// Nanoseconds since 1970 of a time; `None` before 1678 and after 2261, where they do not fit.
pub(super) fn nanoseconds(text: &str) -> Option<Json> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos()).ok().map(Json::from)
}

fn derived_key(key: &KeyFacts<'_>, facts: &Facts<'_>) -> Json {
    let matches: Vec<Json> = key.matches.iter().map(|found| derived_match(found, facts)).collect();
    json!({
        "active": key.is_active,
        "saml": key.is_saml,
        "sign_in": key.is_sign_in(),
        "days_left": key.days_left,
        "lifetime_days": key.lifetime_days,
        "age_days": key.age_days,
        "sha1_ok": key.is_label_true,
        "custody": key.custody,
        "custody_why": key.custody_why,
        "custody_safe": Custody::is_safe(key.custody),
        "match": matches,
    })
}

fn derived_password(password: &PasswordFacts<'_>) -> Json {
    json!({
        "active": password.is_active,
        "saml": password.is_saml,
        "days_left": password.days_left,
        "lifetime_days": password.lifetime_days,
        "age_days": password.age_days,
    })
}

fn derived_match(found: &Match<'_>, facts: &Facts<'_>) -> Json {
    let vault = found.vault.name.as_str();
    let of_version = |certificate: &Certificate| {
        let version = found.version()?;
        let (export, _, _) = custody_of_version(vault, certificate, version, facts.history);
        let (origin, _) = origin_of_version(vault, certificate, version, facts.history);
        Some((export, origin))
    };
    let known = found.certificate.and_then(of_version);
    let key = found.version().and_then(|version| version.key.read());
    json!({
        "id": found.path(),
        "vault": vault,
        "name": found.certificate.map(|certificate| certificate.name.as_str()),
        "version": found.version().map(|version| version.version.as_str()),
        "level": format!("{:?}", found.level).to_lowercase(),
        "export": known.map(|(export, _)| export),
        "origin": known.map(|(_, origin)| origin),
        "enabled": found.version().and_then(|version| version.enabled),
        "deleted": found.is_deleted(),
        "kty": key.and_then(|key| key.kty.as_deref()),
        "key_ops": key.map(|key| &key.key_ops),
    })
}

fn derived_version(version: &VersionFacts<'_>) -> Json {
    let trusted_by: Vec<Json> = version
        .trusted_by
        .iter()
        .map(|trust| json!({ "app_id": trust.app_id(), "key_id": trust.key_id(), "active": trust.is_active() }))
        .collect();
    json!({
        "export": version.export,
        "export_grade": version.grade,
        "export_why": version.export_why,
        "origin": version.origin,
        "origin_why": version.origin_why,
        "trusted": version.is_trusted(),
        "trusted_by": trusted_by,
    })
}

/// 0 for who can take the whole tenant, 1 for the others, null when that was not read.
fn tier(tier: &Tier) -> [(String, Json); 2] {
    let (number, by) = match tier {
        Tier::Zero { by } => (Some(0), Some(by.as_str())),
        Tier::Other => (Some(1), None),
        Tier::Unknown { .. } => (None, None),
    };
    [("tier".to_owned(), number.into()), ("tier_by".to_owned(), by.into())]
}

fn manifest(entry: &ManifestEntry) -> Json {
    json!({
        "name": entry.name,
        "owner": entry.owner,
        "kind": entry.kind,
        "environment": entry.environment,
        "notify": entry.notify,
        "custody": entry.custody,
    })
}

/// Puts derived members into the objects of an array, in its order.
fn extend_each(object: &mut Map<String, Json>, name: &str, derived: impl Iterator<Item = Json>) {
    let Some(items) = object.get_mut(name).and_then(Json::as_array_mut) else { return };
    for (item, derived) in items.iter_mut().zip(derived) {
        if let (Json::Object(item), Json::Object(derived)) = (item, derived) {
            item.extend(derived);
        }
    }
}
