//! Proving a certificate by signing in with it.
//!
//! Graph showing a key says nothing about the token endpoint: that has a clock of its own, and a
//! new key is unknown to it (AADSTS700027) for seconds or minutes.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use super::error::Error;
use super::watch::{self, Watcher};
use crate::domain::{AppId, CredentialId, KeyUrl, TenantId};
use crate::entra::{self, MintOptions, Tokens};
use crate::http::{self, TokenSource};
use crate::keyvault::VaultSigner;
use crate::pki::{Algorithm, DecodedToken};
use crate::sign_in::{self, Application, VaultKey};

/// `azpacr` of a token that a certificate was used for.
/// <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>
const BY_CERTIFICATE: &str = "2";

/// Where and how the application signs in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The transport.
    pub http: http::Client,
    /// The tenant whose token endpoint is asked.
    pub tenant: TenantId,
    /// The algorithm of assertions; without one that which fits the certificate.
    pub algorithm: Option<Algorithm>,
}

impl SignIn {
    fn application(&self, app: AppId, signer: &VaultSigner) -> Application {
        let options = MintOptions { algorithm: self.algorithm, ..MintOptions::default() };
        let key = Arc::new(VaultKey::with_signer(signer.clone()));
        Application::new(&self.http, key, self.tenant.clone(), app, options)
    }

    /// Tokens of `app`, for a client that makes requests in its name.
    pub fn tokens(&self, app: AppId, signer: &VaultSigner) -> Arc<dyn TokenSource> {
        Tokens::new(Arc::new(self.application(app, signer)), Arc::clone(self.http.clock()))
    }
}

/// What counts as a proof.
#[derive(Clone, Copy, Debug)]
pub struct ProofPolicy {
    /// So many tokens in a row.
    pub tokens: u32,
    /// The least time from the first to the last: replicas take turns in answering.
    pub spread: Duration,
    /// When to give up, counted from the start.
    pub deadline: Duration,
}

impl ProofPolicy {
    /// For a key that has just been added: tokens over 20 s, within five minutes.
    pub const fn of_new_key(tokens: u32) -> Self {
        Self { tokens, spread: Duration::from_secs(20), deadline: Duration::from_secs(300) }
    }

    /// For a key that has been trusted before: one token, now.
    pub const fn of_known_key() -> Self {
        Self { tokens: 1, spread: Duration::ZERO, deadline: Duration::from_secs(30) }
    }
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// Tokens in a row.
    pub tokens: u32,
    /// Seconds from the upload, or from the start where nothing was uploaded, to the first token: how
    /// long the key took to spread.
    pub seconds_until_accepted: u64,
    /// Seconds from the first to the last token.
    pub seconds_observed: u64,
    /// How the client proved itself, `azpacr` of the last token: `2` is a certificate.
    pub azpacr: String,
    /// `uti` of each token: its name in the sign-in log.
    pub token_ids: Vec<String>,
}

/// Whose key, and where its entry is; for messages.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The application.
    pub app: AppId,
    /// The key.
    pub key: &'a KeyUrl,
    /// Its entry, if its id is known.
    pub key_id: Option<CredentialId>,
    /// When it was uploaded, if that was just now.
    pub uploaded_at: Option<OffsetDateTime>,
}

