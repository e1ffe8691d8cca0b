//! Entra: metadata, the token endpoint, and the identity endpoint of a machine. The recorder has
//! taken the bodies of token requests out; the file's name says what was in them.

mod credential;

use bytes::Bytes;
use http::HeaderMap;
use http::Request;
use kvops::lab::Lab;
use kvops::lab::LabClock;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;

use super::fixture::Exchange;
use super::fixture::Recording;
use super::fixture::folder;
use super::fixture::recordings;
use super::shape::Leaf;
use super::shape::differences;
use super::tally::Tally;
use super::translation::Translation;
use credential::Credential;

const LEFT_OUT: &str = include_str!("entra-left-out.toml");

/// The authority and one of its regions, which the lab does not tell apart.
const AUTHORITIES: [&str; 2] = ["https://login.microsoftonline.com", "https://westus2.r.login.microsoftonline.com"];

/// Headers of which name and value are the same everywhere.
const CONSTANT_HEADERS: [&str; 6] =
    ["cache-control", "content-type", "expires", "pragma", "strict-transport-security", "x-content-type-options"];

/// Headers that have to be there when they were recorded.
const NAMED_HEADERS: [&str; 3] = ["server", "x-ms-ests-server", "x-ms-request-id"];

#[test]
fn the_lab_answers_recorded_requests_as_entra_did() {
    let Some(folder) = folder() else { return Tally::skip("entra") };
    let mut tally = Tally::new("entra", LEFT_OUT);
    for file in recordings(&folder, "entra") {
        let replay = Replay::start(&file);
        for exchange in &file.exchanges {
            let found = replay.replay(exchange);
            tally.count(&file.file, exchange.number, &found);
        }
    }
    tally.finish();
}

struct Replay {
    lab: Lab,
    tenant: String,
    translation: Translation,
    credential: Option<Credential>,
}

impl Replay {
    fn start(file: &Recording) -> Self {
        let clock = LabClock::frozen(file.exchanges[0].dates[0]);
        let keys = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys").into());
        let options = LabOptions { clock, seed: Seed::Empty, random: Some(1), keys, ..LabOptions::default() };
        let lab = Lab::start_blocking(options).unwrap();
        let tenant = lab.env().into_iter().find(|(name, _)| name == "LAB_TENANT").unwrap().1;
        let mut translation = Translation::default();
        for authority in AUTHORITIES {
            translation.note(authority, &format!("https://localhost:{}", lab.port()));
        }
        translation.note("/fake-tenant/", &format!("/{tenant}/"));
        translation.note("%2Ffake-tenant%2F", &format!("%2F{tenant}%2F"));
        for (machine, is_asked) in [("system", "imds-system"), ("user", "imds-")] {
            if file.file.contains(is_asked) {
                let identity = json!({ "name": machine, "kind": machine });
                let identity = lab.control("POST", "/identities", &identity).unwrap();
                let client_id = identity["client_id"].as_str().unwrap();
                for recorded in ["fake-client-id", "615e6319-bf4f-4279-937c-b9eb198e511f"] {
                    translation.note(recorded, client_id);
                }
                let resource_id = identity["resource_id"].as_str().unwrap().replace('/', "%2F");
                translation.note("%2Ffake%2Fresource%2FID", &resource_id);
                break;
            }
        }
        let credential = Credential::of(&file.file, &lab);
        Self { lab, tenant, translation, credential }
    }

    /// Sends one recorded request and lists what is different in the answer.
    fn replay(&self, exchange: &Exchange) -> Vec<String> {
        self.lab.clock().set(exchange.dates[0]);
        let is_machine = exchange.host() == "169.254.169.254";
        let (status, headers, answer) =
            if is_machine { self.ask_machine(exchange) } else { self.ask_authority(exchange) };
        if status != exchange.status {
            return vec![format!("status {status}, recorded {}: {answer}", exchange.status)];
        }
        let recorded = self.translation.value(&one_cloud(&exchange.answer));
        let mut found = differences(&recorded, &one_cloud(&answer), if is_machine { &machine_rule } else { &rule });
        for name in CONSTANT_HEADERS {
            let given = headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(recorded) = exchange.headers.get(name)
                && given != Some(recorded)
            {
                found.push(format!("{name}: {given:?}, recorded {recorded}"));
            }
        }
        for name in NAMED_HEADERS {
            if exchange.headers.contains_key(name) && !headers.contains_key(name) {
                found.push(format!("{name}: missing"));
            }
        }
        found
    }

