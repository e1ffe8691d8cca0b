//! Why there is no token, and how a caller is told.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use axum::http::StatusCode;

use super::allow::Broken;
use crate::domain::Chain;
use crate::entra;
use crate::http::{self, Cause};
use crate::keyvault;
use crate::ledger;
use crate::pki;
use crate::serve::Problem;
use crate::sign_in;

/// When to ask again, where the service does not say.
const SOON: Duration = Duration::from_secs(5);

/// No token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request is outside what this proxy may be asked for.
    #[error(transparent)]
    Rule(#[from] Broken),
    /// Nobody may ask for tokens of the proxy's own identity here.
    #[error("tokens of the proxy's own identity are not handed out")]
    Forward,
    /// The application could not sign in.
    #[error("the application could not sign in")]
    SignIn(#[from] sign_in::Error),
    /// The proxy's own identity got no token.
    #[error("the proxy's own identity got no token")]
    Own(#[from] entra::Error),
    /// There is no such certificate in the store.
    #[error("there is no such certificate in the store")]
    NoLocalCertificate,
    /// The store cannot be read.
    #[error("the store of certificates cannot be read")]
    Store(#[from] io::Error),
    /// What was done could not be written down, and so is not handed out.
    #[error("the ledger could not be written")]
    Ledger(#[from] ledger::Error),
    /// The work broke off.
    #[error("the work on this token broke off")]
    Died,
}

impl Refusal {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        self.problem().is_retryable()
    }

    /// Whether a key was used for nothing: Entra has looked at the assertion, and will say the same again.
    pub(super) fn cost_a_signature(&self) -> bool {
        matches!(self, Self::SignIn(error) if error.refusal().is_some()) && !self.is_transient()
    }

    /// As a caller is told. A service's fault is never ours: there is no 500 among these.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Rule(broken) => {
                Problem::refused(StatusCode::FORBIDDEN, broken.rule, "outside the profiles of this proxy")
                    .detail(broken.to_string())
                    .hint(
                        "add it to a [proxy.profiles.NAME] table of kvops.toml, and start the proxy with that profile",
                    )
            }
            Self::Forward => Problem::refused(StatusCode::FORBIDDEN, "forward", "outside the profiles of this proxy")
                .detail(self.to_string())
                .hint("write `forward = true` under [proxy] in kvops.toml"),
            Self::SignIn(error) => of_sign_in(error),
            Self::Own(error) => of_entra(error),
            Self::NoLocalCertificate => {
                Problem::new(StatusCode::NOT_FOUND, "no-certificate", "there is no such certificate in the store")
                    .hint("look for it by thumbprint, and see which folder [proxy] in kvops.toml names")
            }
            Self::Store(_) => self.unavailable("store"),
            Self::Ledger(_) => self.unavailable("ledger").hint("see that the ledger's file can be written"),
            Self::Died => self.unavailable("died").retry_after(Some(SOON)),
        }
    }

    fn unavailable(&self, kind: &str) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, "the proxy cannot do its work")
            .detail(Chain(self).to_string())
    }
}

fn of_sign_in(error: &sign_in::Error) -> Problem {
    match error {
        sign_in::Error::Vault(error) => of_vault(error),
        sign_in::Error::Entra(error) => of_entra(error),
        sign_in::Error::Certificate { .. } | sign_in::Error::NoUsableVersion { .. } => {
            Problem::new(StatusCode::CONFLICT, "unusable-certificate", "the certificate cannot sign")
                .detail(Chain(error).to_string())
        }
    }
}

fn of_vault(error: &keyvault::Error) -> Problem {
    use keyvault::Error as E;

    let detailed = |status, kind: &str, title| {
        let http = error.http();
        let code = http.and_then(|http| http.inner_code().or_else(|| http.code()));
        Problem::new(status, kind, title)
            .detail(Chain(error).to_string())
            .code(code.map(str::to_owned))
            .trace_id(http.and_then(http::Error::request_id).map(str::to_owned))
    };
    match error {
        E::NotFound { .. } => detailed(StatusCode::NOT_FOUND, "not-found", "the vault has no such object"),
        E::MissingPermission { .. } => {
            detailed(StatusCode::FORBIDDEN, "vault-permission", "the proxy's own identity lacks a right in the vault")
        }
        E::Firewall { .. } => {
            detailed(StatusCode::FORBIDDEN, "vault-firewall", "the vault does not talk to this network")
        }
        E::Disabled { .. } => detailed(StatusCode::CONFLICT, "disabled", "the key is disabled"),
        _ => match error.http() {
            Some(http) => of_exchange(http, &Chain(error).to_string()),
            None => detailed(StatusCode::BAD_GATEWAY, "upstream", "the vault's answer cannot be used"),
        },
    }
}

fn of_entra(error: &entra::Error) -> Problem {
    let advised = |problem: Problem| match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    };
    match error {
        entra::Error::Refused { source, .. } if source.is_transient() => of_exchange(source, &Chain(error).to_string()),
        // The caller chose application, tenant and scope: the refusal is about those.
        entra::Error::Refused { source, code, .. } => {
            let code = code.map(|code| format!("AADSTS{code}")).or_else(|| source.code().map(str::to_owned));
            let problem = Problem::new(StatusCode::BAD_REQUEST, "refused", "Microsoft Entra refused the application")
                .detail(Chain(error).to_string())
                .code(code)
                .trace_id(source.request_id().map(str::to_owned));
            advised(problem)
        }
        entra::Error::Call { source, .. } => of_exchange(source, &Chain(error).to_string()),
        entra::Error::Assertion(pki::Error::Signer(source)) => match source.downcast_ref::<keyvault::Error>() {
            Some(vault) => of_vault(vault),
            None => bad_gateway(&Chain(error).to_string()),
        },
        entra::Error::Assertion(_) => {
            Problem::new(StatusCode::CONFLICT, "unusable-certificate", "the certificate cannot sign")
                .detail(Chain(error).to_string())
        }
        entra::Error::Verification(_) => bad_gateway(&Chain(error).to_string()),
        // Everything else is about the identity that the proxy started with.
        _ => advised(
            Problem::new(StatusCode::BAD_GATEWAY, "own-identity", "the proxy's own identity got no token")
                .detail(Chain(error).to_string()),
        ),
    }
}

/// What holds for every service: who is out of order may be asked again, and is asked when it says.
fn of_exchange(error: &http::Error, detail: &str) -> Problem {
    if let Cause::Token(source) = error.cause()
        && let Some(own) = find::<entra::Error>(source.as_ref())
    {
        let problem = of_entra(own);
        // A refusal of our own identity is none of the caller's.
        return if problem.status() == StatusCode::BAD_REQUEST { own_refused(own) } else { problem };
    }
    let problem = if error.is_transient() {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "a service is out of reach or out of order")
            .retry_after(Some(error.retry_after().unwrap_or(SOON)))
    } else {
        Problem::new(StatusCode::BAD_GATEWAY, "upstream", "a service's answer cannot be used")
    };
    problem.detail(detail).code(error.code().map(str::to_owned)).trace_id(error.request_id().map(str::to_owned))
}

fn own_refused(error: &entra::Error) -> Problem {
    let problem = Problem::new(StatusCode::BAD_GATEWAY, "own-identity", "the proxy's own identity got no token")
        .detail(Chain(error).to_string())
        .code(error.aadsts().map(|code| format!("AADSTS{code}")))
        .trace_id(error.http().and_then(http::Error::request_id).map(str::to_owned));
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn bad_gateway(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "upstream", "a service's answer cannot be used").detail(detail)
}

/// An error somewhere in a chain.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
