//! The keys of an issuer for a service: read once in a while, at hand at once, signing in the vault.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as StdDuration;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::document::Documents;
use super::error::{Error, ReadError};
use super::observe::{Observed, VersionKey};
use super::pace::SigningPace;
use super::span::Span;
use super::timeline::{NoKey, Timeline};
use super::windows::Windows;
use crate::domain::{CertificateName, Chain, KeyUrl};
use crate::http::Pace;
use crate::keyvault::{self, VaultSigner};
use crate::pki::{
    Audience, Claims, Issuer, IssuerToken, IssuerTokenRequest, JwkSet, SignatureAlgorithm, SignerIdentity, TokenType,
};

/// After a reading that failed, the vault is left alone for so long.
const RETRY: Duration = Duration::seconds(5);

/// From here on somebody should see to a new version.
pub const EXPIRY_WARNING: Duration = Duration::days(30);

/// How a set behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetOptions {
    /// How long things last.
    pub windows: Windows,
    /// How RSA keys sign [default: RS256]; an EC key has the one algorithm of its curve.
    pub algorithm: Option<SignatureAlgorithm>,
    /// How long a reading is used without asking the vault again [default: the cache of the windows].
    pub refresh: Option<Span>,
}

/// The keys of an issuer at one moment: one signs, all validate.
#[derive(Debug)]
pub struct KeySet {
    observed: Arc<Observed>,
    timeline: Timeline,
    jwks: JwkSet,
    documents: Documents,
}

/// The keys of an issuer, followed as versions come and go. Cheap to clone; clones share what was read.
#[derive(Clone, Debug)]
pub struct SigningKeySet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    vault: keyvault::Client,
    /// The same vault, no faster than it signs.
    signing: keyvault::Client,
    pace: Arc<SigningPace>,
    name: CertificateName,
    issuer: Issuer,
    options: SetOptions,
    state: Mutex<State>,
    /// Held by the one who reads.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    set: Option<Arc<KeySet>>,
    failed: Option<(OffsetDateTime, Arc<ReadError>)>,
    /// Readings that have begun, and those that have ended. They never overlap.
    begun: u64,
    readings: u64,
}

/// What a token is to be.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// `aud`
    pub audience: &'a Audience,
    /// The caller's claims.
    pub claims: &'a Claims,
    /// How long it lives.
    pub lifetime: Duration,
    /// `typ`
    pub kind: TokenType,
}

/// A signed token, and what it was signed with.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token.
    pub token: IssuerToken,
    /// The key that signed.
    pub key: Arc<VersionKey>,
    /// `jti`
    pub id: Uuid,
    /// `exp`
    pub expires_at: OffsetDateTime,
}

impl KeySet {
    fn new(issuer: &Issuer, windows: &Windows, observed: Arc<Observed>, now: OffsetDateTime) -> Result<Self, NoKey> {
        let timeline = Timeline::new(&observed.versions, windows, now)?;
        let published = timeline.published().filter_map(|key| observed.keys.get(&key.facts.version));
        let jwks = JwkSet { keys: published.map(|key| key.jwk.clone()).collect() };
        let documents = Documents::new(issuer, &jwks);
        Ok(Self { observed, timeline, jwks, documents })
    }

    /// Where each version stands.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// What was read, and when.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// All keys that tokens of the issuer may be signed with, the newest first.
    pub fn validation(&self) -> &JwkSet {
        &self.jwks
    }

    /// What verifiers read.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The one key that signs at `now`. When it cannot, nothing does: no other key stands in.
    pub fn active(&self, now: OffsetDateTime) -> Result<&Arc<VersionKey>, Error> {
        let active = &self.timeline.active().facts;
        let key = self.observed.keys.get(&active.version);
        let (starts, ends) = (active.not_before, active.not_after);
        // One that is not among the published ones has left, which it does long after its end.
        let Some(key) = key else {
            let Observed { vault, name, .. } = self.observed();
            let key = Box::new(KeyUrl::new(vault.clone(), name.clone(), active.version.clone()));
            return Err(Error::Expired { key, not_after: ends.unwrap_or(now) });
        };
        match (starts, ends) {
            (_, Some(not_after)) if not_after <= now => {
                Err(Error::Expired { key: Box::new(key.key.clone()), not_after })
            }
            (Some(not_before), _) if now < not_before => {
                Err(Error::NotYetValid { key: Box::new(key.key.clone()), not_before })
            }
            _ => Ok(key),
        }
    }

