//! One line of the ledger for each token that was handed out, without the token.

use super::wanted::{Proof, Wanted};
use crate::http::Act;
use crate::ledger::{self, Object, Record, RequestRecord, Run, Step};
use crate::pki::DecodedToken;
use crate::sign_in::SignedIn;

/// Writes down that a token was minted. It is on disk when this returns.
pub(super) fn minted(run: &Run, wanted: &Wanted, signed_in: &SignedIn, acts: Vec<Act>) -> Result<(), ledger::Error> {
    let requests = acts.into_iter().map(request).collect();
    let mut record = Record::of(object(wanted, signed_in))
        .requests(requests)
        .fact("tenant", &wanted.tenant)
        .fact("scope", wanted.scope())
        .fact("for", "proxy");
    if let Some(uti) = DecodedToken::decode(&signed_in.token.access_token).ok().and_then(|token| token.text("uti")) {
        record = record.fact("uti", uti);
    }
    run.note(Step::Mint, &record).map(drop)
}

fn object(wanted: &Wanted, signed_in: &SignedIn) -> Object {
    let key = signed_in.key.as_ref();
    let thumbprint = match &wanted.proof {
        Proof::Local { certificate } => Some(certificate.thumbprint().hex()),
        Proof::Key { .. } | Proof::Certificate { .. } => None,
    };
    Object {
        app_id: Some(wanted.app),
        vault: key.map(|key| key.vault().name().clone()),
        certificate: key.map(|key| key.name().clone()),
        version: key.map(|key| key.version().clone()),
        thumbprint,
        ..Object::default()
    }
}

fn request(act: Act) -> RequestRecord {
    RequestRecord::new(act.service, act.operation, act.status, act.id)
}
