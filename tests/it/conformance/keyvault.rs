//! Key Vault: each file is replayed from its first request to its last against a vault of its own,
//! with the lab's clock at the recorded dates.

mod encoding;
mod reported;
mod scenario;
mod secret;
mod stand_in;
mod wording;

use bytes::Bytes;
use kvops::lab::Lab;
use kvops::lab::LabClock;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;
use time::OffsetDateTime;

use super::fixture::Exchange;
use super::fixture::Recording;
use super::fixture::folder;
use super::fixture::recordings;
use super::shape::Leaf;
use super::shape::differences;
use super::tally::Tally;
use super::translation::Translation;
use scenario::Scenario;

const LEFT_OUT: &str = include_str!("keyvault-left-out.toml");

/// Headers of which name and value are the same everywhere.
const CONSTANT_HEADERS: [&str; 6] =
    ["cache-control", "content-type", "expires", "pragma", "strict-transport-security", "x-content-type-options"];

/// Headers that have to be there when they were recorded.
const NAMED_HEADERS: [&str; 5] = [
    "location",
    "x-ms-keyvault-network-info",
    "x-ms-keyvault-region",
    "x-ms-keyvault-service-version",
    "x-ms-request-id",
];

#[test]
fn the_lab_answers_recorded_requests_as_key_vault_did() {
    let Some(folder) = folder() else { return Tally::skip("keyvault") };
    let mut tally = Tally::new("keyvault", LEFT_OUT);
    let mut files = recordings(&folder, "keyvault");
    // Recordings of other services go to the vault in between.
    files.extend(recordings(&folder, "graph").into_iter().filter(|file| file.file.contains("-keyvault")));
    for file in &mut files {
        file.exchanges.retain(|exchange| is_vault(exchange.host()));
    }
    files.retain(|file| !file.exchanges.is_empty());
    // Those of one session share a vault, and see what the ones before have left in it.
    files.sort_by_key(|file| (Scenario::session(&file.file).to_owned(), file.exchanges[0].dates.first().copied()));
    for session in files.chunk_by(|one, next| Scenario::session(&one.file) == Scenario::session(&next.file)) {
        let mut replay = Replay::start(session);
        for file in session {
            replay.run(file, &mut tally);
        }
    }
    tally.finish();
}

fn is_vault(host: &str) -> bool {
    host.ends_with(".vault.azure.net") || host.ends_with(".local")
}

/// A lab with a vault, and what it has answered so far.
struct Replay {
    lab: Lab,
    host: String,
    translation: Translation,
    stand_ins: stand_in::StandIns,
}

const VAULT: &str = "replay-kv";

impl Replay {
    /// A vault as the recordings presuppose it.
    fn start(session: &[Recording]) -> Self {
        let exchanges = || session.iter().flat_map(|file| &file.exchanges);
        let first = exchanges().find_map(|exchange| exchange.dates.first()).copied();
        let clock = LabClock::frozen(first.unwrap_or(time::macros::datetime!(2023-03-28 22:06 UTC)));
        let keys = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys").into());
        // Lists of versions are in the order of their ids, which are drawn: with this seed in the recorded one.
        let options = LabOptions { clock, seed: Seed::Empty, random: Some(2), keys, ..LabOptions::default() };
        let lab = Lab::start_blocking(options).unwrap();
        let uses_rbac = exchanges().any(|exchange| exchange.headers.contains_key("x-ms-keyvault-rbac-assignment-id"));
        let days = exchanges().find_map(|exchange| recoverable_days(&exchange.answer)).unwrap_or(7);
        let vault = json!({"name": VAULT, "retention_days": days, "location": "westus"});
        lab.control("POST", "/vaults", &vault).unwrap();
        let client = variable(&lab, "LAB_CLIENT_ID");
        let right = if uses_rbac {
            json!({"vault": VAULT, "principal": client, "role": "Key Vault Administrator"})
        } else {
            let all = ["all"];
            let permissions = json!({"certificates": all, "keys": all, "secrets": all});
            json!({"vault": VAULT, "principal": client, "permissions": permissions})
        };
        lab.control("POST", "/permissions", &right).unwrap();
        let host = format!("{VAULT}.vault.localhost:{}", lab.port());
        Self { lab, host, translation: Translation::default(), stand_ins: stand_in::StandIns::default() }
    }

