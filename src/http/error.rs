//! A request that did not succeed: who was asked for what, what came of it, how often it was tried.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use uuid::Uuid;

use super::failure::Failure;
use super::operation::Operation;
use super::retry;
use super::speaker::Speaker;
use crate::domain::printable;

/// The longest message of a service that is passed on, in characters.
const LONGEST_MESSAGE: usize = 600;

/// A request that did not succeed. Cheap to clone, so that it survives a trip through an SDK.
#[derive(Clone)]
pub struct Error(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    context: Context,
    cause: Cause,
}

/// What is known of a request whatever came of it.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) operation: Operation,
    /// Host, and port where it is not the scheme's own.
    pub(super) host: String,
    pub(super) client_request_id: Uuid,
    pub(super) request_id: Option<String>,
    /// Of the last attempt, where it was refused.
    pub(super) speaker: Option<Speaker>,
    pub(super) attempts: u32,
    pub(super) elapsed: Duration,
}

/// Why a request did not succeed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The service answered, and not with success.
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// What the body said.
        failure: Failure,
        /// How long the service asked us to wait.
        retry_after: Option<Duration>,
        /// The realm of a Basic challenge: an Azure Arc agent names a file there.
        basic_realm: Option<String>,
    },
    /// No connection: the service has seen nothing.
    Unreachable(Box<dyn StdError + Send + Sync>),
    /// The request left and no whole answer came back: it may have been carried out.
    Lost(Box<dyn StdError + Send + Sync>),
    /// An answer that is not what this service sends.
    Unreadable {
        /// What is wrong with it.
        problem: String,
    },
    /// An answer sent us on to a place that is not part of this cloud.
    Foreign {
        /// The place.
        to: String,
    },
    /// A page's link leads back to a page that has been read already.
    PageLoop,
    /// There was no token to send.
    Token(Box<dyn StdError + Send + Sync>),
    /// A challenge that must not be answered.
    Challenge {
        /// Which, and why.
        problem: String,
    },
}

impl Error {
    pub(super) fn new(context: Context, cause: Cause) -> Self {
        Self(Arc::new(Parts { context, cause }))
    }

    /// Why.
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// What was asked.
    pub fn operation(&self) -> &Operation {
        &self.0.context.operation
    }

    /// The host that was asked.
    pub fn host(&self) -> &str {
        &self.0.context.host
    }

    /// The status, if the service answered.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.0.cause {
            Cause::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What the service said, if it answered.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.0.cause {
            Cause::Refused { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// The service's code, such as `CertificateNotFound`.
    pub fn code(&self) -> Option<&str> {
        self.failure()?.code.as_deref()
    }

    /// The code inside the code, such as `ForbiddenByRbac`.
    pub fn inner_code(&self) -> Option<&str> {
        self.failure()?.inner_code.as_deref()
    }

    /// The service's sentence.
    pub fn message(&self) -> Option<&str> {
        self.failure()?.message.as_deref()
    }

    /// The service's name for the request: what its support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.0.context.request_id.as_deref()
    }

    /// Our name for the request.
    pub fn client_request_id(&self) -> Uuid {
        self.0.context.client_request_id
    }

    /// In whose name the refused request was made, if its token tells.
    pub fn speaker(&self) -> Option<Speaker> {
        self.0.context.speaker
    }

    /// How long the service asked us to wait, when that was longer than we may.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.0.cause {
            Cause::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The realm of a Basic challenge.
    pub fn basic_realm(&self) -> Option<&str> {
        match &self.0.cause {
            Cause::Refused { basic_realm, .. } => basic_realm.as_deref(),
            _ => None,
        }
    }

    /// How often it was tried.
    pub fn attempts(&self) -> u32 {
        self.0.context.attempts
    }

    /// From the first attempt to the end of the last.
    pub fn elapsed(&self) -> Duration {
        self.0.context.elapsed
    }

    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match &self.0.cause {
            Cause::Refused { status, .. } => retry::is_transient(*status),
            Cause::Unreachable(_) | Cause::Lost(_) => true,
            _ => false,
        }
    }

    /// Whether the service may have acted although there is no success to show for it.
    pub fn may_have_acted(&self) -> bool {
        match &self.0.cause {
            Cause::Lost(_) | Cause::Unreadable { .. } => true,
            Cause::Refused { status, .. } => matches!(status.as_u16(), 408 | 500 | 502 | 504),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { context, cause } = &*self.0;
        let host = &context.host;
        match cause {
            Cause::Refused { status, failure, retry_after, .. } => {
                write_refusal(f, host, *status, failure)?;
                if let Some(wait) = retry_after {
                    write!(f, " It asks to wait for {} s.", wait.as_secs())?;
                }
            }
            Cause::Unreachable(_) => write!(f, "cannot reach {host}")?,
            Cause::Lost(_) => write!(f, "{host} gave no complete answer")?,
            Cause::Unreadable { problem } => write!(f, "the answer of {host} {problem}")?,
            Cause::Foreign { to } => {
                return write!(f, "{host} sent us on to {}, which is another service", printable(to));
            }
            Cause::PageLoop => write!(f, "{host} sent us back to a page that was read already")?,
            Cause::Token(_) => return write!(f, "no token for {host}"),
            Cause::Challenge { problem } => return f.write_str(problem),
        }
        if let Some(id) = &context.request_id {
            write!(f, " (request {})", printable(id))?;
        } else {
            write!(f, " (client request {})", context.client_request_id)?;
        }
        if context.attempts > 1 {
            write!(f, " after {} attempts in {} s", context.attempts, context.elapsed.as_secs())?;
        }
        Ok(())
    }
}

fn write_refusal(f: &mut fmt::Formatter<'_>, host: &str, status: StatusCode, failure: &Failure) -> fmt::Result {
    write!(f, "{host} answered {}", status.as_u16())?;
    if let Some(reason) = status.canonical_reason() {
        write!(f, " {reason}")?;
    }
    let codes = [failure.code.as_deref(), failure.inner_code.as_deref()].into_iter().flatten();
    for code in codes {
        write!(f, ", {}", printable(code))?;
    }
    if let Some(message) = &failure.message {
        // Services end their lines with CR LF and add lines for support that repeat the ids.
        let line = message.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect::<Vec<_>>().join(" ");
        let short: String = line.chars().take(LONGEST_MESSAGE).collect();
        write!(f, ": {}", printable(&short))?;
        if short.len() < line.len() {
            f.write_str("…")?;
        }
    }
    for detail in &failure.details {
        let part = |text: &Option<String>| text.as_deref().map(printable).unwrap_or_default();
        write!(f, " [{} {}]", part(&detail.code), part(&detail.target))?;
    }
    Ok(())
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("http::Error")
            .field("operation", &self.0.context.operation.name)
            .field("cause", &self.0.cause)
            .field("attempts", &self.0.context.attempts)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.cause {
            Cause::Unreachable(source) | Cause::Lost(source) | Cause::Token(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}
