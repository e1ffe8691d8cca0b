//! Certificate authorities that a vault can ask, and what they answer.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use x509_cert::name::Name;

use super::call::{Call, body};
use super::error::{Answer, Refusal};
use super::model::base64_bytes;
use super::paging;
use super::x509::{self, Lifetime, Profile};
use super::{Kind, subject};
use crate::lab::exchange::{Reply, Request};
use crate::lab::keys::{KeyKind, PrivateKey};
use crate::lab::world::World;

/// An issuer as it was registered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Issuer {
    name: String,
    provider: String,
    account_id: Option<String>,
    org_details: Option<Value>,
    enabled: bool,
    created: i64,
    updated: i64,
    /// Whether it issues. By default those of real authorities do not: nobody gave them a contract.
    issues: bool,
    authority: Option<Signing>,
}

/// What an authority signs with, made when it first does.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Signing {
    key: PrivateKey,
    #[serde(with = "base64_bytes")]
    der: Vec<u8>,
}

/// An authority at work.
pub(super) struct Authority {
    pub(super) name: Name,
    pub(super) key: PrivateKey,
    pub(super) der: Vec<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Input {
    provider: Option<String>,
    credentials: Option<CredentialsInput>,
    org_details: Option<Map<String, Value>>,
    attributes: Option<super::certificates::AttributesInput>,
}

/// `pwd` is taken and never kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CredentialsInput {
    account_id: Option<String>,
}

impl Issuer {
    fn take(&mut self, input: Input, now: i64) {
        if let Some(provider) = input.provider {
            self.issues = issues_by_default(&provider);
            self.provider = provider;
        }
        if let Some(credentials) = input.credentials {
            self.account_id = credentials.account_id.or(self.account_id.take());
        }
        if let Some(details) = input.org_details {
            self.org_details = Some(org_details(self.org_details.as_ref(), details));
        }
        self.enabled = input.attributes.and_then(|sent| sent.enabled).unwrap_or(self.enabled);
        self.updated = now;
    }

    fn to_wire(&self, id: String) -> Value {
        let mut wire = json!({"id": id, "provider": self.provider});
        if let Some(account_id) = &self.account_id {
            wire["credentials"] = json!({"account_id": account_id});
        }
        if let Some(details) = &self.org_details {
            wire["org_details"] = details.clone();
        }
        wire["attributes"] = json!({"enabled": self.enabled, "created": self.created, "updated": self.updated});
        wire
    }
}

fn issues_by_default(provider: &str) -> bool {
    !["DigiCert", "GlobalSign"].iter().any(|real| real.eq_ignore_ascii_case(provider))
}

/// In the service's order, with the `zip` that it adds, over what was there.
fn org_details(old: Option<&Value>, sent: Map<String, Value>) -> Value {
    let part = |name: &str| sent.get(name).filter(|value| !value.is_null()).or_else(|| old?.get(name)).cloned();
    let mut details = Map::new();
    if let Some(id) = part("id") {
        details.insert("id".to_owned(), id);
    }
    details.insert("zip".to_owned(), part("zip").unwrap_or_else(|| 0.into()));
    if let Some(Value::Array(people)) = part("admin_details") {
        let people: Vec<_> = people.iter().map(person).collect();
        details.insert("admin_details".to_owned(), people.into());
    }
    Value::Object(details)
}

fn person(sent: &Value) -> Value {
    let mut person = Map::new();
    for member in ["first_name", "last_name", "email", "phone"] {
        if let Some(value) = sent.get(member).filter(|value| !value.is_null()) {
            person.insert(member.to_owned(), value.clone());
        }
    }
    Value::Object(person)
}

