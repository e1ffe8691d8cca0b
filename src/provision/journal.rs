//! Writing down what a run is about to do, and what came of it.

use time::format_description::well_known::Rfc3339;

use super::attach::Attachment;
use super::decide;
use super::error::Error;
use super::plan::{Existing, Observed, Step};
use crate::domain::{Application, CertificateName, Chain};
use crate::http;
use crate::ledger::{self, Object, Record, RequestRecord, Run, Started};
use crate::pki::Certificate;

/// Where the steps of a run are written down.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'a> {
    /// The ledger's run.
    pub run: &'a Run,
    /// The transport, which knows the ids of requests.
    pub http: &'a http::Client,
}

impl Journal<'_> {
    /// Writes down that a step is about to be taken, if it changes or proves anything.
    pub(super) fn begin(&self, step: &Step, object: &Object) -> Result<Option<Started>, Error> {
        let Some(kind) = kind(step) else { return Ok(None) };
        // What went before belongs to what went before.
        drop(self.http.take_acts());
        let mut record = Record::of(object.clone());
        if let Step::Attach { method } = step {
            record = record.fact("method", method.name());
        }
        Ok(Some(self.run.begin(kind, record)?))
    }

    /// Writes down how it ended.
    pub(super) fn end(&self, started: Started, ended: Result<Record, &Error>) -> Result<ledger::Hash, Error> {
        let requests = self.http.take_acts().into_iter().map(request).collect();
        let hash = match ended {
            Ok(record) => started.done(record.requests(requests))?,
            Err(error) => {
                let record = Record::default().fact("error", Chain(error));
                started.failed(record.requests(requests))?
            }
        };
        Ok(hash)
    }

    /// Does one thing between two lines: what it is about to do, and what came of it.
    pub async fn step<T, E>(
        &self,
        kind: ledger::Step,
        record: Record,
        work: impl Future<Output = Result<T, E>>,
        told: impl FnOnce(&T) -> Record,
    ) -> Result<(T, ledger::Hash), E>
    where
        E: From<ledger::Error> + std::error::Error + 'static,
    {
        // What went before belongs to what went before.
        drop(self.http.take_acts());
        let started = self.run.begin(kind, record)?;
        let ended = work.await;
        let requests = self.http.take_acts().into_iter().map(request).collect();
        match ended {
            Ok(done) => {
                let hash = started.done(told(&done).requests(requests))?;
                Ok((done, hash))
            }
            Err(error) => {
                started.failed(Record::default().fact("error", Chain(&error)).requests(requests))?;
                Err(error)
            }
        }
    }

    /// Attaches a certificate of which only the public half is at hand, and writes that down.
    pub async fn attach(
        &self,
        application: &Application,
        certificate: &Certificate,
        work: impl Future<Output = Result<Attachment, Error>>,
    ) -> Result<Attachment, Error> {
        let object = Object {
            application: Some(application.id),
            app_id: Some(application.app_id),
            thumbprint: Some(certificate.sha1().hex()),
            ..Object::default()
        };
        let told =
            |attachment: &Attachment| Record::of(Object { key_id: Some(attachment.key_id), ..Object::default() });
        let record = Record::of(object).fact("method", "PATCH");
        self.step(ledger::Step::Attach, record, work, told).await.map(|(attachment, _)| attachment)
    }

    /// Writes down what a version was born as: the policy that it was made under, before anybody can change it.
    pub fn born(&self, object: Object, existing: &Existing) -> Result<(), Error> {
        let shown = |value: Option<bool>| value.map_or("unknown".to_owned(), |value| value.to_string());
        let end = existing.certificate.not_after();
        let not_after = end.format(&Rfc3339).unwrap_or_else(|_| end.to_string());
        let record = Record::of(object)
            .fact("exportable", shown(existing.policy.exportable))
            .fact("reuse_key", shown(existing.policy.reuse_key))
            .fact("key", existing.certificate.public_key().description())
            .fact("key_type", &existing.key_type)
            .fact("not_after", not_after);
        self.run.note(ledger::Step::Create, &record)?;
        Ok(())
    }
}

/// What is known before anything is done.
pub(super) fn object(observed: &Observed, name: &CertificateName, existing: Option<&Existing>) -> Object {
    let object = Object {
        application: observed.application.as_ref().map(|application| application.id),
        app_id: observed.application.as_ref().map(|application| application.app_id),
        vault: Some(observed.vault.name().clone()),
        certificate: Some(name.clone()),
        ..Object::default()
    };
    object.and(existing.map(|existing| of_version(observed, existing)).unwrap_or_default())
}

fn of_version(observed: &Observed, existing: &Existing) -> Object {
    Object {
        version: Some(existing.key.version().clone()),
        thumbprint: Some(existing.certificate.sha1().hex()),
        key_id: decide::entry_of(observed, &existing.certificate),
        ..Object::default()
    }
}

fn request(act: http::Act) -> RequestRecord {
    RequestRecord::new(act.service, act.operation, act.status, act.id)
}

fn kind(step: &Step) -> Option<ledger::Step> {
    Some(match step {
        Step::Recover => ledger::Step::Recover,
        Step::Purge => ledger::Step::Purge,
        Step::Create { .. } => ledger::Step::Create,
        Step::Merge => ledger::Step::Merge,
        Step::Attach { .. } => ledger::Step::Attach,
        Step::Prove { .. } => ledger::Step::Prove,
        Step::Record => ledger::Step::Tag,
        Step::AwaitIssue | Step::ExportRequest | Step::Inspect => return None,
    })
}
