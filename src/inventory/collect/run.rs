//! What all readings of a run share: clients, the plan, and the notes on what could not be read.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use super::limits::Limits;
use super::plan::{Plan, Watcher};
use super::record::KnownFacts;
use super::refusal::{self, NotSignedIn, Refusal};
use crate::arm;
use crate::domain::Vault;
use crate::graph::{self, List, Page};
use crate::http::{self, TokenSource};
use crate::inventory::{Coverage, Evidence, Gap, Reason, Seen};
use crate::keyvault;

/// A list whose pages get lost is begun anew so often.
pub(super) const MOST_RESTARTS: usize = 8;

/// A run.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) graph: graph::Client,
    /// The same for the largest pages: a connection keeps the buffers of the largest answer it has carried.
    pub(super) large: graph::Client,
    pub(super) arm: arm::Client,
    pub(super) http: http::Client,
    pub(super) vault_tokens: Arc<dyn TokenSource>,
    pub(super) limits: Arc<Limits>,
    pub(super) plan: &'a Plan,
    pub(super) watcher: &'a dyn Watcher,
    pub(super) now: OffsetDateTime,
    /// What bytes said in an earlier run.
    pub(super) known: KnownFacts,
    pub(super) coverage: Mutex<Coverage>,
    /// Cleared when a list turns out to come without the bytes that it was asked for.
    pub(super) lists_have_bytes: AtomicBool,
    /// Objects of the directory that have come so far.
    pub(super) arrived: AtomicUsize,
}

impl Run<'_> {
    /// A client for a vault.
    pub(super) fn vault(&self, vault: &Vault) -> keyvault::Client {
        keyvault::Client::new(&self.http, &self.vault_tokens, vault.clone())
    }

    /// Closes connections to the directory that nobody uses.
    pub(super) async fn close_unused(&self) {
        self.graph.http().close_unused();
        self.large.http().close_unused();
        // They end on other threads, or as soon as this one lets them.
        tokio::task::yield_now().await;
    }

    /// Notes what was read.
    pub(super) fn read(&self, evidence: Evidence, objects: usize) {
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner).read(evidence, objects as u64);
    }

    /// Notes what was not.
    pub(super) fn gap(&self, gap: Gap) {
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner).gap(gap);
    }

    /// Notes what Graph refused.
    pub(super) fn refused(
        &self,
        evidence: Evidence,
        object: impl Into<String>,
        error: &graph::Error,
    ) -> Result<Reason, NotSignedIn> {
        let refusal = refusal::of_graph(error)?;
        self.gap(refusal.gap(evidence, object));
        Ok(refusal.reason)
    }

    /// Notes what a vault refused.
    pub(super) fn refused_by_vault(
        &self,
        evidence: Evidence,
        object: impl Into<String>,
        error: &keyvault::Error,
    ) -> Result<Reason, NotSignedIn> {
        let refusal = refusal::of_vault(error)?;
        self.gap(refusal.gap(evidence, object));
        Ok(refusal.reason)
    }

    /// Notes items that came and could not be understood.
    pub(super) fn unreadable(&self, evidence: Evidence, items: &[http::Unreadable]) {
        for item in items {
            let object = item.id.as_deref().map(crate::domain::printable).unwrap_or_default();
            self.gap(Refusal::new(Reason::Parse, item.problem.clone()).gap(evidence, object));
        }
    }

    /// Tells whoever looks on how far it is.
    pub(super) fn arrived(&self, objects: usize) {
        let so_far = self.arrived.fetch_add(objects, Ordering::Relaxed) + objects;
        self.watcher.doing(&format!("reading the directory: {so_far} objects"));
    }

    /// Whether lists can still be hoped to have bytes.
    pub(super) fn lists_have_bytes(&self) -> bool {
        self.lists_have_bytes.load(Ordering::Relaxed)
    }

    /// Learns from a list that was asked for bytes whether lists have any.
    pub(super) fn judge_lists(&self, items: &[graph::Keys]) {
        let keys = items.iter().flat_map(|item| &item.key_credentials).filter(|key| key.is_for_sign_in());
        let mut bytes = keys.map(|key| key.key.as_deref().is_some_and(|bytes| !bytes.is_empty())).peekable();
        if bytes.peek().is_some() && !bytes.any(|has_bytes| has_bytes) {
            self.lists_have_bytes.store(false, Ordering::Relaxed);
        }
    }

    /// Reads a list from beginning to end, and anew when its pages get lost. Part of a list is none:
    /// what it lacks would be taken for what is not there.
    pub(super) async fn entire<'g, T: DeserializeOwned>(
        &self,
        evidence: Evidence,
        object: &str,
        list: impl Fn() -> List<'g, T>,
    ) -> Result<Seen<Vec<T>>, NotSignedIn> {
        match from_beginning_to_end(list).await {
            Ok(page) if page.unreadable.is_empty() => {
                self.read(evidence, if object.is_empty() { page.items.len() } else { 1 });
                Ok(Seen::Read(page.items))
            }
            Ok(page) => {
                self.unreadable(evidence, &page.unreadable);
                Ok(Seen::unread(Reason::Parse))
            }
            Err(error) => Ok(Seen::unread(self.refused(evidence, object, &error)?)),
        }
    }
}

/// A list, begun anew when its pages get lost.
pub(super) async fn from_beginning_to_end<'g, T: DeserializeOwned>(
    list: impl Fn() -> List<'g, T>,
) -> Result<Page<T>, graph::Error> {
    let mut restarts = 0;
    loop {
        match list().all().await {
            Err(error) if refusal::is_lost_page(&error) && restarts < MOST_RESTARTS => restarts += 1,
            ended => return ended,
        }
    }
}
