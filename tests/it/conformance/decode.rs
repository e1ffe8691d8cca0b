//! Recorded answers of the real services, given to our clients by way of the lab: each is decoded
//! into what it says, and each refusal becomes the error that it should be.
//!
//! What is left out stands in `decode-left-out.toml` with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kvops::domain::{
    CertificateName, CertificatePolicy, Chain, KeyUrl, ObjectId, OperationStatus, Secret, ServicePrincipal, Thumbprint,
};
use kvops::entra::credential::credential;
use kvops::entra::{self, Choice, ClientCredentials, ClientProof, MintOptions, Source};
use kvops::http::TokenRequest;
use kvops::keyvault::{self, AccessMode, NewCertificate, VaultSigner};
use kvops::pki::{ClientAssertion, Signer, SignerIdentity, SigningInput};
use kvops::{graph, http};
use serde_json::{Value, json};

use super::fixture::{self, Exchange, Recording};
use super::tally::say;
use crate::clients::bench::{Bench, setup};

const APP: &str = "11111111-2222-3333-4444-555555555555";

/// Segments of a path that a name follows, and those that are no names.
const HOLD_NAMES: [&str; 7] =
    ["certificates", "keys", "secrets", "deletedcertificates", "deletedkeys", "deletedsecrets", "issuers"];
const NO_NAMES: [&str; 3] = ["contacts", "issuers", "restore"];

/// Headers that a client acts on.
const PASSED_ON: [&str; 5] = ["content-type", "retry-after", "www-authenticate", "x-ms-request-id", "request-id"];

/// One recorded answer, and what it answered.
struct Recorded {
    file: String,
    exchange: Exchange,
}

#[tokio::test]
async fn every_recorded_answer_is_decoded() {
    let Some(folder) = folder_or_say_so() else { return };
    let left_out: BTreeMap<String, String> = toml::from_str(include_str!("decode-left-out.toml")).unwrap();
    let bench = Bench::new();
    // With a token in hand, the next request of each client is the one that is recorded.
    bench.vault.list(false).await.unwrap();
    bench.graph.find_application("kvops lab operator").await.unwrap();

    let (mut matched, mut wrong, mut skipped) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    for service in ["keyvault", "graph", "entra"] {
        for recorded in all(&folder, service) {
            let route = recorded.route();
            // Refusals are all of one form, whatever was asked.
            if recorded.exchange.status < 400 && left_out.contains_key(&route) {
                *skipped.entry(route).or_insert(0_u32) += 1;
                continue;
            }
            match replay(&bench, &recorded, &route).await {
                Ok(()) => *matched.entry(service).or_insert(0_u32) += 1,
                Err(problem) => {
                    wrong.push(format!("{} #{} {route}: {problem}", recorded.file, recorded.exchange.number))
                }
            }
        }
    }
    for (service, count) in &matched {
        say(&format!("conformance {service}: {count} recorded answers decoded by the clients"));
    }
    for (route, count) in &skipped {
        say(&format!("left out: {count} × {route}: {}", left_out[route]));
    }
    assert!(wrong.is_empty(), "{} of the recorded answers were not understood:\n{}", wrong.len(), wrong.join("\n"));
    let met: BTreeSet<_> = skipped.keys().collect();
    let unused: Vec<_> = left_out.keys().filter(|route| !met.contains(route)).collect();
    assert!(unused.is_empty(), "nothing recorded is left out by {unused:?}");
}

#[tokio::test]
async fn every_reported_error_is_told_by_its_code() {
    let Some(folder) = folder_or_say_so() else { return };
    let bench = Bench::new();
    bench.vault.list(false).await.unwrap();
    bench.graph.find_application("kvops lab operator").await.unwrap();
    let reported = std::fs::read(folder.join("errors/reported-in-issues.json")).unwrap();
    let reported: Value = serde_json::from_slice(&reported).unwrap();
    let mut count = 0;
    for error in reported["errors"].as_array().unwrap() {
        let (service, status) = (error["service"].as_str().unwrap(), error["status"].as_u64().unwrap() as u16);
        let exchange = Exchange {
            number: count,
            method: "GET".to_owned(),
            uri: String::new(),
            body: Value::Null,
            status,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            answer: error["body"].clone(),
            dates: Vec::new(),
        };
        let recorded = Recorded { file: "errors/reported-in-issues.json".to_owned(), exchange };
        let ended = match service {
            "keyvault" => vault_refusal(&bench, &recorded).await,
            "graph" => graph_refusal(&bench, &recorded).await,
            _ => token(&bench, &recorded).await,
        };
        ended.unwrap_or_else(|problem| panic!("{service} {}: {problem}", error["body"]));
        count += 1;
    }
    assert!(count > 15);
}

