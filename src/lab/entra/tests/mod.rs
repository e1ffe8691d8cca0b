//! The token endpoint as a client meets it: forms in, tokens or AADSTS numbers out.

mod assertions;
mod federation;
mod identities;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::lab::seed;
use crate::lab::seed::Seed;

const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

/// A lab with its operator, on a clock that stands, without delays.
struct Lab {
    world: World,
    client_id: String,
    secret: String,
}

impl Lab {
    fn new() -> Self {
        let mut world = World::new(8443, LabClock::frozen(NOW), 7);
        world.settings = crate::lab::world::Behaviour::Tame.settings();
        world.keys = KeyPool::with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys").into());
        seed::plant(&mut world, &Seed::Empty).unwrap();
        let operator = world.entra.operator.clone().unwrap();
        Self { client_id: operator.app_id.to_string(), secret: operator.secret(&world).expose().clone(), world }
    }

    fn token_url(&self) -> String {
        format!("https://localhost:8443/{}/oauth2/v2.0/token", self.world.tenant)
    }

    fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        answer(&mut self.world, &request(Method::POST, path, body))
    }

    /// Asks the v2 endpoint with these parameters over those of a good request by secret.
    fn ask(&mut self, changes: &[(&str, &str)]) -> Reply {
        let (client_id, secret) = (self.client_id.clone(), self.secret.clone());
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id.as_str()),
            ("client_secret", secret.as_str()),
            ("scope", "https://localhost:8443/.default"),
        ];
        form.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        form.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        let path = format!("{}/oauth2/v2.0/token", self.world.tenant);
        self.post(&path, &form)
    }

    /// The AADSTS number of the refusal.
    fn refused(&mut self, changes: &[(&str, &str)]) -> u64 {
        code(&self.ask(changes))
    }
}

fn request(method: Method, path: &str, body: String) -> Request {
    Request {
        method,
        host: "localhost:8443".to_owned(),
        path: path.split('/').map(str::to_owned).collect(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body: Bytes::from(body),
    }
}

fn code(reply: &Reply) -> u64 {
    assert!(reply.status.is_client_error(), "{}", reply.value());
    reply.value()["error_codes"][0].as_u64().unwrap()
}

fn claims(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.value());
    let body = reply.value();
    let token = body["access_token"].as_str().unwrap();
    Value::Object(super::jws::Jws::parse(token).unwrap().claims)
}

