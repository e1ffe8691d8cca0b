//! In whose name a refused request was made, so that the refusal can say who lacks the right.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use crate::domain::Secret;

/// The ids in a token of ours. Only its resource may check it, so this serves for messages alone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct Speaker {
    /// `oid`: the user or service principal.
    #[serde(rename = "oid")]
    pub object: Uuid,
    /// `appid` or `azp`: the application that asked.
    #[serde(alias = "azp", rename = "appid")]
    pub application: Option<Uuid>,
}

impl Speaker {
    /// Reads an `Authorization` header; nothing where the token is opaque.
    pub(super) fn of(authorization: &Secret<String>) -> Option<Self> {
        let token = authorization.expose().strip_prefix("Bearer ")?;
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.application {
            Some(application) => write!(f, "application {application}, object {}", self.object),
            None => write!(f, "object {}", self.object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_token_are_read_and_an_opaque_one_has_none() {
        let claims = r#"{"oid":"11111111-2222-3333-4444-555555555555","azp":"66666666-7777-8888-9999-000000000000"}"#;
        let bearer = |part: &str| Secret::new(format!("Bearer e30.{part}.c2ln"));
        let speaker = Speaker::of(&bearer(&URL_SAFE_NO_PAD.encode(claims))).unwrap();
        assert_eq!(
            speaker.to_string(),
            "application 66666666-7777-8888-9999-000000000000, object 11111111-2222-3333-4444-555555555555"
        );
        for opaque in ["", "!", "e30", &URL_SAFE_NO_PAD.encode(r#"{"oid":"$(reboot)"}"#)] {
            assert_eq!(Speaker::of(&bearer(opaque)), None, "{opaque}");
        }
        assert_eq!(Speaker::of(&Secret::new("opaque".to_owned())), None);
    }
}
