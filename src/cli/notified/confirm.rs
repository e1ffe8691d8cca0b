//! Reading what bears a notice out, from the vault outwards: who is refused by one answer is not asked
//! for the next.

use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use super::home::Home;
use crate::arm;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::provision::Alg;
use crate::cli::rotate::{self, Subject};
use crate::cli::view::date;
use crate::domain::{CertificatePolicy, Vault};
use crate::http::TokenSource;
use crate::keyvault::{self, ListedCertificate};
use crate::notice::Notice;
use crate::notice::confirm::{self, Contradiction, Seen, SeenVersion};
use crate::provision::lifetime;
use crate::rotate::{Demand, Observed, due_at};

/// A notice that is borne out.
#[derive(Debug)]
pub(super) struct Confirmed {
    /// What is to be rotated.
    pub(super) subject: Subject,
    /// What was found.
    pub(super) facts: confirm::Confirmed,
    /// When the version in question ends.
    pub(super) ends: Option<OffsetDateTime>,
}

/// Why a notice leads to nothing.
#[derive(Debug)]
pub(super) enum Doubt {
    /// The world says otherwise.
    Contradicted(Contradiction),
    /// The world could not be asked.
    Failed(Failure),
}

impl From<Contradiction> for Doubt {
    fn from(contradiction: Contradiction) -> Self {
        Self::Contradicted(contradiction)
    }
}

impl<E: Into<Failure>> From<E> for Doubt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Doubt {
    /// For a command that is about this one notice.
    pub(super) fn failure(self, what: &str) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::Contradicted(contradiction) => {
                let failure = Failure::new(Exit::Usage, format!("{what} is not borne out: {contradiction}"));
                let failure = failure.hint("nothing was written; what it says was only compared with the vault");
                match &contradiction {
                    Contradiction::NobodysKey { .. } => {
                        failure.hint("make it an application's with `kvops attach`, if that is what it is for")
                    }
                    Contradiction::NotYet { .. } => {
                        failure.hint("rotate it all the same with `kvops rotate --vault VAULT --name NAME`")
                    }
                    contradiction if contradiction.is_settled() => failure,
                    _ => failure.hint("take it for forged, or for another tenant, cloud or identity than this one's"),
                }
            }
        }
    }
}

/// Asks the vault, then Azure where the vault is, then the directory who trusts the certificate.
pub(super) async fn confirm(context: &Context, notice: &Notice, alg: Option<Alg>) -> Result<Confirmed, Doubt> {
    let vault = context.vault(notice.vault.as_str())?;
    let tenant = tenant_of(context).await;
    let listed = versions(context, &vault, notice, tenant).await?;
    let versions: Vec<SeenVersion> = listed.iter().filter_map(seen).collect();
    let named = confirm::identify(notice, &versions)?.clone();
    let subscription = match notice.subscription {
        Some(_) => subscription_of(context, &vault).await,
        None => None,
    };
    confirm::place(notice, subscription, tenant)?;
    let subject = rotate::named(vault, notice.certificate.clone());
    let observed = rotate::look(context, &subject, Demand::default(), alg).await?;
    let not_before = listed.iter().find(|item| item.version.as_ref() == Some(&named.version));
    let not_before = not_before.and_then(|item| item.attributes.not_before);
    let seen = Seen {
        versions: observed.listed.iter().filter_map(seen).map(|version| trusted(version, &observed)).collect(),
        subscription,
        tenant,
        mails_from: not_before
            .zip(named.not_after)
            .map(|(from, until)| mails_from(&observed.policy, from, until, &subject)),
        now: context.http().service_now(),
    };
    match confirm::confirm(notice, &seen) {
        Ok(facts) => Ok(Confirmed { facts, subject, ends: named.not_after }),
        // Not to have seen anybody is something else than to have looked at all.
        Err(Contradiction::NobodysKey { .. }) if !observed.world.is_scanned => Err(unseen(&subject).into()),
        Err(contradiction) => Err(contradiction.into()),
    }
}