/// Gives the recorded answer to the client's method for its route and checks what comes of it.
async fn replay(bench: &Bench, recorded: &Recorded, route: &str) -> Result<(), String> {
    if recorded.file.starts_with("entra/") {
        return match route {
            "GET /{tenant}/v2.0/.well-known/openid-configuration" | "GET /adfs/.well-known/openid-configuration" => {
                let answered = recorded.answer(bench, "entra");
                let read = entra::openid_configuration(&bench.http, &bench.tenant()).await;
                same("issuer", read.map_err(said)?.issuer.as_str(), answered["issuer"].as_str().unwrap_or_default())
            }
            "GET /metadata/identity/oauth2/token" => managed_identity(bench, recorded).await,
            _ => token(bench, recorded).await,
        };
    }
    if route.ends_with("/oauth2/v2.0/token") {
        return token(bench, recorded).await;
    }
    match (route.contains("/v1.0/"), recorded.exchange.status) {
        (true, 400..) => graph_refusal(bench, recorded).await,
        (true, _) => directory(bench, recorded, route).await,
        (false, 400..) => vault_refusal(bench, recorded).await,
        (false, _) => vault(bench, recorded, route).await,
    }
}

async fn vault(bench: &Bench, recorded: &Recorded, route: &str) -> Result<(), String> {
    let body = recorded.answer(bench, "keyvault");
    let (vault, name) = (&bench.vault, &recorded.name());
    let kid = || KeyUrl::parse(body["key"]["kid"].as_str().or(body["kid"].as_str()).unwrap(), bench.http.cloud());
    let verb = route.rsplit('/').next().unwrap_or_default();
    match (route, verb) {
        (_, "create" | "pending") if route.contains("/certificates/") => {
            let read = match recorded.exchange.method.as_str() {
                "POST" => vault.create(name, &NewCertificate::default()).await,
                "PATCH" => vault.cancel(name).await,
                "DELETE" => vault.delete_operation(name).await,
                _ => vault.operation(name).await,
            };
            let read = read.map_err(said)?;
            let status = OperationStatus::from_wire(body["status"].as_str().unwrap());
            same("status", &read.status, &status)?;
            same("known status", &matches!(read.status, OperationStatus::Other(_)), &false)?;
            // Excerpts have a note where the request was too long to copy.
            let is_whole = body["csr"].as_str().is_some_and(|csr| csr.starts_with("MII"));
            same("csr", &read.csr.is_some(), &is_whole)?;
            same("error", &read.error.map(|(code, _)| code).as_deref(), &body["error"]["code"].as_str())
        }
        (_, "policy") => {
            let read = if recorded.exchange.method == "PATCH" {
                vault.update_policy(name, &CertificatePolicy::default()).await
            } else {
                vault.policy(name).await
            };
            policy_matches(&read.map_err(said)?, &body)
        }
        (_, "versions") => same("items", &vault.versions(name).await.map_err(said)?.len(), &items(&body)),
        ("DELETE /deletedcertificates/{name}", _) => vault.purge(name).await.map_err(said),
        ("GET /certificates", _) => same("items", &vault.list(true).await.map_err(said)?.len(), &items(&body)),
        ("GET /deletedcertificates", _) => {
            same("items", &vault.deleted_certificates().await.map_err(said)?.len(), &items(&body))
        }
        (_, "contacts") => {
            let contacts = body["contacts"].as_array().map_or(0, Vec::len);
            same("contacts", &vault.contacts().await.map_err(said)?.len(), &contacts)
        }
        (_, "sign") => {
            let key = kid().map_err(|error| error.to_string())?;
            let signature = assertion(bench, &VaultSigner::new(vault, key, any_certificate())).await?;
            let text = signature.compact().text().expose();
            same("signature", text.rsplit('.').next().unwrap_or_default(), body["value"].as_str().unwrap())
        }
        (_, "verify") => {
            let key = KeyUrl::new(vault.vault().clone(), name.clone(), "0".repeat(32).parse().unwrap());
            let input = assertion(bench, &Anything(any_certificate())).await?;
            let is_good = vault.verify(&key, input.compact().input(), b"signature").await.map_err(said)?;
            same("value", &Some(is_good), &body["value"].as_bool())
        }
        _ if body["key"].is_object() => {
            let key = vault.key(name, None).await.map_err(said)?;
            same("version", key.version.as_str(), kid().unwrap().version().as_str())?;
            same("exportable", &key.exportable, &body["attributes"]["exportable"].as_bool())?;
            let count = body["key"]["key_ops"].as_array().map_or(0, Vec::len);
            same("key_ops", &key.operations.len(), &count)?;
            same("no leading zero", &key.modulus.is_some_and(|n| n[0] == 0), &false)
        }
        _ if body["recoveryId"].is_string() => {
            let deleted = vault.deleted(name).await.map_err(said)?;
            let seconds = deleted.purge_at.map(time::OffsetDateTime::unix_timestamp);
            same("purge date", &seconds, &body["scheduledPurgeDate"].as_i64())
        }
        _ => bundle_matches(bench, &body).await,
    }
}

