//! Tokens kept for as long as they are good, each asked for once however many wait for it.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::credential::Credential;
use super::error::Error;
use super::identity::Identity;
use super::token::Token;
use crate::domain::{Clock, Secret};
use crate::http::{TokenRequest, TokenSource};

/// Services take a token until its last second, but a request may be under way for a while.
const EARLY: Duration = Duration::minutes(5);

/// A credential with a memory: what the service clients are given. In memory only.
#[derive(Debug)]
pub struct Tokens {
    credential: Arc<dyn Credential>,
    clock: Arc<dyn Clock>,
    cells: Mutex<HashMap<TokenRequest, Arc<Cell>>>,
    identity: OnceLock<Identity>,
}

/// The lock is held while the token is fetched, so that others wait for it instead of asking too.
type Cell = tokio::sync::Mutex<Option<Kept>>;

#[derive(Debug)]
struct Kept {
    token: Token,
    refresh_at: OffsetDateTime,
}

impl Tokens {
    /// Remembers the tokens of `credential`.
    pub fn new(credential: Arc<dyn Credential>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { credential, clock, cells: Mutex::default(), identity: OnceLock::new() })
    }

    /// Who the first token spoke for; `None` before there was one.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    /// Where the tokens come from.
    pub fn credential(&self) -> &Arc<dyn Credential> {
        &self.credential
    }

    /// A token for `request`, kept or new.
    pub async fn get(&self, request: &TokenRequest) -> Result<Token, Error> {
        let cell = self.cell(TokenRequest { refused: false, ..request.clone() });
        let mut kept = cell.lock().await;
        let now = self.clock.now();
        if let Some(kept) = kept.as_ref().filter(|kept| !request.refused && now < kept.refresh_at) {
            return Ok(kept.token.clone());
        }
        let token = self.credential.token(request).await?;
        // A lab, or an impatient policy, may give tokens that live shorter than our margin.
        let margin = EARLY.min((token.expires_at - now) / 2);
        let refresh_at = token.expires_at.saturating_sub(margin);
        *kept = Some(Kept { refresh_at, token: token.clone() });
        drop(kept);
        if request.refused {
            self.replace_plain(&request.resource, &token, refresh_at).await;
        }
        self.introduce(&token);
        Ok(token)
    }

    fn cell(&self, key: TokenRequest) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(key).or_default())
    }

    /// The next request for the resource begins with the token that a challenge asked for, not with
    /// the one that was refused.
    async fn replace_plain(&self, resource: &str, token: &Token, refresh_at: OffsetDateTime) {
        let cell = self.cell(TokenRequest::for_resource(resource));
        *cell.lock().await = Some(Kept { refresh_at, token: token.clone() });
    }

    /// Says once who we are.
    fn introduce(&self, token: &Token) {
        let mut is_first = false;
        let identity = self.identity.get_or_init(|| {
            is_first = true;
            Identity::of(token)
        });
        if is_first {
            tracing::info!(
                credential = self.credential.name(),
                "signed in as {identity} by {}",
                self.credential.description()
            );
        }
    }
}

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self, request: &TokenRequest) -> Result<Secret<String>, Box<dyn StdError + Send + Sync>> {
        Ok(self.get(request).await?.access_token)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Counting {
        asked: AtomicUsize,
        lifetime: i64,
    }

    #[derive(Debug, Default)]
    struct Moved(AtomicI64);

    #[async_trait]
    impl Clock for Moved {
        fn now(&self) -> OffsetDateTime {
            OffsetDateTime::UNIX_EPOCH + Duration::seconds(self.0.load(Ordering::SeqCst))
        }

        async fn sleep(&self, _duration: std::time::Duration) {}
    }

    #[async_trait]
    impl Credential for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }

        fn description(&self) -> String {
            "a test".to_owned()
        }

        async fn token(&self, _request: &TokenRequest) -> Result<Token, Error> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Token {
                access_token: Secret::new(format!("token {number}")),
                expires_at: OffsetDateTime::UNIX_EPOCH + Duration::seconds(self.lifetime),
                correlation_id: None,
                request_id: None,
            })
        }
    }

    fn tokens(lifetime: i64) -> (Arc<Tokens>, Arc<Counting>, Arc<Moved>) {
        let (credential, clock) = (Arc::new(Counting { lifetime, ..Counting::default() }), Arc::new(Moved::default()));
        let tokens = Tokens::new(Arc::clone(&credential) as _, Arc::clone(&clock) as _);
        (tokens, credential, clock)
    }

    #[tokio::test]
    async fn many_who_want_the_same_token_share_one_request() {
        let (tokens, credential, _) = tokens(3600);
        let request = TokenRequest::for_resource("https://graph.example");
        let all = futures::future::join_all((0..50).map(|_| tokens.get(&request))).await;
        assert!(all.iter().all(|token| token.as_ref().unwrap().access_token.expose() == "token 0"));
        assert_eq!(credential.asked.load(Ordering::SeqCst), 1);
        tokens.get(&TokenRequest::for_resource("https://vault.example")).await.unwrap();
        assert_eq!(credential.asked.load(Ordering::SeqCst), 2, "another resource needs another token");
    }

    #[tokio::test]
    async fn a_token_is_replaced_five_minutes_early_or_when_it_was_refused() {
        let (tokens, credential, clock) = tokens(3600);
        let request = TokenRequest::for_resource("r");
        tokens.get(&request).await.unwrap();
        clock.0.store(3299, Ordering::SeqCst);
        tokens.get(&request).await.unwrap();
        assert_eq!(credential.asked.load(Ordering::SeqCst), 1);
        clock.0.store(3300, Ordering::SeqCst);
        tokens.get(&request).await.unwrap();
        assert_eq!(credential.asked.load(Ordering::SeqCst), 2);
        clock.0.store(0, Ordering::SeqCst);
        tokens.get(&TokenRequest { refused: true, ..request.clone() }).await.unwrap();
        assert_eq!(credential.asked.load(Ordering::SeqCst), 3);
        tokens.get(&request).await.unwrap();
        assert_eq!(
            credential.asked.load(Ordering::SeqCst),
            3,
            "the replacement serves those who did not see the refusal"
        );
    }

    #[tokio::test]
    async fn a_short_lived_token_is_still_kept_for_half_its_life() {
        let (tokens, credential, _) = tokens(60);
        let request = TokenRequest::for_resource("r");
        tokens.get(&request).await.unwrap();
        tokens.get(&request).await.unwrap();
        assert_eq!(credential.asked.load(Ordering::SeqCst), 1);
    }
}