/// Signs in until `policy` is satisfied. Only refusals that a new key gets while it spreads are
/// waited out.
pub async fn prove(
    sign_in: &SignIn,
    subject: Subject<'_>,
    signer: &VaultSigner,
    policy: ProofPolicy,
    watcher: &dyn Watcher,
) -> Result<Proof, Error> {
    let clock = sign_in.http.clock();
    // Never a kept token: it is to prove something about now.
    let application = sign_in.application(subject.app, signer);
    let scope = format!("{}.default", sign_in.http.cloud().graph());
    let started = clock.now();
    let elapsed = || since(clock.now(), started);
    let pause = policy.spread / policy.tokens.saturating_sub(1).max(1);
    let mut proof: Option<Proof> = None;
    let mut first_at = Duration::ZERO;
    let mut back_off = Duration::from_secs(2);
    loop {
        watch::check(watcher, "before the next proof by token")?;
        match application.sign_in(&scope).await.map(|signed_in| signed_in.token) {
            Ok(token) => {
                let decoded = DecodedToken::decode(&token.access_token)?;
                let azpacr = decoded.client_authentication().unwrap_or_else(|| "absent".to_owned());
                if azpacr != BY_CERTIFICATE {
                    return Err(Error::WrongProof { found: azpacr });
                }
                if proof.is_none() {
                    first_at = elapsed();
                }
                let spread = subject.uploaded_at.map_or(first_at, |uploaded_at| since(clock.now(), uploaded_at));
                let seen = proof.get_or_insert_with(|| Proof {
                    tokens: 0,
                    seconds_until_accepted: spread.as_secs(),
                    seconds_observed: 0,
                    azpacr: azpacr.clone(),
                    token_ids: Vec::new(),
                });
                seen.tokens += 1;
                seen.seconds_observed = (elapsed() - first_at).as_secs();
                seen.token_ids.extend(decoded.text("uti"));
                if seen.tokens >= policy.tokens {
                    return Ok(seen.clone());
                }
                watcher.doing(&format!("token {} of {} received", seen.tokens, policy.tokens));
                clock.sleep(pause).await;
            }
            Err(sign_in::Error::Entra(source)) if source.may_be_spreading() => {
                // Another replica still does not know it: the row starts anew.
                proof = None;
                let waited = elapsed();
                if waited + back_off > policy.deadline {
                    return Err(Error::NotAccepted {
                        key: Box::new(subject.key.clone()),
                        key_id: subject.key_id,
                        waited,
                        source: Box::new(source),
                    });
                }
                watcher.doing(&watch::waiting("the token endpoint to learn of the key", waited, policy.deadline));
                clock.sleep(back_off).await;
                back_off = (back_off * 2).min(Duration::from_secs(15));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What was seen of a key that is no longer to be accepted.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// The code of each refusal, such as `AADSTS700027`.
    pub code: String,
    /// Refusals in a row.
    pub refusals: u32,
    /// Seconds until the first.
    pub seconds_until_refused: u64,
    /// How often it was still accepted before that, because the removal had to spread.
    pub still_accepted: u32,
}

/// Signs in with a key that was removed until it is refused `policy.tokens` times in a row over
/// `policy.spread`. Only the refusal that says that the key is unknown counts.
pub async fn prove_refusal(
    sign_in: &SignIn,
    subject: Subject<'_>,
    signer: &VaultSigner,
    policy: ProofPolicy,
    watcher: &dyn Watcher,
) -> Result<Refused, Error> {
    let clock = sign_in.http.clock();
    let application = sign_in.application(subject.app, signer);
    let scope = format!("{}.default", sign_in.http.cloud().graph());
    let started = clock.now();
    let elapsed = || since(clock.now(), started);
    let pause = policy.spread / policy.tokens.saturating_sub(1).max(1);
    let mut seen: Option<Refused> = None;
    let (mut still_accepted, mut back_off) = (0, Duration::from_secs(2));
    loop {
        watch::check(watcher, "before the next proof of refusal")?;
        match application.sign_in(&scope).await {
            Ok(_) => {
                (seen, still_accepted) = (None, still_accepted + 1);
                let waited = elapsed();
                if waited + back_off > policy.deadline {
                    return Err(Error::StillAccepted {
                        key: Box::new(subject.key.clone()),
                        key_id: subject.key_id,
                        waited,
                    });
                }
                watcher.doing(&watch::waiting("the token endpoint to forget the key", waited, policy.deadline));
                clock.sleep(back_off).await;
                back_off = (back_off * 2).min(Duration::from_secs(15));
            }
            Err(error) if error.is_unknown_key() => {
                let waited = elapsed().as_secs();
                let refused = seen.get_or_insert_with(|| Refused {
                    code: error
                        .refusal()
                        .and_then(entra::Error::aadsts)
                        .map_or_else(String::new, |c| format!("AADSTS{c}")),
                    refusals: 0,
                    seconds_until_refused: waited,
                    still_accepted,
                });
                refused.refusals += 1;
                if refused.refusals >= policy.tokens {
                    return Ok(refused.clone());
                }
                clock.sleep(pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn since(now: OffsetDateTime, then: OffsetDateTime) -> Duration {
    (now - then).max(time::Duration::ZERO).unsigned_abs()
}
