//! Delegated permissions: all of them, in lists whose pages follow each other, or those that have changed.

use std::collections::HashMap;

use futures::future::{join, join3};

use super::changes;
use super::gathered::{ByKey, Gathered};
use super::refusal::{self, NotSignedIn};
use super::run::{MOST_RESTARTS, Run};
use crate::domain::ObjectId;
use crate::graph::{self, ChangedGrant, Consent, Grant, LARGEST_PAGE, List};
use crate::http::Unreadable;
use crate::inventory::state::Mark;
use crate::inventory::{DelegatedGrant, Evidence, Reason, Records, Seen, Word};

/// Fewer pages than these follow each other quickly enough.
const LONG: usize = 4 * LARGEST_PAGE;

/// The delegated permissions of the tenant by client, and the mark for the next run.
pub(super) type Grants = (Seen<ByKey<ObjectId, Grant>>, Option<Mark>);

type SomeGrants = Gathered<ObjectId, Grant>;

/// What an earlier run has left of them.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) grants: Records<Grant>,
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
        return Ok((Seen::Read(grants.by_key()), Some(mark)));
    }
    // Taken before anything is read, so that no change falls between.
    let token = if before.is_kept { changes::latest(run.graph.changed_grants(None)).await } else { None };
    let mark = token.map(|token| Mark { token, keys: None, at: run.now });
    let by_consent = if is_large { by_consent(run, before.is_kept).await? } else { None };
    let read = match by_consent {
        Some(grants) => Seen::Read(grants),
        None => in_one(run, before.is_kept).await?,
    };
    Ok(match read {
        Seen::Read(grants) => {
            run.read(Evidence::DelegatedGrants, grants.len());
            (Seen::Read(grants.by_key()), mark)
        }
        Seen::Unread { unread } => (Seen::unread(unread), None),
    })
}

/// A long list in two that do not wait for each other. `None` where that is not worth it, where the two
/// would not be all that there is, or where the directory does not answer like this: whoever reads the
/// one list will learn why.
async fn by_consent(run: &Run<'_>, is_kept: bool) -> Result<Option<SomeGrants>, NotSignedIn> {
    let count = |consent| run.graph.count_grants(consent);
    let (all, for_all, for_one) = join3(count(None), count(Some(Consent::ForAll)), count(Some(Consent::ForOne))).await;
    let (Ok(all), Ok(for_all), Ok(for_one)) = (all, for_all, for_one) else { return Ok(None) };
    if all < LONG || for_all.checked_add(for_one) != Some(all) {
        return Ok(None);
    }
    let list = |consent| packed(move || run.graph.grants(Some(consent)), is_kept);
    let (for_all, for_one) = join(list(Consent::ForAll), list(Consent::ForOne)).await;
    match (for_all, for_one) {
        (Ok((mut grants, unreadable)), Ok((for_one, others))) if unreadable.is_empty() && others.is_empty() => {
            grants.append(for_one);
            Ok(Some(grants))
        }
        (Ok(_), Ok(_)) => Ok(None),
        (Err(error), _) | (_, Err(error)) => refusal::of_graph(&error).map(|_| None),
    }
}

async fn in_one(run: &Run<'_>, is_kept: bool) -> Result<Seen<SomeGrants>, NotSignedIn> {
    match packed(|| run.graph.grants(None), is_kept).await {
        Ok((grants, unreadable)) if unreadable.is_empty() => Ok(Seen::Read(grants)),
        Ok((_, unreadable)) => {
            run.unreadable(Evidence::DelegatedGrants, &unreadable);
            Ok(Seen::unread(Reason::Parse))
        }
        Err(error) => Ok(Seen::unread(run.refused(Evidence::DelegatedGrants, "", &error)?)),
    }
}