impl Call<'_> {
    fn issuer_id(&self, name: &str) -> String {
        format!("{}/certificates/issuers/{name}", self.base)
    }

    fn issuer(&self, name: &str) -> Result<&Issuer, Refusal> {
        self.vault.issuers.get(&name.to_ascii_lowercase()).ok_or_else(|| Refusal::no_issuer(name))
    }

    /// The authority behind an issuer, or the sentence with which it rejects a request.
    pub(super) fn authority(&mut self, name: &str) -> Result<Authority, String> {
        let (keys, now) = (self.keys, self.now);
        let issuer = self.vault.issuers.get_mut(&name.to_ascii_lowercase());
        let issuer = issuer.ok_or_else(|| format!("The issuer {name} does not exist any more."))?;
        if !issuer.issues || !issuer.enabled {
            return Err(format!(
                "The call to {0} failed with Error code access_denied|access_denied_invalid_key and Message Access \
                 denied due to access_denied_invalid_key.. If you have any questions or concerns, please feel free to \
                 reach out to {0} for support.",
                issuer.provider
            ));
        }
        let subject = format!("O={}, CN=Lab Issuing CA", issuer.provider);
        let name = subject::parse(&subject).unwrap_or_default();
        let signing = match &issuer.authority {
            Some(signing) => signing.clone(),
            None => {
                let key = keys.take(KeyKind::Rsa(2048));
                let usages = vec!["keyCertSign".to_owned(), "cRLSign".to_owned()];
                let profile = Profile { subject: name.clone(), usages, is_ca: true, ..Profile::default() };
                let der = x509::certificate(&profile, &key, Lifetime::of_months(now, 240), [1; 16], None);
                let der = der.map_err(|error| error.to_string())?;
                issuer.authority.insert(Signing { key, der }).clone()
            }
        };
        Ok(Authority { name, key: signing.key, der: signing.der })
    }
}

/// PUT: registers or replaces.
pub(super) fn set(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let input: Input = body(request)?;
    if input.provider.is_none() {
        return Err(Refusal::invalid_property("provider", ""));
    }
    let mut issuer = Issuer {
        name: name.to_owned(),
        provider: String::new(),
        account_id: None,
        org_details: None,
        enabled: true,
        created: call.now,
        updated: call.now,
        issues: true,
        authority: None,
    };
    issuer.take(input, call.now);
    call.vault.issuers.insert(name.to_ascii_lowercase(), issuer);
    read(call, name)
}

/// PATCH: changes what is sent.
pub(super) fn update(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let input: Input = body(request)?;
    let now = call.now;
    call.vault.issuers.get_mut(&name.to_ascii_lowercase()).ok_or_else(|| Refusal::no_issuer(name))?.take(input, now);
    read(call, name)
}

/// GET.
pub(super) fn read(call: &mut Call<'_>, name: &str) -> Answer {
    let issuer = call.issuer(name)?;
    Ok(Reply::json(StatusCode::OK, &issuer.to_wire(call.issuer_id(&issuer.name))))
}

/// DELETE: answers with what was there.
pub(super) fn delete(call: &mut Call<'_>, name: &str) -> Answer {
    let reply = read(call, name)?;
    call.vault.issuers.remove(&name.to_ascii_lowercase());
    Ok(reply)
}

/// GET of all.
pub(super) fn list(call: &mut Call<'_>, request: &Request) -> Answer {
    let rows: Vec<_> = call.vault.issuers.keys().cloned().collect();
    paging::page(call, request, Kind::Certificate, &rows, |row| {
        let issuer = call.vault.issuers.get(row)?;
        Some(json!({"id": call.issuer_id(&issuer.name), "provider": issuer.provider}))
    })
}

/// Makes an issuer issue or reject, for the control endpoint.
pub(crate) fn set_issuer_outcome(world: &mut World, vault: &str, issuer: &str, issues: bool) -> Result<(), String> {
    let found = world.keyvault.vault_mut(vault).ok_or_else(|| format!("no vault `{vault}`"))?;
    let found = found.issuers.get_mut(&issuer.to_ascii_lowercase());
    found.ok_or_else(|| format!("no issuer `{issuer}` in vault `{vault}`"))?.issues = issues;
    Ok(())
}