#[test]
fn a_secret_buys_a_token_that_verifies_and_names_its_client() {
    let mut lab = Lab::new();
    let reply = lab.ask(&[]);
    let body = reply.value();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!((&body["expires_in"], &body["ext_expires_in"]), (&json!(3599), &json!(3599)));
    assert_eq!(body.as_object().unwrap().len(), 4);

    let claims = claims(&reply);
    assert_eq!(claims["aud"], "https://localhost:8443");
    assert_eq!(claims["iss"], format!("https://localhost:8443/{}/", lab.world.tenant));
    assert_eq!((&claims["appid"], &claims["appidacr"]), (&json!(lab.client_id), &json!("1")));
    assert_eq!((&claims["idtyp"], &claims["ver"]), (&json!("app"), &json!("1.0")));
    assert_eq!(claims["oid"], claims["sub"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3599);
    assert!(claims["roles"].as_array().unwrap().contains(&json!("Application.ReadWrite.All")));
    assert_eq!(claims["app_displayname"], "kvops lab operator");

    let token = body["access_token"].as_str().unwrap();
    let caller = verify(&lab.world, token, "https://localhost:8443/").unwrap();
    assert_eq!(caller.app_id.to_string(), lab.client_id);
    assert_eq!(verify(&lab.world, token, "https://vault.localhost:8443").unwrap_err(), TokenFault::WrongAudience);
}

#[test]
fn a_token_dies_with_its_time_its_key_and_its_revocation() {
    let mut lab = Lab::new();
    let token = lab.ask(&[]).value()["access_token"].as_str().unwrap().to_owned();
    let graph = "https://localhost:8443";
    assert!(verify(&lab.world, &token, graph).is_ok());

    let other = Lab::new();
    other.world.keys.take(KeyKind::Rsa(2048));
    let mut forged = token.clone();
    forged.replace_range(token.len() - 8..token.len() - 4, "AAAA");
    assert_eq!(verify(&lab.world, &forged, graph).unwrap_err(), TokenFault::Malformed);
    assert_eq!(verify(&lab.world, "nonsense", graph).unwrap_err(), TokenFault::Malformed);
    let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
    assert_eq!(verify(&lab.world, &unsigned, graph).unwrap_err(), TokenFault::Malformed);
    assert!(speaker(&lab.world, &forged).is_none());

    lab.world.entra.revoke(lab.client_id.parse().unwrap());
    assert_eq!(verify(&lab.world, &token, graph).unwrap_err(), TokenFault::Revoked);
    let fresh = lab.ask(&[]).value()["access_token"].as_str().unwrap().to_owned();
    assert!(verify(&lab.world, &fresh, graph).is_ok());

    lab.world.clock.advance(time::Duration::seconds(3599));
    assert_eq!(verify(&lab.world, &fresh, graph).unwrap_err(), TokenFault::Expired);
}

#[test]
fn each_wrong_request_gets_its_own_number() {
    let mut lab = Lab::new();
    assert_eq!(lab.refused(&[("client_secret", "wrong")]), 7_000_215);
    assert_eq!(lab.refused(&[("client_secret", "")]), 7_000_216);
    assert_eq!(lab.refused(&[("client_id", "")]), 900_144);
    assert_eq!(lab.refused(&[("scope", "")]), 900_144);
    assert_eq!(lab.refused(&[("grant_type", "")]), 900_144);
    assert_eq!(lab.refused(&[("grant_type", "password")]), 70_003);
    assert_eq!(lab.refused(&[("client_id", "6f2d5d3a-0000-4000-8000-000000000000")]), 700_016);
    assert_eq!(lab.refused(&[("client_id", "no-guid")]), 700_016);
    assert_eq!(lab.refused(&[("scope", "https://localhost:8443/User.Read")]), 1_002_012);
    assert_eq!(lab.refused(&[("scope", "api://unknown/.default")]), 500_011);
    assert_eq!(lab.refused(&[("claims", "{")]), 9_002_313);

    let form = [("grant_type", "client_credentials")];
    let reply = lab.post("6f2d5d3a-0000-4000-8000-000000000000/oauth2/v2.0/token", &form);
    assert_eq!((code(&reply), reply.status.as_u16()), (90_002, 400));
    assert_eq!(code(&lab.post("common/oauth2/v2.0/token", &form)), 53_024);
}

#[test]
fn an_error_has_the_ids_and_the_time_that_support_asks_for() {
    let mut lab = Lab::new();
    let path = format!("{}/oauth2/v2.0/token", lab.world.tenant);
    let mut request = request(Method::POST, &path, "grant_type=password".to_owned());
    let correlation = "3c9d5b1e-6f1e-4c55-9b43-0c4a6f1d2e3f";
    request.query.push(("client-request-id".to_owned(), correlation.to_owned()));
    let reply = answer(&mut lab.world, &request);
    let body = reply.value();
    assert_eq!(reply.headers["client-request-id"], correlation);
    assert_eq!(reply.headers["cache-control"], "no-store, no-cache");
    assert_eq!(body["correlation_id"], correlation);
    assert_eq!(body["trace_id"], reply.headers["x-ms-request-id"].to_str().unwrap());
    assert_eq!(body["timestamp"], "2026-01-01 12:00:00Z");
    assert_eq!(
        body["error_description"],
        format!(
            "AADSTS70003: The app requested an unsupported grant type 'password'.\r\nTrace ID: {}\r\nCorrelation ID: \
             {correlation}\r\nTimestamp: 2026-01-01 12:00:00Z",
            body["trace_id"].as_str().unwrap()
        )
    );
    assert_eq!(body["error_uri"], "https://localhost:8443/error?code=70003");
}

#[test]
fn the_resource_decides_audience_and_version() {
    let mut lab = Lab::new();
    let aud = |lab: &mut Lab, scope: &str| claims(&lab.ask(&[("scope", scope)]))["aud"].clone();
    assert_eq!(aud(&mut lab, "https://vault.localhost:8443/.default"), "https://vault.localhost:8443");
    assert_eq!(aud(&mut lab, "https://localhost:8443//.default"), "https://localhost:8443/");
    assert_eq!(aud(&mut lab, "https://graph.microsoft.com/.default"), "https://graph.microsoft.com");
    assert_eq!(aud(&mut lab, "00000003-0000-0000-c000-000000000000/.default"), "00000003-0000-0000-c000-000000000000");
    let operator = lab.client_id.parse().unwrap();
    let mut api = lab.world.directory.application_by_app_id(operator).unwrap().into_owned();
    api.members.insert("identifierUris".to_owned(), json!(["api://billing"]));
    api.members.insert("api".to_owned(), json!({ "requestedAccessTokenVersion": 2 }));
    lab.world.directory.put(api, NOW);
    let claims = claims(&lab.ask(&[("scope", "api://billing/.default")]));
    assert_eq!(claims["aud"], json!(lab.client_id));
    assert_eq!((&claims["ver"], &claims["azpacr"]), (&json!("2.0"), &json!("1")));
    assert_eq!(claims["iss"], format!("https://localhost:8443/{}/v2.0", lab.world.tenant));
    assert!(claims.get("appid").is_none() && claims.get("roles").is_none());
}

#[test]
fn a_client_that_understands_challenges_gets_a_longer_token() {
    let mut lab = Lab::new();
    let reply = lab.ask(&[("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#)]);
    assert_eq!(reply.value()["expires_in"], 86_399);
    assert_eq!(claims(&reply)["xms_cc"], json!(["CP1"]));
}

#[test]
fn the_first_version_of_the_endpoint_names_a_resource_and_writes_strings() {
    let mut lab = Lab::new();
    let (client_id, secret) = (lab.client_id.clone(), lab.secret.clone());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &client_id),
        ("client_secret", &secret),
        ("resource", "https://vault.localhost:8443"),
    ];
    let reply = lab.post("contoso.onmicrosoft.com/oauth2/token", &form);
    assert_eq!(claims(&reply)["aud"], "https://vault.localhost:8443");
    assert_eq!(reply.value()["expires_in"], "3599");
    assert_eq!(reply.value()["expires_on"], (NOW.unix_timestamp() + 3599).to_string());
}

#[test]
fn a_secret_expires_and_a_disabled_principal_gets_nothing() {
    let mut lab = Lab::new();
    lab.world.clock.set(NOW + time::Duration::days(4000));
    assert_eq!(lab.refused(&[]), 7_000_222);
    lab.world.clock.set(NOW);
    let operator = lab.client_id.parse().unwrap();
    let mut principal = lab.world.directory.service_principal_by_app_id(operator).unwrap().into_owned();
    principal.members.insert("accountEnabled".to_owned(), json!(false));
    lab.world.directory.put(principal, NOW);
    assert_eq!(lab.refused(&[]), 7_000_112);
}

#[test]
fn the_metadata_leads_to_the_key_that_signed() {
    let mut lab = Lab::new();
    let tenant = lab.world.tenant;
    let get = |lab: &mut Lab, path: &str| {
        let reply = answer(&mut lab.world, &request(Method::GET, path, String::new()));
        assert_eq!(reply.status, 200, "{path}");
        reply.value()
    };
    let metadata = get(&mut lab, "contoso.com/v2.0/.well-known/openid-configuration");
    assert_eq!(metadata["token_endpoint"], lab.token_url());
    assert_eq!(metadata["issuer"], format!("https://localhost:8443/{tenant}/v2.0"));
    let jwks = metadata["jwks_uri"].as_str().unwrap().strip_prefix("https://localhost:8443/").unwrap().to_owned();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(get(&mut lab, &jwks)).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let token = lab.ask(&[]).value()["access_token"].as_str().unwrap().to_owned();
    let mut checks = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    checks.set_audience(&["https://localhost:8443"]);
    checks.validate_exp = false;
    jsonwebtoken::decode::<Value>(&token, &key, &checks).unwrap();

    let any = get(&mut lab, "organizations/v2.0/.well-known/openid-configuration");
    assert_eq!(any["issuer"], "https://localhost:8443/{tenantid}/v2.0");
    let instance = get(&mut lab, "common/discovery/instance");
    assert_eq!(instance["metadata"][0]["aliases"], json!(["localhost:8443"]));
    let unknown =
        answer(&mut lab.world, &request(Method::GET, "x.example/v2.0/.well-known/openid-configuration", String::new()));
    assert_eq!(code(&unknown), 90_002);
}
