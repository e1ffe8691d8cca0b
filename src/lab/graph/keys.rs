//! `addKey`, `removeKey`, `addPassword` and `removePassword`.

use http::StatusCode;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::access::{is_app_only, require_write};
use super::fault::{Answer, Fault};
use super::path::Selector;
use super::proof::Demand;
use super::{concurrency, credentials, enforcement, objects, proof, render, reply};
use crate::lab::directory::{Object, PasswordCredential, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// `POST …/addKey`: a certificate, by proof that the caller holds one that is already there.
pub(super) fn add_key<T: Object>(world: &mut World, caller: &Caller, request: &Request, selector: &Selector) -> Answer {
    let before = objects::find::<T>(world, selector, View::Current)?;
    let body = reply::body(request)?;
    require_proof(world, caller, &before, &body)?;
    let Some(sent) = body.get("keyCredential").and_then(Value::as_object) else {
        return Err(Fault::bad_request("A value is required for parameter 'keyCredential'."));
    };
    let now = world.now();
    let key_id = world.guid();
    let credential = credentials::added(sent, key_id, now)?;
    let needs_password = credential.kind.eq_ignore_ascii_case("X509CertAndPassword");
    if needs_password && body.get("passwordCredential").is_none_or(|password| password["secretText"].is_null()) {
        return Err(Fault::bad_request("A value is required for property 'secretText' of 'passwordCredential'."));
    }
    let mut after = before.clone();
    after.credentials_mut().keys.push(credential.clone());
    enforcement::check_change(world, &before, &after)?;
    world.directory.put(after, now);
    concurrency::note_keys(world, before.id());
    let members = object(render::key_credential(&credential, false));
    Ok(reply::entity(world, request, StatusCode::OK, "microsoft.graph.keyCredential", members)
        .header("location", &world.site.origin()))
}

/// `POST …/removeKey`.
pub(super) fn remove_key<T: Object>(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    selector: &Selector,
) -> Answer {
    let before = objects::find::<T>(world, selector, View::Current)?;
    let body = reply::body(request)?;
    require_proof(world, caller, &before, &body)?;
    let key_id = key_id(&body)?;
    let mut after = before.clone();
    after.credentials_mut().keys.retain(|key| key.key_id != key_id);
    if after.credentials().keys.len() == before.credentials().keys.len() {
        return Err(no_such_credential(key_id));
    }
    enforcement::check_change(world, &before, &after)?;
    let now = world.now();
    world.directory.put(after, now);
    concurrency::note_keys(world, before.id());
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// `POST …/addPassword`. The only answer that shows the secret.
pub(super) fn add_password<T: Object>(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    selector: &Selector,
) -> Answer {
    let before = objects::find::<T>(world, selector, View::Current)?;
    require_write(caller, &before)?;
    concurrency::check_password(world, before.id())?;
    let body = if request.body.is_empty() { Map::new() } else { reply::body(request)? };
    let sent = match body.get("passwordCredential") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(sent)) => sent.clone(),
        Some(_) => return Err(Fault::malformed("The parameter 'passwordCredential' is not an object.")),
    };
    if sent.get("secretText").is_some_and(|secret| !secret.is_null()) {
        return Err(Fault::bad_request("Property 'secretText' is read-only and cannot be set."));
    }
    let now = world.now();
    let start = credentials::date(&sent, "startDateTime")?.unwrap_or(now);
    let end = credentials::date(&sent, "endDateTime")?.unwrap_or_else(|| two_years_after(start));
    if end <= start {
        return Err(Fault::bad_request("Password credential end date is invalid."));
    }
    let password = PasswordCredential {
        key_id: world.guid(),
        secret_text: world.password(),
        display_name: credentials::text(&sent, "displayName")?.map(str::to_owned),
        start: credentials::whole_seconds(start),
        end: credentials::whole_seconds(end),
        added_at: now,
    };
    let mut after = before.clone();
    // The newest comes first in every read.
    after.credentials_mut().passwords.insert(0, password.clone());
    enforcement::check_change(world, &before, &after)?;
    world.directory.put(after, now);
    let mut members = object(render::password_credential(T::KIND, &password));
    members.insert("secretText".to_owned(), json!(password.secret_text));
    Ok(reply::entity(world, request, StatusCode::OK, "microsoft.graph.passwordCredential", members)
        .header("location", &world.site.origin()))
}

/// `POST …/removePassword`.
pub(super) fn remove_password<T: Object>(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    selector: &Selector,
) -> Answer {
    let before = objects::find::<T>(world, selector, View::Current)?;
    require_write(caller, &before)?;
    let key_id = key_id(&reply::body(request)?)?;
    let mut after = before.clone();
    after.credentials_mut().passwords.retain(|password| password.key_id != key_id);
    if after.credentials().passwords.len() == before.credentials().passwords.len() {
        return Err(no_such_credential(key_id));
    }
    enforcement::check_change(world, &before, &after)?;
    let now = world.now();
    world.directory.put(after, now);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// An application may roll its own keys without any permission; for another one it needs the right
/// to write. In both cases with a token of its own, and with the proof.
fn require_proof<T: Object>(
    world: &World,
    caller: &Caller,
    object: &T,
    body: &Map<String, Value>,
) -> Result<(), Fault> {
    if !is_app_only(caller) {
        return Err(Fault::bad_proof());
    }
    if caller.app_id != object.app_id() {
        require_write(caller, object)?;
    }
    let sent = body.get("proof").and_then(Value::as_str).unwrap_or_default();
    let demand = Demand {
        issuer: object.id(),
        keys: &object.credentials().keys,
        now: world.now(),
        accepts_pss: world.settings.pss_proofs,
    };
    proof::check(sent, &demand).map_err(|_| Fault::bad_proof())
}

fn key_id(body: &Map<String, Value>) -> Result<Uuid, Fault> {
    let text = credentials::text(body, "keyId")?
        .ok_or_else(|| Fault::bad_request("A value is required for parameter 'keyId'."))?;
    Uuid::try_parse(text).map_err(|_| Fault::malformed(format!("Invalid GUID:{text}")))
}

fn no_such_credential(key_id: Uuid) -> Fault {
    Fault::bad_request(format!("No credentials found to be removed with KeyId '{key_id}'."))
}

fn two_years_after(start: OffsetDateTime) -> OffsetDateTime {
    // 29 February has no anniversary two years on.
    start.replace_year(start.year() + 2).unwrap_or(start + Duration::days(730))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
