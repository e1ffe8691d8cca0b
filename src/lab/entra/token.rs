//! Access tokens: what stands in them, and what a resource checks before it believes one.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use serde_json::{Map, Value, json};
use time::Duration;
use uuid::{Uuid, uuid};

use super::jws::Jws;
use super::resource::Resource;
use crate::lab::directory::GRAPH_APP_ID;
use crate::lab::world::Site;
use crate::lab::world::World;

/// What clocks may differ by.
const SKEW: Duration = Duration::minutes(5);

/// Client id of the Azure Resource Manager API.
const ARM_APP_ID: Uuid = uuid!("797f4846-ba00-4fd7-ba43-dac1f8f63013");

/// Who a verified access token speaks for.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) app_id: Uuid,
    /// Object id of the service principal.
    pub(crate) object_id: Uuid,
    pub(crate) tenant: Uuid,
    /// Application roles: Graph's permissions.
    pub(crate) roles: Vec<String>,
    /// Delegated scopes. Empty for app-only tokens.
    pub(crate) scopes: Vec<String>,
    /// The groups that it is in: Azure's roles are given to groups, too.
    pub(crate) groups: BTreeSet<Uuid>,
}

impl Caller {
    /// Whether a role or an access policy for this principal is one for the caller.
    pub(crate) fn is(&self, principal: Uuid) -> bool {
        principal == self.object_id || principal == self.app_id || self.groups.contains(&principal)
    }
}

/// What is wrong with a bearer token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TokenFault {
    /// Not a token of this tenant's signing key.
    Malformed,
    /// Past its `exp`.
    Expired,
    /// For another resource.
    WrongAudience,
    /// Revoked by the control endpoint: the service answers a claims challenge (CAE).
    Revoked,
}

/// What a token says about the client and its credential.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) app_id: Uuid,
    pub(super) object_id: Uuid,
    pub(super) display_name: String,
    pub(super) roles: Vec<String>,
    /// `appidacr`: 0 public client, 1 secret, 2 certificate or another signed assertion.
    pub(super) acr: &'static str,
    /// `xms_mirid` of a managed identity.
    pub(super) resource_id: Option<String>,
}

/// A token for `subject` to `resource`, good for `lifetime`.
pub(super) fn issue(
    world: &mut World,
    subject: &Subject,
    resource: &Resource,
    lifetime: Duration,
    is_cae_capable: bool,
) -> String {
    let now = world.now().unix_timestamp();
    let uti: [u8; 16] = world.random.random();
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("aud", json!(resource.audience));
    put("iss", json!(issuer(world, resource.version)));
    put("iat", json!(now));
    put("nbf", json!(now));
    put("exp", json!(now + lifetime.whole_seconds()));
    // Opaque in the real service, too. Here it counts the revocations that the token has seen.
    put("aio", json!(aio(world.entra.revocations(subject.app_id))));
    if resource.version == 2 {
        put("azp", json!(subject.app_id));
        put("azpacr", json!(subject.acr));
    } else {
        put("app_displayname", json!(subject.display_name));
        put("appid", json!(subject.app_id));
        put("appidacr", json!(subject.acr));
        put("idp", json!(issuer(world, 1)));
    }
    put("idtyp", json!("app"));
    put("oid", json!(subject.object_id));
    put("rh", json!("1.LAB."));
    if !subject.roles.is_empty() {
        put("roles", json!(subject.roles));
    }
    put("sub", json!(subject.object_id));
    put("tid", json!(world.tenant));
    put("uti", json!(URL_SAFE_NO_PAD.encode(uti)));
    put("ver", json!(if resource.version == 2 { "2.0" } else { "1.0" }));
    if is_cae_capable {
        put("xms_cc", json!(["CP1"]));
    }
    if let Some(id) = &subject.resource_id {
        put("xms_mirid", json!(id));
    }
    world.entra.signing(&world.keys, world.clock.clone()).sign(&Value::Object(claims))
}

/// `iss` of the tenant's tokens. The real service writes `https://sts.windows.net/{tenant}/` into
/// version 1; the lab has one host, so there it is `{origin}/{tenant}/`.
pub(super) fn issuer(world: &World, version: u8) -> String {
    let (origin, tenant) = (world.site.origin(), world.tenant);
    if version == 2 { format!("{origin}/{tenant}/v2.0") } else { format!("{origin}/{tenant}/") }
}

