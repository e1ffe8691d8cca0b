//! Why there is no token.

use std::io;
use std::path::PathBuf;

use super::meaning::{Meaning, Retry, meaning_of};
use crate::domain::TenantId;
use crate::http;
use crate::pki;

/// No token, or no way to check one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The token endpoint refused.
    #[error("{operation} in tenant {tenant} was refused{}", describe(*.code))]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// Where.
        tenant: TenantId,
        /// The first `AADSTS` number of the answer.
        code: Option<u32>,
        /// The service's answer.
        #[source]
        source: http::Error,
    },
    /// A request that did not get a usable answer.
    #[error("{operation} failed")]
    Call {
        /// What was tried.
        operation: &'static str,
        /// What came of it.
        #[source]
        source: http::Error,
    },
    /// The assertion could not be made.
    #[error("the client assertion could not be signed")]
    Assertion(#[source] pki::Error),
    /// A token that does not verify.
    #[error("the token does not verify")]
    Verification(#[source] pki::Error),
    /// A source of identities that lacks something.
    #[error("credential `{credential}` is not configured: {missing}")]
    NotConfigured {
        /// The source's name, as `--credential` takes it.
        credential: &'static str,
        /// What is missing, as a fragment.
        missing: String,
    },
    /// A source of identities that is not there at all.
    #[error("credential `{credential}` is not available: {reason}")]
    NotAvailable {
        /// The source's name.
        credential: &'static str,
        /// Why.
        reason: String,
    },
    /// A tool that has an identity, and gave no token.
    #[error("credential `{credential}` gave no token: {said}")]
    Tool {
        /// The source's name.
        credential: &'static str,
        /// The beginning of what the tool said.
        said: String,
    },
    /// A setting that cannot be used.
    #[error("credential `{credential}`: {problem}")]
    Setting {
        /// The source's name.
        credential: &'static str,
        /// What is wrong with what.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("credential `{credential}` cannot read {}", path.display())]
    File {
        /// The source's name.
        credential: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key file that cannot be used.
    #[error("credential `{credential}` cannot use {}", path.display())]
    KeyFile {
        /// The source's name.
        credential: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pki::Error,
    },
    /// The service asked for claims that this source cannot pass on.
    #[error("the service wants a fresh sign-in, which credential `{credential}` cannot do by itself")]
    ClaimsUnsupported {
        /// The source's name.
        credential: &'static str,
    },
    /// None of the sources of the automatic choice had an identity.
    #[error("no identity found: {}", list(tried))]
    NoIdentity {
        /// What each source said, in the order in which they were asked.
        tried: Vec<(&'static str, String)>,
    },
}

impl Error {
    /// The `AADSTS` number, if the token endpoint gave one.
    pub fn aadsts(&self) -> Option<u32> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }

    /// What the number means, if it is a known one.
    pub fn meaning(&self) -> Option<&'static Meaning> {
        self.aadsts().and_then(meaning_of)
    }

    /// What to do about it; begins with a verb.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { .. } => self.meaning().map(|meaning| meaning.hint),
            Self::ClaimsUnsupported { credential: "cli" } => Some("run `az logout`, then `az login`"),
            Self::NoIdentity { .. } => Some("sign in with `az login`, or name a source with --credential"),
            _ => None,
        }
    }

    /// Whether a source was simply not there, so that the automatic choice may ask the next.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::NotConfigured { .. } | Self::NotAvailable { .. })
    }

    /// Whether the same request may succeed for a while after a certificate was attached.
    pub fn may_be_spreading(&self) -> bool {
        self.meaning().is_some_and(|meaning| matches!(meaning.retry, Retry::AfterAttach | Retry::AfterCreate))
    }

    /// The exchange behind the error, if there was one.
    pub fn http(&self) -> Option<&http::Error> {
        match self {
            Self::Refused { source, .. } | Self::Call { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn describe(code: Option<u32>) -> String {
    let Some(code) = code else { return String::new() };
    match meaning_of(code) {
        Some(meaning) => format!(" with AADSTS{code}: {}", meaning.what),
        None => format!(" with AADSTS{code}"),
    }
}

fn list(tried: &[(&'static str, String)]) -> String {
    tried.iter().map(|(name, said)| format!("{name}: {said}")).collect::<Vec<_>>().join("; ")
}
