//! Compares certificates and requests below base64: all that does not depend on the key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::{Decode as _, Encode as _};
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::ext::Extension;
use x509_cert::request::CertReq;

/// Extensions whose value is a digest of a key.
const KEY_IDENTIFIERS: [&str; 2] = ["2.5.29.14", "2.5.29.35"];

/// What is different between the recorded `cer` and `csr` and those of the lab.
pub(super) fn differences(recorded: &Value, answered: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (member, describe) in [("cer", certificate as fn(&[u8]) -> Vec<String>), ("csr", request)] {
        let (Some(recorded), Some(answered)) = (recorded[member].as_str(), answered[member].as_str()) else { continue };
        if recorded.starts_with('<') {
            continue;
        }
        let [recorded, answered] = [recorded, answered].map(|text| describe(&STANDARD.decode(text).unwrap()));
        for (line, other) in recorded.iter().zip(&answered).filter(|(line, other)| line != other) {
            found.push(format!("{member}: {other}, recorded {line}"));
        }
        if recorded.len() != answered.len() {
            found.push(format!("{member}: {} lines, recorded {}", answered.len(), recorded.len()));
        }
    }
    found
}

fn certificate(der: &[u8]) -> Vec<String> {
    let certificate = Certificate::from_der(der).unwrap();
    let tbs = &certificate.tbs_certificate;
    let (from, to) = (tbs.validity.not_before.to_date_time(), tbs.validity.not_after.to_date_time());
    let mut lines = vec![
        format!("version {:?}", tbs.version),
        format!("serial of {} bytes", tbs.serial_number.as_bytes().len()),
        format!("signature {}", certificate.signature_algorithm.oid),
        format!("subject {:02x?}", tbs.subject.to_der().unwrap()),
        format!("issued to itself: {}", tbs.subject == tbs.issuer),
        format!("key {}", tbs.subject_public_key_info.algorithm.oid),
        // Ten minutes before to months after, but the day of the run may be in another month.
        format!("valid {} years {} months", to.year() - from.year(), i16::from(to.month()) - i16::from(from.month())),
    ];
    lines.extend(tbs.extensions.iter().flatten().map(extension));
    lines
}

fn request(der: &[u8]) -> Vec<String> {
    let request = CertReq::from_der(der).unwrap();
    let info = &request.info;
    let mut lines = vec![
        format!("version {:?}", info.version),
        format!("signature {}", request.algorithm.oid),
        format!("subject {:02x?}", info.subject.to_der().unwrap()),
        format!("key {}", info.public_key.algorithm.oid),
    ];
    for attribute in info.attributes.iter() {
        lines.push(format!("attribute {}", attribute.oid));
        for value in attribute.values.iter() {
            let extensions = Vec::<Extension>::from_der(&value.to_der().unwrap()).unwrap();
            lines.extend(extensions.iter().map(extension));
        }
    }
    lines
}

fn extension(extension: &Extension) -> String {
    let oid = extension.extn_id.to_string();
    let value = extension.extn_value.as_bytes();
    let critical = if extension.critical { " critical" } else { "" };
    if KEY_IDENTIFIERS.contains(&oid.as_str()) {
        return format!("extension {oid}{critical} of {} bytes", value.len());
    }
    format!("extension {oid}{critical} {value:02x?}")
}