    fn run(&mut self, file: &Recording, tally: &mut Tally) {
        let scenario = Scenario::of(&file.file);
        (scenario.prepare)(self);
        for exchange in &file.exchanges {
            self.set_lags(&scenario, exchange.number);
            let mut found = Vec::new();
            let dates = exchange.dates.iter().map(|date| Some(*date));
            let dates: Vec<_> = if exchange.dates.is_empty() { vec![None] } else { dates.collect() };
            for date in dates {
                found.extend(self.replay(exchange, date, &scenario));
            }
            tally.count(&file.file, exchange.number, &found);
        }
    }

    /// Sends one recorded request and lists what is different in the answer.
    fn replay(&mut self, exchange: &Exchange, at: Option<OffsetDateTime>, scenario: &Scenario) -> Vec<String> {
        if let Some(at) = at {
            self.lab.clock().set(at);
        }
        // The challenge is what a request without a token gets. Clients send it without a body.
        let is_challenge = exchange.status == 401;
        let sent = if is_challenge { Value::Null } else { self.body(exchange) };
        let path = self.translation.text(exchange.path_and_query());
        let (status, headers, answer) = self.send(&exchange.method, &path, &sent, !is_challenge);
        if status != exchange.status {
            return vec![format!("status {status}, recorded {}: {answer}", exchange.status)];
        }
        self.stand_ins.see(&path, &answer);
        self.translation.learn(&exchange.answer, &answer);
        if let (Some(recorded), Some(answered)) = (exchange.headers.get("location"), headers.get("location")) {
            self.translation.learn_text(recorded, answered.to_str().unwrap());
        }
        let mut recorded = self.localise(&exchange.answer, exchange.host());
        let mut answer = answer;
        if exchange.uri.contains("/versions") {
            sort_by_id(&mut recorded);
            sort_by_id(&mut answer);
        }
        let mut found = differences(&recorded, &answer, &|member| rule(member, scenario));
        found.extend(encoding::differences(&exchange.answer, &answer));
        found.extend(self.header_differences(exchange, &headers, scenario));
        found
    }

    /// The recorded body, with stand-ins for what was taken out or belongs to another key.
    fn body(&mut self, exchange: &Exchange) -> Value {
        let translated = self.translation.value(&exchange.body);
        self.stand_ins.fill(exchange, translated)
    }

    /// Sends a request to the vault.
    fn send(&self, method: &str, path: &str, body: &Value, with_token: bool) -> (u16, http::HeaderMap, Value) {
        let mut request = http::Request::builder().method(method).uri(format!("https://{}{path}", self.host));
        if with_token {
            request = request.header("authorization", format!("Bearer {}", self.token()));
        }
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let answer = self.lab.call(request.body(body).unwrap()).unwrap();
        let value = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        (answer.status().as_u16(), answer.headers().clone(), value)
    }

    /// A token for the vault that is valid now, whatever the clock did since the last one.
    fn token(&self) -> String {
        let uri = format!("{}/{}/oauth2/v2.0/token", self.variable("LAB_AUTHORITY"), self.variable("LAB_TENANT"));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.variable("LAB_CLIENT_ID"))
            .append_pair("client_secret", &self.variable("LAB_CLIENT_SECRET"))
            .append_pair("scope", &format!("https://vault.localhost:{}/.default", self.lab.port()))
            .finish();
        let request = http::Request::post(uri).header("content-type", "application/x-www-form-urlencoded");
        let answer = self.lab.call(request.body(form.into()).unwrap()).unwrap();
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    fn variable(&self, name: &str) -> String {
        variable(&self.lab, name)
    }

    fn set_lags(&self, scenario: &Scenario, number: u32) {
        let (issue_delay, lag) = scenario.lags(number);
        let settings = json!({"issue_delay": issue_delay, "soft_delete_lag": lag});
        self.lab.control("PATCH", "/settings", &settings).unwrap();
    }

