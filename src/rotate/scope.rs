//! Who trusts a certificate: by looking at every application of the tenant where that is allowed, else
//! by what tags and ledger hint at, each confirmed in the directory.

use std::collections::BTreeSet;

use super::error::Error;
use super::history;
use super::observe::{Scope, thumbprint};
use crate::domain::{CertificateName, ObjectId, TAG_APP, Thumbprint};
use crate::graph::{self, Part};
use crate::keyvault::{self, ListedCertificate};
use crate::ledger;

/// Looks for the applications that trust a version, and adds the one that was named.
pub(super) async fn scope(
    vault: &keyvault::Client,
    graph: &graph::Client,
    name: &CertificateName,
    named: Option<ObjectId>,
    story: &[ledger::Entry],
) -> Result<Scope, Error> {
    let listed = vault.versions(name).await?;
    let known: BTreeSet<Thumbprint> = listed.iter().filter_map(|item| item.thumbprint).collect();
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

/// The applications of the tenant that trust one of `known`, and how many could not be read.
async fn trusting(
    graph: &graph::Client,
    known: &BTreeSet<Thumbprint>,
) -> Result<(BTreeSet<ObjectId>, usize), graph::Error> {
    let mut list = graph.registrations(Part::Whole);
    let (mut found, mut unreadable) = (BTreeSet::new(), 0);
    while let Some(page) = list.next().await? {
        unreadable += page.unreadable.len();
        for registration in page.items {
            let mut labels = registration.key_credentials.iter().filter_map(|key| key.custom_key_identifier.as_deref());
            if labels.any(|label| label.parse().is_ok_and(|print: Thumbprint| known.contains(&print))) {
                found.insert(registration.id);
            }
        }
    }
    Ok((found, unreadable))
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
