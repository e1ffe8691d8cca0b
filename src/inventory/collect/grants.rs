//! Delegated permissions: all of them, in lists whose pages follow each other, or those that have changed.

use std::collections::BTreeMap;

use futures::future::{join, join3};

use super::changes;
use super::refusal::{self, NotSignedIn};
use super::run::{self, Run};
use crate::graph::{Consent, Grant, LARGEST_PAGE};
use crate::inventory::state::Mark;
use crate::inventory::{DelegatedGrant, Evidence, Seen, ServicePrincipal};

/// Fewer pages than these follow each other quickly enough.
const LONG: usize = 4 * LARGEST_PAGE;

/// The delegated permissions of the tenant, ordered by client, and the mark for the next run.
pub(super) type Grants = (Seen<Vec<Grant>>, Option<Mark>);

/// What an earlier run has left of them.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) grants: Vec<Grant>,
    pub(super) mark: Option<Mark>,
    /// Whether there will be a next run.
    pub(super) is_kept: bool,
}

/// The delegated permissions of the tenant: by their changes, if an earlier run left enough for that, else
/// in full.
pub(super) async fn all(run: &Run<'_>, before: Before, is_large: bool) -> Result<Grants, NotSignedIn> {
    if let Some(mark) = before.mark
        && let Some((grants, mark)) = since(run, before.grants, &mark).await?
    {
        run.read(Evidence::DelegatedGrants, grants.len());
        return Ok((Seen::Read(ordered(grants)), Some(mark)));
    }
    // Taken before anything is read, so that no change falls between.
    let token = if before.is_kept { changes::latest(run.graph.changed_grants(None)).await } else { None };
    let mark = token.map(|token| Mark { token, keys: None, at: run.now });
    let by_consent = if is_large { by_consent(run).await? } else { None };
    let read = match by_consent {
        Some(grants) => {
            run.read(Evidence::DelegatedGrants, grants.len());
            Seen::Read(grants)
        }
        None => run.entire(Evidence::DelegatedGrants, "", || run.graph.grants(None)).await?,
    };
    Ok(match read {
        Seen::Read(grants) => (Seen::Read(ordered(grants)), mark),
        unread => (unread, None),
    })
}

/// A long list in two that do not wait for each other. `None` where that is not worth it, where the two
/// would not be all that there is, or where the directory does not answer like this: whoever reads the
/// one list will learn why.
async fn by_consent(run: &Run<'_>) -> Result<Option<Vec<Grant>>, NotSignedIn> {
    let count = |consent| run.graph.count_grants(consent);
    let (all, for_all, for_one) = join3(count(None), count(Some(Consent::ForAll)), count(Some(Consent::ForOne))).await;
    let (Ok(all), Ok(for_all), Ok(for_one)) = (all, for_all, for_one) else { return Ok(None) };
    if all < LONG || for_all.checked_add(for_one) != Some(all) {
        return Ok(None);
    }
    let (for_all, for_one) = join(of_kind(run, Consent::ForAll), of_kind(run, Consent::ForOne)).await;
    let (Some(mut grants), Some(for_one)) = (for_all?, for_one?) else { return Ok(None) };
    grants.extend(for_one);
    Ok(Some(grants))
}

async fn of_kind(run: &Run<'_>, consent: Consent) -> Result<Option<Vec<Grant>>, NotSignedIn> {
    match run::from_beginning_to_end(|| run.graph.grants(Some(consent))).await {
        Ok(page) => Ok(page.unreadable.is_empty().then_some(page.items)),
        Err(error) => refusal::of_graph(&error).map(|_| None),
    }
}

