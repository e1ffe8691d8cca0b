//! The client assertion that Entra takes in place of a secret (RFC 7523).
//!
//! Form: <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>.

use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::error::Error;
use super::jws::{Algorithm, Compact, SigningInput};
use super::signer::{Signer, SignerIdentity};
use crate::domain::AppId;

/// The longest assertion that kvops makes.
pub const MAX_ASSERTION_LIFETIME: Duration = Duration::minutes(10);

/// What an assertion says, and when.
#[derive(Clone, Debug)]
pub struct AssertionRequest {
    /// The application that signs in: `iss` and `sub`.
    pub client: AppId,
    /// The token endpoint of the tenant: `aud`.
    pub audience: String,
    /// The moment of signing by the service's clock, as far as it is known.
    pub now: OffsetDateTime,
    /// How long it lives, at most [`MAX_ASSERTION_LIFETIME`].
    pub lifetime: Duration,
    /// How far `nbf` lies before `now`, against clock skew.
    pub backdate: Duration,
    /// `jti`.
    pub id: Uuid,
    /// PS256 with `x5t#S256`, or RS256 with `x5t`.
    pub algorithm: Algorithm,
}

impl AssertionRequest {
    /// The defaults: PS256, 300 s, backdated by 30 s.
    pub fn new(client: AppId, audience: impl Into<String>, now: OffsetDateTime, id: Uuid) -> Self {
        Self {
            client,
            audience: audience.into(),
            now,
            lifetime: Duration::minutes(5),
            backdate: Duration::seconds(30),
            id,
            algorithm: Algorithm::default(),
        }
    }
}

/// A signed client assertion.
#[derive(Clone, Debug)]
pub struct ClientAssertion(Compact);

impl ClientAssertion {
    /// Builds the assertion and has it signed by the key of `signer`'s certificate.
    pub async fn sign(request: &AssertionRequest, signer: &dyn Signer) -> Result<Self, Error> {
        if request.lifetime > MAX_ASSERTION_LIFETIME || request.lifetime < Duration::SECOND {
            return Err(Error::Lifetime {
                asked: request.lifetime.whole_seconds(),
                limit: MAX_ASSERTION_LIFETIME.whole_seconds(),
            });
        }
        input(request, signer.identity())?.sign(signer).await.map(Self)
    }

    /// Header, claims and text.
    pub fn compact(&self) -> &Compact {
        &self.0
    }
}

fn input(request: &AssertionRequest, identity: &SignerIdentity) -> Result<SigningInput, Error> {
    let header = header(request.algorithm, identity)?;
    // A fresh certificate is valid from ten minutes before its creation, never from earlier.
    let not_before = latest(request.now.saturating_sub(request.backdate), identity);
    let claims = members(json!({
        "aud": request.audience,
        "iss": request.client,
        "sub": request.client,
        "jti": request.id,
        "iat": request.now.unix_timestamp(),
        "nbf": not_before.unix_timestamp(),
        "exp": request.now.saturating_add(request.lifetime).unix_timestamp(),
    }));
    Ok(SigningInput::new(request.algorithm, header, claims))
}

/// The JOSE header that names the certificate: RFC 7515 4.1.7 and 4.1.8, unpadded base64url.
pub(super) fn header(algorithm: Algorithm, identity: &SignerIdentity) -> Result<Map<String, Value>, Error> {
    let name = match algorithm {
        Algorithm::Ps256 => "x5t#S256",
        Algorithm::Rs256 => "x5t",
    };
    let thumbprint = identity.thumbprint(algorithm)?.base64url();
    Ok(members(json!({ "alg": algorithm.name(), "typ": "JWT", name: thumbprint })))
}

/// `nbf`: `wanted`, but not before the certificate itself.
pub(super) fn latest(wanted: OffsetDateTime, identity: &SignerIdentity) -> OffsetDateTime {
    identity.not_before().map_or(wanted, |start| start.max(wanted))
}

pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
