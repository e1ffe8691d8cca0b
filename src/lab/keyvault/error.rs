//! How Key Vault refuses: status, code, inner code and the exact sentence.

use http::StatusCode;
use serde_json::json;

use super::Kind;
use crate::lab::exchange::Reply;

const HELP_NOT_FOUND: &str =
    "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182";

/// An error answer of the data plane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) inner: Option<&'static str>,
    /// `WWW-Authenticate` of a 401.
    pub(super) challenge: Option<String>,
}

/// The answer to an operation.
pub(super) type Answer = Result<Reply, Refusal>;

impl Refusal {
    /// A refusal without an inner code.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), inner: None, challenge: None }
    }

    fn with_inner(mut self, inner: &'static str) -> Self {
        self.inner = Some(inner);
        self
    }

    /// 401, which also is the challenge that tells a client where to get a token.
    pub(super) fn unauthorized(message: impl Into<String>, challenge: String) -> Self {
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        Self { challenge: Some(challenge), ..refusal }
    }

    /// 400 with `BadParameter`.
    pub(super) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    /// A member of the body that makes no sense. The line break is part of the sentence.
    pub(super) fn invalid_property(property: &str, detail: &str) -> Self {
        let detail = if detail.is_empty() { String::new() } else { format!(". {detail}") };
        Self::bad_parameter(format!("Property {property} has invalid value{detail}\r\n"))
    }

    /// A name outside `[0-9a-zA-Z-]{1,127}`.
    pub(super) fn invalid_name(name: &str) -> Self {
        Self::bad_parameter(format!("The request URI contains an invalid name: {name}"))
    }

    /// 403 with its reason.
    pub(super) fn forbidden(inner: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).with_inner(inner)
    }

    /// 404 for an object that is not there, or not any more, or not yet.
    pub(super) fn not_found(kind: Kind, id: &str) -> Self {
        let noun = kind.noun();
        let message = format!(
            "A {noun} with (name/id) {id} was not found in this key vault. If you recently deleted this {noun} you may \
             be able to recover it using the correct recovery command. {HELP_NOT_FOUND}"
        );
        Self::new(StatusCode::NOT_FOUND, kind.not_found_code(), message)
    }

    /// 404 below `/deleted…`.
    pub(super) fn deleted_not_found(kind: Kind, name: &str) -> Self {
        let message = format!("Deleted {} not found: {name}", kind.title());
        Self::new(StatusCode::NOT_FOUND, kind.not_found_code(), message)
    }

    /// 404 for an operation that is not there.
    pub(super) fn no_pending(name: &str) -> Self {
        let message = format!("Pending certificate not found: {name}");
        Self::new(StatusCode::NOT_FOUND, "PendingCertificateNotFound", message)
    }

    /// 404 for a certificate authority that the vault does not know.
    pub(super) fn no_issuer(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "CertificateIssuerNotFound", format!("Issuer {name} not found"))
    }

    /// 409 without an inner code.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// A deletion is on its way, and something else was asked for.
    pub(super) fn being_deleted(kind: Kind, name: &str) -> Self {
        let message = format!("{} {name} is currently being deleted.", kind.title());
        Self::conflict(message).with_inner("ObjectIsBeingDeleted")
    }

    /// The same when the name is to be used again.
    pub(super) fn being_deleted_not_recreated(kind: Kind, name: &str) -> Self {
        let message =
            format!("{} {name} is currently being deleted and cannot be re-created; retry later.", kind.title());
        Self::conflict(message).with_inner("ObjectIsBeingDeleted")
    }

    /// A recovery is on its way.
    pub(super) fn being_recovered(kind: Kind, name: &str) -> Self {
        let message = format!("{} {name} is currently being recovered.", kind.title());
        Self::conflict(message).with_inner("ObjectIsBeingRecovered")
    }

    /// The name belongs to a deleted object.
    pub(super) fn deleted_but_recoverable(kind: Kind, name: &str) -> Self {
        let message = format!(
            "{} {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, \
             the {} can only be recovered or purged.",
            kind.title(),
            kind.noun()
        );
        Self::conflict(message).with_inner("ObjectIsDeletedButRecoverable")
    }

    /// Recover of an object that is not deleted.
    pub(super) fn exists_already(kind: Kind, name: &str) -> Self {
        let message = format!("{} exists already: {name}", kind.title());
        Self::new(StatusCode::BAD_REQUEST, "MethodNotAllowed", message)
            .with_inner("RequestNotAllowedOnNonDeletedObject")
    }

    /// Keys and secrets of a certificate cannot be changed by themselves.
    pub(super) fn managed(kind: Kind, operation: &str) -> Self {
        let inner = if kind == Kind::Key { "KeyManagedByKeyVault" } else { "SecretManagedByKeyVault" };
        let message =
            format!("Operation \"{operation}\" is not allowed as this object's lifetime is managed by Key Vault.");
        Self::forbidden(inner, message)
    }

    /// Something that the lab does not do. Better said than guessed.
    pub(super) fn not_implemented(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", format!("The lab does not implement {what}."))
    }

    /// The answer.
    pub(super) fn into_reply(self) -> Reply {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(inner) = self.inner {
            error["innererror"] = json!({"code": inner});
        }
        let reply = Reply::json(self.status, &json!({ "error": error }));
        match self.challenge {
            Some(challenge) => reply.header("www-authenticate", &challenge),
            None => reply,
        }
    }
}
