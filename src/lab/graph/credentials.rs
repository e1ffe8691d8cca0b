//! The collection `keyCredentials`: what may be written into it, and what the service fills in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::fault::Fault;
use crate::domain::Thumbprint;
use crate::lab::directory::KeyCredential;

/// The kinds of credentials with their spelling.
const KINDS: [&str; 3] = ["AsymmetricX509Cert", "X509CertAndPassword", "Symmetric"];
const USAGES: [&str; 3] = ["Sign", "Verify", "Encrypt"];

/// The collection that a write leaves behind. Everything is replaced: an entry that is not sent is
/// gone. An entry with a known `keyId` stays as it is, and may come without `key`.
pub(super) fn replaced(
    current: &[KeyCredential],
    sent: &Value,
    now: OffsetDateTime,
    mut guid: impl FnMut() -> Uuid,
) -> Result<Vec<KeyCredential>, Fault> {
    let sent = sent.as_array().ok_or_else(|| wrong_type("keyCredentials"))?;
    let mut result: Vec<KeyCredential> = Vec::new();
    for entry in sent {
        let entry = entry.as_object().ok_or_else(|| wrong_type("keyCredentials"))?;
        let key_id = text(entry, "keyId")?
            .map(|id| Uuid::try_parse(id).map_err(|_| Fault::malformed(format!("Invalid GUID:{id}"))))
            .transpose()?;
        let known = key_id.and_then(|id| current.iter().find(|credential| credential.key_id == id));
        let credential = match known {
            Some(known) => {
                if is_altered(known, entry)? {
                    return Err(Fault::bad_request(format!(
                        "Update to existing credential with KeyId '{}' is not allowed.",
                        known.key_id
                    )));
                }
                known.clone()
            }
            None => added(entry, key_id.unwrap_or_else(&mut guid), now)?,
        };
        if result.iter().any(|other| other.key_id == credential.key_id) {
            return Err(Fault::bad_request("The collection of credentials holds the same KeyId more than once."));
        }
        result.push(credential);
    }
    Ok(result)
}

/// A new entry.
pub(super) fn added(entry: &Map<String, Value>, key_id: Uuid, now: OffsetDateTime) -> Result<KeyCredential, Fault> {
    let kind = one_of(entry, "type", &KINDS, "AsymmetricX509Cert, X509CertAndPassword")?;
    let usage = one_of(entry, "usage", &USAGES, "Sign, Verify")?;
    let key = match text(entry, "key")? {
        Some(key) => binary(key)?,
        None => return Err(invalid("key", "a base64 encoded certificate")),
    };
    let is_certificate = kind.eq_ignore_ascii_case("AsymmetricX509Cert");
    let facts = if is_certificate { Some(Facts::read(&key)?) } else { None };

    let start = date(entry, "startDateTime")?.or(facts.as_ref().map(|facts| facts.not_before)).unwrap_or(now);
    let end = date(entry, "endDateTime")?
        .or(facts.as_ref().map(|facts| facts.not_after))
        .unwrap_or(now + Duration::days(365));
    let outlives_certificate = facts.as_ref().is_some_and(|facts| end > facts.not_after);
    if end <= start || end <= now || outlives_certificate {
        return Err(invalid_end_date());
    }
    let custom_key_identifier = match &facts {
        Some(_) => Some(Thumbprint::sha1(&key).hex()),
        None => text(entry, "customKeyIdentifier")?.map(str::to_owned),
    };
    let display_name = text(entry, "displayName")?.map(str::to_owned).or(facts.map(|facts| facts.subject));
    Ok(KeyCredential {
        key_id,
        key,
        custom_key_identifier,
        display_name,
        start: whole_seconds(start),
        end: whole_seconds(end),
        kind,
        usage,
        added_at: now,
    })
}

/// Whether an entry with a known `keyId` says anything else than what is stored. Absent and null
/// members say nothing, since that is how a read gives them.
fn is_altered(known: &KeyCredential, entry: &Map<String, Value>) -> Result<bool, Fault> {
    let differs = |name: &str, stored: Option<&str>| -> Result<bool, Fault> {
        Ok(text(entry, name)?.is_some_and(|sent| Some(sent) != stored))
    };
    let key_differs = match text(entry, "key")? {
        Some(key) => binary(key)? != known.key,
        None => false,
    };
    let print_differs = match (text(entry, "customKeyIdentifier")?, known.custom_key_identifier.as_deref()) {
        (None, _) => false,
        (Some(sent), Some(stored)) if sent.eq_ignore_ascii_case(stored) => false,
        // Typed clients send the bytes of the digest, in base64.
        (Some(sent), Some(stored)) => {
            sent.parse::<Thumbprint>().ok().is_none_or(|sent| stored.parse::<Thumbprint>().ok() != Some(sent))
        }
        (Some(_), None) => true,
    };
    let dates_differ = date(entry, "startDateTime")?.is_some_and(|start| whole_seconds(start) != known.start)
        || date(entry, "endDateTime")?.is_some_and(|end| whole_seconds(end) != known.end);
    Ok(key_differs
        || print_differs
        || dates_differ
        || differs("displayName", known.display_name.as_deref())?
        || differs("type", Some(&known.kind))?
        || differs("usage", Some(&known.usage))?)
}

