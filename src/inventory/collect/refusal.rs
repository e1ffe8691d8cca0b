//! Why something could not be read, from what the service answered.

use crate::arm;
use crate::graph;
use crate::http::{self, Cause, StatusCode};
use crate::inventory::{Evidence, Gap, Reason};
use crate::keyvault;
use crate::keyvault::AccessMode;

/// A reading that failed, as a reason, a detail and a cure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) detail: String,
    pub(super) grant: String,
}

/// A failure that ends the run: nobody is signed in, so that every other reading would fail as well.
#[derive(Debug)]
pub(super) struct NotSignedIn(pub(super) http::Error);

/// What a failed reading means.
pub(super) type Told = Result<Refusal, NotSignedIn>;

impl Refusal {
    /// A refusal for a reason of our own.
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), grant: String::new() }
    }

    /// The gap that it leaves.
    pub(super) fn gap(&self, evidence: Evidence, object: impl Into<String>) -> Gap {
        Gap {
            evidence,
            object: object.into(),
            reason: self.reason,
            detail: self.detail.clone(),
            grant: self.grant.clone(),
        }
    }
}

/// Of Graph.
pub(super) fn of_graph(error: &graph::Error) -> Told {
    let grant = match error {
        graph::Error::MissingPermission { permission, .. } => (*permission).to_owned(),
        _ => String::new(),
    };
    let Some(source) = error.http() else { return Ok(Refusal::new(Reason::Failed, error.to_string())) };
    signed_in(source)?;
    let reason = graph_reason(source);
    let grant = if reason == Reason::Rbac { grant } else { String::new() };
    Ok(Refusal { reason, detail: detail(source), grant })
}

/// Of a vault.
pub(super) fn of_vault(error: &keyvault::Error) -> Told {
    let Some(source) = error.http() else { return Ok(Refusal::new(Reason::Parse, error.to_string())) };
    signed_in(source)?;
    let (reason, grant) = match error {
        keyvault::Error::MissingPermission { missing, .. } => match missing.mode {
            AccessMode::AccessPolicy => (Reason::AccessPolicy, format!("access policy: {}", missing.right.policy)),
            AccessMode::Rbac | AccessMode::Unknown => (Reason::Rbac, missing.right.role.to_owned()),
        },
        keyvault::Error::Firewall { .. } => (Reason::Firewall, String::new()),
        keyvault::Error::Throttled { .. } => (Reason::Throttled, String::new()),
        _ if source.inner_code() == Some("AccessDenied") => (Reason::AccessPolicy, String::new()),
        _ => (general_reason(source), String::new()),
    };
    Ok(Refusal { reason, detail: detail(source), grant })
}

/// Whether nobody has answered for a vault, or somebody who does not know it.
pub(super) fn is_nobody(error: &keyvault::Error) -> bool {
    error.http().is_some_and(|source| {
        matches!(source.cause(), Cause::Unreachable(_)) || source.status() == Some(StatusCode::NOT_FOUND)
    })
}

/// Of Resource Manager or Resource Graph. Not to be signed in there does not end the run: the
/// identity may well be meant for directory and vaults alone.
pub(super) fn of_arm(error: &arm::Error) -> Refusal {
    let Some(source) = error.http() else { return Refusal::new(Reason::Failed, error.to_string()) };
    let grant = match error {
        arm::Error::MissingRole { role, .. } => (*role).to_owned(),
        _ => String::new(),
    };
    Refusal { reason: general_reason(source), detail: detail(source), grant }
}

fn signed_in(source: &http::Error) -> Result<(), NotSignedIn> {
    let is_out = matches!(source.cause(), Cause::Token(_) | Cause::Challenge { .. })
        || source.status() == Some(StatusCode::UNAUTHORIZED);
    if is_out { Err(NotSignedIn(source.clone())) } else { Ok(()) }
}

fn graph_reason(source: &http::Error) -> Reason {
    let code = source.code().unwrap_or_default().to_ascii_lowercase();
    let is_licence = code.contains("nonpremium") || code.contains("license") || code.contains("licence");
    match source.status() {
        Some(StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) if is_licence => Reason::NotLicensed,
        Some(StatusCode::NOT_FOUND) if source.code() == Some("Request_ResourceNotFound") => Reason::Failed,
        // A national cloud does not know the segment; the public one always does.
        Some(StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED) => Reason::NotInCloud,
        Some(StatusCode::BAD_REQUEST) if is_unknown_segment(source) => Reason::NotInCloud,
        _ => general_reason(source),
    }
}

/// There is no code of its own for it.
fn is_unknown_segment(source: &http::Error) -> bool {
    source.message().is_some_and(|message| message.contains("Resource not found for the segment"))
}

fn general_reason(source: &http::Error) -> Reason {
    match (source.cause(), source.status()) {
        (_, Some(StatusCode::FORBIDDEN)) => Reason::Rbac,
        (_, Some(StatusCode::TOO_MANY_REQUESTS)) => Reason::Throttled,
        (Cause::Unreadable { .. }, _) => Reason::Parse,
        _ => Reason::Failed,
    }
}

/// Codes and no sentences: those hold addresses, ids and times, and differ from run to run.
fn detail(source: &http::Error) -> String {
    let what = source.operation().name;
    let status = |status: StatusCode| {
        let codes = [source.code(), source.inner_code()].into_iter().flatten().map(crate::domain::printable);
        std::iter::once(status.as_u16().to_string()).chain(codes).collect::<Vec<_>>().join(" ")
    };
    let how = match source.cause() {
        Cause::Refused { status: code, .. } => status(*code),
        Cause::Unreachable(_) => format!("{} cannot be reached", source.host()),
        Cause::Lost(_) => format!("{} gave no complete answer", source.host()),
        Cause::Unreadable { problem } => format!("the answer {problem}"),
        Cause::Foreign { .. } => "the answer sent us on to another service".to_owned(),
        Cause::PageLoop => "the pages lead back to where they began".to_owned(),
        _ => "not signed in".to_owned(),
    };
    format!("{what}: {how}")
}

/// Whether a list has to be begun anew: its next page can no longer be asked for.
pub(super) fn is_lost_page(error: &graph::Error) -> bool {
    let Some(source) = error.http() else { return false };
    let code = source.code().unwrap_or_default();
    source.status().is_some_and(|status| status.is_client_error())
        && (code.contains("PageToken") || source.inner_code().is_some_and(|code| code.contains("PageToken")))
}