    /// How long the key that signs is still valid, if that is not long.
    pub fn expires_in(&self, now: OffsetDateTime) -> Option<Duration> {
        let left = self.timeline.active().facts.not_after? - now;
        (left < EXPIRY_WARNING).then_some(left)
    }
}

impl SigningKeySet {
    /// The keys of certificate `name` for tokens of `issuer`. Nothing is read yet.
    pub fn new(vault: &keyvault::Client, name: CertificateName, issuer: Issuer, options: SetOptions) -> Self {
        let (state, reading) = (Mutex::default(), tokio::sync::Mutex::default());
        let pace = Arc::new(SigningPace::new(Arc::clone(vault.http().clock())));
        let signing = vault.paced(&(Arc::clone(&pace) as Arc<dyn Pace>));
        let vault = vault.clone();
        Self { shared: Arc::new(Shared { vault, signing, pace, name, issuer, options, state, reading }) }
    }

    /// Who issues.
    pub fn issuer(&self) -> &Issuer {
        &self.shared.issuer
    }

    /// How long things last.
    pub fn windows(&self) -> &Windows {
        &self.shared.options.windows
    }

    /// The vault.
    pub fn vault(&self) -> &keyvault::Client {
        &self.shared.vault
    }

    /// The certificate.
    pub fn name(&self) -> &CertificateName {
        &self.shared.name
    }

    /// The present by the vault's clock.
    pub fn now(&self) -> OffsetDateTime {
        self.shared.vault.http().service_now()
    }

    /// How often the vault was read.
    pub fn readings(&self) -> u64 {
        self.state().readings
    }

    /// The keys now. What was read is handed out at once; when it is due, it is read anew meanwhile. Only
    /// the first caller waits, and one who comes after the cache of the windows has run out.
    pub async fn current(&self) -> Result<Arc<KeySet>, Error> {
        let (now, windows) = (self.now(), self.windows());
        let (set, failed) = {
            let state = self.state();
            (state.set.clone(), state.failed.clone())
        };
        let Some(set) = set else { return self.due().await };
        let age = (now - set.observed.read_at).abs();
        let refresh = self.shared.options.refresh.unwrap_or(windows.settings().cache);
        if age < refresh.duration() {
            return self.at(set, now);
        }
        let just_failed = failed.filter(|(at, _)| (now - *at).abs() < RETRY);
        if age < windows.settings().cache.duration() {
            if just_failed.is_none() && self.shared.reading.try_lock().is_ok() {
                let this = self.clone();
                tokio::spawn(async move { this.due().await.map(drop) });
            }
            return self.at(set, now);
        }
        let reason = match just_failed {
            Some((_, reason)) => reason,
            None => match self.due().await {
                Err(Error::Read(reason)) => reason,
                ended => return ended,
            },
        };
        let limit = windows.last_good();
        if age < limit.duration() {
            return self.at(set, now);
        }
        Err(Error::TooOld { read_at: set.observed.read_at, limit, reason })
    }

    /// Reads the vault now. What is told was not read before this was asked for: somebody may just have
    /// withdrawn a key.
    pub async fn refresh(&self) -> Result<Arc<KeySet>, Error> {
        let begun = self.state().begun;
        self.read_after(begun).await
    }

    /// Reads the vault, or waits for whoever is reading.
    async fn due(&self) -> Result<Arc<KeySet>, Error> {
        let ended = self.state().readings;
        self.read_after(ended).await
    }

