//! The identities that kvops can start from, one file each.
//!
//! `azure_identity` runs the command-line tools (`cli`, `azd`). The other sources are ours: that
//! crate reads the process's environment when it is built, cannot be pointed at another metadata
//! host, passes on no claims, and loses the codes of Entra's refusals.

mod arc;
mod chain;
mod claims;
mod federated;
mod process;

use std::fmt::{self, Debug};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use azure_identity::Executor;

pub use process::ToolExecutor;

use self::chain::Chain;
use super::error::Error;
use super::token::Token;
use crate::domain::{AppId, Environment, ObjectId, TenantId};
use crate::http;
use crate::http::TokenRequest;

/// An identity that can get tokens for itself.
#[async_trait]
pub trait Credential: Debug + Send + Sync {
    /// The source's name, as `--credential` takes it.
    fn name(&self) -> &'static str;

    /// Where the identity comes from, for people: `the Azure CLI`.
    fn description(&self) -> String;

    /// A new token. Nothing is remembered here: see [`super::Tokens`].
    async fn token(&self, request: &TokenRequest) -> Result<Token, Error>;
}

/// What a source of identities is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The transport.
    pub http: http::Client,
    /// The variables that sources read.
    pub environment: Environment,
    /// The tenant that was asked for; it wins over what a source knows.
    pub tenant: Option<TenantId>,
    /// Which managed identity, where there are several.
    pub managed_identity: Option<UserAssigned>,
    /// Runs `az` and `azd`.
    pub executor: Arc<dyn Executor>,
}

/// A user-assigned managed identity. Written `client:GUID`, `object:GUID` or `resource:/…`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UserAssigned {
    /// By its client id.
    Client(AppId),
    /// By the object id of its service principal.
    Object(ObjectId),
    /// By its Azure resource id.
    Resource(String),
}

impl FromStr for UserAssigned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("client", id)) => id.parse().map(Self::Client).map_err(|error| format!("{error}")),
            Some(("object", id)) => id.parse().map(Self::Object).map_err(|error| format!("{error}")),
            Some(("resource", id)) if id.starts_with('/') => Ok(Self::Resource(id.to_owned())),
            _ => Err(format!("`{text}` is not client:GUID, object:GUID or resource:/subscriptions/…")),
        }
    }
}

/// What a source says about itself: for help, and for the page on variables.
#[derive(Clone, Copy, Debug)]
pub struct SourceInfo {
    /// As `--credential` takes it.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Variables that it reads.
    pub variables: &'static [&'static str],
}

macro_rules! sources {
    ($($(#[$doc:meta])* $variant:ident = $module:ident),* $(,)?) => {
        $(mod $module;)*

        /// A source of identities.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Source {
            $($(#[$doc])* $variant),*
        }

        impl Source {
            /// Every source, in the order in which the automatic choice asks them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// What the source says about itself.
            pub const fn info(self) -> &'static SourceInfo {
                match self {
                    $(Self::$variant => &$module::SOURCE),*
                }
            }

            /// The credential of this source. [`Error::is_unavailable`] means that it is not there.
            fn build(self, setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
                match self {
                    $(Self::$variant => $module::build(setup)),*
                }
            }
        }
    };
}

sources! {
    /// An application with a secret, a certificate or a federated token, from variables.
    Environment = env,
    /// Workload identity of a Kubernetes pod.
    WorkloadIdentity = wif,
    /// The service connection of an Azure Pipelines job.
    Pipelines = pipelines,
    /// The OIDC token of a GitHub Actions job.
    GitHub = github,
    /// The managed identity of this machine.
    ManagedIdentity = mi,
    /// Whoever is signed in to the Azure CLI.
    Cli = cli,
    /// Whoever is signed in to the Azure Developer CLI.
    Azd = azd,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)
    }
}

/// The value of `--credential`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Choice {
    /// The first source that has an identity.
    #[default]
    Auto,
    /// This one and no other.
    Only(Source),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let found = Source::ALL.iter().find(|source| source.info().name == text);
        found.map(|source| Self::Only(*source)).ok_or_else(|| {
            let names: Vec<_> = Source::ALL.iter().map(|source| source.info().name).collect();
            format!("`{text}` is not a credential: auto, {}", names.join(", "))
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Only(source) => fmt::Display::fmt(source, f),
        }
    }
}

/// The credential of a choice. An explicit choice fails here if it lacks something, and never
/// falls through to another.
pub fn credential(choice: Choice, setup: &Setup) -> Result<Arc<dyn Credential>, Error> {
    match choice {
        Choice::Auto => Ok(Arc::new(Chain::new(setup.clone()))),
        Choice::Only(source) => source.build(setup),
    }
}

impl Setup {
    /// The value of a variable that a source cannot do without.
    fn required(&self, credential: &'static str, variable: &str) -> Result<&str, Error> {
        self.environment
            .get(variable)
            .ok_or_else(|| Error::NotConfigured { credential, missing: format!("{variable} is not set") })
    }

    /// A variable that has to be an id.
    fn required_app(&self, credential: &'static str, variable: &str) -> Result<AppId, Error> {
        let text = self.required(credential, variable)?;
        text.parse().map_err(|error| Error::Setting { credential, problem: format!("{variable}: {error}") })
    }

    /// The tenant that was asked for, or the one of a variable.
    fn tenant_or(&self, credential: &'static str, variable: &str) -> Result<TenantId, Error> {
        if let Some(tenant) = &self.tenant {
            return Ok(tenant.clone());
        }
        let text = self.required(credential, variable)?;
        text.parse().map_err(|error| Error::Setting { credential, problem: format!("{variable}: {error}") })
    }
}

/// Reads a small file that a variable names.
async fn read_file(credential: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path).await.map_err(|source| Error::File { credential, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
