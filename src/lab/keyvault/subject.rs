//! X.500 names as Key Vault reads and prints them: text in one order, DER in the other.

use const_oid::ObjectIdentifier;
use der::asn1::{Any, Ia5StringRef, PrintableStringRef, SetOfVec, Utf8StringRef};
use der::{Decode as _, Tag, Tagged as _};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// Short names, as Windows prints them first. More than one may be read.
const TYPES: [(&str, &[&str], &str); 15] = [
    ("CN", &[], "2.5.4.3"),
    ("SN", &[], "2.5.4.4"),
    ("SERIALNUMBER", &[], "2.5.4.5"),
    ("C", &[], "2.5.4.6"),
    ("L", &[], "2.5.4.7"),
    ("S", &["ST"], "2.5.4.8"),
    ("STREET", &[], "2.5.4.9"),
    ("O", &[], "2.5.4.10"),
    ("OU", &[], "2.5.4.11"),
    ("T", &["TITLE"], "2.5.4.12"),
    ("G", &["GN"], "2.5.4.42"),
    ("I", &[], "2.5.4.43"),
    ("E", &["EMAIL"], "1.2.840.113549.1.9.1"),
    ("DC", &[], "0.9.2342.19200300.100.1.25"),
    ("UID", &[], "0.9.2342.19200300.100.1.1"),
];

/// Reads a name such as `C=US, O=Contoso, CN="a, b"`. The last one written comes first in DER.
/// `None` if it is no distinguished name.
pub(super) fn parse(text: &str) -> Option<Name> {
    let mut names = Vec::new();
    for part in split(text)? {
        let (kind, value) = part.split_once('=')?;
        let oid = oid(kind.trim())?;
        let attribute = AttributeTypeAndValue { oid, value: value_of(oid, &unquote(value.trim())?)? };
        names.push(RelativeDistinguishedName(SetOfVec::try_from(vec![attribute]).ok()?));
    }
    names.reverse();
    if names.is_empty() { None } else { Some(RdnSequence(names)) }
}

/// Prints a name as Windows does, the last of DER first.
pub(super) fn print(name: &Name) -> String {
    let parts: Vec<_> = name.0.iter().rev().map(print_rdn).collect();
    parts.join(", ")
}

/// Splits at commas and semicolons outside of quotes.
fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    for c in text.chars() {
        match c {
            ',' | ';' if !is_quoted => parts.push(String::new()),
            _ => {
                is_quoted ^= c == '"';
                parts.last_mut()?.push(c);
            }
        }
    }
    if is_quoted { None } else { Some(parts) }
}

fn unquote(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.is_empty()).then(|| value.to_owned());
    };
    inner.strip_suffix('"').map(|inner| inner.replace("\"\"", "\""))
}

fn oid(kind: &str) -> Option<ObjectIdentifier> {
    let dotted = kind.strip_prefix("OID.").or_else(|| kind.strip_prefix("oid.")).unwrap_or(kind);
    let known = TYPES.iter().find(|(name, others, _)| {
        name.eq_ignore_ascii_case(kind) || others.iter().any(|other| other.eq_ignore_ascii_case(kind))
    });
    ObjectIdentifier::new(known.map_or(dotted, |(_, _, oid)| oid)).ok()
}

/// `PrintableString` where the text allows it, `UTF8String` otherwise; `IA5String` where X.520 wants it.
fn value_of(oid: ObjectIdentifier, text: &str) -> Option<Any> {
    let wants_ia5 = ["1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25"].contains(&oid.to_string().as_str());
    if wants_ia5 {
        return Any::new(Tag::Ia5String, Ia5StringRef::new(text).ok()?.as_bytes()).ok();
    }
    match PrintableStringRef::new(text) {
        Ok(printable) => Any::new(Tag::PrintableString, printable.as_bytes()).ok(),
        Err(_) => Any::new(Tag::Utf8String, Utf8StringRef::new(text).ok()?.as_bytes()).ok(),
    }
}

fn print_rdn(rdn: &RelativeDistinguishedName) -> String {
    let parts: Vec<_> = rdn.0.iter().map(print_attribute).collect();
    parts.join(" + ")
}

fn print_attribute(attribute: &AttributeTypeAndValue) -> String {
    let oid = attribute.oid.to_string();
    let kind = TYPES.iter().find(|(_, _, known)| *known == oid).map_or(format!("OID.{oid}"), |t| t.0.to_owned());
    let text = text_of(&attribute.value);
    let needs_quotes =
        text.is_empty() || text.trim() != text || text.contains([',', '+', '"', '=', ';', '<', '>', '#']);
    if needs_quotes { format!("{kind}=\"{}\"", text.replace('"', "\"\"")) } else { format!("{kind}={text}") }
}

fn text_of(value: &Any) -> String {
    match value.tag() {
        Tag::BmpString => der::asn1::BmpString::from_der(&der::Encode::to_der(value).unwrap_or_default())
            .map(|text| text.to_string())
            .unwrap_or_default(),
        _ => String::from_utf8_lossy(value.value()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_comes_back_in_the_windows_spelling() {
        for (text, printed) in [
            ("CN=a", "CN=a"),
            ("cn=MyCert", "CN=MyCert"),
            ("C=US, ST=WA, L=Redmon, O=Test Noodle, CN=www.x.com", "C=US, S=WA, L=Redmon, O=Test Noodle, CN=www.x.com"),
            ("CN=\"a, b\"", "CN=\"a, b\""),
            ("CN=ü", "CN=ü"),
            ("E=a@b.example,CN=x", "E=a@b.example, CN=x"),
        ] {
            assert_eq!(print(&parse(text).unwrap()), printed, "{text}");
        }
    }

    #[test]
    fn der_holds_the_last_written_first() {
        let name = parse("C=US, CN=x").unwrap();
        assert_eq!(name.0[0].0.get(0).unwrap().oid.to_string(), "2.5.4.3");
    }

    #[test]
    fn what_is_no_distinguished_name_is_refused() {
        for bad in ["", "Self", "CN=", "CN=a,", "XX=a", "CN=\"a", "=a"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
