//! Reports of beta: when each credential and each client was last used.

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
use crate::lab::directory::{Application, Credentials, Hint, Kind, Object, ServicePrincipal, View};
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
            page(world, request, "appCredentialSignInActivities", |world, from| {
                let applications = of_all::<Application>(world, from);
                let principals = of_all::<ServicePrincipal>(world, from.saturating_sub(PRINCIPALS));
                applications.chain(principals.map(|(position, rows)| (position + PRINCIPALS, rows)))
            })
        }
        ("GET", ["reports", "serviceprincipalsigninactivities"]) if path.version == "beta" => {
            check(world, caller)?;
            page(world, request, "servicePrincipalSignInActivities", of_clients)
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

/// Positions of service principals come after all of applications.
const PRINCIPALS: u64 = 1 << 50;

fn page<'w, I>(world: &'w mut World, request: &Request, name: &str, from: impl FnOnce(&'w World, u64) -> I) -> Answer
where
    I: Iterator<Item = (u64, Vec<Value>)>,
{
    let path = format!("reports/{name}");
    slices::scanned(world, request, &path, &path, from)
}

/// The last sign-in of each client, whichever credential it used. People sign in nowhere here.
fn of_clients(world: &World, from: u64) -> impl Iterator<Item = (u64, Vec<Value>)> {
    let all = world.directory.scan::<Application>(&Hint::default(), from, View::Current);
    all.filter_map(|(position, application)| {
        let app_id = application.app_id;
        let principal = world.directory.service_principal_by_app_id(app_id);
        let used = |credentials: &Credentials| {
            let keys = credentials.keys.iter().map(|key| key.key_id);
            let ids = keys.chain(credentials.passwords.iter().map(|password| password.key_id));
            ids.filter_map(|id| Some(world.directory.sign_in(id)?.at)).max()
        };
        let at = used(&application.credentials).max(principal.and_then(|principal| used(&principal.credentials)))?;
        let activity = json!({ "lastSignInDateTime": seconds(at), "lastSignInRequestId": null });
        let row = json!({
            "id": STANDARD.encode(app_id.to_string()),
            "appId": app_id,
            "lastSignInActivity": activity,
            "delegatedClientSignInActivity": null,
            "delegatedResourceSignInActivity": null,
            "applicationAuthenticationClientSignInActivity": activity,
            "applicationAuthenticationResourceSignInActivity": null,
        });
        Some((position, vec![row]))
    })
}

/// Credentials that have never been used are not in the report.
fn of_all<T: Object>(world: &World, from: u64) -> impl Iterator<Item = (u64, Vec<Value>)> {
    let all = world.directory.scan::<T>(&Hint::default(), from, View::Current);
    all.map(|(position, object)| (position, of_object(world, object.as_ref()))).filter(|(_, rows)| !rows.is_empty())
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
