//! Tokens of people. The lab has no sign-in page: the control endpoint gives them out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use serde_json::{Map, Value, json};
use uuid::{Uuid, uuid};

use super::endpoint::DAY;
use super::token::{aio, issuer};
use crate::lab::directory::User;
use crate::lab::world::World;

/// The Azure CLI, for which people consent to anything.
const AZURE_CLI: Uuid = uuid!("04b07795-8ddb-461a-bbee-02f9e1bf7b46");

/// A delegated token for the person with this user principal name, who joins the tenant if need be.
/// `resource` is the audience; without it, Graph's.
pub(crate) fn sign_in(world: &mut World, name: &str, scopes: &[String], resource: Option<&str>) -> (Uuid, String) {
    let known = world.directory.users.values().find(|user| user.user_principal_name == name).map(|user| user.id);
    let id = known.unwrap_or_else(|| {
        let id = world.guid();
        world.directory.users.insert(id, User::member(id, "Test User", name));
        id
    });
    let now = world.now().unix_timestamp();
    let uti: [u8; 16] = world.random.random();
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("aud", json!(resource.map_or_else(|| world.site.origin(), str::to_owned)));
    put("iss", json!(issuer(world, 1)));
    put("iat", json!(now));
    put("nbf", json!(now));
    put("exp", json!(now + DAY.whole_seconds()));
    put("acr", json!("1"));
    put("aio", json!(aio(world.entra.revocations(AZURE_CLI))));
    put("amr", json!(["pwd"]));
    put("app_displayname", json!("Microsoft Azure CLI"));
    put("appid", json!(AZURE_CLI));
    put("appidacr", json!("0"));
    put("idtyp", json!("user"));
    put("oid", json!(id));
    put("scp", json!(scopes.join(" ")));
    put("sub", json!(URL_SAFE_NO_PAD.encode(id.as_bytes())));
    put("tid", json!(world.tenant));
    put("unique_name", json!(name));
    put("upn", json!(name));
    put("uti", json!(URL_SAFE_NO_PAD.encode(uti)));
    put("ver", json!("1.0"));
    (id, world.entra.signing(&world.keys, world.clock.clone()).sign(&Value::Object(claims)))
}