    fn ask_authority(&self, exchange: &Exchange) -> (u16, HeaderMap, Value) {
        let is_token = exchange.method == "POST" && exchange.uri.ends_with("/token");
        let body = self.credential.as_ref().filter(|_| is_token);
        let body = body.map(|credential| credential.form(&self.lab, &self.tenant)).unwrap_or_default();
        let request = Request::builder()
            .method(exchange.method.as_str())
            .uri(self.translation.text(&exchange.uri))
            .header("content-type", "application/x-www-form-urlencoded");
        let request = match request.body(Bytes::from(body)) {
            Ok(request) => request,
            Err(error) => return (0, HeaderMap::new(), json!(error.to_string())),
        };
        let response = self.lab.call(request).unwrap();
        let (head, body) = response.into_parts();
        (head.status.as_u16(), head.headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The identity endpoint has a port of its own.
    fn ask_machine(&self, exchange: &Exchange) -> (u16, HeaderMap, Value) {
        let path = self.translation.text(exchange.path_and_query());
        let url = format!("{}{path}", self.lab.identity_url());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let answer = client.get(url).header("metadata", "true").send().await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            (status, headers, answer.json().await.unwrap_or(Value::Null))
        })
    }
}

/// Instance discovery lists all clouds of Microsoft and their old names; the lab is one cloud with
/// one name.
fn one_cloud(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(clouds) = answer["metadata"].as_array_mut() {
        clouds.truncate(1);
        for cloud in clouds {
            if let Some(aliases) = cloud["aliases"].as_array_mut() {
                aliases.truncate(1);
            }
        }
    }
    answer
}

fn rule(member: &str) -> Leaf {
    match member {
        "error_description" => Leaf::Text(wording),
        "timestamp" => Leaf::Text(form),
        // Names of the cloud.
        "preferred_network"
        | "preferred_cache"
        | "aliases"
        | "userinfo_endpoint"
        | "cloud_instance_name"
        | "cloud_graph_host_name"
        | "msgraph_host"
        | "rbac_url"
        | "tenant_region_scope" => Leaf::Kind,
        // What no two answers share.
        "access_token" | "trace_id" | "correlation_id" | "expires_on" | "not_before" => Leaf::Kind,
        _ => Leaf::Exact,
    }
}

/// A machine's token has been in its cache for some time: the recorded one for ten minutes.
fn machine_rule(member: &str) -> Leaf {
    if member == "expires_in" { Leaf::Kind } else { rule(member) }
}

/// The code and what follows the sentences: those have changed over the years, and differ within
/// the recordings of one day.
fn wording(text: &str) -> String {
    let code = text.split(':').next().unwrap_or_default();
    let rest: Vec<String> = text.split("\r\n").skip(1).map(form).collect();
    format!("{code}:\r\n{}", rest.join("\r\n"))
}

/// Hexadecimal digits made alike.
fn form(text: &str) -> String {
    match text.split_once(": ") {
        Some((name, value)) => format!("{name}: {}", form(value)),
        None => text.chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect(),
    }
}

#[test]
fn the_code_and_the_lines_below_it_are_compared() {
    let text = |code: u32, day: &str| format!("AADSTS{code}: Whatever.\r\nTrace ID: 0af3-1\r\nTimestamp: {day}");
    assert_eq!(wording(&text(1, "2022-01-24 22:41:12Z")), wording(&text(1, "2026-01-24 22:41:12Z")));
    assert_ne!(wording(&text(1, "2022-01-24 22:41:12Z")), wording(&text(2, "2022-01-24 22:41:12Z")));
    assert_ne!(wording(&text(1, "2022-01-24 22:41:12Z")), wording(&text(1, "2022-01-24T22:41:12Z")));
}
