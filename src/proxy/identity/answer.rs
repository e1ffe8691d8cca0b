//! Tokens as managed identities hand them out. The same facts, spelt in three ways.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::IntoParams;
use utoipa::IntoResponses;
use utoipa::ToSchema;

use super::refusal::IdentityProblem;
use crate::domain::AppId;
use crate::domain::Secret;

/// What there is to say about a token.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// The token.
    pub(super) token: &'a Secret<String>,
    /// When it ends.
    pub(super) expires_at: OffsetDateTime,
    /// The time by the clock that `expires_at` is of: this machine's, as the caller's.
    pub(super) now: OffsetDateTime,
    /// As it was asked for.
    pub(super) resource: &'a str,
    /// Whose token it is; nobody knows where it is that of the developer.
    pub(super) client: Option<AppId>,
}

/// Cloud Shell: numbers are numbers, and there is an empty refresh token.
#[derive(Serialize, ToSchema)]
pub(in crate::proxy) struct CloudShellToken {
    /// The token.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOi…")]
    access_token: String,
    /// Always empty.
    #[schema(example = "")]
    refresh_token: String,
    /// Seconds from now.
    #[schema(example = 3599)]
    expires_in: i64,
    /// Seconds since 1970.
    #[schema(example = 1_795_000_000)]
    expires_on: i64,
    /// Seconds since 1970.
    #[schema(example = 1_794_996_401)]
    not_before: i64,
    /// As it was asked for.
    #[schema(example = "https://graph.microsoft.com/")]
    resource: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
}

/// App Service and IMDS: every value is a string.
#[derive(Serialize, ToSchema)]
pub(in crate::proxy) struct IdentityToken {
    /// The token.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOi…")]
    access_token: String,
    /// Whose token it is.
    #[schema(example = "615e6319-bf4f-4279-937c-b9eb198e511f")]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// Seconds from now.
    #[schema(example = "3599")]
    expires_in: String,
    /// Seconds since 1970.
    #[schema(example = "1795000000")]
    expires_on: String,
    /// Seconds from now; the same again.
    #[schema(example = "3599")]
    ext_expires_in: String,
    /// Seconds since 1970.
    #[schema(example = "1794996401")]
    not_before: String,
    /// As it was asked for.
    #[schema(example = "https://vault.azure.net")]
    resource: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
}

/// What App Service and IMDS are asked with. For the document; `request` reads it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) struct IdentityQuery {
    /// Version of the interface
    #[param(rename = "api-version", example = "2019-08-01")]
    api_version: String,
    /// For what
    #[param(example = "https://vault.azure.net")]
    resource: String,
    /// Which identity: that of the profile, or left out
    client_id: Option<String>,
}

/// What Cloud Shell is asked with. For the document; `request` reads it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) struct CloudShellForm {
    /// For what
    #[schema(example = "https://graph.microsoft.com/", min_length = 1, max_length = 1024)]
    resource: String,
}

/// What App Service and IMDS answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) enum IdentityAnswers {
    /// The token
    #[response(status = 200, headers(("X-Kvops-Cache" = String, description = "hit, miss or shared")))]
    Token(IdentityToken),
    /// Not this request
    #[response(status = "4XX", content_type = "application/problem+json")]
    Refused(IdentityProblem),
    /// A service is out of order, or answered what cannot be used
    #[response(status = "5XX", content_type = "application/problem+json")]
    Failed(IdentityProblem),
}

/// What Cloud Shell answers.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only the document is made of it")]
pub(super) enum CloudShellAnswers {
    /// The token
    #[response(status = 200, headers(("X-Kvops-Cache" = String, description = "hit, miss or shared")))]
    Token(CloudShellToken),
    /// Not this request
    #[response(status = "4XX", content_type = "application/problem+json")]
    Refused(IdentityProblem),
    /// A service is out of order, or answered what cannot be used
    #[response(status = "5XX", content_type = "application/problem+json")]
    Failed(IdentityProblem),
}

impl Facts<'_> {
    fn seconds(&self) -> i64 {
        // Clients take 0 for an answer without a lifetime.
        (self.expires_at.unix_timestamp() - self.now.unix_timestamp()).max(1)
    }
}

impl From<&Facts<'_>> for CloudShellToken {
    fn from(granted: &Facts<'_>) -> Self {
        Self {
            access_token: granted.token.expose().clone(),
            refresh_token: String::new(),
            expires_in: granted.seconds(),
            expires_on: granted.expires_at.unix_timestamp(),
            not_before: granted.now.unix_timestamp(),
            resource: granted.resource.to_owned(),
            token_type: "Bearer",
        }
    }
}

impl From<&Facts<'_>> for IdentityToken {
    fn from(granted: &Facts<'_>) -> Self {
        Self {
            access_token: granted.token.expose().clone(),
            client_id: granted.client.map(|client| client.to_string()),
            expires_in: granted.seconds().to_string(),
            expires_on: granted.expires_at.unix_timestamp().to_string(),
            ext_expires_in: granted.seconds().to_string(),
            not_before: granted.now.unix_timestamp().to_string(),
            resource: granted.resource.to_owned(),
            token_type: "Bearer",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    fn shown<T: Serialize + for<'a> From<&'a Facts<'a>>>(expires_at: OffsetDateTime) -> Value {
        let token = Secret::new("a.b.c".to_owned());
        let granted = Facts {
            token: &token,
            expires_at,
            now: datetime!(2026-11-21 12:00 UTC),
            resource: "https://vault.azure.net",
            client: Some("615e6319-bf4f-4279-937c-b9eb198e511f".parse().unwrap()),
        };
        serde_json::to_value(T::from(&granted)).unwrap()
    }

    #[test]
    fn cloud_shell_has_numbers_and_an_empty_refresh_token() {
        assert_eq!(
            shown::<CloudShellToken>(datetime!(2026-11-21 13:00 UTC)),
            json!({
                "access_token": "a.b.c", "refresh_token": "", "expires_in": 3600, "expires_on": 1_795_266_000,
                "not_before": 1_795_262_400, "resource": "https://vault.azure.net", "token_type": "Bearer",
            })
        );
    }

    #[test]
    fn everybody_else_has_strings() {
        let token = shown::<IdentityToken>(datetime!(2026-11-21 13:00 UTC));
        assert!(token.as_object().unwrap().values().all(Value::is_string), "{token}");
        assert_eq!(token["expires_on"], "1795266000");
        assert_eq!(token["expires_in"], "3600");
        assert_eq!(token["client_id"], "615e6319-bf4f-4279-937c-b9eb198e511f");
    }

    #[test]
    fn a_token_at_its_end_does_not_look_like_one_without() {
        assert_eq!(shown::<IdentityToken>(datetime!(2026-11-21 11:59 UTC))["expires_in"], "1");
    }
}
