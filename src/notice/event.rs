//! Events about certificates, as Event Grid delivers them in its own form or as `CloudEvents` 1.0, one or
//! several at once.
//!
//! On the wire the members of `data` begin with capitals, in the service's description they do not, and
//! its documentation has one with a blank at its end: names are compared without case and trimmed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::error::Error;
use super::resource;
use super::{Kind, MOST_BYTES, Notice};
use crate::domain::{CertificateName, Cloud, KeyUrl, VaultName, Version, printable};

/// Something that was delivered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// About a certificate.
    Certificate(Notice),
    /// Event Grid asks whether somebody wants its events at all.
    Validation {
        /// What the endpoint has to answer.
        code: String,
    },
    /// About anything else.
    Other {
        /// Its type, made printable.
        kind: String,
    },
}

/// An event's frame, whichever form it has.
struct Frame<'a> {
    id: String,
    kind: &'a str,
    /// Where it comes from: a resource id.
    origin: Option<&'a str>,
    subject: Option<&'a str>,
    data: &'a Map<String, Value>,
}

/// Reads all events of a delivery, each id once.
pub fn read(bytes: &[u8], cloud: &Cloud) -> Result<Vec<Event>, Error> {
    if bytes.len() > MOST_BYTES {
        return Err(Error::TooLong { limit: MOST_BYTES });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let delivery: Value = serde_json::from_slice(bytes).map_err(Error::NotJson)?;
    let items = match delivery {
        Value::Array(items) => items,
        one => vec![one],
    };
    let mut known = BTreeSet::new();
    let mut events = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let invalid = |problem: String| Error::NotAnEvent { index: index + 1, problem };
        let frame = frame(item).map_err(invalid)?;
        // Delivery is at least once.
        if !known.insert(frame.id.clone()) {
            continue;
        }
        events.push(event(&frame, cloud).map_err(|problem| problem.of(index + 1))?);
    }
    if events.is_empty() {
        return Err(Error::Missing("event"));
    }
    Ok(events)
}

/// What is wrong with one event.
enum Problem {
    Unusable(String),
    Contradiction(Error),
}

impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Unusable(problem)
    }
}

impl Problem {
    fn of(self, index: usize) -> Error {
        match self {
            Self::Unusable(problem) => Error::NotAnEvent { index, problem },
            Self::Contradiction(error) => error,
        }
    }
}

fn frame(item: &Value) -> Result<Frame<'_>, String> {
    let object = item.as_object().ok_or("it is no JSON object")?;
    let text = |name| member(object, name).map(|value| value.and_then(Value::as_str));
    let required =
        |name: &'static str| text(name)?.filter(|text| !text.is_empty()).ok_or(format!("it has no `{name}`"));
    let data = match member(object, "data")? {
        Some(Value::Object(data)) => data,
        Some(_) => return Err("its `data` is no JSON object".to_owned()),
        None => return Err("it has no `data`".to_owned()),
    };
    let id = printable(required("id")?);
    match text("specversion")? {
        Some("1.0") => Ok(Frame {
            id,
            kind: required("type")?,
            origin: Some(required("source")?),
            subject: text("subject")?,
            data,
        }),
        Some(other) => Err(format!("its `specversion` is {}, not 1.0", printable(other))),
        None => Ok(Frame { id, kind: required("eventType")?, origin: text("topic")?, subject: text("subject")?, data }),
    }
}

fn event(frame: &Frame<'_>, cloud: &Cloud) -> Result<Event, Problem> {
    let kind = match frame.kind {
        "Microsoft.KeyVault.CertificateNearExpiry" => Kind::NearExpiry,
        "Microsoft.KeyVault.CertificateExpired" => Kind::Expired,
        "Microsoft.KeyVault.CertificateNewVersionCreated" => Kind::NewVersion,
        "Microsoft.EventGrid.SubscriptionValidationEvent" => {
            let code = member(frame.data, "validationCode")?.and_then(Value::as_str).unwrap_or_default();
            return Ok(Event::Validation { code: printable(code) });
        }
        other => return Ok(Event::Other { kind: printable(other) }),
    };
    certificate(kind, frame, cloud).map(Event::Certificate)
}

