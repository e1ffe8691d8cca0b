//! Tokens for vaults of one's own tenant only.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::{Secret, TenantId};
use crate::http::{TokenRequest, TokenSource};

/// A vault names its tenant when it refuses a token. A source that was told no tenant would then sign in
/// there; for a vault that a stranger has named, this one does not.
#[derive(Debug)]
pub(super) struct Home {
    tokens: Arc<dyn TokenSource>,
    tenant: Option<Uuid>,
    stranger: Mutex<Option<TenantId>>,
}

/// The vault is elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("the vault is in tenant {0}, which is not that of this identity")]
struct Foreign(TenantId);

impl Home {
    /// Tokens of `tokens`, for vaults of `tenant`; of any, where that is unknown.
    pub(super) fn new(tokens: &Arc<dyn TokenSource>, tenant: Option<Uuid>) -> Self {
        Self { tokens: Arc::clone(tokens), tenant, stranger: Mutex::default() }
    }

    /// The tenant that the vault has named instead.
    pub(super) fn stranger(&self) -> Option<String> {
        self.stranger.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ToString::to_string)
    }
}

#[async_trait]
impl TokenSource for Home {
    async fn token(&self, request: &TokenRequest) -> Result<Secret<String>, Box<dyn StdError + Send + Sync>> {
        let named = request.tenant.as_ref().filter(|named| {
            let named: Option<Uuid> = named.as_str().parse().ok();
            named.is_some() && self.tenant.is_some() && named != self.tenant
        });
        if let Some(named) = named {
            *self.stranger.lock().unwrap_or_else(PoisonError::into_inner) = Some(named.clone());
            return Err(Foreign(named.clone()).into());
        }
        self.tokens.token(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Always;

    #[async_trait]
    impl TokenSource for Always {
        async fn token(&self, _: &TokenRequest) -> Result<Secret<String>, Box<dyn StdError + Send + Sync>> {
            Ok(Secret::new("token".to_owned()))
        }
    }

    fn ask(home: &Home, tenant: Option<&str>) -> bool {
        let tenant = tenant.map(|tenant| tenant.parse().unwrap());
        let request = TokenRequest { tenant, ..TokenRequest::for_resource("https://vault.azure.net") };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(home.token(&request)).is_ok()
    }

    #[test]
    fn a_vault_of_another_tenant_gets_no_token_and_is_remembered() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let tokens: Arc<dyn TokenSource> = Arc::new(Always);
        let home = Home::new(&tokens, Some(ours));
        assert!(ask(&home, None));
        assert!(ask(&home, Some(&ours.to_string())));
        assert_eq!(home.stranger(), None);
        assert!(!ask(&home, Some(&theirs.to_string())));
        assert_eq!(home.stranger(), Some(theirs.to_string()));
        // Not knowing our own tenant, there is nothing to compare.
        assert!(ask(&Home::new(&tokens, None), Some(&theirs.to_string())));
    }
}
