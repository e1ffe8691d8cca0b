//! `POST /{tenant}/oauth2/v2.0/token` and its version 1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::Duration;

use super::client::Accepted;
use super::client::Client;
use super::client::Presented;
use super::client::missing;
use super::federation;
use super::jws::Jws;
use super::refusal;
use super::refusal::Refusal;
use super::resource;
use super::resource::Resource;
use super::token;
use super::token::Subject;
use crate::lab::directory::ServicePrincipal;
use crate::lab::exchange::Reply;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// Which of the two endpoints was asked. They differ in how the resource is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    V1,
    V2,
}

/// Lifetime of a token for a client that does not understand claims challenges.
const HOUR: Duration = Duration::seconds(3599);

/// Lifetime for one that does, and for identities of workloads and machines.
pub(super) const DAY: Duration = Duration::seconds(86_399);

/// Answers a token request.
pub(super) fn answer(world: &mut World, version: Version, request: &Request) -> Reply {
    match grant(world, version, request) {
        Ok(body) => refusal::accepted(world, request, &body),
        Err(refusal) => refusal.reply(world, request),
    }
}

/// The issuer outside the tenant whose token a request presents, if the client trusts that one.
pub(super) fn foreign_issuer(world: &World, request: &Request) -> Option<String> {
    let form = Form::of(request);
    let assertion = Jws::parse(form.presented().assertion?)?;
    let client = Client::find(world, form.client_id()?).ok()?;
    federation::foreign_issuer(world, &client, &assertion)
}

fn grant(world: &mut World, version: Version, request: &Request) -> Result<Map<String, Value>, Refusal> {
    let form = Form::of(request);
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(other) => {
            return Err(Refusal::bad(
                70_003,
                "unsupported_grant_type",
                format!("The app requested an unsupported grant type '{other}'."),
            ));
        }
        None => return Err(missing("grant_type")),
    }
    let client_id = form.client_id().ok_or_else(|| missing("client_id"))?;
    let name = match version {
        Version::V2 => resource::resource_in_scope(form.get("scope").ok_or_else(|| missing("scope"))?)?,
        Version::V1 => form.get("resource").ok_or_else(|| missing("resource"))?,
    };
    let is_cae_capable = form.is_cae_capable()?;

    let client = Client::find(world, client_id)?;
    let accepted = client.authenticate(world, &form.presented())?;
    let resource = resource::resource(world, name)?;
    let subject = subject(&client, &accepted, &resource)?;
    let lifetime = if is_cae_capable || accepted.is_federated { DAY } else { HOUR };

    let now = world.now();
    world.directory.record_sign_in(accepted.key_id, Some(resource.app_id), now);
    let token = token::issue(world, &subject, &resource, lifetime, is_cae_capable);
    Ok(body(version, &token, lifetime, &resource, now.unix_timestamp()))
}

fn subject(client: &Client<'_>, accepted: &Accepted, resource: &Resource) -> Result<Subject, Refusal> {
    let roles = roles_on(&client.principal, resource);
    if resource.needs_assignment && roles.is_empty() {
        return Err(Refusal::bad(
            501_051,
            "invalid_grant",
            format!(
                "Application '{}'({}) is not assigned to a role for the application '{}'({}).",
                client.app_id,
                client.display_name(),
                resource.audience,
                resource.display_name
            ),
        ));
    }
    Ok(Subject {
        app_id: client.app_id,
        object_id: client.principal.id,
        display_name: client.display_name().to_owned(),
        roles,
        acr: accepted.acr,
        resource_id: None,
    })
}

/// The roles of a service principal on a resource. A client without any still gets its token: the
/// resource refuses, not Entra.
pub(super) fn roles_on(principal: &ServicePrincipal, resource: &Resource) -> Vec<String> {
    let on_it = principal.roles.iter().filter(|role| Some(role.resource) == resource.principal);
    on_it.map(|role| role.value.clone()).filter(|value| !value.is_empty()).collect()
}

fn body(version: Version, token: &str, lifetime: Duration, resource: &Resource, now: i64) -> Map<String, Value> {
    let seconds = lifetime.whole_seconds();
    let body = match version {
        Version::V2 => json!({
            "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token,
        }),
        // The first version writes its numbers as strings.
        Version::V1 => json!({
            "token_type": "Bearer", "expires_in": seconds.to_string(), "ext_expires_in": seconds.to_string(),
            "expires_on": (now + seconds).to_string(), "not_before": now.to_string(),
            "resource": resource.audience, "access_token": token,
        }),
    };
    body.as_object().cloned().unwrap_or_default()
}

/// The parameters of a token request. An empty one counts as missing.
struct Form {
    parameters: Vec<(String, String)>,
    /// `client_secret_basic`: RFC 6749, 2.3.1.
    basic: Option<(String, String)>,
}

impl Form {
    fn of(request: &Request) -> Self {
        Self { parameters: request.form(), basic: basic(request) }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    fn client_id(&self) -> Option<&str> {
        self.get("client_id").or_else(|| self.basic.as_ref().map(|(id, _)| id.as_str()))
    }

    fn presented(&self) -> Presented<'_> {
        Presented {
            secret: self.get("client_secret").or_else(|| self.basic.as_ref().map(|(_, secret)| secret.as_str())),
            assertion_type: self.get("client_assertion_type"),
            assertion: self.get("client_assertion"),
        }
    }

    /// Whether `claims` says that the client understands claims challenges (`xms_cc`: CP1).
    fn is_cae_capable(&self) -> Result<bool, Refusal> {
        let Some(claims) = self.get("claims") else { return Ok(false) };
        let claims: Value = serde_json::from_str(claims).map_err(|_| {
            Refusal::request(9_002_313, "Invalid request. Request is malformed or invalid: 'claims' is not JSON.")
        })?;
        let values = claims["access_token"]["xms_cc"]["values"].as_array();
        let mut values = values.into_iter().flatten().filter_map(Value::as_str);
        Ok(values.any(|value| value.eq_ignore_ascii_case("cp1")))
    }
}

fn basic(request: &Request) -> Option<(String, String)> {
    let (scheme, credentials) = request.header("authorization")?.split_once(' ')?;
    let decoded = STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        let text = format!("x={text}");
        url::form_urlencoded::parse(text.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}
