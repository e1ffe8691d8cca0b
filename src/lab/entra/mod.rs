//! The token endpoint, its metadata, and the tokens that the other services verify.

mod certificate;
mod client;
mod discovery;
mod endpoint;
mod federation;
mod identity;
mod issuer;
mod jws;
mod metadata;
mod person;
mod refusal;
mod resource;
mod signing;
mod token;
mod workload;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use http::{Method, StatusCode};
use jsonwebtoken::jwk::Jwk;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use self::discovery::Reading;
use self::discovery::Wanted;
use self::endpoint::Version;
use self::metadata::Audience;
use self::refusal::Refusal;
use self::signing::SigningKey;
use super::clock::LabClock;
use super::exchange::Reply;
use super::exchange::Request;
use super::keys::KeyKind;
use super::keys::KeyPool;
use super::seed::Operator;
use super::world::World;
use crate::domain::Clock as _;

pub(crate) use discovery::Place;
pub(crate) use identity::{Identity, add as add_identity, answer_identity};
pub(crate) use issuer::Issuer;
pub(crate) use person::sign_in;
pub(crate) use refusal::prescribed;
pub(crate) use token::{Caller, TokenFault, speaker, verify};

/// Entra's own state.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Entra {
    /// Signs tokens. Made when it is first needed, and anew for a lab that loads a saved state.
    #[serde(skip)]
    signing: OnceLock<SigningKey>,
    /// Client id → how often all its tokens were revoked.
    revocations: BTreeMap<Uuid, u32>,
    /// Issuers outside the tenant whose tokens can be checked, by their `iss`.
    pub(crate) issuers: BTreeMap<String, Issuer>,
    /// Where other issuers publish their keys, by their `iss`.
    pub(crate) places: BTreeMap<String, Place>,
    /// What those published when it was read last.
    #[serde(skip)]
    readings: BTreeMap<String, Reading>,
    /// Managed identities of the machine that the lab plays.
    pub(crate) identities: Vec<Identity>,
    /// Who works in this lab.
    pub(crate) operator: Option<Operator>,
    /// What App Service wants in `X-IDENTITY-HEADER`.
    pub(crate) identity_header: String,
}

impl Entra {
    /// Makes all tokens that the application has got worthless (continuous access evaluation).
    pub(crate) fn revoke(&mut self, app_id: Uuid) {
        *self.revocations.entry(app_id).or_default() += 1;
    }

    fn revocations(&self, app_id: Uuid) -> u32 {
        self.revocations.get(&app_id).copied().unwrap_or_default()
    }

    fn signing(&self, keys: &KeyPool, clock: LabClock) -> &SigningKey {
        self.signing.get_or_init(|| SigningKey::new(keys.take(KeyKind::Rsa(2048)), clock.now()))
    }

    /// The keys of an issuer: those that were handed over, or else those that it publishes.
    fn issuer_keys(&self, issuer: &str) -> Option<&[Jwk]> {
        let published = || self.readings.get(issuer)?.keys.as_deref().ok();
        self.issuers.get(issuer).map(Issuer::keys).or_else(published)
    }

    /// Why the keys of an issuer could not be read.
    pub(crate) fn problem(&self, issuer: &str) -> Option<&str> {
        self.readings.get(issuer)?.keys.as_ref().err().map(String::as_str)
    }

    /// Keeps what an issuer published.
    pub(crate) fn learn(&mut self, issuer: String, keys: Result<Vec<Jwk>, String>, at: OffsetDateTime) {
        self.readings.insert(issuer, Reading { keys, at });
    }
}

/// The documents that have to be read before a token request can be answered.
pub(crate) fn wanted(world: &World, request: &Request) -> Option<Wanted> {
    if request.method != Method::POST {
        return None;
    }
    let issuer = endpoint::foreign_issuer(world, request)?;
    let kept = time::Duration::seconds(world.settings.issuer_cache.into());
    let is_fresh = |reading: &Reading| reading.keys.is_ok() && world.now() - reading.at < kept;
    if world.entra.issuers.contains_key(&issuer) || world.entra.readings.get(&issuer).is_some_and(is_fresh) {
        return None;
    }
    let place = world.entra.places.get(&issuer).cloned();
    Some(Wanted { issuer, place })
}

/// Answers a request for the authority's host.
pub(crate) fn answer(world: &mut World, request: &Request) -> Reply {
    let lower: Vec<_> = request.path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let segments: Vec<_> = lower.iter().map(String::as_str).collect();
    let is_get = request.method == Method::GET;
    match segments.as_slice() {
        [_, "discovery", "instance"] if is_get => metadata::instance(world, request),
        [tenant, rest @ ..] => match (audience(world, tenant), rest) {
            (Err(refusal), [.., "openid-configuration" | "token" | "keys"]) => refusal.reply(world, request),
            (Ok(audience), ["v2.0", ".well-known", "openid-configuration"]) if is_get => {
                metadata::openid_configuration(world, request, audience, 2)
            }
            (Ok(audience), [".well-known", "openid-configuration"]) if is_get => {
                metadata::openid_configuration(world, request, audience, 1)
            }
            (Ok(_), ["discovery", "v2.0", "keys"] | ["discovery", "keys"]) if is_get => metadata::keys(world, request),
            (Ok(audience), ["oauth2", rest @ ..]) => token_endpoint(world, request, audience, rest),
            _ => not_found(world, request),
        },
        [] => not_found(world, request),
    }
}

fn token_endpoint(world: &mut World, request: &Request, audience: Audience<'_>, rest: &[&str]) -> Reply {
    let version = match rest {
        ["v2.0", "token"] => Version::V2,
        ["token"] => Version::V1,
        // Interactive flows need a person; the lab has none.
        ["v2.0", "authorize" | "devicecode" | "logout"] | ["authorize" | "devicecode" | "logout"] => {
            return Reply::text(
                StatusCode::NOT_IMPLEMENTED,
                "text/plain",
                "The lab signs in applications only; see \
                 https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow\n",
            );
        }
        _ => return not_found(world, request),
    };
    let refusal = if request.method != Method::POST {
        Refusal::request(900_561, "The endpoint only accepts POST requests. Received a GET request.")
    } else if let Audience::Any(name) = audience {
        // Client credentials belong to one tenant.
        Refusal::request(
            53_024,
            format!("The '{name}' endpoint cannot be used for client credentials: name the tenant in the path."),
        )
    } else {
        return endpoint::answer(world, version, request);
    };
    refusal.reply(world, request)
}

fn audience<'a>(world: &World, tenant: &'a str) -> Result<Audience<'a>, Refusal> {
    if world.is_tenant(tenant) {
        return Ok(Audience::Tenant);
    }
    if matches!(tenant, "common" | "organizations" | "consumers") {
        return Ok(Audience::Any(tenant));
    }
    Err(Refusal::request(
        90_002,
        format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        ),
    ))
}

fn not_found(world: &mut World, request: &Request) -> Reply {
    let id = world.guid().to_string();
    refusal::dressed(Reply::empty(StatusCode::NOT_FOUND), request, &id)
}

#[cfg(test)]
mod tests;