fn certificate(kind: Kind, frame: &Frame<'_>, cloud: &Cloud) -> Result<Notice, Problem> {
    let text = |name: &'static str| {
        let value = member(frame.data, name)?.and_then(Value::as_str).map(str::trim);
        value.filter(|value| !value.is_empty()).ok_or(format!("its data has no `{name}`"))
    };
    let vault: VaultName = text("VaultName")?.parse().map_err(shown)?;
    let certificate: CertificateName = text("ObjectName")?.parse().map_err(shown)?;
    let version: Version = text("Version")?.parse().map_err(shown)?;
    let object = text("ObjectType")?;
    let differ = |what, first: String, second: String| {
        Err(Problem::Contradiction(Error::SelfContradiction { id: frame.id.clone(), what, first, second }))
    };
    if !object.eq_ignore_ascii_case("Certificate") {
        return differ("kind of object", "Certificate".to_owned(), printable(object));
    }
    if member(frame.data, "Id")?.is_some() {
        let id = KeyUrl::parse_certificate_id(text("Id")?, cloud).map_err(shown)?;
        let named = cloud.vault_url(&vault);
        let is_same = *id.vault().url() == named && *id.version() == version && *id.name() == certificate;
        if !is_same {
            let here = format!("{named}certificates/{certificate}/{version}");
            let there = id.vault().certificate_url(id.name(), Some(id.version()));
            return differ("certificate", here, there);
        }
    }
    let subject = frame.subject.filter(|subject| !subject.is_empty());
    if let Some(subject) = subject.filter(|subject| !subject.eq_ignore_ascii_case(certificate.as_str())) {
        return differ("subject", printable(subject), certificate.to_string());
    }
    let resource = frame.origin.and_then(resource::vault_of);
    if let Some((_, origin)) = resource.as_ref().filter(|(_, origin)| *origin != vault) {
        return differ("vault", vault.to_string(), origin.to_string());
    }
    Ok(Notice {
        kind,
        vault,
        certificate,
        thumbprints: Vec::new(),
        version: Some(version),
        not_after: moment(frame.data, "EXP")?,
        subscription: resource.map(|(subscription, _)| subscription),
        tenant: None,
        id: Some(frame.id.clone()),
    })
}

/// Seconds since 1970, as a number or as text.
fn moment(data: &Map<String, Value>, name: &'static str) -> Result<Option<OffsetDateTime>, String> {
    let seconds = match member(data, name)? {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(number) => number.as_i64(),
    };
    let moment = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment.map(Some).ok_or(format!("its `{name}` is no time in seconds since 1970"))
}

/// A member by its name, without regard to case and blanks around it.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Value>, String> {
    let mut found = object.iter().filter(|(known, _)| known.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(format!("it has more than one `{name}`")),
        (value, None) => Ok(value),
    }
}