/// Signs with nothing, for what has to look signed.
#[derive(Debug)]
struct Anything(SignerIdentity);

#[async_trait::async_trait]
impl Signer for Anything {
    fn identity(&self) -> &SignerIdentity {
        &self.0
    }

    async fn sign(&self, _input: &SigningInput) -> Result<Vec<u8>, kvops::pki::Error> {
        Ok(vec![1])
    }
}

fn any_certificate() -> SignerIdentity {
    SignerIdentity::Thumbprint(Thumbprint::sha256(b"any"))
}

async fn assertion(bench: &Bench, signer: &dyn Signer) -> Result<ClientAssertion, String> {
    let app = APP.parse().unwrap();
    entra::assertion(&bench.http, &bench.tenant(), app, signer, &MintOptions::default()).await.map_err(said)
}

async fn bundle_matches(bench: &Bench, body: &Value) -> Result<(), String> {
    let id = KeyUrl::parse_certificate_id(body["id"].as_str().unwrap_or_default(), bench.http.cloud());
    let id = id.map_err(|error| error.to_string())?;
    let read = bench.vault.certificate(id.name(), None).await.map_err(said)?;
    same("id", &read.key, &id)?;
    same("cer", &read.der.is_some(), &body["cer"].is_string())?;
    same("thumbprint of cer", &read.der.as_deref().map(Thumbprint::sha1), &read.thumbprint)?;
    let attributes = &body["attributes"];
    same("enabled", &read.attributes.enabled, &attributes["enabled"].as_bool())?;
    let expiry = read.attributes.not_after.map(time::OffsetDateTime::unix_timestamp);
    same("exp", &expiry, &attributes["exp"].as_i64())?;
    same("recovery level", &read.attributes.recovery_level.as_deref(), &attributes["recoveryLevel"].as_str())?;
    same("tags", &read.tags.len(), &body["tags"].as_object().map_or(0, serde_json::Map::len))?;
    match read.policy {
        Some(policy) => policy_matches(&policy, &body["policy"]),
        None => same("policy", &body["policy"].is_null(), &true),
    }
}

fn policy_matches(policy: &CertificatePolicy, body: &Value) -> Result<(), String> {
    let (key, x509) = (&body["key_props"], &body["x509_props"]);
    same("exportable", &policy.exportable, &key["exportable"].as_bool())?;
    same("kty", &policy.key_type.as_ref().map(|kind| kind.as_wire()), &key["kty"].as_str())?;
    same("issuer", &policy.issuer.as_ref().map(|issuer| issuer.0.as_str()), &body["issuer"]["name"].as_str())?;
    same("subject", &policy.subject.as_deref(), &x509["subject"].as_str())?;
    same("key_usage", &policy.key_usage.len(), &x509["key_usage"].as_array().map_or(0, Vec::len))?;
    same("ekus", &policy.extended_key_usage.len(), &x509["ekus"].as_array().map_or(0, Vec::len))?;
    same("months", &policy.validity_months.map(u64::from), &x509["validity_months"].as_u64())?;
    same("actions", &policy.lifetime_actions.len(), &body["lifetime_actions"].as_array().map_or(0, Vec::len))
}

