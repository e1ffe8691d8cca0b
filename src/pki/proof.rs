//! The proof of possession that Graph's `addKey` and `removeKey` ask for.
//!
//! Form: <https://learn.microsoft.com/graph/application-rollkey-prooftoken>.

use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::assertion::{header, latest, members};
use super::error::Error;
use super::jws::{Algorithm, Compact, SigningInput};
use super::signer::Signer;
use crate::domain::ObjectId;

/// The retired Azure AD Graph, which is still the audience of every proof, in every cloud.
const AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// The service takes ten minutes at most from `nbf` to `exp`.
const LIFETIME: Duration = Duration::minutes(5);

/// Who proves, and when.
#[derive(Clone, Copy, Debug)]
pub struct ProofRequest {
    /// Object id of the application or service principal whose keys change: not its client id.
    pub object: ObjectId,
    /// The moment of signing by the service's clock, as far as it is known.
    pub now: OffsetDateTime,
    /// How far `nbf` lies before `now`, against clock skew.
    pub backdate: Duration,
}

/// A signed proof that its maker holds the key of a certificate that is attached to the object.
#[derive(Clone, Debug)]
pub struct PossessionProof(Compact);

impl PossessionProof {
    /// Builds the proof and has it signed. Always RS256 with `x5t`: nothing else is documented.
    pub async fn sign(request: ProofRequest, signer: &dyn Signer) -> Result<Self, Error> {
        let not_before = latest(request.now.saturating_sub(request.backdate), signer.identity());
        let claims = members(json!({
            "aud": AUDIENCE,
            "iss": request.object,
            "nbf": not_before.unix_timestamp(),
            "exp": request.now.saturating_add(LIFETIME).unix_timestamp(),
        }));
        let header = header(Algorithm::Rs256, signer.identity())?;
        SigningInput::new(Algorithm::Rs256, header, claims).sign(signer).await.map(Self)
    }

    /// Header, claims and text.
    pub fn compact(&self) -> &Compact {
        &self.0
    }
}
