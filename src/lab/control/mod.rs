//! The control endpoint: what a test or a demonstration may do to the lab. Its port serves nothing else.

mod people;

use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::azure;
use super::directory::Object as _;
use super::directory::ServicePrincipal;
use super::directory::View;
use super::entra;
use super::exchange::Reply;
use super::exchange::Request;
use super::keys::KeyKind;
use super::keyvault;
use super::keyvault::VaultOptions;
use super::log::Service;
use super::router::Shared;
use super::save;
use super::seed;
use super::world::Settings;
use super::world::World;
use crate::domain::Clock as _;

/// What `GET /` shows.
const HELP: &str = "\
GET    /requests?since=N&service=entra|graph|keyvault|arm|identity    DELETE /requests
GET    /counts
GET    /clock            PUT /clock {\"now\":\"2026-01-01T00:00:00Z\"}    POST /clock/advance {\"seconds\":60}
POST   /clock/wait {\"until\":\"2026-01-01T00:00:00Z\"}    PUT /clock {\"simulated\":true,\"quiet_ms\":10,\"tick_ms\":250}
GET    /settings         PUT /settings {…}    PATCH /settings {\"token_propagation\":40}
GET    /latency          PUT /latency {\"ms\":20}
GET    /faults           POST /faults {\"match\":{\"service\":\"graph\",\"method\":\"PATCH\"},\"result\":{\"status\":503},\"times\":1}
DELETE /faults           DELETE /faults/{id}
POST   /vaults           {\"name\":\"fabrikam-kv\",\"mode\":\"access-policies\"}
PATCH  /vaults/{vault}  {\"sku\":\"premium\",\"network\":\"open\"|\"restricted\"|\"firewall\"|\"private-link\",
                         \"diagnostics\":\"AuditEvent\"|null,\"purge_protection\":true,\"retention_days\":90}
PUT    /defender         {\"on\":false}
POST   /vaults/{vault}/issuers/{issuer}    {\"issues\":false}
POST   /permissions      {\"vault\":\"contoso-kv\",\"principal\":ID,\"role\":\"Key Vault Crypto User\",\"remove\":false}
                         {\"principal\":ID,\"role\":\"Reader\",\"scope\":\"subscription\"|\"management-group\"|\"resource-group/lab\"}
                         {\"principal\":ID,\"graph_role\":\"Application.Read.All\",\"remove\":false}
                         {\"principal\":ID,\"directory_role\":\"Global Administrator\",\"eligible\":false,\"remove\":false}
POST   /auditors         {\"name\":\"auditor\"}     may read what an audit reads, and nothing else
POST   /users            {\"name\":\"Mira Okafor\",\"account\":\"mira@contoso.com\",\"guest\":false,\"disabled\":false}
POST   /groups           {\"name\":\"signers\",\"members\":[ID]}
GET    /identities       POST /identities {\"name\":\"vm\",\"kind\":\"system\"|\"user\"}
POST   /tokens           {\"user\":\"ada@contoso.com\",\"scopes\":[\"Application.Read.All\"],\"resource\":URL?}
POST   /revoke           {\"app_id\":ID}
GET    /issuers          POST /issuers {\"issuer\":URL,\"jwks\":{…}?}    POST /issuers/token {\"issuer\":URL,\"claims\":{…}}
                         POST /issuers {\"issuer\":URL,\"at\":URL?,\"ca\":PEM?}    publishes by itself, on this machine
POST   /seed             {\"seed\":\"small\"}
POST   /churn            {\"percent\":1}     changes that share of the applications of a scale seed
GET    /state            PUT /state
POST   /shutdown
";

/// How long nothing may happen in a simulation until time goes on.
const QUIET_MS: u64 = 10;

/// Why the control endpoint does not do what it was asked.
#[derive(Debug)]
enum Refusal {
    /// The body or a parameter does not say what to do.
    Malformed(String),
    /// There is no such path, or no such fault.
    NoSuchThing,
}

impl From<String> for Refusal {
    fn from(problem: String) -> Self {
        Self::Malformed(problem)
    }
}

type Answer = Result<Value, Refusal>;

/// Answers a request of the control port.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Reply {
    if request.path.iter().all(String::is_empty) {
        return Reply::text(StatusCode::OK, "text/plain; charset=utf-8", HELP);
    }
    // A page in a browser could otherwise reach this port; no program sends the header.
    if request.header("origin").is_some() {
        return Reply::json(StatusCode::FORBIDDEN, &json!({ "error": "not for browsers" }));
    }
    let body = if request.body.is_empty() { Ok(Value::Null) } else { request.json::<Value>() };
    match body.map_err(Refusal::Malformed).and_then(|body| act(shared, request, body)) {
        Ok(Value::Null) => Reply::empty(StatusCode::NO_CONTENT),
        Ok(value) => Reply::json(StatusCode::OK, &value),
        Err(Refusal::Malformed(problem)) => Reply::json(StatusCode::BAD_REQUEST, &json!({ "error": problem })),
        Err(Refusal::NoSuchThing) => {
            Reply::json(StatusCode::NOT_FOUND, &json!({ "error": "there is no such thing; GET / lists what there is" }))
        }
    }
}

fn act(shared: &Shared, request: &Request, body: Value) -> Answer {
    let segments = request.segments();
    match (&request.method, segments.as_slice()) {
        (method, ["requests" | "counts", ..]) => log(shared, method, &segments, request),
        (method, ["clock", ..]) => clock(shared, method, &segments, body),
        (method, ["settings"]) => settings(&mut shared.world(), method, body),
        (&Method::GET, ["latency"]) => Ok(json!({ "ms": shared.latency().as_millis() as u64 })),
        (&Method::PUT, ["latency"]) => {
            let Latency { ms } = parsed(body)?;
            shared.set_latency(Duration::from_millis(ms));
            Ok(Value::Null)
        }
        (method, ["faults", ..]) => faults(shared, method, &segments, body),
        (&Method::POST, ["vaults"]) => create_vault(&mut shared.world(), body),
        (&Method::PATCH, ["vaults", vault]) => Ok(keyvault::change_vault(&mut shared.world(), vault, &body)?),
        (&Method::PUT, ["defender"]) => {
            let Defender { on } = parsed(body)?;
            shared.world().azure.has_defender = on;
            Ok(Value::Null)
        }
        (&Method::POST, ["vaults", vault, "issuers", issuer]) => {
            let Issues { issues } = parsed(body)?;
            keyvault::set_issuer_outcome(&mut shared.world(), vault, issuer, issues)?;
            Ok(Value::Null)
        }
        (&Method::POST, ["permissions"]) => permissions(&mut shared.world(), body),
        (&Method::POST, ["users"]) => people::add_user(&mut shared.world(), parsed(body)?),
        (&Method::POST, ["groups"]) => people::add_group(&mut shared.world(), parsed(body)?),
        (&Method::POST, ["auditors"]) => {
            let Auditor { name } = parsed(body)?;
            Ok(seed::add_auditor(&mut shared.world(), &name)?)
        }
        (&Method::GET, ["identities"]) => Ok(json!(shared.world().entra.identities)),
        (&Method::POST, ["identities"]) => {
            let NewIdentity { name, kind } = parsed(body)?;
            Ok(json!(entra::add_identity(&mut shared.world(), &name, kind == IdentityKind::System)?))
        }
        (&Method::POST, ["tokens"]) => {
            let PersonToken { user, scopes, resource } = parsed(body)?;
            let (id, token) = entra::sign_in(&mut shared.world(), &user, &scopes, resource.as_deref());
            Ok(json!({ "id": id, "access_token": token }))
        }
        (&Method::POST, ["revoke"]) => {
            let Revoke { app_id } = parsed(body)?;
            shared.world().entra.revoke(app_id);
            Ok(Value::Null)
        }
        (method, ["issuers", ..]) => issuers(&mut shared.world(), method, &segments, body),
        (&Method::POST, ["seed"]) => {
            let NewSeed { seed } = parsed(body)?;
            let seed: seed::Seed = seed.parse().map_err(|error: super::Error| error.to_string())?;
            seed::sow(&mut shared.world(), &seed)?;
            Ok(Value::Null)
        }
        (&Method::POST, ["churn"]) => {
            let Churn { percent } = parsed(body)?;
            let mut world = shared.world();
            let now = world.now();
            Ok(json!({ "changed": world.directory.churn(percent, now) }))
        }
        (&Method::GET, ["state"]) => Ok(save::save(&mut shared.world())?),
        (&Method::PUT, ["state"]) => {
            save::load(&mut shared.world(), body)?;
            Ok(Value::Null)
        }
        (&Method::POST, ["shutdown"]) => {
            shared.stop.notify_one();
            Ok(Value::Null)
        }
        _ => Err(Refusal::NoSuchThing),
    }
}

fn log(shared: &Shared, method: &Method, segments: &[&str], request: &Request) -> Answer {
    match (method, segments) {
        (&Method::GET, ["requests"]) => {
            let since = request.query("since").map_or(Ok(0), str::parse);
            let since = since.map_err(|_| "`since` is a number".to_owned())?;
            let service: Option<Service> = match request.query("service") {
                Some(name) => Some(parsed(json!(name))?),
                None => None,
            };
            Ok(json!(shared.log().since(since, service)))
        }
        (&Method::DELETE, ["requests"]) => {
            shared.log().clear();
            Ok(Value::Null)
        }
        (&Method::GET, ["counts"]) => Ok(json!(shared.log().counts())),
        _ => Err(Refusal::NoSuchThing),
    }
}

/// Whether a request waits on the clock, which may take as long as a simulation.
pub(crate) fn is_wait(request: &Request) -> bool {
    request.method == Method::POST && request.segments() == ["clock", "wait"]
}

/// `POST /clock/wait`: answers when the clock has reached a moment, and moves it there unless a
/// simulation does.
pub(crate) async fn wait(shared: &Shared, request: &Request) -> Reply {
    let wanted = request.json::<Value>().map_err(Refusal::Malformed).and_then(parsed::<Wait>);
    match wanted {
        Ok(Wait { until }) if request.header("origin").is_none() => {
            shared.clock.wait_until(until).await;
            Reply::json(StatusCode::OK, &reading(shared))
        }
        _ => Reply::json(StatusCode::BAD_REQUEST, &json!({ "error": "`until` is a moment in RFC 3339" })),
    }
}

fn reading(shared: &Shared) -> Value {
    let clock = &shared.clock;
    json!({
        "now": clock.now().format(&Rfc3339).unwrap_or_default(),
        "frozen": clock.is_frozen(),
        "simulated": clock.is_simulated(),
        "tick_ms": clock.tick().map(|tick| tick.as_millis() as u64),
    })
}

fn clock(shared: &Shared, method: &Method, segments: &[&str], body: Value) -> Answer {
    match (method, segments) {
        (&Method::GET, ["clock"]) => {}
        (&Method::PUT, ["clock"]) => {
            let SetClock { now, simulated, quiet_ms, tick_ms } = parsed(body)?;
            if let Some(now) = now {
                shared.clock.set(now);
            }
            if let Some(simulated) = simulated {
                let quiet = Duration::from_millis(quiet_ms.unwrap_or(QUIET_MS));
                let tick = tick_ms.map(|tick| Duration::from_millis(tick.max(1)));
                shared.clock.simulate(simulated.then_some(quiet), tick);
            }
        }
        (&Method::POST, ["clock", "advance"]) => {
            let Advance { seconds } = parsed(body)?;
            let by = time::Duration::checked_seconds_f64(seconds).ok_or("`seconds` is out of range".to_owned())?;
            // Past the year 9999 there is nothing to advance to.
            shared.clock.now().checked_add(by).ok_or("`seconds` is out of range".to_owned())?;
            shared.clock.advance(by);
        }
        _ => return Err(Refusal::NoSuchThing),
    }
    Ok(reading(shared))
}

fn settings(world: &mut World, method: &Method, body: Value) -> Answer {
    match *method {
        Method::GET => {}
        Method::PUT => world.settings = parsed(body)?,
        Method::PATCH => {
            let mut merged = json!(world.settings);
            let (Some(merged_members), Value::Object(changes)) = (merged.as_object_mut(), body) else {
                return Err(Refusal::Malformed("settings are a JSON object".to_owned()));
            };
            merged_members.extend(changes);
            world.settings = parsed::<Settings>(merged)?;
        }
        _ => return Err(Refusal::NoSuchThing),
    }
    Ok(json!(world.settings))
}

fn faults(shared: &Shared, method: &Method, segments: &[&str], body: Value) -> Answer {
    match (method, segments) {
        (&Method::GET, ["faults"]) => Ok(json!(shared.faults().list())),
        (&Method::POST, ["faults"]) => Ok(json!({ "id": shared.faults().add(parsed(body)?) })),
        (&Method::DELETE, ["faults"]) => {
            shared.faults().remove(None);
            Ok(Value::Null)
        }
        (&Method::DELETE, ["faults", id]) => {
            let id = id.parse().map_err(|_| Refusal::NoSuchThing)?;
            if shared.faults().remove(Some(id)) { Ok(Value::Null) } else { Err(Refusal::NoSuchThing) }
        }
        _ => Err(Refusal::NoSuchThing),
    }
}

fn create_vault(world: &mut World, mut body: Value) -> Answer {
    let name = body.as_object_mut().and_then(|body| body.remove("name"));
    let name = name.as_ref().and_then(Value::as_str).ok_or("`name` is missing".to_owned())?;
    name.parse::<crate::domain::VaultName>().map_err(|error| error.to_string())?;
    let options: VaultOptions = parsed(body)?;
    keyvault::create_vault(world, name, options);
    Ok(json!({ "name": name, "url": world.site.vault_url(name) }))
}

/// Rights in a vault, or an application role of Graph.
fn permissions(world: &mut World, body: Value) -> Answer {
    if body.get("vault").is_some() {
        return Ok(keyvault::grant(world, &body)?);
    }
    if body.get("role").is_some() {
        return Ok(azure::grant(world, &body)?);
    }
    if body.get("directory_role").is_some() {
        return people::assign(world, parsed(body)?);
    }
    let GraphRole { principal, graph_role, remove } = parsed(body)?;
    let found = world
        .directory
        .find::<ServicePrincipal>(principal, View::Current)
        .or_else(|| world.directory.service_principal_by_app_id(principal));
    let mut found = found.ok_or_else(|| format!("no service principal `{principal}`"))?.into_owned();
    let now = world.now();
    found.roles.retain(|role| role.value != graph_role);
    if !remove {
        found.roles.push(seed::assignment(world, &graph_role, now)?);
    }
    let roles: Vec<_> = found.roles.iter().map(|role| role.value.clone()).collect();
    let answer = json!({ "principal": found.id(), "roles": roles });
    world.directory.put(found, now);
    // Consent is no write of the application that is being tested: its reads need not lag.
    world.directory.settle();
    Ok(answer)
}

fn issuers(world: &mut World, method: &Method, segments: &[&str], body: Value) -> Answer {
    let now = world.now();
    match (method, segments) {
        (&Method::GET, ["issuers"]) => {
            let known = world.entra.issuers.iter().map(|(name, issuer)| (name.clone(), issuer.jwks()));
            let published =
                world.entra.places.iter().map(|(name, place)| {
                    (name.clone(), json!({ "at": place.at, "problem": world.entra.problem(name) }))
                });
            Ok(Value::Object(known.chain(published).collect()))
        }
        (&Method::POST, ["issuers"]) => {
            let NewIssuer { issuer: name, jwks, at, ca } = parsed(body)?;
            if at.is_some() || ca.is_some() {
                world.entra.issuers.remove(&name);
                world.entra.places.insert(name, entra::Place { at, ca });
                return Ok(Value::Null);
            }
            let issuer = match jwks {
                Some(jwks) => entra::Issuer::foreign(&jwks)?,
                None => entra::Issuer::played(world.keys.take(KeyKind::Rsa(2048)), &name, now)?,
            };
            let jwks = issuer.jwks();
            world.entra.issuers.insert(name, issuer);
            Ok(jwks)
        }
        (&Method::POST, ["issuers", "token"]) => {
            let IssuerToken { issuer: name, claims } = parsed(body)?;
            let issuer = world.entra.issuers.get(&name).ok_or_else(|| format!("no issuer `{name}`"))?;
            Ok(json!({ "token": issuer.token(&name, &claims, now)? }))
        }
        _ => Err(Refusal::NoSuchThing),
    }
}

fn parsed<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    // No body at all is an object without members, so that serde names the one that is missing.
    let body = if body.is_null() { json!({}) } else { body };
    serde_json::from_value(body).map_err(|error| Refusal::Malformed(error.to_string()))
}

macro_rules! bodies {
    ($($name:ident { $($(#[$attribute:meta])* $member:ident: $type:ty),* $(,)? })*) => {
        $(#[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name { $($(#[$attribute])* $member: $type),* })*
    };
}

bodies! {
    Latency { ms: u64 }
    Issues { issues: bool }
    Defender { on: bool }
    Auditor { name: String }
    Churn { percent: f64 }
    SetClock {
        #[serde(default, with = "time::serde::rfc3339::option")] now: Option<OffsetDateTime>,
        simulated: Option<bool>,
        quiet_ms: Option<u64>,
        tick_ms: Option<u64>,
    }
    Wait { #[serde(with = "time::serde::rfc3339")] until: OffsetDateTime }
    Advance { seconds: f64 }
    NewIdentity { name: String, kind: IdentityKind }
    PersonToken { user: String, scopes: Vec<String>, resource: Option<String> }
    Revoke { app_id: Uuid }
    NewIssuer { issuer: String, jwks: Option<Value>, at: Option<url::Url>, ca: Option<String> }
    IssuerToken { issuer: String, #[serde(default)] claims: Value }
    NewSeed { seed: String }
    GraphRole { principal: Uuid, graph_role: String, #[serde(default)] remove: bool }
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum IdentityKind {
    System,
    User,
}
