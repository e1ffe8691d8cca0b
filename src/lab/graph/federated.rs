//! Federated identity credentials: tokens of others that stand in for a credential.

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::access::require_write;
use super::fault::{Answer, Fault};
use super::path::{Segment, Selector};
use super::{credentials, objects, render, reply, slices};
use crate::lab::directory::{Application, FederatedCredential, View};
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

/// More than this an application cannot have.
const MOST: usize = 20;

/// Longest name, issuer and subject.
const LONGEST_NAME: usize = 120;
const LONGEST: usize = 600;

/// Answers what lies below `…/federatedIdentityCredentials`, that segment included.
pub(super) fn answer(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    selector: &Selector,
    path: &[Segment],
) -> Answer {
    // By id, by name in parentheses, or by name as a segment.
    let key = match path {
        [Segment { key: Some((_, value)), .. }] => Some(value.as_str()),
        [_, id] => Some(id.raw.as_str()),
        [_] => None,
        _ => return Err(Fault::malformed("Resource not found for the segment.")),
    };
    match (request.method.as_str(), key) {
        ("GET", None) => {
            let application = objects::readable::<Application>(world, caller, selector)?;
            let all = application.federated.iter().map(render::federated_credential).collect();
            let path = format!("applications/{}/federatedIdentityCredentials", application.id);
            slices::page(world, request, &path, &context(&application), all)
        }
        ("GET", Some(key)) => {
            let application = objects::readable::<Application>(world, caller, selector)?;
            let found = find(&application, key).ok_or_else(|| Fault::not_found(key))?;
            Ok(entity(world, request, StatusCode::OK, &application, &application.federated[found]))
        }
        ("POST", None) => create(world, caller, request, selector, None),
        ("PATCH", Some(key)) => update(world, caller, request, selector, key),
        ("DELETE", Some(key)) => {
            let mut application = writable(world, caller, selector)?;
            let found = find(&application, key).ok_or_else(|| Fault::not_found(key))?;
            application.federated.remove(found);
            let now = world.now();
            world.directory.put(application, now);
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Fault::malformed("The method is not supported for this resource.")),
    }
}

fn create(world: &mut World, caller: &Caller, request: &Request, selector: &Selector, name: Option<&str>) -> Answer {
    let mut application = writable(world, caller, selector)?;
    let mut body = reply::body(request)?;
    if let Some(name) = name {
        body.insert("name".to_owned(), json!(name));
    }
    let mut credential = FederatedCredential {
        id: world.guid(),
        name: required(&body, "name")?,
        issuer: String::new(),
        subject: String::new(),
        description: None,
        audiences: Vec::new(),
    };
    for name in ["issuer", "subject"] {
        required(&body, name)?;
    }
    if !body.contains_key("audiences") {
        return Err(missing("audiences"));
    }
    apply(&mut credential, &body)?;
    check(&application, &credential)?;
    if application.federated.len() >= MOST {
        return Err(Fault::bad_request(format!(
            "The application already has {MOST} federated identity credentials, which is the limit."
        )));
    }
    application.federated.push(credential.clone());
    let now = world.now();
    world.directory.put(application.clone(), now);
    let location =
        format!("{}/v2/{}/federatedIdentityCredentials/{}", world.site.origin(), world.tenant, credential.id);
    Ok(entity(world, request, StatusCode::CREATED, &application, &credential).header("location", &location))
}

fn update(world: &mut World, caller: &Caller, request: &Request, selector: &Selector, key: &str) -> Answer {
    let mut application = writable(world, caller, selector)?;
    let Some(found) = find(&application, key) else {
        let creates = request.header("prefer").is_some_and(|prefer| prefer.contains("create-if-missing"));
        return if creates && Uuid::try_parse(key).is_err() {
            create(world, caller, request, selector, Some(key))
        } else {
            Err(Fault::not_found(key))
        };
    };
    let body = reply::body(request)?;
    let mut credential = application.federated[found].clone();
    if credentials::text(&body, "name")?.is_some_and(|name| name != credential.name) {
        return Err(Fault::bad_request("Property 'name' is immutable."));
    }
    apply(&mut credential, &body)?;
    check(&application, &credential)?;
    application.federated[found] = credential;
    let now = world.now();
    world.directory.put(application, now);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn writable(world: &World, caller: &Caller, selector: &Selector) -> Result<Application, Fault> {
    let application = objects::find::<Application>(world, selector, View::Current)?;
    require_write(caller, &application)?;
    Ok(application)
}

fn apply(credential: &mut FederatedCredential, body: &Map<String, Value>) -> Result<(), Fault> {
    for (name, value) in body {
        match name.as_str() {
            "issuer" => credential.issuer = required(body, "issuer")?,
            "subject" => credential.subject = required(body, "subject")?,
            "description" => credential.description = credentials::text(body, name)?.map(str::to_owned),
            "audiences" => {
                let listed = value.as_array().map(Vec::as_slice).unwrap_or_default();
                // One audience is all that the service takes, although the member is a list.
                let [Value::String(audience)] = listed else {
                    return Err(Fault::bad_request("Property 'audiences' takes exactly one value."));
                };
                credential.audiences = vec![audience.clone()];
            }
            "name" | "id" => {}
            name if name.contains('@') => {}
            name => return Err(Fault::malformed(format!("Invalid property '{name}'."))),
        }
    }
    Ok(())
}

/// Names are unique in an application, and so are pairs of issuer and subject.
fn check(application: &Application, credential: &FederatedCredential) -> Result<(), Fault> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if credential.name.chars().count() > LONGEST_NAME || !credential.name.chars().all(is_plain) {
        return Err(Fault::bad_request("Property 'name' takes up to 120 characters that are safe in a URL."));
    }
    if credential.issuer.len() > LONGEST || credential.subject.len() > LONGEST {
        return Err(Fault::bad_request(format!("Properties 'issuer' and 'subject' take up to {LONGEST} characters.")));
    }
    let conflict = |what: &str| {
        Fault::new(
            StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            format!("FederatedIdentityCredential with {what} already exists."),
        )
    };
    for other in application.federated.iter().filter(|other| other.id != credential.id) {
        if other.name == credential.name {
            return Err(conflict(&format!("name {}", credential.name)));
        }
        if other.issuer == credential.issuer && other.subject == credential.subject {
            return Err(conflict("this issuer and subject"));
        }
    }
    Ok(())
}

fn find(application: &Application, key: &str) -> Option<usize> {
    let id = Uuid::try_parse(key).ok();
    application.federated.iter().position(|other| Some(other.id) == id || other.name == key)
}

fn required(body: &Map<String, Value>, name: &str) -> Result<String, Fault> {
    let text = credentials::text(body, name)?.filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Fault {
    Fault::bad_request(format!("A value is required for property '{name}' of resource 'FederatedIdentityCredential'."))
}

fn context(application: &Application) -> String {
    format!("applications('{}')/federatedIdentityCredentials", application.id)
}

fn entity(
    world: &World,
    request: &Request,
    status: StatusCode,
    application: &Application,
    credential: &FederatedCredential,
) -> Reply {
    let context = format!("{}/$entity", context(application));
    let Value::Object(members) = render::federated_credential(credential) else { return Reply::empty(status) };
    reply::entity(world, request, status, &context, members)
}
