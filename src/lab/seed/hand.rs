//! Writes seeds through the services' own doors, at any moment of the past.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use rcgen::CertificateParams;
use rcgen::DnType;
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Operator;
use crate::domain::Thumbprint;
use crate::lab::clock::LabClock;
use crate::lab::directory::Application;
use crate::lab::directory::GRAPH_APP_ID;
use crate::lab::directory::ServicePrincipal;
use crate::lab::directory::View;
use crate::lab::entra::Caller;
use crate::lab::exchange::Reply;
use crate::lab::exchange::Request;
use crate::lab::graph;
use crate::lab::keys::KeyKind;
use crate::lab::keyvault;
use crate::lab::world::Behaviour;
use crate::lab::world::Settings;
use crate::lab::world::World;

/// A hand that works as the operator. While it does, the world has a clock of its own and no delays.
pub(super) struct Hand<'a> {
    world: &'a mut World,
    caller: Caller,
    /// The present, to which the world returns.
    pub(super) now: OffsetDateTime,
    clock: LabClock,
    settings: Settings,
}

/// An application with its principal.
#[derive(Clone, Copy, Debug)]
pub(super) struct App {
    pub(super) id: Uuid,
    pub(super) app_id: Uuid,
    pub(super) principal: Uuid,
}

/// A public certificate to attach.
#[derive(Clone, Debug)]
pub(super) struct Cer {
    base64: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

/// A certificate that was made outside.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) cer: Cer,
    /// Key and certificate.
    pem: String,
}

impl<'a> Hand<'a> {
    pub(super) fn new(world: &'a mut World, operator: &Operator) -> Self {
        // Certificates know no fractions of a second, and credentials must not outlive them.
        let now = world.now().truncate_to_second();
        let clock = std::mem::replace(&mut world.clock, LabClock::frozen(now));
        let settings = std::mem::replace(&mut world.settings, Behaviour::Tame.settings());
        let caller = Caller {
            app_id: operator.app_id,
            object_id: operator.principal,
            tenant: world.tenant,
            // Without OwnedBy: whom a seed registers has only the owners that the seed names.
            roles: vec!["Application.ReadWrite.All".to_owned()],
            scopes: Vec::new(),
            groups: std::collections::BTreeSet::new(),
        };
        Self { world, caller, now, clock, settings }
    }

    /// Goes to a moment so many days before the present.
    pub(super) fn go_back(&mut self, days: i64) {
        self.world.clock.set(self.now - Duration::days(days));
    }