/// What a person wrote, in the words of the type that refused it.
fn shown(error: impl ToString) -> Problem {
    Problem::Unusable(printable(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const VERSION: &str = "0123456789abcdef0123456789abcdef";
    const TOPIC: &str = "/subscriptions/8fb6b6a1-2c3d-4e5f-8a9b-0c1d2e3f4a5b/resourceGroups/keys/providers/Microsoft.KeyVault/vaults/contoso-kv";

    fn data() -> Value {
        json!({
            "Id": format!("https://contoso-kv.vault.azure.net/certificates/billing/{VERSION}"),
            "VaultName": "contoso-kv", "ObjectType": "Certificate", "ObjectName": "billing",
            "Version": VERSION, "NBF": 1_766_000_000, "EXP": 1_797_535_999,
        })
    }

    fn event_grid(id: &str, kind: &str, data: &Value) -> Value {
        json!({
            "id": id, "topic": TOPIC, "subject": "billing", "eventType": kind, "eventTime": "2026-11-20T06:14:09Z",
            "data": data, "dataVersion": "1", "metadataVersion": "1",
        })
    }

    fn cloud_event(id: &str, kind: &str, data: &Value) -> Value {
        json!({
            "id": id, "source": TOPIC, "subject": "billing", "type": kind, "time": "2026-11-20T06:14:09Z",
            "data": data, "specversion": "1.0",
        })
    }

    const NEAR_EXPIRY: &str = "Microsoft.KeyVault.CertificateNearExpiry";

    fn read_json(value: &Value) -> Result<Vec<Event>, Error> {
        read(value.to_string().as_bytes(), &Cloud::public())
    }

    #[test]
    fn both_schemas_alone_and_in_lists_and_in_any_case_say_the_same() {
        let data = data();
        let lower: Map<String, Value> =
            data.as_object().unwrap().iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        // As in the service's documentation: numbers in quotes, a blank behind a name.
        let mut sample = data.clone();
        sample["EXP"] = json!("1797535999");
        let name = sample.as_object_mut().unwrap().remove("ObjectName").unwrap();
        sample["ObjectName "] = name;
        let mut seen = Vec::new();
        for data in [data, Value::Object(lower), sample] {
            for event in [event_grid("1", NEAR_EXPIRY, &data), cloud_event("1", NEAR_EXPIRY, &data)] {
                seen.push(read_json(&event).unwrap());
                seen.push(read_json(&json!([event])).unwrap());
            }
        }
        let Event::Certificate(notice) = &seen[0][0] else { panic!("{seen:?}") };
        assert_eq!((notice.vault.as_str(), notice.certificate.as_str()), ("contoso-kv", "billing"));
        assert_eq!(notice.version.as_ref().unwrap().as_str(), VERSION);
        assert_eq!(notice.not_after.unwrap().unix_timestamp(), 1_797_535_999);
        assert_eq!(notice.subscription.unwrap().to_string(), "8fb6b6a1-2c3d-4e5f-8a9b-0c1d2e3f4a5b");
        assert!(seen.iter().all(|events| *events == seen[0]), "{seen:#?}");
    }

    #[test]
    fn each_kind_is_told_apart_and_an_id_counts_once() {
        let kinds = ["NearExpiry", "Expired", "NewVersionCreated", "NearExpiry"];
        let mut all: Vec<_> = kinds
            .iter()
            .enumerate()
            .map(|(n, kind)| event_grid(&n.to_string(), &format!("Microsoft.KeyVault.Certificate{kind}"), &data()))
            .collect();
        all[3]["id"] = json!("0");
        all.push(event_grid("5", "Microsoft.KeyVault.SecretNearExpiry", &data()));
        let events = read_json(&json!(all)).unwrap();
        let kind = |event: &Event| match event {
            Event::Certificate(notice) => Some(notice.kind),
            _ => None,
        };
        let kinds: Vec<_> = events.iter().map(kind).collect();
        assert_eq!(kinds, [Some(Kind::NearExpiry), Some(Kind::Expired), Some(Kind::NewVersion), None]);
    }

    #[test]
    fn the_question_whether_events_are_wanted_is_told_apart() {
        let data =
            json!({ "validationCode": "512d38b6", "validationUrl": "https://rp-eastus2.eventgrid.azure.net:553/" });
        let asked = event_grid("1", "Microsoft.EventGrid.SubscriptionValidationEvent", &data);
        assert_eq!(read_json(&json!([asked])).unwrap(), [Event::Validation { code: "512d38b6".to_owned() }]);
    }

    #[test]
    fn an_event_that_contradicts_itself_or_points_elsewhere_is_refused() {
        let foreign = format!("https://contoso-kv.vault.azure.net.evil.example/certificates/billing/{VERSION}");
        let faults = [
            ("VaultName", json!("fabrikam-kv")),
            ("ObjectName", json!("payroll")),
            ("Version", json!("fedcba9876543210fedcba9876543210")),
            ("ObjectType", json!("Secret")),
            ("Id", json!(foreign)),
            ("Id", json!(7)),
            ("VaultName", json!("cont\u{43e}so-kv")),
            ("EXP", json!("soon")),
            ("Version", json!("latest")),
            ("vaultname", json!("fabrikam-kv")),
        ];
        for (member, value) in faults {
            let mut data = data();
            data[member] = value.clone();
            let error = read_json(&event_grid("1", NEAR_EXPIRY, &data));
            assert!(error.is_err(), "{member} {value}");
        }
        let mut event = event_grid("1", NEAR_EXPIRY, &data());
        event["topic"] = json!(TOPIC.replace("contoso-kv", "fabrikam-kv"));
        assert!(matches!(read_json(&event), Err(Error::SelfContradiction { what: "vault", .. })));
        event["topic"] = json!(TOPIC);
        event["subject"] = json!("payroll");
        assert!(matches!(read_json(&event), Err(Error::SelfContradiction { what: "subject", .. })));
    }

    #[test]
    fn what_is_no_event_is_refused_as_a_whole() {
        let good = event_grid("1", NEAR_EXPIRY, &data());
        let mut other_version = cloud_event("2", NEAR_EXPIRY, &data());
        other_version["specversion"] = json!("0.3");
        for bad in [json!([]), json!(1), json!({}), json!([good, {}]), json!([good, other_version]), json!([[good]])] {
            assert!(read_json(&bad).is_err(), "{bad}");
        }
        for bad in ["", "{", "From: a@b\n\n", "[{}"] {
            assert!(matches!(read(bad.as_bytes(), &Cloud::public()), Err(Error::NotJson(_))), "{bad}");
        }
        assert!(matches!(read(&vec![b' '; MOST_BYTES + 1], &Cloud::public()), Err(Error::TooLong { .. })));
        let deep = "[".repeat(MOST_BYTES);
        assert!(matches!(read(deep.as_bytes(), &Cloud::public()), Err(Error::NotJson(_))));
    }

    proptest! {
        #[test]
        fn a_delivery_may_be_cut_and_changed_anywhere_and_nothing_panics(
            end: prop::sample::Index,
            at: prop::sample::Index,
            byte: u8,
        ) {
            let mut bytes = json!([event_grid("1", NEAR_EXPIRY, &data())]).to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = read(&bytes, &Cloud::public());
            let _ = read(&bytes[..end.index(bytes.len())], &Cloud::public());
        }
    }
}
