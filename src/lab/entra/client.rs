//! Who asks for a token, and with which credential it proves that.

use std::borrow::Cow;

use uuid::Uuid;

use super::certificate;
use super::federation;
use super::jws::Jws;
use super::refusal::Refusal;
use crate::lab::directory::Application;
use crate::lab::directory::KeyCredential;
use crate::lab::directory::ServicePrincipal;
use crate::lab::world::World;

/// The only assertion type of RFC 7523.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client as the directory knows it. Its registration may be in another tenant.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) app_id: Uuid,
    pub(super) application: Option<Cow<'a, Application>>,
    pub(super) principal: Cow<'a, ServicePrincipal>,
}

/// What a client presents.
#[derive(Debug, Default)]
pub(super) struct Presented<'a> {
    pub(super) secret: Option<&'a str>,
    pub(super) assertion_type: Option<&'a str>,
    pub(super) assertion: Option<&'a str>,
}

/// A credential that was accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Accepted {
    /// The directory's id of the credential.
    pub(super) key_id: Uuid,
    /// For `appidacr`: `1` secret, `2` certificate or federated token.
    pub(super) acr: &'static str,
    pub(super) is_federated: bool,
}

impl<'a> Client<'a> {
    /// The client with this id, if it is at home in the tenant.
    pub(super) fn find(world: &'a World, client_id: &str) -> Result<Self, Refusal> {
        let unknown = || {
            Refusal::bad(
                700_016,
                "unauthorized_client",
                format!(
                    "Application with identifier '{client_id}' was not found in the directory '{}'. This can happen \
                     if the application has not been installed by the administrator of the tenant or consented to by \
                     any user in the tenant. You may have sent your authentication request to the wrong tenant.",
                    world.tenant
                ),
            )
        };
        let app_id: Uuid = client_id.trim().parse().map_err(|_| unknown())?;
        let principal = world.directory.service_principal_by_app_id(app_id).ok_or_else(unknown)?;
        let application = world.directory.application_by_app_id(app_id);
        if principal.members.get("accountEnabled") == Some(&false.into()) {
            return Err(Refusal::bad(
                7_000_112,
                "unauthorized_client",
                format!("Application '{app_id}'({}) is disabled.", display_name(&principal)),
            ));
        }
        Ok(Self { app_id, application, principal })
    }

    /// Certificates and other keys in both collections: either authenticates.
    pub(super) fn keys(&self) -> impl Iterator<Item = &KeyCredential> {
        let application = self.application.iter().flat_map(|application| &application.credentials.keys);
        application.chain(&self.principal.credentials.keys)
    }

    /// Its name, as tokens and messages show it.
    pub(super) fn display_name(&self) -> &str {
        display_name(&self.principal)
    }

    /// Accepts or refuses what the client presents.
    pub(super) fn authenticate(&self, world: &World, presented: &Presented<'_>) -> Result<Accepted, Refusal> {
        if self.is_public() && (presented.secret.is_some() || presented.assertion.is_some()) {
            return Err(Refusal::client(
                700_025,
                "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
            ));
        }
        match (presented.assertion, presented.secret) {
            (Some(assertion), _) => self.assert(world, presented.assertion_type, assertion),
            (None, Some(secret)) => self.share(world, secret),
            (None, None) => Err(Refusal::client(
                7_000_216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            )),
        }
    }

    fn assert(&self, world: &World, kind: Option<&str>, text: &str) -> Result<Accepted, Refusal> {
        match kind {
            Some(JWT_BEARER) => {}
            Some(_) => {
                return Err(Refusal::request(
                    50_027,
                    "JWT token is invalid or malformed: the 'client_assertion_type' is not supported.",
                ));
            }
            None => return Err(missing("client_assertion_type")),
        }
        let assertion =
            Jws::parse(text).ok_or_else(|| Refusal::client(50_027, "JWT token is invalid or malformed."))?;
        let own = self.app_id.to_string();
        let key_id = match assertion.claim("iss") {
            Some(issuer) if issuer.eq_ignore_ascii_case(&own) => certificate::verify(world, self, &assertion)?,
            Some(_) => {
                let key_id = federation::verify(world, self, &assertion)?;
                return Ok(Accepted { key_id, acr: "2", is_federated: true });
            }
            None => return Err(Refusal::client(50_027, "JWT token is invalid or malformed.")),
        };
        Ok(Accepted { key_id, acr: "2", is_federated: false })
    }

    /// Compares a secret with those of both collections. One that was added a moment ago is
    /// unknown, as a key is.
    fn share(&self, world: &World, secret: &str) -> Result<Accepted, Refusal> {
        let lag = time::Duration::seconds(world.settings.token_propagation.into());
        let application = self.application.iter().flat_map(|application| &application.credentials.passwords);
        let found = application
            .chain(&self.principal.credentials.passwords)
            .find(|password| password.secret_text == secret && password.added_at + lag <= world.now());
        let Some(password) = found.filter(|_| !secret.is_empty()) else {
            return Err(Refusal::client(
                7_000_215,
                format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                     value, not the client secret ID, for a secret added to app '{}'.",
                    self.app_id
                ),
            ));
        };
        if password.end <= world.now() {
            return Err(Refusal::client(
                7_000_222,
                format!(
                    "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create new \
                     keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for \
                     added security: https://aka.ms/certCreds.",
                    self.app_id
                ),
            ));
        }
        Ok(Accepted { key_id: password.key_id, acr: "1", is_federated: false })
    }

    /// A registration that falls back to a public client and has nothing to authenticate with.
    fn is_public(&self) -> bool {
        self.application.as_ref().is_some_and(|application| {
            application.members.get("isFallbackPublicClient") == Some(&true.into())
                && application.credentials.passwords.is_empty()
                && application.federated.is_empty()
        }) && self.keys().next().is_none()
            && self.principal.credentials.passwords.is_empty()
    }
}

/// AADSTS900144.
pub(super) fn missing(name: &str) -> Refusal {
    Refusal::request(900_144, format!("The request body must contain the following parameter: '{name}'."))
}

fn display_name(principal: &ServicePrincipal) -> &str {
    principal.members.get("displayName").and_then(serde_json::Value::as_str).unwrap_or_default()
}
