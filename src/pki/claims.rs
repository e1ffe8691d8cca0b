//! What a caller may say in a token of an issuer: a JSON object that means the same to everybody who reads it.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::Error;

/// So many bytes of JSON the caller's claims may take: a token has to fit into a header.
pub const MAX_CLAIMS: usize = 8 * 1024;

/// The claims that are never the caller's.
const OWN_CLAIMS: [&str; 6] = ["iss", "aud", "iat", "nbf", "exp", "jti"];

/// From here on a double is no longer every whole number.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// What the caller says in a token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Claims(Map<String, Value>);

/// A JSON object in which no name stands twice and no number is rounded. Of two claims of one name,
/// readers of a token would take one or the other (RFC 7519, 4).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StrictObject(Map<String, Value>);

impl Claims {
    /// Takes a JSON object; claims that kvops owns are an error rather than replaced in silence.
    pub fn new(claims: Map<String, Value>) -> Result<Self, Error> {
        if let Some(name) = OWN_CLAIMS.iter().find(|name| claims.contains_key(**name)) {
            return Err(Error::Claims(format!("`{name}` is set by kvops")));
        }
        let size = Value::Object(claims.clone()).to_string().len();
        if size > MAX_CLAIMS {
            return Err(Error::Claims(format!("they take {size} bytes, and at most {MAX_CLAIMS} are signed")));
        }
        let is_subject = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty() && text.len() <= 255);
        if claims.get("sub").is_some_and(|subject| !is_subject(subject)) {
            return Err(Error::Claims("`sub` must be a text of 1 to 255 bytes".to_owned()));
        }
        Ok(Self(claims))
    }

    /// Reads a JSON object.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let claims: Result<StrictObject, _> = serde_json::from_slice(text);
        Self::new(claims.map_err(|error| Error::Claims(format!("they cannot be read: {error}")))?.0)
    }

    pub(super) fn members(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl TryFrom<StrictObject> for Claims {
    type Error = Error;

    fn try_from(claims: StrictObject) -> Result<Self, Error> {
        Self::new(claims.0)
    }
}

impl<'de> Deserialize<'de> for StrictObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object).map(Self)
    }
}

/// Reads an object.
struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Any)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` stands there twice")));
            }
            object.insert(name, value);
        }
        Ok(object)
    }
}

/// Reads any value by the same rules.
struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let exact = Number::from_f64(value).filter(|_| value.abs() < LARGEST_EXACT);
        exact.map(Value::Number).ok_or_else(|| E::custom("a number is too large to be written as it stands there"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value, A::Error> {
        Object.visit_map(members).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(text: &str) -> String {
        Claims::from_json(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn claims_that_kvops_owns_are_refused_by_name() {
        for name in OWN_CLAIMS {
            assert_eq!(
                problem(&format!(r#"{{"{name}":1}}"#)),
                format!("the claims cannot be signed: `{name}` is set by kvops")
            );
        }
        assert!(problem(r#"{"\u0069ss":"x"}"#).contains("`iss` is set by kvops"), "however it is spelt");
    }

    #[test]
    fn what_is_no_object_or_too_much_is_refused() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for bad in [r"[]", r"", r#""text""#, "null", r#"{"sub":1}"#, r#"{"sub":""}"#, r#"{"a":1}x"#, &deep] {
            assert!(Claims::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        let large = json!({ "data": "x".repeat(MAX_CLAIMS) }).to_string();
        assert!(problem(&large).contains("at most 8192 are signed"));
    }

    #[test]
    fn a_name_stands_once_at_every_depth() {
        for text in [r#"{"sub":"a","sub":"b"}"#, r#"{"sub":"a","\u0073ub":"b"}"#, r#"{"sub":"a","sub":"a"}"#] {
            assert!(problem(text).contains("`sub` stands there twice"), "{text}");
        }
        assert!(problem(r#"{"a":[{"b":{"c":1,"c":2}}]}"#).contains("`c` stands there twice"));
        assert!(Claims::from_json(br#"{"a":{"x":1},"b":{"x":1}}"#).is_ok());
    }

    #[test]
    fn what_is_signed_is_what_was_written() {
        let text = r#"{"z":1,"a":-5,"f":0.25,"m":18446744073709551615,"i":9007199254740993,"n":null,"l":[true,{}]}"#;
        let claims = Claims::from_json(text.as_bytes()).unwrap();
        assert_eq!(Value::Object(claims.members().clone()).to_string(), text);
        for rounded in ["123456789012345678901234567890", "18446744073709551616", "-9223372036854775809", "1e300"] {
            assert!(problem(&format!(r#"{{"n":{rounded}}}"#)).contains("too large"), "{rounded}");
        }
    }
}
