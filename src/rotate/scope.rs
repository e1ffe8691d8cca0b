//! Who trusts a certificate: by looking at every application of the tenant where that is allowed, else
//! by what tags and ledger hint at, each confirmed in the directory.

use std::collections::BTreeSet;

use super::error::Error;
use super::history;
use super::observe::{Scope, thumbprint, thumbprint_of_bytes};
use crate::domain::{CertificateName, ObjectId, TAG_APP, Thumbprint};
use crate::graph::{self, Holder, ListedKey, Part};
use crate::keyvault::{self, ListedCertificate};
use crate::ledger;

/// The bytes of so many applications are read: the directory allows 150 such readings a minute.
const MOST_UNLABELLED: usize = 100;

/// Looks for the applications that trust a version, and adds the one that was named.
pub(super) async fn scope(
    vault: &keyvault::Client,
    graph: &graph::Client,
    name: &CertificateName,
    named: Option<ObjectId>,
    story: &[ledger::Entry],
) -> Result<Scope, Error> {
    let listed = vault.versions(name).await?;
    let known = thumbprints(&listed);
    let (mut applications, why_not_all) = match trusting(graph, &known).await {
        Ok((found, 0)) => (found, None),
        Ok((found, unreadable)) => (found, Some(format!("{unreadable} of the tenant's applications cannot be read"))),
        Err(error @ graph::Error::MissingPermission { .. }) => {
            let hints = hints(&listed, vault, name, story);
            (confirmed(graph, hints, &known).await?, Some(error.to_string()))
        }
        Err(error) => return Err(error.into()),
    };
    applications.extend(named);
    Ok(Scope { applications, why_not_all })
}

/// Why a version may not be disabled, if a service principal trusts one by itself: those have lists of
/// their own, which are only looked at when it matters.
pub(super) async fn principals(
    vault: &keyvault::Client,
    graph: &graph::Client,
    name: &CertificateName,
) -> Result<Option<String>, Error> {
    let known = thumbprints(&vault.versions(name).await?);
    let mut list = graph.principals(Part::Whole);
    let mut unlabelled = Vec::new();
    loop {
        let page = match list.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error @ graph::Error::MissingPermission { .. }) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        if !page.unreadable.is_empty() {
            return Ok(Some(
                "some service principals cannot be read, and one of them may trust the old version".to_owned(),
            ));
        }
        for principal in page.items {
            if has_one_of(&principal.key_credentials, &known) {
                return Ok(Some(has_it_itself(principal.id)));
            }
            if has_no_label(&principal.key_credentials) {
                unlabelled.push(Holder::service_principal(principal.id));
            }
        }
    }
    match by_bytes(graph, &unlabelled, &known).await {
        Ok(found) if !found.is_empty() => Ok(found.first().map(|id| has_it_itself(*id))),
        Ok(_) if unlabelled.len() > MOST_UNLABELLED => {
            let number = unlabelled.len() - MOST_UNLABELLED;
            Ok(Some(format!("the keys of {number} service principals have no thumbprint, and were not all read")))
        }
        Ok(_) => Ok(None),
        Err(error @ graph::Error::MissingPermission { .. }) => Ok(Some(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn has_it_itself(principal: ObjectId) -> String {
    format!("service principal {principal} has a version of this certificate itself")
}

fn thumbprints(listed: &[ListedCertificate]) -> BTreeSet<Thumbprint> {
    listed.iter().filter_map(|item| item.thumbprint).collect()
}

/// The label of an entry, if it is a thumbprint of the kind that the vault states.
fn label(key: &ListedKey) -> Option<Thumbprint> {
    key.custom_key_identifier.as_deref()?.parse().ok().filter(|print| matches!(print, Thumbprint::Sha1(_)))
}

fn has_one_of(keys: &[ListedKey], known: &BTreeSet<Thumbprint>) -> bool {
    keys.iter().filter_map(label).any(|print| known.contains(&print))
}

/// Whether an entry says nothing that could be compared: whoever adds a key may label it as they like.
fn has_no_label(keys: &[ListedKey]) -> bool {
    keys.iter().any(|key| label(key).is_none())
}

/// The applications of the tenant that trust one of `known`, and how many could not be read.
async fn trusting(
    graph: &graph::Client,
    known: &BTreeSet<Thumbprint>,
) -> Result<(BTreeSet<ObjectId>, usize), graph::Error> {
    let mut list = graph.registrations(Part::Whole);
    let (mut found, mut unlabelled, mut unreadable) = (BTreeSet::new(), Vec::new(), 0);
    while let Some(page) = list.next().await? {
        unreadable += page.unreadable.len();
        for registration in page.items {
            if has_one_of(&registration.key_credentials, known) {
                found.insert(registration.id);
            } else if has_no_label(&registration.key_credentials) {
                unlabelled.push(registration.id.into());
            }
        }
    }
    found.extend(by_bytes(graph, &unlabelled, known).await?);
    Ok((found, unreadable + unlabelled.len().saturating_sub(MOST_UNLABELLED)))
}

/// Those of the first few `holders` that trust one of `known` by the bytes of a key.
async fn by_bytes(
    graph: &graph::Client,
    holders: &[Holder],
    known: &BTreeSet<Thumbprint>,
) -> Result<BTreeSet<ObjectId>, graph::Error> {
    let mut found = BTreeSet::new();
    for holder in holders.iter().take(MOST_UNLABELLED) {
        match graph.key_credentials(*holder).await {
            Ok(keys) if keys.iter().filter_map(thumbprint_of_bytes).any(|print| known.contains(&print)) => {
                found.insert(holder.id);
            }
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(found)
}

fn hints(
    listed: &[ListedCertificate],
    vault: &keyvault::Client,
    name: &CertificateName,
    story: &[ledger::Entry],
) -> BTreeSet<ObjectId> {
    let tagged = listed.iter().filter_map(|item| item.tags.get(TAG_APP)?.parse().ok());
    tagged.chain(history::applications_of(story, vault.vault().name(), name)).collect()
}

async fn confirmed(
    graph: &graph::Client,
    hints: BTreeSet<ObjectId>,
    known: &BTreeSet<Thumbprint>,
) -> Result<BTreeSet<ObjectId>, Error> {
    let mut confirmed = BTreeSet::new();
    for id in hints {
        let application = match graph.application(id).await {
            Ok(record) => record.application,
            Err(error) if error.is_not_found() => continue,
            Err(graph::Error::MissingPermission { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        if application.key_credentials.iter().filter_map(thumbprint).any(|print| known.contains(&print)) {
            confirmed.insert(id);
        }
    }
    Ok(confirmed)
}