impl Confirmed {
    /// Says what was found, before anything is done.
    pub(super) fn say(&self, context: &Context) {
        let count = self.facts.applications.len();
        let who = if count == 1 { "1 application".to_owned() } else { format!("{count} applications") };
        let ends = self.ends.map_or_else(|| "at an unknown time".to_owned(), date);
        context.console().note(&format!(
            "the vault bears it out: version {} of {} in {} ends {ends}, and {who} sign{} in with it",
            self.facts.version,
            self.subject.name,
            self.subject.vault.name(),
            if count == 1 { "s" } else { "" },
        ));
        if !self.is_known(context) {
            context.console().warn(&format!(
                "certificate {} stands neither in kvops.toml nor in the ledger: nobody here has named it before",
                self.subject.name
            ));
        }
        for what in &self.facts.unconfirmed {
            context.console().warn(&format!("{what} that it names could not be looked up"));
        }
    }

    /// Whether somebody here has had to do with the certificate, before a stranger named it.
    fn is_known(&self, context: &Context) -> bool {
        let (vault, name) = (&self.subject.vault, &self.subject.name);
        let in_manifest = context.settings().apps().any(|(_, entry, _)| {
            let named = entry.vault.as_ref().and_then(|text| context.vault(text).ok());
            named.as_ref() == Some(vault)
                && entry.certificate.as_ref().is_some_and(|text| text.eq_ignore_ascii_case(name.as_str()))
        });
        let story = rotate::story(context).unwrap_or_default();
        in_manifest
            || story.iter().any(|line| {
                line.object.vault.as_ref() == Some(vault.name()) && line.object.certificate.as_ref() == Some(name)
            })
    }
}

fn seen(item: &ListedCertificate) -> Option<SeenVersion> {
    Some(SeenVersion {
        version: item.version.clone()?,
        thumbprint: item.thumbprint,
        created: item.attributes.created,
        not_after: item.attributes.not_after,
        is_enabled: item.attributes.enabled != Some(false),
        trusted_by: Vec::new(),
    })
}

fn trusted(version: SeenVersion, observed: &Observed) -> SeenVersion {
    let trusts = observed.world.applications.iter().filter(|trust| trust.entry(&version.version).is_some());
    SeenVersion { trusted_by: trusts.map(|trust| trust.application).collect(), ..version }
}

/// From when on the vault writes: by its policy, or, since that may have been another one, when the
/// version is due by its age.
fn mails_from(
    policy: &CertificatePolicy,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    subject: &Subject,
) -> OffsetDateTime {
    let by_policy = policy.lifetime_actions.iter();
    let by_policy = by_policy.filter_map(|action| lifetime::moment_of(&action.trigger, not_before, not_after)).min();
    by_policy.unwrap_or_else(|| due_at(not_before, not_after, None, subject.vault.name(), &subject.name))
}

fn unseen(subject: &Subject) -> Failure {
    let (vault, name) = (subject.vault.name(), &subject.name);
    Failure::new(
        Exit::Denied,
        format!("which applications trust certificate {name} in {vault} cannot be seen from here"),
    )
    .hint("give the identity Application.Read.All in Graph, so that it can look")
    .hint(format!("or name the application: `kvops rotate --app CLIENT_ID --vault {vault} --name {name}`"))
}

/// The versions of the certificate, if the vault is one of our own tenant: a stranger's vault would be
/// glad of a key of its own on one of our applications.
async fn versions(
    context: &Context,
    vault: &Vault,
    notice: &Notice,
    tenant: Option<Uuid>,
) -> Result<Vec<ListedCertificate>, Doubt> {
    let home = Arc::new(Home::new(context.vault_tokens(), tenant));
    let tokens: Arc<dyn TokenSource> = Arc::clone(&home) as _;
    let client = keyvault::Client::new(context.http(), &tokens, vault.clone());
    let listed = context.reading(client.versions(&notice.certificate)).await;
    match home.stranger() {
        Some(tenant) => Err(Contradiction::ForeignVault { vault: vault.name().to_string(), tenant }.into()),
        None => Ok(listed?),
    }
}

/// The subscription of a vault; `None` where it may not be seen.
async fn subscription_of(context: &Context, vault: &Vault) -> Option<Uuid> {
    let arm = arm::Client::new(context.http(), context.vault_tokens());
    let mut vaults = arm.vaults();
    while let Ok(Some(page)) = vaults.next().await {
        let found = page.into_iter().find(|found| found.name.eq_ignore_ascii_case(vault.name().as_str()));
        if let Some(found) = found {
            return found.subscription_id?.parse().ok();
        }
    }
    None
}

/// The tenant of our tokens, and so of every vault that answers to them.
async fn tenant_of(context: &Context) -> Option<Uuid> {
    context.vault_token().await?.text("tid")?.parse().ok()
}
