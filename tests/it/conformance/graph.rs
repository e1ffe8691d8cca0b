//! Microsoft Graph: each session of the Azure CLI is replayed in a tenant of its own, with the
//! lab's clock at the recorded dates. What its vaults say is counted with Key Vault.

use bytes::Bytes;
use http::Request;
use kvops::lab::Lab;
use kvops::lab::LabClock;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;
use time::Duration;

use super::fixture::Exchange;
use super::fixture::Recording;
use super::fixture::folder;
use super::fixture::recordings;
use super::shape::Leaf;
use super::shape::differences;
use super::tally::Tally;
use super::translation::Translation;

const LEFT_OUT: &str = include_str!("graph-left-out.toml");

const HOST: &str = "graph.microsoft.com";

/// The person at the keyboard, as the recorder has called everybody.
const PERSON: &str = "example@example.com";

/// What an administrator consents to for the Azure CLI.
const ALL: [&str; 3] =
    ["Application.ReadWrite.All", "Directory.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"];

/// The tenant of Microsoft's own applications.
const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

/// Headers of which name and value are the same everywhere.
const EQUAL_HEADERS: [&str; 6] =
    ["cache-control", "content-type", "location", "odata-version", "strict-transport-security", "x-ms-resource-unit"];

/// Headers that have to be there when they were recorded.
const NAMED_HEADERS: [&str; 2] = ["request-id", "x-ms-ags-diagnostic"];

/// Members of the schema of 2026 that were not there in 2022 and 2023.
const NEWER: [&str; 9] = [
    "createdByAppId",
    "isDisabled",
    "managerApplications",
    "nativeAuthenticationApisEnabled",
    "redirectUriSettings",
    "requestSignatureVerification",
    "samlMetadataUrl",
    "servicePrincipalLockConfiguration",
    "uniqueName",
];

#[test]
fn the_lab_answers_recorded_requests_as_graph_did() {
    let Some(folder) = folder() else { return Tally::skip("graph") };
    let mut tally = Tally::new("graph", LEFT_OUT);
    for mut file in recordings(&folder, "graph") {
        file.exchanges.retain(|exchange| exchange.host() == HOST);
        let mut replay = Replay::start(&file);
        for exchange in &file.exchanges {
            let found = replay.replay(exchange);
            tally.count(&file.file, exchange.number, &found);
        }
    }
    tally.finish();
}

/// A lab with what the session found when it began, and what it has answered so far.
struct Replay {
    lab: Lab,
    translation: Translation,
}

impl Replay {
    fn start(file: &Recording) -> Self {
        let clock = LabClock::frozen(file.exchanges[0].dates[0]);
        let keys = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys").into());
        let options = LabOptions { clock, seed: Seed::Empty, random: Some(1), keys, ..LabOptions::default() };
        let lab = Lab::start_blocking(options).unwrap();
        let mut translation = Translation::default();
        translation.note(&format!("https://{HOST}"), &format!("https://localhost:{}", lab.port()));
        let replay = Self { lab, translation };
        replay.plant(file);
        replay
    }

    /// Takes the tenant's id and Microsoft's service principals over from the recording.
    fn plant(&self, file: &Recording) {
        let mut state = self.lab.control("GET", "/state", &Value::Null).unwrap();
        let mut locations = file.exchanges.iter().filter_map(|exchange| exchange.headers.get("location"));
        if let Some(tenant) = locations.find_map(|location| location.split_once("/v2/")?.1.split('/').next()) {
            state["tenant"] = json!(tenant);
        }
        let entries = state["directory"]["service_principals"]["entries"].as_object_mut().unwrap();
        for principal in file.exchanges.iter().flat_map(|exchange| objects(&exchange.answer)) {
            let mut own = entries.values_mut().map(|entry| &mut entry["state"]["Live"]);
            let Some(own) = own.find(|own| own["app_id"] == principal["appId"]) else { continue };
            // The directory keeps these apart from the other members.
            let apart = ["id", "appId", "keyCredentials", "passwordCredentials"];
            let members = principal.as_object().unwrap().iter();
            let members = members.filter(|(name, _)| !apart.contains(&name.as_str()) && !name.starts_with(['$', '@']));
            let members: Value = members.map(|(name, value)| (name.clone(), value.clone())).collect();
            own["members"] = self.translation.value(&members);
        }
        self.lab.control("PUT", "/state", &state).unwrap();
        self.token(&ALL);
    }

    /// A token of the person, who is in the tenant from the first one on.
    fn token(&self, scopes: &[&str]) -> String {
        let given = self.lab.control("POST", "/tokens", &json!({ "user": PERSON, "scopes": scopes })).unwrap();
        given["access_token"].as_str().unwrap().to_owned()
    }

