//! The pending operation of a certificate: how it shows, how it is cancelled, and what becomes of it.

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::call::{Call, body};
use super::error::{Answer, Refusal};
use super::model::{Tags, base64_bytes};
use super::policy::Policy;
use crate::lab::exchange::{Reply, Request};
use crate::lab::keys::PrivateKey;

const IN_PROGRESS: &str = "Pending certificate created. Certificate request is in progress. This may take some time \
                           based on the issuer provider. Please check again later.";
const PERFORM_MERGE: &str = "Pending certificate created. Please Perform Merge to complete the request.";

/// A certificate in the making, and afterwards the record of how it ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Pending {
    pub(super) request_id: String,
    /// The version that this will be.
    pub(super) version: String,
    pub(super) key: PrivateKey,
    #[serde(with = "base64_bytes")]
    pub(super) csr: Vec<u8>,
    /// The policy at the start: a later change does not touch what is under way.
    pub(super) policy: Policy,
    pub(super) enabled: bool,
    pub(super) tags: Option<Tags>,
    pub(super) preserve_order: Option<bool>,
    pub(super) status: Status,
    pub(super) cancellation_requested: bool,
    /// When it ends by itself. Absent while it waits for a merge.
    pub(super) due_at: Option<i64>,
    /// Code and message of a failed operation.
    pub(super) error: Option<(String, String)>,
}

/// Where the operation stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Status {
    InProgress,
    Completed,
    Cancelled,
    Failed,
}

impl Pending {
    pub(super) fn is_in_progress(&self) -> bool {
        self.status == Status::InProgress
    }

    /// Whether it ends by itself, and the time for that has come.
    pub(super) fn is_due(&self, now: i64) -> bool {
        self.is_in_progress() && self.due_at.is_some_and(|at| at <= now)
    }

    fn waits_for_merge(&self) -> bool {
        self.policy.issuer.is_unknown()
    }

    fn to_wire(&self, call: &Call<'_>, name: &str) -> Value {
        let mut issuer = Map::new();
        issuer.insert("name".to_owned(), self.policy.issuer.name.clone().into());
        if let Some(cty) = &self.policy.issuer.cty {
            issuer.insert("cty".to_owned(), cty.clone().into());
        }
        let mut wire = json!({
            "id": format!("{}/pending", call.url("certificates", name, None)),
            "issuer": issuer,
            "csr": STANDARD.encode(&self.csr),
            "cancellation_requested": self.cancellation_requested,
            "status": self.status,
        });
        // A failed operation keeps the sentence of its beginning.
        if matches!(self.status, Status::InProgress | Status::Failed) {
            wire["status_details"] = if self.waits_for_merge() { PERFORM_MERGE } else { IN_PROGRESS }.into();
        }
        if let Some((code, message)) = &self.error {
            wire["error"] = json!({"code": code, "message": message});
        }
        if self.status == Status::Completed {
            wire["target"] = call.url("certificates", name, None).into();
        }
        wire["request_id"] = self.request_id.clone().into();
        if let (Some(order), true) = (self.preserve_order, call.version.has_preserve_order()) {
            wire["preserveCertOrder"] = order.into();
        }
        wire
    }

    /// The 202 of a create.
    pub(super) fn accepted(&self, call: &Call<'_>, name: &str) -> Reply {
        let location = format!(
            "{}/pending?api-version={}&request_id={}",
            call.url("certificates", name, None),
            call.version.as_str(),
            self.request_id
        );
        Reply::json(StatusCode::ACCEPTED, &self.to_wire(call, name))
            .header("location", &location)
            .header(RETRY_AFTER, "10")
    }
}

/// GET: 200 however it ended.
pub(super) fn read(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let pending = find(call, name)?;
    if request.query("request_id").is_some_and(|wanted| wanted != pending.request_id) {
        return Err(Refusal::no_pending(name));
    }
    let reply = Reply::json(StatusCode::OK, &pending.to_wire(call, name));
    Ok(if pending.is_in_progress() { reply.header(RETRY_AFTER, "10") } else { reply })
}

/// PATCH: asks for cancellation, which shows later.
pub(super) fn cancel(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        cancellation_requested: bool,
    }
    let Body { cancellation_requested } = body(request)?;
    let (now, delay) = (call.now, i64::from(call.settings.issue_delay));
    let pending = find_mut(call, name)?;
    if !pending.is_in_progress() {
        let message = "Pending certificate is not in progress and cannot be cancelled.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "BadParameter", message));
    }
    pending.cancellation_requested = cancellation_requested;
    if pending.waits_for_merge() {
        pending.due_at = cancellation_requested.then_some(now + delay);
    }
    Ok(Reply::json(StatusCode::OK, &find(call, name)?.to_wire(call, name)))
}

/// DELETE: forgets the operation and answers with it. A placeholder stays.
pub(super) fn delete(call: &mut Call<'_>, name: &str) -> Answer {
    let pending = find(call, name)?;
    let reply = Reply::json(StatusCode::OK, &pending.to_wire(call, name));
    call.live_certificate_mut(name)?.pending = None;
    Ok(reply)
}

fn find(call: &Call<'_>, name: &str) -> Result<Pending, Refusal> {
    let certificate = call.live_certificate(name).map_err(|_| Refusal::no_pending(name))?;
    certificate.pending.clone().ok_or_else(|| Refusal::no_pending(name))
}

fn find_mut<'c>(call: &'c mut Call<'_>, name: &str) -> Result<&'c mut Pending, Refusal> {
    let certificate = call.live_certificate_mut(name).map_err(|_| Refusal::no_pending(name))?;
    certificate.pending.as_mut().ok_or_else(|| Refusal::no_pending(name))
}