/// Verifies signature, issuer, times and audience of an access token. `audience` is compared
/// without a slash at the end; the well-known names of Graph and ARM stand for the lab's origin.
pub(crate) fn verify(world: &World, token: &str, audience: &str) -> Result<Caller, TokenFault> {
    let token = Jws::parse(token).ok_or(TokenFault::Malformed)?;
    if !world.entra.signing(&world.keys, world.clock.clone()).has_signed(&token) {
        return Err(TokenFault::Malformed);
    }
    let version = if token.claim("ver") == Some("2.0") { 2 } else { 1 };
    if token.claim("iss") != Some(&issuer(world, version)) {
        return Err(TokenFault::Malformed);
    }
    let (Some(expires), Some(starts)) = (token.date("exp"), token.date("nbf")) else {
        return Err(TokenFault::Malformed);
    };
    if expires <= world.now() {
        return Err(TokenFault::Expired);
    }
    if starts > world.now() + SKEW {
        return Err(TokenFault::Malformed);
    }
    if !token.audiences().iter().any(|aud| is_same_resource(&world.site, aud, audience)) {
        return Err(TokenFault::WrongAudience);
    }
    let (app_id, object_id) = ids(&token).ok_or(TokenFault::Malformed)?;
    if token.claim("aio") != Some(&aio(world.entra.revocations(app_id))) {
        return Err(TokenFault::Revoked);
    }
    let words = |text: Option<&str>| text.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let roles = token.claims.get("roles").and_then(Value::as_array);
    Ok(Caller {
        app_id,
        object_id,
        tenant: world.tenant,
        roles: roles.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        scopes: words(token.claim("scp")),
        groups: world.directory.groups_of(object_id),
    })
}

/// Application and object id in a token that this lab has signed, whatever else is wrong with it.
pub(crate) fn speaker(world: &World, token: &str) -> Option<(Uuid, Uuid)> {
    let token = Jws::parse(token)?;
    world.entra.signing(&world.keys, world.clock.clone()).has_signed(&token).then(|| ids(&token)).flatten()
}

fn ids(token: &Jws<'_>) -> Option<(Uuid, Uuid)> {
    let app_id = token.claim("appid").or_else(|| token.claim("azp"))?;
    Some((app_id.parse().ok()?, token.claim("oid")?.parse().ok()?))
}

pub(super) fn aio(revocations: u32) -> String {
    URL_SAFE_NO_PAD.encode(format!("lab:{revocations}"))
}

/// Whether two names mean the same resource. Graph and ARM share the lab's origin.
fn is_same_resource(site: &Site, aud: &str, wanted: &str) -> bool {
    let (aud, wanted) = (aud.trim_end_matches('/'), wanted.trim_end_matches('/'));
    if aud.eq_ignore_ascii_case(wanted) {
        return true;
    }
    let origin = site.origin();
    let graph = [origin.as_str(), "https://graph.microsoft.com", &GRAPH_APP_ID.to_string()].map(str::to_owned);
    let arm = [
        origin.as_str(),
        "https://management.azure.com",
        "https://management.core.windows.net",
        &ARM_APP_ID.to_string(),
    ]
    .map(str::to_owned);
    let both_in = |names: &[String]| [aud, wanted].iter().all(|name| names.iter().any(|known| known == name));
    // The origin alone asks for Graph; ARM asks by its own name.
    both_in(&graph) || (wanted != origin && both_in(&arm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graph_and_arm_share_the_origin_and_nothing_else_does() {
        let site = Site { port: 8443 };
        let same = |aud, wanted| is_same_resource(&site, aud, wanted);
        assert!(same("https://localhost:8443/", "https://localhost:8443"));
        assert!(same("00000003-0000-0000-c000-000000000000", "https://localhost:8443"));
        assert!(same("https://graph.microsoft.com", "https://localhost:8443"));
        assert!(same("https://localhost:8443", "https://management.azure.com"));
        assert!(!same("https://management.azure.com", "https://localhost:8443"));
        assert!(!same("https://vault.localhost:8443", "https://localhost:8443"));
        assert!(!same("https://localhost:8443", "https://vault.localhost:8443"));
        assert!(!same("https://vault.azure.net", "https://vault.localhost:8443"));
    }
}