    /// Registers an application with its service principal. `members` go over the usual ones.
    pub(super) fn register(&mut self, name: &str, owner: Option<Uuid>, members: Value) -> Result<App, String> {
        let mut body = json!({ "displayName": name, "signInAudience": "AzureADMyOrg" });
        if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
            body.extend(members);
        }
        let application = self.graph(Method::POST, "applications", &body)?;
        let id = id_of(&application, "id")?;
        let app_id = id_of(&application, "appId")?;
        let principal = self.graph(Method::POST, "servicePrincipals", &json!({ "appId": app_id }))?;
        if let Some(owner) = owner {
            let owner = json!({ "@odata.id": format!("{}/v1.0/directoryObjects/{owner}", self.world.site.origin()) });
            self.graph(Method::POST, &format!("applications/{id}/owners/$ref"), &owner)?;
        }
        Ok(App { id, app_id, principal: id_of(&principal, "id")? })
    }

    /// Creates a certificate in a vault and waits for it.
    pub(super) fn create(&mut self, vault: &str, name: &str, policy: &Value) -> Result<Cer, String> {
        self.vault(vault, Method::POST, &format!("certificates/{name}/create"), &json!({ "policy": policy }))?;
        self.vault(vault, Method::GET, &format!("certificates/{name}/pending"), &Value::Null)?;
        let bundle = self.vault(vault, Method::GET, &format!("certificates/{name}"), &Value::Null)?;
        let time = |member: &str| {
            let seconds = bundle["attributes"][member].as_i64().ok_or_else(|| format!("{name} has no {member}"))?;
            OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| error.to_string())
        };
        let base64 = bundle["cer"].as_str().ok_or_else(|| format!("{name} was not issued"))?.to_owned();
        Ok(Cer { base64, not_before: time("nbf")?, not_after: time("exp")? })
    }

    /// Makes another version of a certificate by the policy that it has.
    pub(super) fn renew(&mut self, vault: &str, name: &str) -> Result<(), String> {
        self.vault(vault, Method::POST, &format!("certificates/{name}/create"), &json!({}))?;
        self.vault(vault, Method::GET, &format!("certificates/{name}/pending"), &Value::Null).map(drop)
    }

    /// Puts a certificate with its key into a vault.
    pub(super) fn import(&mut self, vault: &str, name: &str, stray: &Stray, policy: &Value) -> Result<Cer, String> {
        let body = json!({ "value": stray.pem, "policy": {
            "key_props": policy["key_props"], "secret_props": { "contentType": "application/x-pem-file" },
            "lifetime_actions": policy["lifetime_actions"], "issuer": policy["issuer"],
        } });
        self.vault(vault, Method::POST, &format!("certificates/{name}/import"), &body)?;
        Ok(stray.cer.clone())
    }

    /// A certificate whose key is in no vault.
    pub(super) fn stray(&mut self, common_name: &str, days: i64) -> Result<Stray, String> {
        let key = self.world.keys.take(KeyKind::Rsa(2048));
        let pkcs8 = PrivatePkcs8KeyDer::from(key.pkcs8().expose().as_slice());
        let text = |error: rcgen::Error| error.to_string();
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &rcgen::PKCS_RSA_SHA256).map_err(text)?;
        // A certificate counts whole seconds, and its entry must not outlive it by a fraction.
        let now = self.world.now();
        let not_before = now - Duration::nanoseconds(now.nanosecond().into());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = not_before;
        params.not_after = not_before + Duration::days(days);
        let certificate = params.self_signed(&pair).map_err(text)?;
        Ok(Stray {
            cer: Cer { base64: STANDARD.encode(certificate.der()), not_before, not_after: params.not_after },
            pem: format!("{}{}", pair.serialize_pem(), certificate.pem()),
        })
    }

    /// Makes a certificate the only key of an application, and says that it was used an hour ago.
    pub(super) fn attach(&mut self, app: &App, cer: &Cer) -> Result<(), String> {
        self.graph(Method::PATCH, &format!("applications/{}", app.id), &key_credentials(cer))?;
        let application = self.world.directory.find::<Application>(app.id, View::Current);
        let keys: Vec<_> =
            application.iter().flat_map(|app| app.credentials.keys.iter().map(|key| key.key_id)).collect();
        for key_id in keys {
            self.used(key_id);
        }
        Ok(())
    }

    /// The same on the service principal, where the portal does not show it.
    pub(super) fn attach_to_principal(&mut self, app: &App, cer: &Cer) -> Result<(), String> {
        self.graph(Method::PATCH, &format!("servicePrincipals/{}", app.principal), &key_credentials(cer)).map(drop)
    }

    /// Gives the keys of an application the label of another certificate, as a caller may do whose
    /// client sends one. The lab's own Graph does not take it from clients.
    pub(super) fn relabel(&mut self, app: &App, other: &Cer) -> Result<(), String> {
        let der = STANDARD.decode(&other.base64).map_err(|error| error.to_string())?;
        let found = self.world.directory.find::<Application>(app.id, View::Current);
        let mut application = found.ok_or("the application is gone")?.into_owned();
        for key in &mut application.credentials.keys {
            key.custom_key_identifier = Some(Thumbprint::sha1(&der).hex());
        }
        let now = self.world.now();
        self.world.directory.put(application, now);
        Ok(())
    }

    /// Lets nobody sign in as an application any more.
    pub(super) fn disable(&mut self, app: &App) -> Result<(), String> {
        let body = json!({ "accountEnabled": false });
        self.graph(Method::PATCH, &format!("servicePrincipals/{}", app.principal), &body).map(drop)
    }

    /// Lets tokens of another issuer stand in for a credential.
    pub(super) fn federate(&mut self, app: &App, issuer: &str, subject: &str) -> Result<(), String> {
        let body = json!({
            "name": "pipeline", "issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"],
        });
        self.graph(Method::POST, &format!("applications/{}/federatedIdentityCredentials", app.id), &body).map(drop)
    }

    /// What an application that wants a permission of Graph says in its registration.
    pub(super) fn requested(&mut self, permission: &str) -> Result<Value, String> {
        let now = self.world.now();
        let role = super::assignment(self.world, permission, now)?.role_id;
        Ok(json!([{ "resourceAppId": GRAPH_APP_ID, "resourceAccess": [{ "id": role, "type": "Role" }] }]))
    }

    /// Grants a permission of Graph.
    pub(super) fn permit(&mut self, app: &App, permission: &str) -> Result<(), String> {
        let now = self.world.now();
        let role = super::assignment(self.world, permission, now)?;
        let found = self.world.directory.find::<ServicePrincipal>(app.principal, View::Current);
        let mut principal = found.ok_or("the service principal is gone")?.into_owned();
        principal.roles.push(role);
        self.world.directory.put(principal, now);
        Ok(())
    }

    /// Adds a client secret for so many days; gives its id.
    pub(super) fn add_password(&mut self, app: &App, name: &str, days: i64) -> Result<Uuid, String> {
        let end = (self.world.now() + Duration::days(days)).format(&Rfc3339).map_err(|error| error.to_string())?;
        let body = json!({ "passwordCredential": { "displayName": name, "endDateTime": end } });
        id_of(&self.graph(Method::POST, &format!("applications/{}/addPassword", app.id), &body)?, "keyId")
    }

    /// Notes that a credential got a token an hour before the present.
    pub(super) fn used(&mut self, key_id: Uuid) {
        let at = self.now - Duration::HOUR;
        self.world.directory.record_sign_in(key_id, None, at);
    }

    /// Asks a vault as the operator.
    pub(super) fn vault(&mut self, vault: &str, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let host = format!("{vault}.{}", self.world.site.vault_suffix());
        let request = request(method, host, path, vec![("api-version".to_owned(), "7.6".to_owned())], body);
        done(&request, &keyvault::authorised(self.world, vault, &self.caller, &request))
    }

    fn graph(&mut self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let host = format!("localhost:{}", self.world.site.port);
        let request = request(method, host, &format!("v1.0/{path}"), Vec::new(), body);
        done(&request, &graph::authorised(self.world, &self.caller, &request))
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        self.world.clock = self.clock.clone();
        self.world.settings = self.settings.clone();
    }
}

fn request(method: Method, host: String, path: &str, query: Vec<(String, String)>, body: &Value) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    Request { method, host, path: path.split('/').map(str::to_owned).collect(), query, headers, body }
}

fn done(request: &Request, reply: &Reply) -> Result<Value, String> {
    if reply.status.is_success() {
        return Ok(reply.value());
    }
    let (method, path) = (&request.method, request.path.join("/"));
    Err(format!("the seed's {method} /{path} was answered {}: {}", reply.status, reply.value()))
}

fn key_credentials(cer: &Cer) -> Value {
    let text = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    json!({ "keyCredentials": [{
        "type": "AsymmetricX509Cert", "usage": "Verify", "key": cer.base64,
        "startDateTime": text(cer.not_before), "endDateTime": text(cer.not_after),
    }] })
}

fn id_of(object: &Value, member: &str) -> Result<Uuid, String> {
    let text = object[member].as_str().ok_or_else(|| format!("an answer to the seed has no `{member}`"))?;
    text.parse().map_err(|_| format!("`{member}` is no GUID: {text}"))
}
