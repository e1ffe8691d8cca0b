//! What goes into the `Authorization` header.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{Secret, TenantId};

/// Where tokens come from. Implemented by `entra`; asked anew for each attempt, so it caches.
#[async_trait]
pub trait TokenSource: Debug + Send + Sync {
    /// An access token for `request`, without the word `Bearer`.
    async fn token(&self, request: &TokenRequest) -> Result<Secret<String>, Box<dyn StdError + Send + Sync>>;
}

/// The token that a request needs.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct TokenRequest {
    /// The resource, without `/.default` and without a final slash.
    pub resource: String,
    /// The tenant that the service named; for sources that were told none.
    pub tenant: Option<TenantId>,
    /// JSON of a claims challenge, to be passed on to Entra as it is.
    pub claims: Option<String>,
    /// Whether the service has just refused the token that a cache would give.
    pub refused: bool,
}

impl TokenRequest {
    /// A token for a resource, with nothing special about it.
    pub fn for_resource(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), ..Self::default() }
    }

    /// The v2 scope: `{resource}/.default`.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.resource)
    }
}

/// How a request is authorised.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// With a token for a resource; a 401 is answered with the token that it asks for.
    Bearer {
        /// Where the token comes from.
        tokens: Arc<dyn TokenSource>,
        /// The resource that the service is expected to ask for.
        resource: String,
    },
    /// With a header value that the caller has, such as the one that a CI system hands out.
    Header(Secret<String>),
}

impl Auth {
    /// A token of `tokens` for `resource`.
    pub fn bearer(tokens: &Arc<dyn TokenSource>, resource: impl Into<String>) -> Self {
        Self::Bearer { tokens: Arc::clone(tokens), resource: resource.into() }
    }
}