/// The grants of an earlier run, brought up to date, with the next mark. `None`: there is no way but to
/// read everything.
async fn since(run: &Run<'_>, before: Vec<Grant>, mark: &Mark) -> Result<Option<(Vec<Grant>, Mark)>, NotSignedIn> {
    if run.now - mark.at >= changes::LIFETIME {
        return Ok(None);
    }
    let mut grants: BTreeMap<Box<str>, Grant> = before.into_iter().map(|grant| (grant.id.clone(), grant)).collect();
    let mut list = run.graph.changed_grants(Some(&mark.token));
    loop {
        match list.next().await {
            Ok(Some(page)) if page.unreadable.is_empty() => {
                for change in page.items {
                    let known = grants.remove(&change.id);
                    if change.is_gone() {
                        continue;
                    }
                    let Some(grant) = change.over(known) else { return Ok(None) };
                    grants.insert(grant.id.clone(), grant);
                }
            }
            Ok(Some(_)) => return Ok(None),
            Ok(None) => break,
            // Not to be signed in ends the run; whatever else, the full way may still be open.
            Err(error) => return refusal::of_graph(&error).map(|_| None),
        }
    }
    let Some(token) = list.delta_link().and_then(changes::token) else { return Ok(None) };
    Ok(Some((grants.into_values().collect(), Mark { token, keys: None, at: run.now })))
}

fn ordered(mut grants: Vec<Grant>) -> Vec<Grant> {
    grants.sort_unstable_by(|one, other| (one.client_id, &one.id).cmp(&(other.client_id, &other.id)));
    grants.dedup();
    grants
}

/// Puts them beside their clients.
pub(super) fn put(grants: &Seen<Vec<Grant>>, principals: &mut [ServicePrincipal]) {
    for principal in principals {
        principal.delegated = match grants {
            Seen::Read(all) => {
                let from = all.partition_point(|grant| grant.client_id < principal.id);
                let own = all[from..].iter().take_while(|grant| grant.client_id == principal.id);
                Seen::Read(delegated(own))
            }
            Seen::Unread { unread } => Seen::unread(*unread),
        };
    }
}

/// The delegated permissions of a few service principals.
pub(super) async fn of(run: &Run<'_>, principals: &mut [ServicePrincipal]) -> Result<(), NotSignedIn> {
    for principal in principals {
        let id = principal.id;
        let read = run.entire(Evidence::DelegatedGrants, &id.to_string(), || run.graph.grants_of(id)).await?;
        principal.delegated = match read {
            Seen::Read(grants) => Seen::Read(delegated(&grants)),
            Seen::Unread { unread } => Seen::unread(unread),
        };
    }
    Ok(())
}

/// Consents of single people to the same scopes are one.
fn delegated<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Vec<DelegatedGrant> {
    let mut all: Vec<_> = grants
        .into_iter()
        .map(|grant| {
            let mut scopes: Vec<Box<str>> =
                grant.scope.as_deref().unwrap_or_default().split_whitespace().map(Into::into).collect();
            scopes.sort_unstable();
            scopes.dedup();
            DelegatedGrant {
                resource: grant.resource_id,
                scopes: scopes.into(),
                is_for_all: grant.consent_type.as_ref().is_some_and(|kind| kind.eq_ignore_ascii_case("AllPrincipals")),
            }
        })
        .collect();
    all.sort_by(|one, other| {
        (one.resource, !one.is_for_all, &one.scopes).cmp(&(other.resource, !other.is_for_all, &other.scopes))
    });
    all.dedup();
    all.shrink_to_fit();
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn consents_of_many_people_to_the_same_are_one() {
        let grant = |principal: &str, scope: &str| -> Grant {
            serde_json::from_value(json!({
                "clientId": "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10", "consentType": "Principal", "principalId": principal,
                "resourceId": "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f11", "scope": scope,
            }))
            .unwrap()
        };
        let people = ["7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f12", "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f13"];
        let read = delegated(&[grant(people[0], "User.Read  Mail.Read"), grant(people[1], "Mail.Read User.Read ")]);
        assert_eq!(read.len(), 1);
        assert_eq!(*read[0].scopes, ["Mail.Read".into(), "User.Read".into()]);
    }
}
