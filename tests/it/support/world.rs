//! What is left of a run, told without ids and moments, so that two runs can be compared.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kvops::domain::Clock as _;
use kvops::domain::Thumbprint;
use serde_json::Value;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

use super::App;
use super::Bench;
use super::VAULT;

/// One version of a certificate in the vault.
#[derive(Clone, Debug)]
struct Kept {
    /// `NAME#1` is the oldest version of NAME.
    label: String,
    name: String,
    version: String,
    x5t: Thumbprint,
    enabled: bool,
    tags: Value,
}

impl Bench {
    /// Keys on the application, versions, tags and policies, and whether the ledger is sound.
    pub(crate) fn end_state(&self, app: &App) -> Value {
        // Until every replica says the same.
        self.lab().clock().advance(time::Duration::minutes(10));
        let kept = self.kept();
        let keys = self.keys_of(app);
        let mut trusted: Vec<Value> = keys
            .iter()
            .map(|key| json!([label_of(key, &kept), key["type"], key["usage"], key["displayName"]]))
            .collect();
        trusted.sort_by_key(Value::to_string);
        let names: std::collections::BTreeSet<&String> = kept.iter().map(|version| &version.name).collect();
        let policies = names.into_iter().map(|name| {
            let mut policy = self.vault("GET", &format!("/certificates/{name}/policy"), &Value::Null);
            for member in ["id", "attributes"] {
                policy.as_object_mut().unwrap().remove(member);
            }
            (name.clone(), policy)
        });
        let policies: BTreeMap<String, Value> = policies.collect();
        let versions: BTreeMap<&String, Value> =
            kept.iter().map(|version| (&version.label, self.told(version, &keys, &kept))).collect();
        let path = format!("/v1.0/applications/{}?$select=passwordCredentials", app.id);
        let secrets = self.graph("GET", &path, &Value::Null)["passwordCredentials"].as_array().unwrap().len();
        json!({ "trusted": trusted, "secrets": secrets, "versions": versions, "policies": policies })
    }

    fn told(&self, version: &Kept, keys: &[Value], kept: &[Kept]) -> Value {
        let mut tags = version.tags.clone();
        for (name, value) in tags.as_object_mut().into_iter().flatten() {
            let text = value.as_str().unwrap().to_owned();
            match name.as_str() {
                "kvops-keyid" => {
                    let entry = keys.iter().find(|key| key["keyId"] == text);
                    *value = entry.map_or(json!("no entry"), |entry| json!(label_of(entry, kept)));
                }
                "kvops-ledger" => *value = json!(if self.ledger_has(&text) { "a line" } else { "no line" }),
                _ => {}
            }
        }
        json!({ "enabled": version.enabled, "tags": tags })
    }

    fn ledger_has(&self, hash: &str) -> bool {
        let text = fs::read(self.ledger_file()).unwrap_or_default();
        text.split(|byte| *byte == b'\n').any(|line| kvops::ledger::Hash::of(line).to_string() == hash)
    }

    /// Where benches that look at the ledger keep it.
    pub(crate) fn ledger_file(&self) -> std::path::PathBuf {
        self.file("ledger.jsonl")
    }

    /// All versions in the vault, oldest first in each certificate.
    fn kept(&self) -> Vec<Kept> {
        let listed = self.vault("GET", "/certificates", &Value::Null);
        let mut all = Vec::new();
        for item in listed["value"].as_array().unwrap() {
            let name = item["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let versions = self.vault("GET", &format!("/certificates/{name}/versions"), &Value::Null);
            let mut versions: Vec<&Value> = versions["value"].as_array().unwrap().iter().collect();
            versions.sort_by_key(|version| version["attributes"]["created"].as_i64());
            for (index, version) in versions.into_iter().enumerate() {
                let tags = match &version["tags"] {
                    Value::Null => json!({}),
                    tags => tags.clone(),
                };
                all.push(Kept {
                    label: format!("{name}#{}", index + 1),
                    name: name.clone(),
                    version: version["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned(),
                    x5t: version["x5t"].as_str().unwrap().parse().unwrap(),
                    enabled: version["attributes"]["enabled"] == true,
                    tags,
                });
            }
        }
        all
    }

    /// Whether the application could sign in now with some key that it trusts and that is in the vault.
    /// Nothing remembers that it was tried: a use of the old key would keep it from being removed.
    pub(crate) fn would_mint(&self, app: &App) -> bool {
        let now = self.remembered();
        let does = self.mints_by_some_key(app);
        self.lab().control("PUT", "/state", &now).unwrap();
        does
    }

    fn mints_by_some_key(&self, app: &App) -> bool {
        let kept = self.kept();
        let trusted = self.keys_of(app);
        let of_key = |key: &Value| kept.iter().find(|version| version.label == label_of(key, &kept)).cloned();
        trusted.iter().filter_map(of_key).any(|version| version.enabled && self.mints_by(app, &version))
    }

    fn mints_by(&self, app: &App, version: &Kept) -> bool {
        let origin = format!("https://localhost:{}", self.lab().port());
        let endpoint = format!("{origin}/{}/oauth2/v2.0/token", self.variable("LAB_TENANT"));
        let now = self.lab().clock().now().unix_timestamp();
        let header = json!({ "alg": "RS256", "typ": "JWT", "x5t": version.x5t.base64url() });
        let claims = json!({
            "aud": endpoint, "iss": app.app_id, "sub": app.app_id, "jti": format!("{}-{now}", app.app_id),
            "nbf": now - 30, "exp": now + 300,
        });
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encoded(&header), encoded(&claims));
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&input));
        let path = format!("/keys/{}/{}/sign", version.name, version.version);
        let (status, signed) = self.try_vault(VAULT, "POST", &path, &json!({ "alg": "RS256", "value": digest }));
        if status != 200 {
            return false;
        }
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &app.app_id)
            .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .append_pair("client_assertion", &format!("{input}.{}", signed["value"].as_str().unwrap()))
            .append_pair("scope", &format!("{origin}/.default"))
            .finish();
        let request =
            http::Request::post(endpoint).header("content-type", "application/x-www-form-urlencoded").body(form.into());
        self.lab().call(request.unwrap()).unwrap().status() == 200
    }
}

/// Which version an entry on an application is; `foreign` for one that is in no vault.
fn label_of(key: &Value, kept: &[Kept]) -> String {
    let thumbprint: Option<Thumbprint> = key["customKeyIdentifier"].as_str().and_then(|label| label.parse().ok());
    let version = kept.iter().find(|version| Some(version.x5t) == thumbprint);
    version.map_or("foreign".to_owned(), |version| version.label.clone())
}
