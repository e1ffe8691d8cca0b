//! An application whose list of keys we may not read, because the identity has no permission in Graph
//! at all. It still rolls its own keys: `addKey` and `removeKey` ask for a proof and for nothing else.
//!
//! What it trusts is told by the tags of the versions and by the ledger. Both are hints; what decides is
//! that a proof is accepted, that the new key gets tokens, and that the old one gets none any more.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::error::Error;
use super::tags;
use crate::detach::Detachment;
use crate::domain::{AppId, Application, CredentialId, KeyCredential, ObjectId, TAG_KEY_ID, Version};
use crate::graph;
use crate::http::StatusCode;
use crate::keyvault::ListedCertificate;
use crate::keyvault::VaultSigner;
use crate::ledger::{self, Phase, Step};
use crate::pki::{Certificate, PossessionProof, ProofRequest, Signer};
use crate::provision::attach::Attachment;
use crate::provision::prove::{self, ProofPolicy, SignIn, Subject};
use crate::provision::{self, Watcher};

/// How long a key that a run which died may have added gets to spread to the token endpoint.
const PATIENCE_AFTER_ADDING: Duration = Duration::from_secs(120);

/// What is known of entries without reading the list, by application and version.
pub(super) type Known = BTreeMap<(ObjectId, Version), Standing>;

/// What is known of one entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It was removed.
    Gone,
    /// It is there. Its id is unknown where the answer to `addKey` was lost.
    Trusted(Option<CredentialId>),
}

/// The entries that the ledger has seen being added, and those that it has seen removed or refused, in
/// this rotation or an earlier one. A removal that was only intended is asked for again.
pub(super) fn of_ledger(story: &[ledger::Entry]) -> Known {
    let mut known = Known::new();
    for entry in story.iter().filter(|entry| entry.phase == Phase::Done) {
        let object = &entry.object;
        let (Some(application), Some(version)) = (object.application, &object.version) else { continue };
        let whose = (application, version.clone());
        match (entry.step, object.key_id) {
            (Step::Attach, key_id) => drop(known.insert(whose, Standing::Trusted(key_id))),
            (Step::Detach | Step::ProveRefusal, _) => drop(known.insert(whose, Standing::Gone)),
            _ => {}
        }
    }
    known
}

/// The application as far as it is known.
pub(super) fn application(id: ObjectId, app_id: AppId, listed: &[ListedCertificate], known: &Known) -> Application {
    let keys = listed.iter().filter_map(|item| {
        let version = item.version.as_ref()?;
        let is_its = tags::application(&item.tags) == Some(id) && tags::says_trusted(&item.tags);
        let tagged = if is_its {
            Standing::Trusted(item.tags.get(TAG_KEY_ID).and_then(|key_id| key_id.parse().ok()))
        } else {
            Standing::Gone
        };
        // Who retired it, elsewhere perhaps, has seen it refused.
        let known = known.get(&(id, version.clone())).filter(|_| !tags::is_retired(&item.tags));
        match known.copied().unwrap_or(tagged) {
            Standing::Gone => None,
            Standing::Trusted(key_id) => Some(entry(key_id.unwrap_or(unnamed()), item)),
        }
    });
    Application {
        id,
        app_id,
        display_name: None,
        sign_in_audience: None,
        created_date_time: None,
        key_credentials: keys.collect(),
        password_credentials: Vec::new(),
    }
}

/// What stands for the id of an entry that is not known.
fn unnamed() -> CredentialId {
    CredentialId::new(Uuid::nil())
}

/// The id of an entry, if it is known.
pub(super) fn named(key: &KeyCredential) -> Option<CredentialId> {
    Some(key.key_id).filter(|key_id| *key_id != unnamed())
}

fn entry(key_id: CredentialId, item: &ListedCertificate) -> KeyCredential {
    KeyCredential {
        key_id,
        custom_key_identifier: item.thumbprint.map(|thumbprint| thumbprint.hex()),
        display_name: None,
        start_date_time: item.attributes.not_before,
        end_date_time: item.attributes.not_after,
        key: None,
        kind: Some("AsymmetricX509Cert".to_owned()),
        usage: Some("Verify".to_owned()),
        rest: serde_json::Map::new(),
    }
}

/// Whether the application signs in with a key already, because a run that died has added it: `addKey`
/// would add it a second time. Where nobody knows of such a run, it is asked once.
pub(super) async fn is_accepted(
    sign_in: &SignIn,
    app: AppId,
    signer: &VaultSigner,
    is_half_attached: bool,
    watcher: &dyn Watcher,
) -> Result<bool, Error> {
    let deadline = if is_half_attached { PATIENCE_AFTER_ADDING } else { Duration::ZERO };
    let policy = ProofPolicy { deadline, ..ProofPolicy::of_known_key() };
    let subject = Subject { app, key: signer.key(), key_id: None, uploaded_at: None };
    match prove::prove(sign_in, subject, signer, policy, watcher).await {
        Ok(_) => Ok(true),
        Err(provision::Error::NotAccepted { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Adds a certificate by proof alone. Whether it is accepted is for the tokens that follow to say.
pub(super) async fn attach(
    as_application: &graph::Client,
    object: ObjectId,
    certificate: &Certificate,
    signer: &dyn Signer,
) -> Result<Attachment, Error> {
    let proof = proof(as_application, object, signer).await?;
    let added = as_application.add_key(object, certificate.der(), &proof).await?;
    Ok(Attachment {
        key_id: added.key_id,
        method: "addKey",
        reason: "the application's list may not be read, and its own proof needs no permission".to_owned(),
        seconds_until_readable: 0,
        repairs: 0,
        removed_meanwhile: Vec::new(),
    })
}

/// Removes an entry by proof alone. Whether it is gone is for the refusal that follows to say.
pub(super) async fn detach(
    as_application: &graph::Client,
    object: ObjectId,
    key_id: CredentialId,
    signer: &dyn Signer,
) -> Result<Detachment, Error> {
    let proof = proof(as_application, object, signer).await?;
    let method = match as_application.remove_key(object, key_id, &proof).await {
        Ok(()) => "removeKey",
        // "No credentials found": a removal whose answer was lost is asked for twice.
        Err(error) if error.http().and_then(|http| http.status()) == Some(StatusCode::BAD_REQUEST) => "already gone",
        Err(error) => return Err(error.into()),
    };
    Ok(Detachment {
        key_id,
        method,
        seconds_until_gone: 0,
        repairs: 0,
        restored: Vec::new(),
        removed_meanwhile: Vec::new(),
    })
}

async fn proof(
    as_application: &graph::Client,
    object: ObjectId,
    signer: &dyn Signer,
) -> Result<PossessionProof, Error> {
    let now: OffsetDateTime = as_application.http().service_now();
    let request = ProofRequest { object, now, backdate: time::Duration::seconds(30) };
    Ok(PossessionProof::sign(request, signer).await?)
}
