//! Which certificate is meant: as given, by the manifest, or by what the ledger says was done for the
//! application, confirmed in vault and directory.

use super::story;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::domain::{AppId, CertificateName, ObjectId, TAG_APP, Thumbprint, Vault};
use crate::graph;
use crate::rotate::certificates_of;

/// A certificate, and the application that was named, if any.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The vault.
    pub(crate) vault: Vault,
    /// The certificate.
    pub(crate) name: CertificateName,
    /// Object id of the application that was named.
    pub(crate) application: Option<ObjectId>,
    /// Its client id.
    pub(crate) app_id: Option<AppId>,
}

/// `VAULT/NAME`.
pub(super) fn certificate(text: &str) -> Result<(String, CertificateName), Failure> {
    let (vault, name) = text
        .rsplit_once('/')
        .filter(|(vault, _)| !vault.is_empty())
        .ok_or_else(|| Failure::new(Exit::Usage, format!("--cert {text}: expected VAULT/NAME")))?;
    let name = name
        .parse()
        .map_err(|error: <CertificateName as std::str::FromStr>::Err| Failure::from_error(Exit::Usage, &error))?;
    Ok((vault.to_owned(), name))
}

/// Finds the certificate of what was named.
pub(crate) async fn locate(
    context: &Context,
    app: Option<&str>,
    given: Option<(String, CertificateName)>,
) -> Result<Subject, Failure> {
    let given = given.map(|(vault, name)| Ok::<_, Failure>((context.vault(&vault)?, name))).transpose()?;
    let named = match app {
        Some(app) => Some(named(context, app, given.as_ref()).await?),
        None => None,
    };
    let (application, app_id) = named.as_ref().map(|named| (named.id, named.app_id)).unzip();
    if let Some((vault, name)) = given {
        return Ok(Subject { vault, name, application, app_id });
    }
    let Some(named) = named else {
        return Err(
            Failure::new(Exit::Usage, "no certificate is named").hint("give --app, --cert VAULT/NAME, or --all")
        );
    };
    let mut found = context.reading(by_ledger(context, &named)).await?;
    match (found.pop(), found.is_empty()) {
        (Some((vault, name)), true) => Ok(Subject { vault, name, application, app_id }),
        (Some(last), false) => Err(found.into_iter().chain([last]).fold(
            Failure::new(
                Exit::Usage,
                "the application trusts several certificates, and --app does not say which is meant",
            ),
            |failure, (vault, name)| failure.hint(format!("give --vault {} --name {name}", vault.name())),
        )),
        (None, _) => Err(named.trusted.iter().flatten().fold(
            Failure::new(
                Exit::Usage,
                "where the application's certificate is stands neither in kvops.toml nor in the ledger",
            )
            .hint("give --vault and --name, or write vault and certificate into an [app.NAME] table of kvops.toml"),
            |failure, trusted| failure.hint(format!("look which vault it is in: `kvops why {trusted}`")),
        )),
    }
}

/// An application that was named.
struct Named {
    id: ObjectId,
    app_id: AppId,
    /// What it trusts; none where that may not be read.
    trusted: Option<Vec<Thumbprint>>,
}

/// Looks the application up. Who has no permission in Graph may give its client id: what the ledger or a
/// tag of the certificate says of it is enough, since its own proof has to be accepted anyway.
async fn named(context: &Context, app: &str, given: Option<&(Vault, CertificateName)>) -> Result<Named, Failure> {
    let graph = context.graph_client();
    let reference = context.settings().app(app).map_or_else(|| app.to_owned(), |entry| entry.app.to_string());
    match context.reading(async { Ok::<_, Failure>(graph.find_application(&reference).await) }).await? {
        Ok(record) => {
            let application = record.application;
            let trusted = application.key_credentials.iter().filter_map(|key| key.thumbprint()).collect();
            Ok(Named { id: application.id, app_id: application.app_id, trusted: Some(trusted) })
        }
        Err(error @ graph::Error::MissingPermission { .. }) => {
            let Ok(app_id) = reference.trim().parse::<AppId>() else {
                return Err(Failure::from(error).hint("or give the application's client id"));
            };
            match context.reading(unseen(context, app_id, given)).await? {
                Some(id) => Ok(Named { id, app_id, trusted: None }),
                None => Err(Failure::from(error)),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The object id behind a client id, without asking the directory.
async fn unseen(
    context: &Context,
    app_id: AppId,
    given: Option<&(Vault, CertificateName)>,
) -> Result<Option<ObjectId>, Failure> {
    let story = story(context)?;
    let objects = story.iter().rev().map(|entry| &entry.object);
    let by_ledger = objects.filter(|object| object.app_id == Some(app_id)).find_map(|object| object.application);
    let (None, Some((vault, name))) = (by_ledger, given) else { return Ok(by_ledger) };
    let versions = context.vault_client(vault).versions(name).await?;
    Ok(versions.iter().find_map(|item| item.tags.get(TAG_APP)?.parse().ok()))
}

/// The certificates that were made for an application by the ledger, and that it still trusts.
async fn by_ledger(context: &Context, named: &Named) -> Result<Vec<(Vault, CertificateName)>, Failure> {
    let mut found = Vec::new();
    for (vault, name) in certificates_of(&story(context)?, Some(named.id), Some(named.app_id)) {
        let vault = context.vault(vault.as_str())?;
        let versions = match context.vault_client(&vault).versions(&name).await {
            Err(error) if error.is_not_found() => continue,
            versions => versions?,
        };
        let is_trusted = |print: Thumbprint| named.trusted.as_ref().is_none_or(|trusted| trusted.contains(&print));
        if versions.iter().filter_map(|item| item.thumbprint).any(is_trusted) {
            found.push((vault, name));
        }
    }
    Ok(found)
}