async fn vault_refusal(bench: &Bench, recorded: &Recorded) -> Result<(), String> {
    use keyvault::Error;

    let body = recorded.answer(bench, "keyvault");
    let error = match bench.vault.certificate(&recorded.name(), None).await {
        Ok(_) => return Err("a refusal was taken for a success".to_owned()),
        Err(error) => error,
    };
    let inner = body["error"]["innererror"]["code"].as_str().unwrap_or_default();
    let is_right = match (recorded.exchange.status, inner) {
        (404, _) => matches!(error, Error::NotFound { .. }),
        (409, "ObjectIsDeletedButRecoverable") => matches!(error, Error::DeletedButRecoverable { .. }),
        (409, "ObjectIsBeingDeleted") => matches!(error, Error::BeingDeleted { .. }),
        (409, _) => matches!(error, Error::Conflict { .. } | Error::PendingExists { .. }),
        (429, _) => matches!(error, Error::Throttled { .. }),
        (403, "KeyDisabled" | "SecretDisabled") => matches!(error, Error::Disabled { .. }),
        (403, "ForbiddenByPolicy") => {
            matches!(&error, Error::MissingPermission { missing, .. } if missing.mode == AccessMode::AccessPolicy)
        }
        (403, "ForbiddenByRbac") => {
            matches!(&error, Error::MissingPermission { missing, .. } if missing.mode == AccessMode::Rbac)
        }
        _ => matches!(error, Error::Call { .. }),
    };
    let found = error.http().ok_or("the exchange is lost")?;
    same("status", &found.status().map(|status| status.as_u16()), &Some(recorded.exchange.status))?;
    same("code", &found.code(), &body["error"]["code"].as_str())?;
    same("inner code", found.inner_code().unwrap_or_default(), inner)?;
    if is_right { Ok(()) } else { Err(format!("became {error:?}")) }
}

async fn directory(bench: &Bench, recorded: &Recorded, route: &str) -> Result<(), String> {
    let body = recorded.answer(bench, "graph");
    let (graph, app) = (&bench.graph, APP.parse().unwrap());
    match (recorded.exchange.method.as_str(), route.rsplit("/v1.0/").next().unwrap_or_default()) {
        ("PATCH", _) => graph.replace_key_credentials(app, &[], &[]).await.map_err(said),
        ("DELETE", _) => graph.delete_application(app).await.map_err(said),
        ("GET", "applications") => {
            let read: Vec<kvops::domain::Application> = graph.applications(&[]).all().await.map_err(said)?;
            same("items", &read.len(), &items(&body))
        }
        ("GET", "servicePrincipals") => {
            let read: Result<Vec<ServicePrincipal>, _> = serde_json::from_value(body["value"].clone());
            same("items", &read.map_err(|error| error.to_string())?.len(), &items(&body))
        }
        ("GET", path) if path.ends_with("/owners") => {
            same("items", &graph.owners(app).await.map_err(said)?.len(), &items(&body))
        }
        (method, path) if path.starts_with("servicePrincipals") => {
            let id = APP.parse().unwrap();
            let read = match method {
                "POST" => Some(graph.create_service_principal(id).await.map_err(said)?),
                _ => graph.service_principal(id).await.map_err(said)?,
            };
            same("id", &read.map(|principal| principal.id.to_string()).as_deref(), &body["id"].as_str())
        }
        (method, _) => {
            let read = match method {
                "POST" => graph.register_application("x").await,
                _ => graph.application(app).await,
            };
            let read = read.map_err(said)?;
            same("raw", &read.raw, &body)?;
            let keys = body["keyCredentials"].as_array().map_or(0, Vec::len);
            same("keys", &read.application.key_credentials.len(), &keys)?;
            let is_known = |key: &kvops::domain::KeyCredential| key.thumbprint().is_some();
            same("thumbprints", &read.application.key_credentials.iter().all(is_known), &true)
        }
    }
}

async fn graph_refusal(bench: &Bench, recorded: &Recorded) -> Result<(), String> {
    use graph::Error;

    let body = recorded.answer(bench, "graph");
    let error = match bench.graph.key_credentials(APP.parse::<ObjectId>().unwrap()).await {
        Ok(_) => return Err("a refusal was taken for a success".to_owned()),
        Err(error) => error,
    };
    let code = body["error"]["code"].as_str().unwrap_or_default();
    let is_right = match (recorded.exchange.status, code) {
        (_, "Directory_ConcurrencyViolation") => matches!(error, Error::Concurrency { .. }),
        (403, _) => matches!(error, Error::MissingPermission { .. }),
        (404, _) => matches!(error, Error::NotFound { .. }),
        (400, "CredentialInvalidLifetimeAsPerAppPolicy") => matches!(error, Error::PolicyRefusal { .. }),
        _ => matches!(error, Error::Call { .. }),
    };
    same("code", error.http().and_then(http::Error::code).unwrap_or_default(), code)?;
    if is_right { Ok(()) } else { Err(format!("became {error:?}")) }
}

