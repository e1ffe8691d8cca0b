//! What the token endpoints answer.

use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use time::OffsetDateTime;
use time::UtcOffset;
use time::macros::format_description;
use utoipa::ToSchema;

use crate::domain::Secret;
use crate::proxy::cache::Cache;
use crate::proxy::engine::{Granted, KeyInfo};

/// How the token was come by.
pub(super) const CACHE_HEADER: HeaderName = HeaderName::from_static("x-kvops-cache");

/// A token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenAnswer {
    /// The token.
    #[schema(value_type = String)]
    #[serde(serialize_with = "exposed")]
    access_token: Secret<String>,
    /// Seconds until it ends.
    #[schema(example = 3599)]
    lifetime: i64,
    /// When it ends.
    #[schema(format = DateTime, example = "2026-11-22T13:00:00+00:00")]
    expires_on: String,
    /// What was asked for.
    scopes: Vec<String>,
    #[serde(skip)]
    cache: Cache,
}

/// What signing with a certificate needs to know of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyInfoAnswer {
    /// The certificate's name.
    certificate_name: String,
    /// Its SHA-1 thumbprint in base64url: what `kv-key` takes as `keyThumbprint`.
    kid: String,
    /// The version's key: what `kv-key` takes as `keyUri`.
    key_id: String,
    /// End of its validity.
    #[schema(format = DateTime, example = "2027-11-22T13:00:00+00:00")]
    expires_on: String,
}

impl TokenAnswer {
    pub(super) fn new(granted: Granted, scopes: Vec<String>, now: OffsetDateTime) -> Self {
        let Granted { token, cache } = granted;
        Self {
            lifetime: (token.expires_at - now).whole_seconds().max(0),
            expires_on: iso(token.expires_at),
            access_token: token.access_token,
            scopes,
            cache,
        }
    }
}

impl IntoResponse for TokenAnswer {
    fn into_response(self) -> Response {
        let cache = HeaderValue::from_static(self.cache.name());
        ([(CACHE_HEADER, cache)], Json(self)).into_response()
    }
}

impl From<KeyInfo> for KeyInfoAnswer {
    fn from(info: KeyInfo) -> Self {
        Self {
            certificate_name: info.name.to_string(),
            kid: info.thumbprint.base64url(),
            key_id: info.key.to_string(),
            expires_on: iso(info.expires_at),
        }
    }
}

/// This is the one place at which a token leaves the program, to whoever was let in.
fn exposed<S: serde::Serializer>(token: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

/// As .NET writes a `DateTimeOffset`: with an offset, never with `Z`.
fn iso(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+00:00");
    at.to_offset(UtcOffset::UTC).format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_have_an_offset() {
        assert_eq!(iso(datetime!(2026-11-22 14:00:00.5 +01:00)), "2026-11-22T13:00:00+00:00");
    }
}
