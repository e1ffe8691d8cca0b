//! The data plane of Key Vault: certificates, their keys and their secrets.

mod access;
mod backup;
mod call;
mod certificates;
mod contacts;
mod create;
mod deleted;
mod error;
mod import;
mod issuers;
mod keys;
mod life;
mod list;
mod model;
mod paging;
mod pem;
mod pending;
mod permission;
mod pfx;
mod policy;
mod route;
mod scale;
mod secrets;
mod settle;
mod sign;
mod standalone;
mod subject;
mod vaults;
mod version;
mod x509;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::json;

pub(crate) use self::access::grant;
pub(crate) use self::issuers::set_issuer_outcome;
pub(crate) use self::model::Vault;
pub(crate) use self::scale::scale;
pub(crate) use self::vaults::{KeyVault, VaultOptions, change_vault, create_vault};

use self::call::Call;
use self::error::Refusal;
use self::version::ApiVersion;
use super::chaos::Chaos;
use super::entra::{self, Caller, TokenFault};
use super::exchange::{Reply, Request};
use super::world::World;

/// The three kinds of objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Certificate,
    Key,
    Secret,
}

impl Kind {
    const fn noun(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::Secret => "secret",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Certificate => "Certificate",
            Self::Key => "Key",
            Self::Secret => "Secret",
        }
    }

    const fn collection(self) -> &'static str {
        match self {
            Self::Certificate => "certificates",
            Self::Key => "keys",
            Self::Secret => "secrets",
        }
    }

    const fn not_found_code(self) -> &'static str {
        match self {
            Self::Certificate => "CertificateNotFound",
            Self::Key => "KeyNotFound",
            Self::Secret => "SecretNotFound",
        }
    }
}

/// Answers a request for the vault `vault`, whose name is the first label of the host.
pub(crate) fn answer(world: &mut World, vault: &str, request: &Request) -> Reply {
    let reply = match recognise(world, request) {
        Ok(caller) => authorised(world, vault, &caller, request),
        Err(refusal) => refusal.into_reply(),
    };
    with_headers(world, vault, request, reply)
}

/// Who asks, or the challenge that tells where to get a token.
fn recognise(world: &World, request: &Request) -> Result<Caller, Refusal> {
    let resource = format!("https://{}", world.site.vault_suffix());
    let authority = format!("{}/{}", world.site.origin(), world.tenant);
    let challenge = format!("Bearer authorization=\"{authority}\", resource=\"{resource}\"");
    let Some(token) = request.bearer() else {
        let message = "AKV10000: Request is missing a Bearer or PoP token.";
        return Err(Refusal::unauthorized(message, challenge));
    };
    entra::verify(world, token, &resource).map_err(|fault| {
        let (message, error) = match fault {
            TokenFault::Malformed => ("AKV10022: Invalid token: the signature is not valid.", "invalid_token"),
            TokenFault::Expired => ("AKV10023: Invalid token: it is expired.", "invalid_token"),
            TokenFault::WrongAudience => ("AKV10022: Invalid audience.", "invalid_token"),
            TokenFault::Revoked => return revoked(world),
        };
        Refusal::unauthorized(message, format!("{challenge}, error=\"{error}\", error_description=\"{message}\""))
    })
}

/// Continuous access evaluation: the client is to ask for a new token with these claims.
fn revoked(world: &World) -> Refusal {
    let claims =
        json!({"access_token": {"nbf": {"essential": true, "value": world.now().unix_timestamp().to_string()}}});
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"{}\"",
        world.site.origin(),
        STANDARD.encode(claims.to_string())
    );
    Refusal::unauthorized("AKV10095: Continuous access evaluation resulted in a challenge.", challenge)
}

/// Answers for a caller whose token is good.
pub(crate) fn authorised(world: &mut World, vault: &str, caller: &Caller, request: &Request) -> Reply {
    let base = world.site.vault_url(&vault.to_ascii_lowercase());
    let now = world.now().unix_timestamp();
    let Some(found) = world.keyvault.vault_mut(vault) else {
        // In Azure the name does not resolve. The lab's names all do.
        return Refusal::new(StatusCode::NOT_FOUND, "VaultNotFound", format!("The vault {vault} does not exist."))
            .into_reply();
    };
    let version = match ApiVersion::parse(request.query("api-version")) {
        Ok(version) => version,
        Err(refusal) => return refusal.into_reply(),
    };
    let chaos = Chaos::draw(&world.settings, &mut world.random);
    let mut call = Call {
        vault: found,
        caller,
        azure: &world.azure,
        keys: &world.keys,
        random: &mut world.random,
        settings: &world.settings,
        chaos,
        now,
        base,
        version,
        assignment: None,
    };
    settle::settle(&mut call);
    let reply = route::dispatch(&mut call, request).unwrap_or_else(Refusal::into_reply);
    match &call.assignment {
        Some(id) => reply.header("x-ms-keyvault-rbac-assignment-id", id),
        None => reply,
    }
}

/// What stands on every answer.
fn with_headers(world: &mut World, vault: &str, request: &Request, reply: Reply) -> Reply {
    let region = world.keyvault.vault(vault).map_or("westus", |vault| vault.location()).to_owned();
    let mut reply = reply
        .header("cache-control", "no-cache")
        .header("pragma", "no-cache")
        .header("expires", "-1")
        .header("strict-transport-security", "max-age=31536000;includeSubDomains")
        .header("x-content-type-options", "nosniff")
        .header("x-ms-keyvault-region", &region)
        .header("x-ms-keyvault-service-version", "1.9.3347.1")
        .header("x-ms-keyvault-network-info", "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;")
        .header("x-ms-request-id", &world.guid().to_string());
    let wants_echo = request.header("x-ms-return-client-request-id").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if let (true, Some(id)) = (wants_echo, request.header("x-ms-client-request-id")) {
        reply = reply.header("x-ms-client-request-id", id);
    }
    reply
}

#[cfg(test)]
mod tests;