    /// Waits for a reading with a number above `number`, and does it if nobody else has.
    async fn read_after(&self, number: u64) -> Result<Arc<KeySet>, Error> {
        let _one = self.shared.reading.lock().await;
        let joined = {
            let mut state = self.state();
            let joined = (state.readings > number).then(|| (state.set.clone(), state.failed.clone()));
            // One that was given up has not ended, and its number is used again.
            if joined.is_none() {
                state.begun = state.readings + 1;
            }
            joined
        };
        match joined {
            Some((_, Some((_, reason)))) => return Err(Error::Read(reason)),
            Some((Some(set), None)) => return self.at(set, self.now()),
            _ => {}
        }
        let known = self.state().set.clone();
        let known = known.as_ref().map(|set| set.observed.as_ref());
        let Shared { vault, name, issuer, options, .. } = self.shared.as_ref();
        let read = Observed::read(vault, name, &options.windows, options.algorithm, known).await;
        let now = self.now();
        let made = read.and_then(|observed| {
            KeySet::new(issuer, &options.windows, Arc::new(observed), now).map_err(|source| self.no_key(source))
        });
        let mut state = self.state();
        state.readings += 1;
        match made {
            Ok(set) => {
                let set = Arc::new(set);
                (state.set, state.failed) = (Some(Arc::clone(&set)), None);
                Ok(set)
            }
            Err(error) => {
                let reason = Arc::new(error);
                tracing::warn!("the keys of {} could not be read: {}", name, Chain(reason.as_ref()));
                state.failed = Some((now, Arc::clone(&reason)));
                // Nobody is to publish or to sign with what the vault has withdrawn.
                if !matches!(*reason, ReadError::Vault(_)) {
                    state.set = None;
                }
                Err(Error::Read(reason))
            }
        }
    }

    /// Has a token signed by the key that is active now. When the vault has just withdrawn that key, the
    /// versions are read again at once, and the one that is active then signs.
    pub async fn sign(&self, order: Order<'_>) -> Result<Issued, Error> {
        self.sign_as(self.vault().http().new_guid(), order).await
    }

    /// The same for a token whose `jti` is known already.
    pub(super) async fn sign_as(&self, id: Uuid, order: Order<'_>) -> Result<Issued, Error> {
        let set = self.current().await?;
        let refused = match self.sign_with(set.active(self.now())?, id, order).await {
            Err(error) if is_withdrawn(&error) => error,
            ended => return ended,
        };
        let first = set.timeline.active().facts.version.clone();
        let set = self.refresh().await?;
        if set.timeline.active().facts.version == first {
            return Err(refused);
        }
        self.sign_with(set.active(self.now())?, id, order).await
    }

    async fn sign_with(&self, key: &Arc<VersionKey>, id: Uuid, order: Order<'_>) -> Result<Issued, Error> {
        // Tokens know whole seconds.
        let now = self.now().replace_nanosecond(0).unwrap_or_else(|_| self.now());
        let identity = SignerIdentity::Certificate(Box::new(key.certificate.clone()));
        self.shared.pace.follow(key.certificate.public_key());
        let signer = VaultSigner::new(&self.shared.signing, key.key.clone(), identity);
        let request = IssuerTokenRequest {
            issuer: &self.shared.issuer,
            audience: order.audience,
            claims: order.claims,
            now,
            lifetime: order.lifetime,
            longest: self.windows().settings().token_life.duration(),
            id,
            kid: key.kid(),
            algorithm: key.algorithm,
            kind: order.kind,
        };
        let token = IssuerToken::sign(&request, &signer).await?;
        Ok(Issued { token, key: Arc::clone(key), id, expires_at: now.saturating_add(order.lifetime) })
    }

    /// The set as it is at `now`: time alone makes a key sign, and another leave.
    fn at(&self, set: Arc<KeySet>, now: OffsetDateTime) -> Result<Arc<KeySet>, Error> {
        let is_as_it_was = set.timeline.now <= now && set.timeline.changes_at.is_none_or(|change| now < change);
        if is_as_it_was {
            return Ok(set);
        }
        let observed = Arc::clone(&set.observed);
        let set = KeySet::new(&self.shared.issuer, self.windows(), observed, now);
        let set = Arc::new(set.map_err(|source| self.no_key(source))?);
        let mut state = self.state();
        // Whoever has read meanwhile knows better.
        if state.set.as_ref().is_some_and(|known| Arc::ptr_eq(&known.observed, &set.observed)) {
            state.set = Some(Arc::clone(&set));
        }
        Ok(set)
    }

    fn no_key(&self, source: NoKey) -> ReadError {
        ReadError::NoKey { name: self.shared.name.clone(), vault: Box::new(self.shared.vault.vault().clone()), source }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long verifiers may keep the documents: `max-age`.
pub fn max_age(windows: &Windows) -> StdDuration {
    StdDuration::from_secs(windows.settings().client_cache.whole_seconds().unsigned_abs())
}

/// Whether the vault has the key no more, or not for use.
fn is_withdrawn(error: &Error) -> bool {
    matches!(error.vault(), Some(keyvault::Error::Disabled { .. } | keyvault::Error::NotFound { .. }))
}
