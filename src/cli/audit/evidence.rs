//! Where the evidence comes from: the tenant, or a file.

use std::collections::BTreeSet;
use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use super::super::context::{Context, Onlooker};
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::rules::Loaded;
use super::{Activity, Scope, become_view, outputs};
use crate::audit::facts::Joined;
use crate::audit::{self, InputFile, Manifest, ManifestEntry};
use crate::domain::{Chain, ObjectId, Vault};
use crate::inventory::{self, Clients, Inventory, Plan, Sought, State, collect};
use crate::provision;

/// What was seen, and from which file if from one.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) inventory: Inventory,
    pub(super) file: Option<InputFile>,
}

/// Reads the tenant, or the file that stands for it.
pub(super) async fn read(scope: &Scope, context: &Context) -> Result<Seen, Failure> {
    match &scope.input {
        Some(path) => {
            let mut seen = from_file(path, context)?;
            narrow(&mut seen.inventory, scope, context)?;
            Ok(seen)
        }
        None => Ok(Seen { inventory: from_tenant(scope, context).await?, file: None }),
    }
}

/// Reads what tells where one key is and who trusts it: in the tenant, or in the file that stands for it.
pub(in crate::cli) async fn of_one_key(
    sought: Sought,
    vaults: &[String],
    input: Option<&Path>,
    context: &Context,
) -> Result<Inventory, Failure> {
    if let Some(path) = input {
        return Ok(from_file(path, context)?.inventory);
    }
    let mut plan = Plan { seeks: Some(sought), ..Plan::all(context.tenant()?) };
    plan.vaults = named(vaults, context)?;
    collected(&plan, &mut State::none(), context).await
}

/// Reads what tells how one application works: its registration and what it was granted, and no vault.
pub(in crate::cli) async fn of_one_application(id: ObjectId, context: &Context) -> Result<Inventory, Failure> {
    let plan = Plan { applications: vec![id], vaults: Some(Vec::new()), ..Plan::all(context.tenant()?) };
    collected(&plan, &mut State::none(), context).await
}

fn from_file(path: &Path, context: &Context) -> Result<Seen, Failure> {
    let unusable = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(Exit::Usage, format!("{}: {}", path.display(), Chain(error)))
            .hint("write one with `kvops audit --export FILE`")
    };
    let file = fs::File::open(path).map_err(|error| unusable(&error))?;
    let imported = audit::import(&mut BufReader::new(file)).map_err(|error| unusable(&error))?;
    if imported.is_cut {
        return Err(unusable(&audit::ImportError::Cut));
    }
    let tenant = context.settings().tenant.as_ref().map(|tenant| tenant.value.clone());
    // A domain names a tenant too, but not in a way that can be compared here.
    let tenant = tenant.filter(|tenant| uuid::Uuid::try_parse(tenant.as_str()).is_ok());
    Ok(Seen { inventory: imported.inventory, file: Some(InputFile { tenant, damage: imported.damage }) })
}

/// Leaves of a file what was asked for by name.
fn narrow(inventory: &mut Inventory, scope: &Scope, context: &Context) -> Result<(), Failure> {
    let unknown = |kind: &str, name: &str| Failure::new(Exit::Usage, format!("the inventory has no {kind} `{name}`"));
    let (mut apps, mut vaults) = (BTreeSet::new(), BTreeSet::new());
    for app in &scope.app {
        let found = become_view::app_id(app, inventory, context);
        let found = found.filter(|id| inventory.applications.iter().any(|known| known.app_id == *id));
        apps.insert(found.ok_or_else(|| unknown("application", app))?);
    }
    for vault in &scope.vault {
        let name = context.vault(vault)?.name().clone();
        if !inventory.vaults.iter().any(|known| known.name == name) {
            return Err(unknown("vault", vault));
        }
        vaults.insert(name);
    }
    audit::narrow(inventory, &apps, &vaults);
    Ok(())
}

async fn from_tenant(scope: &Scope, context: &Context) -> Result<Inventory, Failure> {
    let plan = context.reading(plan(scope, context)).await?;
    let mut state = match &scope.state {
        None => State::none(),
        Some(folder) => {
            let (state, problem) = State::open(folder, context.http().cloud().name());
            if let Some(problem) = problem {
                context.console().warn(&format!("{}; everything is read anew", Chain(&problem)));
            }
            state
        }
    };
    let inventory = collected(&plan, &mut state, context).await?;
    if let Err(error) = state.save(&inventory) {
        context.console().warn(&format!("what was read could not be kept for the next run: {error}"));
    }
    Ok(inventory)
}

