//! What the ledger says of a rotation: whether one is open, since when it soaks, what it removed.

use uuid::Uuid;

use super::world::History;
use crate::domain::{AppId, CertificateName, ObjectId, VaultName, Version};
use crate::ledger::{Entry, Phase, Step};

/// Reads the story of one certificate.
pub fn history(entries: &[Entry], vault: &VaultName, name: &CertificateName) -> History {
    let mut history = History::default();
    let is_ours =
        |entry: &&Entry| entry.object.vault.as_ref() == Some(vault) && entry.object.certificate.as_ref() == Some(name);
    for entry in entries.iter().filter(is_ours) {
        let object = &entry.object;
        let whose = object.application.zip(object.version.clone());
        match (entry.step, entry.phase) {
            (Step::Rotate, Phase::Intended) if history.is_open() => {}
            (Step::Rotate, Phase::Intended) => {
                history = object.version.clone().map_or_else(History::default, History::of);
            }
            (Step::Rotate, _) => history = History::default(),
            (Step::Soak, Phase::Done) => {
                history.soak_started = Some(entry.at);
                history.soaks.clone_from(&object.version);
            }
            // A removal that was only intended may have been carried out: the directory tells.
            (Step::Detach, Phase::Intended | Phase::Done) => history.removed.extend(whose),
            (Step::ProveRefusal, Phase::Done) => history.refused.extend(whose),
            // What is attached again has to be removed again.
            (Step::Attach, Phase::Done) => {
                if let Some(whose) = whose {
                    history.removed.remove(&whose);
                    history.refused.remove(&whose);
                }
            }
            _ => {}
        }
    }
    history
}

/// Whether a run began to attach a version and nobody wrote down that it did.
pub(super) fn is_half_attached(entries: &[Entry], application: ObjectId, version: &Version) -> bool {
    let is_about = |entry: &&Entry| {
        entry.step == Step::Attach
            && entry.object.application == Some(application)
            && entry.object.version.as_ref() == Some(version)
    };
    entries.iter().rfind(is_about).is_some_and(|entry| entry.phase != Phase::Done)
}

/// The runs that this ledger knows: a lease of one of them is ours to take over.
pub(super) fn knows(entries: &[Entry], run: Uuid) -> bool {
    entries.iter().any(|entry| entry.run == run)
}

/// Where the certificates of an application are, by what was done for it, the latest first. Each is a
/// hint that has to be confirmed.
pub fn certificates_of(
    entries: &[Entry],
    application: Option<ObjectId>,
    app_id: Option<AppId>,
) -> Vec<(VaultName, CertificateName)> {
    let mut found = Vec::new();
    for entry in entries.iter().rev() {
        let object = &entry.object;
        let is_its = (object.application.is_some() && object.application == application)
            || (object.app_id.is_some() && object.app_id == app_id);
        if let (true, Some(vault), Some(name)) = (is_its, &object.vault, &object.certificate) {
            let place = (vault.clone(), name.clone());
            if !found.contains(&place) {
                found.push(place);
            }
        }
    }
    found
}

/// Who was given a version of a certificate, by the ledger. Hints again.
pub fn applications_of(entries: &[Entry], vault: &VaultName, name: &CertificateName) -> Vec<ObjectId> {
    let is_given = |entry: &&Entry| {
        matches!(entry.step, Step::Attach | Step::Prove)
            && entry.object.vault.as_ref() == Some(vault)
            && entry.object.certificate.as_ref() == Some(name)
    };
    let mut found: Vec<ObjectId> =
        entries.iter().filter(is_given).filter_map(|entry| entry.object.application).collect();
    found.sort_unstable();
    found.dedup();
    found
}