    /// A recorded answer as it would be in the lab: its host, its ids.
    fn localise(&self, recorded: &Value, host: &str) -> Value {
        let text = self.translation.value(recorded).to_string();
        let port = format!("https://{host}:443/");
        let here = format!("https://{}/", self.host);
        let text = text.replace(&port, &here).replace(&format!("https://{host}/"), &here);
        serde_json::from_str(&text).unwrap()
    }

    fn header_differences(&self, exchange: &Exchange, headers: &http::HeaderMap, scenario: &Scenario) -> Vec<String> {
        let answered = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        let mut found = Vec::new();
        for name in CONSTANT_HEADERS {
            let recorded = exchange.headers.get(name).map(String::as_str);
            // The recorders dropped some headers of some files, and all of them here and there.
            if recorded.is_some() && recorded != answered(name) {
                found.push(format!("header {name}: {:?}, recorded {recorded:?}", answered(name)));
            }
        }
        for name in NAMED_HEADERS {
            if exchange.headers.contains_key(name) && answered(name).is_none() {
                found.push(format!("header {name}: missing"));
            }
        }
        let mut both_ways = vec!["www-authenticate"];
        if !scenario.lacks_retry_after {
            both_ways.push("retry-after");
        }
        for name in both_ways {
            if exchange.headers.contains_key(name) != answered(name).is_some() {
                let recorded = exchange.headers.get(name);
                found.push(format!("header {name}: {:?}, recorded {recorded:?}", answered(name)));
            }
        }
        let rbac = "x-ms-keyvault-rbac-assignment-id";
        if exchange.headers.contains_key(rbac) && answered(rbac).is_none_or(|id| id.len() != 32) {
            found.push(format!("header {rbac}: {:?}", answered(rbac)));
        }
        found.extend(challenge_differences(exchange, answered("www-authenticate")));
        found
    }
}

/// Versions are listed in the order of their ids, which are drawn by lot.
fn sort_by_id(list: &mut Value) {
    if let Some(items) = list["value"].as_array_mut() {
        items.sort_by_key(|item| item["id"].as_str().or(item["kid"].as_str()).map(str::to_owned));
    }
}

/// Scheme and parameters of the challenge. Their values are hosts and tenants.
fn challenge_differences(exchange: &Exchange, answered: Option<&str>) -> Option<String> {
    let names = |text: &str| {
        let (scheme, parameters) = text.split_once(' ').unwrap_or((text, ""));
        let names = parameters.split(',').map(|each| each.split('=').next().unwrap_or_default().trim().to_owned());
        (scheme.to_owned(), names.collect::<Vec<_>>())
    };
    let recorded = exchange.headers.get("www-authenticate")?;
    let answered = answered?;
    (names(recorded) != names(answered)).then(|| format!("challenge {answered}, recorded {recorded}"))
}

/// What can be the same twice.
fn rule(member: &str, scenario: &Scenario) -> Leaf {
    match member {
        // Keys, and what is computed from them.
        "cer" | "csr" | "x5t" | "n" | "x" | "y" => Leaf::Kind,
        "value" if scenario.has_opaque_values => Leaf::Kind,
        // An opaque token, in a link that is followed in the next exchange.
        "nextLink" => Leaf::Kind,
        "message" => Leaf::Text(wording::present),
        "nbf" | "exp" | "created" | "updated" | "deletedDate" | "scheduledPurgeDate" => Leaf::Moment(scenario.slack),
        _ => Leaf::Exact,
    }
}

fn recoverable_days(answer: &Value) -> Option<u32> {
    match answer {
        Value::Object(members) => {
            // Version 7.0 tells by the level alone.
            let level = members.get("recoveryLevel").and_then(Value::as_str);
            let by_level = level.map(|level| if level.starts_with("Customized") { 7 } else { 90 });
            let days = members.get("recoverableDays").and_then(Value::as_u64).and_then(|days| days.try_into().ok());
            days.or(by_level).or_else(|| members.values().find_map(recoverable_days))
        }
        Value::Array(values) => values.iter().find_map(recoverable_days),
        _ => None,
    }
}

fn variable(lab: &Lab, name: &str) -> String {
    lab.env().into_iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap()
}
