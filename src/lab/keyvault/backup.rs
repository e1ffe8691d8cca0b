//! Backup and restore of certificates. The blob is the lab's own and opaque to clients.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::call::{Call, body};
use super::error::{Answer, Refusal};
use super::life::Life;
use super::model::Certificate;
use crate::lab::exchange::{Reply, Request};

const MAGIC: &str = "lab-backup-1:";

/// POST `/certificates/{name}/backup`.
pub(super) fn backup(call: &mut Call<'_>, name: &str) -> Answer {
    let certificate = call.live_certificate(name)?;
    let state = serde_json::to_string(certificate).unwrap_or_default();
    Ok(Reply::json(StatusCode::OK, &json!({"value": URL_SAFE_NO_PAD.encode(format!("{MAGIC}{state}"))})))
}

/// POST `/certificates/restore`: every version under its old id, without the operation.
pub(super) fn restore(call: &mut Call<'_>, request: &Request) -> Answer {
    #[derive(Deserialize)]
    struct Body {
        value: String,
    }
    let Body { value } = body(request)?;
    let malformed = || {
        let message = "Backup blob contains invalid or corrupt version.";
        Refusal::new(StatusCode::BAD_REQUEST, "Malformed backup blob", message)
    };
    let bytes = URL_SAFE_NO_PAD.decode(value).map_err(|_| malformed())?;
    let state = bytes.strip_prefix(MAGIC.as_bytes()).ok_or_else(malformed)?;
    let mut certificate: Certificate = serde_json::from_slice(state).map_err(|_| malformed())?;
    let key = certificate.name.to_ascii_lowercase();
    let is_taken = call.vault.certificates.contains_key(&key)
        || call.vault.keys.contains_key(&key)
        || call.vault.secrets.contains_key(&key)
        || call.vault.purged.contains_key(&key);
    if is_taken {
        let version = certificate.current().map(|current| current.version.as_str());
        let id = call.url("certificates", &certificate.name, version);
        return Err(Refusal::conflict(format!(
            "There was a conflict restoring the certificate '{id}'. This can happen if either: a second certificate with \
             the same name was created after the first certificate was deleted; thus trying to restore a certificate \
             whose name is already in use. To fix this, rename the second certificate to something else so that the \
             restore works. The second probable cause of this exception is when multiple operations are performed in \
             parallel against the certificate. To avoid this error, perform operations against a certificate in a \
             sequential manner."
        )));
    }
    certificate.life = Life::default();
    certificate.pending = None;
    let name = certificate.name.clone();
    call.vault.certificates.insert(key, certificate);
    super::certificates::read(call, &name)
}
