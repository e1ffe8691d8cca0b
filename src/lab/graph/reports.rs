//! Reports of beta: when each credential was last used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::access::{Right, require};
use super::fault::{Answer, Fault};
use super::path::Path;
use super::render::seconds;
use super::slices;
use crate::lab::directory::{Application, Kind, Object, ServicePrincipal, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::Request;
use crate::lab::world::World;

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
            require(caller, Right::ReadSignIns)?;
            let mut activities = of_all::<Application>(world);
            activities.extend(of_all::<ServicePrincipal>(world));
            slices::page(
                world,
                request,
                "reports/appCredentialSignInActivities",
                "reports/appCredentialSignInActivities",
                activities,
            )
        }
        ("GET", ["reports", name @ "appcredentialsigninactivities"]) => Err(super::unknown_segment(name)),
        _ => Err(Fault::not_implemented("this report")),
    }
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