/// A list from beginning to end, page by page, and anew when its pages get lost. Names of grants are
/// needed by the next run only.
async fn packed<'g>(
    list: impl Fn() -> List<'g, Grant>,
    is_kept: bool,
) -> Result<(SomeGrants, Vec<Unreadable>), graph::Error> {
    let mut restarts = 0;
    let (mut pages, mut grants, mut unreadable) = (list(), SomeGrants::new(), Vec::new());
    loop {
        match pages.next().await {
            Ok(Some(page)) => {
                for mut grant in page.items {
                    if !is_kept {
                        grant.id = Box::default();
                    }
                    grants.push(grant.client_id, &grant);
                }
                unreadable.extend(page.unreadable);
            }
            Ok(None) => return Ok((grants, unreadable)),
            Err(error) if refusal::is_lost_page(&error) && restarts < MOST_RESTARTS => {
                restarts += 1;
                (pages, grants, unreadable) = (list(), SomeGrants::new(), Vec::new());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The grants of an earlier run, brought up to date, with the next mark. `None`: there is no way but to
/// read everything.
async fn since(run: &Run<'_>, before: Records<Grant>, mark: &Mark) -> Result<Option<(SomeGrants, Mark)>, NotSignedIn> {
    if run.now - mark.at >= changes::LIFETIME {
        return Ok(None);
    }
    let mut changes: HashMap<Box<str>, Vec<ChangedGrant>> = HashMap::new();
    let mut list = run.graph.changed_grants(Some(&mark.token));
    loop {
        match list.next().await {
            Ok(Some(page)) if page.unreadable.is_empty() => {
                page.items.into_iter().for_each(|change| changes.entry(change.id.clone()).or_default().push(change));
            }
            Ok(Some(_)) => return Ok(None),
            Ok(None) => break,
            // Not to be signed in ends the run; whatever else, the full way may still be open.
            Err(error) => return refusal::of_graph(&error).map(|_| None),
        }
    }
    let Some(token) = list.delta_link().and_then(changes::token) else { return Ok(None) };
    let grants = changed(before, changes);
    Ok(grants.map(|grants| (grants, Mark { token, keys: None, at: run.now })))
}

/// Grants after their changes. `None`: one is new, and says too little of itself.
fn changed(mut before: Records<Grant>, changes: HashMap<Box<str>, Vec<ChangedGrant>>) -> Option<SomeGrants> {
    let (mut clients, mut known) = (Vec::new(), HashMap::new());
    before.change(|grant| {
        let has_changed = changes.contains_key(&grant.id);
        match has_changed {
            true => drop(known.insert(grant.id.clone(), grant.clone())),
            false => clients.push(grant.client_id),
        }
        !has_changed
    });
    let mut grants = Gathered::of(clients, before);
    for (id, changes) in changes {
        let mut now = known.remove(&id);
        for change in changes {
            now = if change.is_gone() { None } else { Some(change.over(now)?) };
        }
        now.iter().for_each(|grant| grants.push(grant.client_id, grant));
    }
    Some(grants)
}

/// The delegated permissions of a client.
pub(super) fn of_client(grants: &Seen<ByKey<ObjectId, Grant>>, id: ObjectId) -> Seen<Vec<DelegatedGrant>> {
    match grants {
        Seen::Read(all) => Seen::Read(delegated(all.all(&id))),
        Seen::Unread { unread } => Seen::unread(*unread),
    }
}

/// The delegated permissions of a few service principals.
pub(super) type GrantsOfSome = HashMap<ObjectId, Seen<Vec<DelegatedGrant>>>;

/// Reads them.
pub(super) async fn of(run: &Run<'_>, principals: &[ObjectId]) -> Result<GrantsOfSome, NotSignedIn> {
    let mut all = GrantsOfSome::new();
    for id in principals.iter().copied() {
        let read = run.entire(Evidence::DelegatedGrants, &id.to_string(), || run.graph.grants_of(id)).await?;
        all.insert(
            id,
            match read {
                Seen::Read(grants) => Seen::Read(delegated(grants)),
                Seen::Unread { unread } => Seen::unread(unread),
            },
        );
    }
    Ok(all)
}

/// Consents of single people to the same scopes are one.
fn delegated(grants: impl IntoIterator<Item = Grant>) -> Vec<DelegatedGrant> {
    let mut all: Vec<_> = grants
        .into_iter()
        .map(|grant| {
            let mut scopes: Vec<Word> =
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
        let read = delegated([grant(people[0], "User.Read  Mail.Read"), grant(people[1], "Mail.Read User.Read ")]);
        assert_eq!(read.len(), 1);
        assert_eq!(*read[0].scopes, [Word::from("Mail.Read"), Word::from("User.Read")]);
    }
}