    /// Sends one recorded request and lists what is different in the answer.
    fn replay(&mut self, exchange: &Exchange) -> Vec<String> {
        // Headers know seconds; the service's own clock knows more.
        self.lab.clock().set(exchange.dates[0] + Duration::nanoseconds(123_456_700));
        // The recorder has taken the tokens out. Whoever was refused had lost the right.
        let token = self.token(if exchange.status == 403 { &["User.Read"] } else { &ALL });
        let body = match &exchange.body {
            Value::Null => Bytes::new(),
            body => self.translation.value(body).to_string().into(),
        };
        let request = Request::builder()
            .method(exchange.method.as_str())
            .uri(self.translation.text(&exchange.uri))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let response = self.lab.call(request.body(body).unwrap()).unwrap();
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        if response.status() != exchange.status {
            return vec![format!("status {}, recorded {}: {answer}", response.status(), exchange.status)];
        }
        // In order, so that an id that only changed its place is not taken for another one.
        self.translation.learn(&sorted(&self.translation.value(&exchange.answer)), &sorted(&answer));
        // Grants are named by a text that is made of other ids.
        if let (Some(recorded), Some(answered)) = (exchange.answer["id"].as_str(), answer["id"].as_str()) {
            self.translation.note(recorded, answered);
        }
        let recorded = sorted(&self.translation.value(&without(&exchange.answer, |name| name.starts_with("$trimmed"))));
        let answer = sorted(&without(&answer, |name| is_unrecorded(name, &exchange.answer)));
        let mut found = differences(&recorded, &answer, &rule);
        found.extend(self.header_differences(exchange, response.headers()));
        found
    }

    fn header_differences(&self, exchange: &Exchange, headers: &http::HeaderMap) -> Vec<String> {
        let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut found = Vec::new();
        for name in EQUAL_HEADERS {
            let recorded = exchange.headers.get(name).map(|text| self.translation.text(text));
            if recorded.as_deref() != given(name) {
                found.push(format!("{name}: {:?}, recorded {recorded:?}", given(name)));
            }
        }
        for name in NAMED_HEADERS {
            if exchange.headers.contains_key(name) && given(name).is_none() {
                found.push(format!("{name}: missing"));
            }
        }
        found
    }
}

/// Microsoft's service principals in an answer, which is one object or a list.
fn objects(answer: &Value) -> Vec<&Value> {
    let all = answer["value"].as_array().map_or_else(|| vec![answer], |listed| listed.iter().collect());
    all.into_iter().filter(|object| object["appOwnerOrganizationId"] == MICROSOFT).collect()
}

/// A member of today that the whole recorded answer knows nothing of.
fn is_unrecorded(name: &str, recorded: &Value) -> bool {
    NEWER.contains(&name) && !recorded.to_string().contains(&format!("\"{name}\""))
}

fn without(value: &Value, unwanted: impl Fn(&str) -> bool + Copy) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !unwanted(name))
            .map(|(name, value)| (name.clone(), without(value, unwanted)))
            .collect(),
        Value::Array(values) => values.iter().map(|value| without(value, unwanted)).collect(),
        other => other.clone(),
    }
}

/// The directory does not keep the order of collections, except that of credentials.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(sorted).collect();
            if !values.iter().any(|value| value.get("keyId").is_some()) {
                values.sort_by_key(|value| {
                    let key = ["id", "resourceAppId", "name"].into_iter().find_map(|name| value.get(name));
                    key.unwrap_or(value).to_string()
                });
            }
            Value::Array(values)
        }
        other => other.clone(),
    }
}

fn rule(member: &str) -> Leaf {
    match member {
        "hint" | "secretText" | "publisherDomain" | "request-id" | "client-request-id" => Leaf::Kind,
        "date" => Leaf::Text(form),
        member if member.ends_with("DateTime") => Leaf::Text(form),
        _ => Leaf::Exact,
    }
}

/// The form of a time. A fraction of a second has no zeros at its end, hence no fixed length.
fn form(text: &str) -> String {
    let mut form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    while form.contains(".00") {
        form = form.replace(".00", ".0");
    }
    form
}

#[test]
fn times_have_the_same_form_whatever_they_say() {
    assert_eq!(form("2022-05-07T06:53:33.696575Z"), form("2026-11-21T12:00:00.1234567Z"));
    assert_ne!(form("2022-05-07T06:53:33Z"), form("2026-11-21T12:00:00.1Z"));
    assert_ne!(form("2022-05-07T06:53:33"), form("2022-05-07T06:53:33Z"));
}
