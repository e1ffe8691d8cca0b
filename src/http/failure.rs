//! What a service says when it refuses: one type for all the shapes of `error`.

use serde_json::{Map, Value};

/// The content of an error body. Branch on the codes, never on the texts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Failure {
    /// `error.code`; for the token endpoint its `error`, such as `invalid_client`.
    pub code: Option<String>,
    /// `error.innererror.code`, which is what tells Key Vault's refusals apart.
    pub inner_code: Option<String>,
    /// The service's sentence.
    pub message: Option<String>,
    /// What Graph says about single properties.
    pub details: Vec<Detail>,
    /// Numbers of `AADSTS…` codes, from `error_codes`.
    pub aadsts: Vec<u32>,
    /// `suberror` of the token endpoint.
    pub sub_error: Option<String>,
    /// The request's id as the body states it.
    pub request_id: Option<String>,
}

/// One detail of a refusal.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Detail {
    /// Such as `InvalidKeyEndDate`.
    pub code: Option<String>,
    /// Such as `EndDate`.
    pub target: Option<String>,
    /// The service's sentence.
    pub message: Option<String>,
}

impl Failure {
    /// Reads an error body of any known shape. What is no JSON leaves its title, or nothing.
    pub fn parse(body: &[u8]) -> Self {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
            return Self { message: page_title(body), ..Self::default() };
        };
        match body.get("error").or_else(|| body.get("odata.error")) {
            Some(Value::Object(error)) => Self::service(error),
            Some(Value::String(error)) => Self::token_endpoint(error, &body),
            _ => Self::service(&body),
        }
    }

    /// Key Vault, Graph, Resource Manager and the old AAD Graph.
    fn service(error: &Map<String, Value>) -> Self {
        let inner = member(error, "innererror").and_then(Value::as_object);
        let details = match member(error, "details") {
            Some(Value::Array(details)) => details.iter().filter_map(Value::as_object).map(Detail::parse).collect(),
            Some(Value::Object(detail)) => vec![Detail::parse(detail)],
            _ => Vec::new(),
        };
        // AAD Graph wraps the message once more, with its language.
        let message = match member(error, "message") {
            Some(Value::Object(message)) => text(message, "value"),
            _ => text(error, "message"),
        };
        Self {
            code: text(error, "code"),
            inner_code: inner.and_then(|inner| text(inner, "code")),
            message,
            details,
            request_id: inner.and_then(|inner| text(inner, "request-id")),
            ..Self::default()
        }
    }

    fn token_endpoint(error: &str, body: &Map<String, Value>) -> Self {
        let message = text(body, "error_description");
        let listed = body.get("error_codes").and_then(Value::as_array).into_iter().flatten();
        let mut aadsts: Vec<u32> = listed.filter_map(|code| code.as_u64()?.try_into().ok()).collect();
        if aadsts.is_empty() {
            aadsts.extend(message.as_deref().and_then(leading_code));
        }
        Self {
            code: Some(error.to_owned()),
            message,
            aadsts,
            sub_error: text(body, "suberror"),
            request_id: text(body, "trace_id"),
            ..Self::default()
        }
    }

    /// Whether nothing could be learnt from the body.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Detail {
    fn parse(detail: &Map<String, Value>) -> Self {
        Self { code: text(detail, "code"), target: text(detail, "target"), message: text(detail, "message") }
    }
}

/// Members whose case differs between services: `innererror`, `innerError`, `InnerError`.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = member(object, name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The number of a description that begins with `AADSTS700027: …`.
fn leading_code(description: &str) -> Option<u32> {
    let digits = description.strip_prefix("AADSTS")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// The title of an HTML page: a proxy's or a gateway's is often all that there is.
fn page_title(body: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(&body[..body.len().min(8_192)]);
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = page.get(start..end)?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_vaults_inner_code_is_found() {
        let failure = Failure::parse(
            br#"{"error":{"code":"Forbidden","message":"Operation get is not allowed on a disabled secret.","innererror":{"code":"SecretDisabled"}}}"#,
        );
        assert_eq!(
            (failure.code.as_deref(), failure.inner_code.as_deref()),
            (Some("Forbidden"), Some("SecretDisabled"))
        );
    }

    #[test]
    fn graphs_details_may_be_a_list_or_an_object() {
        for details in [
            r#"[{"code":"InvalidKeyEndDate","target":"EndDate","message":"m"}]"#,
            r#"{"code":"InvalidKeyEndDate","target":"EndDate"}"#,
        ] {
            let body = format!(
                r#"{{"error":{{"code":"CredentialInvalidLifetimeAsPerAppPolicy","message":"no","details":{details},"innerError":{{"date":"2026-11-21T12:00:00","request-id":"6f2c"}}}}}}"#
            );
            let failure = Failure::parse(body.as_bytes());
            assert_eq!(failure.details[0].target.as_deref(), Some("EndDate"));
            assert_eq!(failure.request_id.as_deref(), Some("6f2c"));
            assert_eq!(failure.inner_code, None);
        }
    }

    #[test]
    fn the_token_endpoints_codes_are_numbers() {
        let failure = Failure::parse(
            br#"{"error":"invalid_client","error_description":"AADSTS700027: The certificate\r\nTrace ID: t","error_codes":[700027],"trace_id":"t"}"#,
        );
        assert_eq!(failure.aadsts, [700_027]);
        assert_eq!(failure.request_id.as_deref(), Some("t"));
        let without_list = Failure::parse(br#"{"error":"invalid_client","error_description":"AADSTS7000215: no"}"#);
        assert_eq!(without_list.aadsts, [7_000_215]);
    }

    #[test]
    fn old_and_foreign_shapes_are_read_as_far_as_they_go() {
        let old =
            Failure::parse(br#"{"odata.error":{"code":"Request_BadRequest","message":{"lang":"en","value":"bad"}}}"#);
        assert_eq!((old.code.as_deref(), old.message.as_deref()), (Some("Request_BadRequest"), Some("bad")));
        let flat = Failure::parse(br#"{"statusCode":500,"message":"no identity"}"#);
        assert_eq!(flat.message.as_deref(), Some("no identity"));
        let html = Failure::parse(b"<html><head><TITLE>\n Bad   Request</TITLE></head></html>");
        assert_eq!(html.message.as_deref(), Some("Bad Request"));
        for nothing in [&b""[..], b"null", b"[]", b"{\"error\":null}", b"{\"error\":[1]}", b"\xff\xfe"] {
            assert!(Failure::parse(nothing).is_empty(), "{nothing:?}");
        }
    }
}