async fn token(bench: &Bench, recorded: &Recorded) -> Result<(), String> {
    let body = recorded.answer(bench, "entra");
    let (secret, tenant) = (Secret::new("x".to_owned()), bench.tenant());
    let credentials = ClientCredentials {
        tenant: &tenant,
        client: APP.parse().unwrap(),
        scope: "https://graph.microsoft.com/.default",
        proof: ClientProof::Secret(&secret),
        claims: None,
    };
    match entra::request(&bench.http, &credentials).await {
        Ok(token) => same("token", token.access_token.expose().as_str(), body["access_token"].as_str().unwrap_or("")),
        Err(error) => {
            same("code", &error.aadsts().map(u64::from), &body["error_codes"][0].as_u64())?;
            same("refused", &matches!(error, entra::Error::Refused { .. }), &true)
        }
    }
}

async fn managed_identity(bench: &Bench, recorded: &Recorded) -> Result<(), String> {
    let body = recorded.answer(bench, "identity");
    let mut setup = setup(&bench.lab, &bench.http);
    setup.environment =
        [("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), bench.lab.identity_url())].into_iter().collect();
    let identity = credential(Choice::Only(Source::ManagedIdentity), &setup).map_err(said)?;
    let token = identity.token(&TokenRequest::for_resource("https://vault.azure.net")).await.map_err(said)?;
    same("expires_on", &token.expires_at.unix_timestamp().to_string().as_str(), &body["expires_on"].as_str().unwrap())
}

impl Recorded {
    /// Has the lab give this answer to whatever `service` is asked next, and returns its body.
    fn answer(&self, bench: &Bench, service: &str) -> Value {
        let (vault, suffix) = (bench.vault.vault().url().as_str(), bench.http.cloud().vault_resource());
        let origin = format!("https://{}", self.exchange.host());
        let here = |text: &str| {
            let text = text.replace(&format!("{origin}:443"), &origin);
            let text = text.replace(&format!("{origin}/"), vault);
            let resources = ["https://vault.azure.net\"", "https://local\""];
            resources.iter().fold(text, |text, resource| text.replace(resource, &format!("{suffix}\"")))
        };
        let mut body: Value = serde_json::from_str(&here(&self.exchange.answer.to_string())).unwrap();
        // The next page is another recording, or was not recorded.
        if let Some(members) = body.as_object_mut() {
            members.retain(|name, _| !["nextLink", "@odata.nextLink"].contains(&name.as_str()));
        }
        let headers = self.exchange.headers.iter().filter(|(name, _)| PASSED_ON.contains(&name.as_str()));
        let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name, here(value))).collect();
        let sent = if body.is_null() { json!("") } else { body.clone() };
        let content_type = self.exchange.headers.get("content-type");
        let result =
            json!({ "status": self.exchange.status, "headers": headers, "body": sent, "content_type": content_type });
        bench.lab.control("DELETE", "/faults", &Value::Null).unwrap();
        bench.fault(json!({ "service": service }), result, 99);
        body
    }

    fn path(&self) -> &str {
        self.exchange.path_and_query().split('?').next().unwrap_or_default()
    }

    /// The name in a path such as `/certificates/NAME/…`; any other where the recorded one is refused.
    fn name(&self) -> CertificateName {
        let name = self.path().split('/').nth(2).unwrap_or_default();
        name.parse().unwrap_or_else(|_| "name".parse().unwrap())
    }

    /// Method and path with names and ids replaced.
    fn route(&self) -> String {
        let is_id = |text: &str| text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let mut segments: Vec<&str> = self.path().split('/').filter(|segment| !segment.is_empty()).collect();
        for index in 0..segments.len() {
            let is_name =
                index > 0 && HOLD_NAMES.contains(&segments[index - 1]) && !NO_NAMES.contains(&segments[index]);
            if is_name {
                segments[index] = "{name}";
            } else if is_id(segments[index]) {
                segments[index] = "{id}";
            } else if index == 0 && self.file.starts_with("entra/") && !["adfs", "metadata"].contains(&segments[0]) {
                segments[index] = "{tenant}";
            }
        }
        format!("{} /{}", self.exchange.method, segments.join("/"))
    }
}

fn all(folder: &Path, service: &str) -> Vec<Recorded> {
    let recordings = fixture::recordings(folder, service).into_iter();
    let each = |recording: Recording| {
        recording.exchanges.into_iter().map(move |exchange| Recorded { file: recording.file.clone(), exchange })
    };
    recordings.flat_map(each).collect()
}

fn folder_or_say_so() -> Option<PathBuf> {
    let folder = fixture::folder();
    if folder.is_none() {
        say("conformance of the clients: skipped, there are no recordings here");
    }
    folder
}

fn items(body: &Value) -> usize {
    body["value"].as_array().map_or(0, Vec::len)
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?}, and the answer says {expected:?}")) }
}

fn said(error: impl std::error::Error + 'static) -> String {
    Chain(&error).to_string()
}
