//! The `claims` parameter of our own token requests.

use serde_json::{Map, Value, json};

/// Says that we can answer claims challenges (`cp1`), and adds what a challenge asked for.
pub(super) fn with_capability(challenge: Option<&str>) -> String {
    let mut claims: Map<String, Value> = challenge.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let token = claims.entry("access_token").or_insert_with(|| Value::Object(Map::new()));
    if let Some(token) = token.as_object_mut() {
        token.insert("xms_cc".to_owned(), json!({ "values": ["cp1"] }));
    }
    Value::Object(claims).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_merged_and_not_replaced() {
        assert_eq!(with_capability(None), r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
        assert_eq!(
            with_capability(Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#)),
            r#"{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["cp1"]}}}"#
        );
    }
}