/// What Graph reads out of a certificate.
struct Facts {
    subject: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Facts {
    fn read(der: &[u8]) -> Result<Self, Fault> {
        let invalid = || invalid("key", "a base64 encoded certificate");
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| invalid())?;
        if !rest.is_empty() {
            return Err(invalid());
        }
        Ok(Self {
            subject: display_name(certificate.subject()),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
        })
    }
}

/// A name as Windows writes it: the last attribute first, and `S` for a state.
fn display_name(name: &X509Name<'_>) -> String {
    let mut attributes: Vec<String> = name
        .iter_attributes()
        .map(|attribute| {
            let oid = attribute.attr_type().to_id_string();
            let short = match oid.as_str() {
                "2.5.4.3" => "CN",
                "2.5.4.4" => "SN",
                "2.5.4.5" => "SERIALNUMBER",
                "2.5.4.6" => "C",
                "2.5.4.7" => "L",
                "2.5.4.8" => "S",
                "2.5.4.9" => "STREET",
                "2.5.4.10" => "O",
                "2.5.4.11" => "OU",
                "2.5.4.12" => "T",
                "2.5.4.42" => "G",
                "0.9.2342.19200300.100.1.25" => "DC",
                "1.2.840.113549.1.9.1" => "E",
                _ => "",
            };
            let value = attribute.as_str().unwrap_or_default();
            let value = if value.contains(['"', ',', '+', ';', '<', '>', '=', '#', '\n']) {
                format!("\"{}\"", value.replace('"', "\"\""))
            } else {
                value.to_owned()
            };
            if short.is_empty() { format!("OID.{oid}={value}") } else { format!("{short}={value}") }
        })
        .collect();
    attributes.reverse();
    attributes.join(", ")
}

/// Base64, with line breaks or not, of DER or of PEM.
fn binary(text: &str) -> Result<Vec<u8>, Fault> {
    let invalid = || Fault::malformed("Cannot convert a value to the expected 'Edm.Binary' target type.");
    let decode = |text: &str| {
        let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        STANDARD.decode(compact).map_err(|_| invalid())
    };
    let bytes = decode(text)?;
    let pem = std::str::from_utf8(&bytes).ok().and_then(|text| {
        text.trim().strip_prefix("-----BEGIN CERTIFICATE-----")?.split_once("-----END CERTIFICATE-----")
    });
    match pem {
        Some((body, _)) => decode(body),
        None => Ok(bytes),
    }
}

fn one_of(entry: &Map<String, Value>, name: &'static str, known: &[&str], advice: &str) -> Result<String, Fault> {
    let value = text(entry, name)?.unwrap_or_default();
    if known.iter().any(|known| known.eq_ignore_ascii_case(value)) {
        Ok(value.to_owned())
    } else {
        Err(invalid(name, advice))
    }
}

fn invalid(name: &str, acceptable: &str) -> Fault {
    Fault::bad_request(format!(
        "The value for the property \"{name}\" in one of your credentials is invalid. Acceptable values are {acceptable}."
    ))
}

fn invalid_end_date() -> Fault {
    let message = "Key credential end date is invalid.";
    Fault::new(StatusCode::BAD_REQUEST, "KeyCredentialsInvalidEndDate", message)
}

fn wrong_type(name: &str) -> Fault {
    Fault::malformed(format!(
        "The property '{name}' has a value of another type than the one that it was declared with."
    ))
}

/// A member that is a string. Null is nothing.
pub(super) fn text<'a>(entry: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Fault> {
    match entry.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(name)),
    }
}

/// A member that is a date-time.
pub(super) fn date(entry: &Map<String, Value>, name: &str) -> Result<Option<OffsetDateTime>, Fault> {
    let parse = |text: &str| {
        OffsetDateTime::parse(text, &Rfc3339).map(|moment| moment.to_offset(time::UtcOffset::UTC)).map_err(|_| {
            Fault::malformed(format!("Cannot convert the literal '{text}' to the expected type 'Edm.DateTimeOffset'."))
        })
    };
    text(entry, name)?.map(parse).transpose()
}

/// The directory keeps seconds.
pub(super) fn whole_seconds(moment: OffsetDateTime) -> OffsetDateTime {
    moment.replace_nanosecond(0).unwrap_or(moment)
}