async fn collected(plan: &Plan, state: &mut State, context: &Context) -> Result<Inventory, Failure> {
    let clients = Clients {
        http: context.http().clone(),
        graph: Arc::clone(context.graph_tokens()),
        vaults: Arc::clone(context.vault_tokens()),
    };
    let onlooker = context.watcher();
    let ended = context.reading(collect(&clients, plan, state, &onlooker)).await;
    onlooker.clear();
    ended
}

async fn plan(scope: &Scope, context: &Context) -> Result<Plan, Failure> {
    let graph = context.graph_client();
    let mut plan = Plan {
        all_certificates: scope.all_certificates,
        activity: match scope.activity {
            Activity::Auto => inventory::Activity::IfQuick,
            Activity::Always => inventory::Activity::Always,
            Activity::Never => inventory::Activity::Never,
        },
        ..Plan::all(context.tenant()?)
    };
    // Who can become an application is a question about everybody: it is not narrowed down.
    for app in &scope.app {
        plan.applications.push(context.application(&graph, app).await?.id);
    }
    plan.vaults = named(&scope.vault, context)?;
    Ok(plan)
}

/// The vaults that were named; `None` for all that can be found.
fn named(vaults: &[String], context: &Context) -> Result<Option<Vec<Vault>>, Failure> {
    if vaults.is_empty() {
        return Ok(None);
    }
    vaults.iter().map(|vault| context.vault(vault)).collect::<Result<_, _>>().map(Some)
}

/// What people wrote down in `kvops.toml`.
pub(in crate::cli) fn manifest(context: &Context) -> Manifest {
    let settings = context.settings();
    let entries = settings.apps().map(|(name, entry, path)| {
        let known = ManifestEntry {
            name: name.to_owned(),
            file: path.to_owned(),
            line: entry.line,
            vault: entry.vault.clone(),
            certificate: entry.certificate.clone(),
            owner: entry.owner.clone(),
            kind: entry.kind.clone(),
            environment: entry.environment.clone(),
            notify: entry.notify.clone(),
            host: entry.host.clone(),
            tenant: entry.tenant.as_ref().map(ToString::to_string),
            custody: entry.custody.clone(),
        };
        (entry.app, known)
    });
    Manifest {
        entries: entries.collect(),
        is_complete: settings.is_manifest_complete(),
        file: settings.files().next().map(Path::to_owned),
    }
}

/// Writes the evidence down, with what was derived from it.
pub(super) fn export(path: &Path, inventory: &Inventory, manifest: &Manifest, rules: &Loaded) -> Result<(), Failure> {
    let history = rules.history();
    let joined = Joined::new(inventory, manifest, &history, &rules.policy.data);
    outputs::whole(path, |out| audit::export(&joined, out))
}

impl inventory::Watcher for Onlooker {
    fn doing(&self, what: &str) {
        provision::Watcher::doing(self, what);
    }

    fn done(&self, what: &str) {
        provision::Watcher::done(self, what);
    }
}

impl From<inventory::Error> for Failure {
    fn from(error: inventory::Error) -> Self {
        match &error {
            inventory::Error::SignIn { .. } => Self::from_error(Exit::Denied, &error)
                .hint("sign in with `az login`, or choose an identity with --credential; -v says which one was used"),
            inventory::Error::NoVault { .. } => Self::from_error(Exit::Usage, &error)
                .hint("check the spelling of --vault; `kvops audit` without it lists all"),
            inventory::Error::Nothing { gaps } => {
                let is_denied = gaps.iter().any(|gap| gap.reason == inventory::Reason::Rbac);
                let exit = if is_denied { Exit::Denied } else { Exit::Upstream };
                let failure = Self::from_error(exit, &error);
                let grant = gaps.iter().find(|gap| !gap.grant.is_empty()).filter(|_| is_denied);
                match grant {
                    Some(gap) => failure.hint(format!(
                        "grant {}; docs/guides/audit.md names every right and what it is for",
                        gap.grant
                    )),
                    None => failure,
                }
            }
        }
    }
}
