//! Reports of beta: when each credential and each client was last used.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::access::{Right, require};
use super::fault::{Answer, Fault};
use super::path::Path;
use super::render::seconds;
use super::slices;
use crate::lab::directory::{Application, Credentials, Kind, Object, ServicePrincipal, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::Request;
use crate::lab::world::{Licence, World};

/// One credential of an object, of either kind.
struct Credential<'a> {
    key_id: Uuid,
    kind: &'static str,
    usage: &'a str,
    start: OffsetDateTime,
    end: OffsetDateTime,
}

/// Answers what lies below `/reports`.
pub(super) fn answer(world: &mut World, caller: &Caller, request: &Request, path: &Path) -> Answer {
    match (request.method.as_str(), path.names().as_slice()) {
        ("GET", ["reports", "appcredentialsigninactivities"]) if path.version == "beta" => {
            check(world, caller)?;
            let mut activities = of_all::<Application>(world);
            activities.extend(of_all::<ServicePrincipal>(world));
            page(world, request, "appCredentialSignInActivities", activities)
        }
        ("GET", ["reports", "serviceprincipalsigninactivities"]) if path.version == "beta" => {
            check(world, caller)?;
            let activities = of_principals(world);
            page(world, request, "servicePrincipalSignInActivities", activities)
        }
        ("GET", ["reports", name @ ("appcredentialsigninactivities" | "serviceprincipalsigninactivities")]) => {
            Err(super::unknown_segment(name))
        }
        _ => Err(Fault::not_implemented("this report")),
    }
}

/// The permission, and what the tenant has paid for.
fn check(world: &World, caller: &Caller) -> Result<(), Fault> {
    require(caller, Right::ReadSignIns)?;
    if world.settings.licence >= Licence::P1 {
        return Ok(());
    }
    let message = "Neither tenant is B2C or tenant doesn't have premium license";
    Err(Fault::new(StatusCode::FORBIDDEN, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", message))
}

fn page(world: &mut World, request: &Request, name: &str, rows: Vec<Value>) -> Answer {
    let path = format!("reports/{name}");
    slices::page(world, request, &path, &path, rows)
}

/// The last sign-in of each client, whichever credential it used. People sign in nowhere here.
fn of_principals(world: &World) -> Vec<Value> {
    let mut last: BTreeMap<Uuid, OffsetDateTime> = BTreeMap::new();
    let mut note = |app_id: Uuid, credentials: &Credentials| {
        let keys = credentials.keys.iter().map(|key| key.key_id);
        let ids = keys.chain(credentials.passwords.iter().map(|password| password.key_id));
        if let Some(at) = ids.filter_map(|id| Some(world.directory.sign_in(id)?.at)).max() {
            let seen = last.entry(app_id).or_insert(at);
            *seen = at.max(*seen);
        }
    };
    world.directory.stored::<Application>(View::Current).for_each(|app| note(app.app_id, &app.credentials));
    world.directory.stored::<ServicePrincipal>(View::Current).for_each(|it| note(it.app_id, &it.credentials));
    last.into_iter()
        .map(|(app_id, at)| {
            let activity = json!({ "lastSignInDateTime": seconds(at), "lastSignInRequestId": null });
            json!({
                "id": STANDARD.encode(app_id.to_string()),
                "appId": app_id,
                "lastSignInActivity": activity,
                "delegatedClientSignInActivity": null,
                "delegatedResourceSignInActivity": null,
                "applicationAuthenticationClientSignInActivity": activity,
                "applicationAuthenticationResourceSignInActivity": null,
            })
        })
        .collect()
}

/// Credentials that have never been used are not in the report.
fn of_all<T: Object>(world: &World) -> Vec<Value> {
    world.directory.stored::<T>(View::Current).flat_map(|object| of_object(world, object)).collect()
}

fn of_object<T: Object>(world: &World, object: &T) -> Vec<Value> {
    let keys = object.credentials().keys.iter().map(|key| Credential {
        key_id: key.key_id,
        kind: "certificate",
        usage: &key.usage,
        start: key.start,
        end: key.end,
    });
    let passwords = object.credentials().passwords.iter().map(|password| Credential {
        key_id: password.key_id,
        kind: "clientSecret",
        usage: "Verify",
        start: password.start,
        end: password.end,
    });
    let application = world.directory.application_by_app_id(object.app_id()).map(|found| found.id);
    let principal = world.directory.service_principal_by_app_id(object.app_id()).map(|found| found.id);
    let origin = match T::KIND {
        Kind::Application => "application",
        Kind::ServicePrincipal => "servicePrincipal",
    };
    keys.chain(passwords)
        .filter_map(|credential| {
            let sign_in = world.directory.sign_in(credential.key_id)?;
            Some(json!({
                "id": STANDARD.encode(format!("{}_{}", object.app_id(), credential.key_id)),
                "appId": object.app_id(),
                "appObjectId": application,
                "servicePrincipalObjectId": principal,
                "createdDateTime": seconds(credential.start),
                "expirationDateTime": seconds(credential.end),
                "keyId": credential.key_id,
                "keyType": credential.kind,
                "keyUsage": credential.usage.to_ascii_lowercase(),
                "resourceId": sign_in.resource,
                "credentialOrigin": origin,
                "signInActivity": { "lastSignInDateTime": seconds(sign_in.at), "lastSignInRequestId": null },
            }))
        })
        .collect()
}
