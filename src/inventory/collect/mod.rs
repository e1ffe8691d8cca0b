//! Reading a tenant and its vaults into an inventory: as few requests as the services' budgets and the
//! questions of the rules permit, and a gap for each answer that does not come.
//!
//! Everything here reads. Nothing asks for secrets, signs, or changes anything.

mod access;
mod azure;
mod bucket;
mod bytes;
mod changes;
mod directory;
mod gathered;
mod grants;
mod join;
mod limits;
mod listed;
mod news;
mod objects;
mod parts;
mod places;
mod plan;
mod record;
mod refusal;
mod relations;
mod roles;
mod run;
mod tenant;
mod vaults;
mod versions;
mod window;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use plan::{Activity, Clients, InvalidSought, Plan, Sought, Unwatched, Watcher};

use self::azure::Watched;
use self::limits::Limits;
use self::news::Listener;
use self::refusal::NotSignedIn;
use self::run::Run;
use super::state::State;
use super::{Assignment, Evidence, Gap, Header, Inventory, Reason, RoleDefinition, SCHEMA_VERSION, Seen};
use crate::arm;
use crate::domain::Chain;
use crate::graph;
use crate::http::{self, Connections, Pace, RetryPolicy};

/// An audit can wait where a person at a terminal would not.
const PATIENCE: RetryPolicy = RetryPolicy {
    max_attempts: 12,
    max_connects: 3,
    max_elapsed: Duration::from_secs(300),
    base_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(32),
};

/// Each vault has a connection of its own, of a hundred kilobytes.
const FEW: Connections = Connections { idle: Duration::from_secs(2), answers_at_once: Semaphore::MAX_PERMITS };

/// For pages of megabytes. They arrive faster than they can be understood.
const LARGE: Connections = Connections { answers_at_once: 2, ..FEW };

/// A tenant that could not be read at all. What could be read in part is an inventory with gaps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The identity cannot sign in.
    #[error("the identity that reads the tenant cannot sign in")]
    SignIn {
        /// The refusal.
        #[source]
        source: http::Error,
    },
    /// Vaults that were named, and are nowhere: Azure shows others, and nobody answers for these.
    #[error("there is no vault {}: Azure shows {shown} others, and nobody answers under that name", names.join(", "))]
    NoVault {
        /// Their names.
        names: Vec<String>,
        /// How many vaults Azure shows.
        shown: usize,
    },
    /// Nothing of the directory could be read.
    #[error("nothing of the directory could be read: {}", first(gaps))]
    Nothing {
        /// What was asked, and what came of it.
        gaps: Vec<Gap>,
    },
}

impl From<NotSignedIn> for Error {
    fn from(NotSignedIn(source): NotSignedIn) -> Self {
        Self::SignIn { source }
    }
}

fn first(gaps: &[Gap]) -> &str {
    gaps.iter().map(|gap| gap.detail.as_str()).find(|detail| !detail.is_empty()).unwrap_or("no service has answered")
}

/// Reads what the plan names. `state` gives what an earlier run has left, and takes the marks for the
/// next; keeping the inventory with it is up to the caller.
pub async fn collect(
    clients: &Clients,
    plan: &Plan,
    state: &mut State,
    watcher: &dyn Watcher,
) -> Result<Inventory, Error> {
    let limits = Arc::new(Limits::new(clients.http.clock()));
    let pace: Arc<dyn Pace> = Arc::clone(&limits) as Arc<dyn Pace>;
    let http = clients.http.paced(&pace, PATIENCE).apart(FEW);
    let large: Arc<dyn Pace> = Arc::new(limits::Large(Arc::clone(&limits)));
    let large = clients.http.paced(&large, PATIENCE).apart(LARGE);
    let mut run = Run {
        graph: graph::Client::new(&http.apart(FEW), &clients.graph),
        large: graph::Client::new(&large, &clients.graph),
        arm: arm::Client::new(&http, &clients.vaults),
        vault_tokens: Arc::clone(&clients.vaults),
        limits,
        plan,
        watcher,
        now: clients.http.clock().now(),
        known: record::KnownFacts::default(),
        coverage: Mutex::default(),
        lists_have_bytes: AtomicBool::new(true),
        arrived: AtomicUsize::new(0),
        http,
    };
    let header = header(&run).await?;
    if let Err(problem) = state.belong_to(header.tenant.as_str()) {
        watcher.done(&Chain(&problem).to_string());
    }
    run.known = record::known(&state.applications, &state.service_principals);
    let known_certificates = versions::known(std::mem::take(&mut state.vaults));

    let (teller, listener) = news::channel();
    let directory = directory::read(&run, &header, state, teller);
    let (directory, azure) =
        Box::pin(futures::future::join(directory, azure(&run, &known_certificates, listener))).await;
    let directory = directory?;
    let Vaults { vaults, watched, roles: (assignments, role_definitions), missing, shown } = azure?;
    if !missing.is_empty() {
        return Err(Error::NoVault { names: missing, shown });
    }

    let vaults = vaults.into_iter().zip(watched).map(|((_, mut vault), (is_logged, is_defended))| {
        (vault.is_logged, vault.is_defended) = (is_logged, is_defended);
        vault
    });

    let mut inventory = Inventory {
        applications: directory.applications,
        service_principals: directory.service_principals,
        deleted_applications: directory.deleted,
        directory_roles: directory.roles,
        role_resources: directory.role_resources,
        policies: directory.policies,
        vaults: vaults.collect(),
        assignments,
        role_definitions,
        coverage: run.coverage.into_inner().unwrap_or_else(PoisonError::into_inner),
        ..Inventory::empty(header)
    };
    inventory.coverage.gaps.sort();
    inventory.coverage.gaps.dedup();
    // Without the directory there is nothing to audit, whatever the vaults have shown.
    let is_unread = |evidence| inventory.coverage.gaps.iter().any(|gap| gap.evidence == evidence);
    let has_none = inventory.applications.is_empty() && inventory.service_principals.is_empty();
    if has_none && is_unread(Evidence::Applications) && is_unread(Evidence::ServicePrincipals) {
        return Err(Error::Nothing { gaps: inventory.coverage.gaps });
    }
    let some = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    watcher.done(&format!(
        "read {}, {} and {}",
        some(inventory.applications.len(), "application"),
        some(inventory.service_principals.len(), "service principal"),
        some(inventory.vaults.len(), "vault")
    ));
    Ok(inventory)
}

async fn header(run: &Run<'_>) -> Result<Header, NotSignedIn> {
    let organization = match run.graph.organization().await {
        Ok(organization) => organization,
        // Only the tenant's age hangs on it; without, what depends on that stays open.
        Err(error) => refusal::of_graph(&error).map(|_| None)?,
    };
    let id = organization.as_ref().and_then(|organization| organization.id.parse().ok());
    Ok(Header {
        schema_version: SCHEMA_VERSION.to_owned(),
        tenant: id.unwrap_or_else(|| run.plan.tenant.clone()),
        tenant_created_at: organization.and_then(|organization| organization.created_date_time),
        cloud: run.http.cloud().name().to_owned(),
        collected_at: run.now,
        is_narrowed_to_applications: !run.plan.applications.is_empty(),
        is_narrowed_to_vaults: run.plan.vaults.is_some(),
    })
}

type Roles = (Seen<Vec<Assignment>>, Vec<RoleDefinition>);

/// What was read of vaults.
#[derive(Debug)]
struct Vaults {
    vaults: azure::Found,
    watched: Vec<Watched>,
    roles: Roles,
    /// Those that were named and that nobody knows.
    missing: Vec<String>,
    /// How many Azure shows.
    shown: usize,
}

/// The vaults, what is in them, how they are kept, and who has which role there.
async fn azure(run: &Run<'_>, known: &versions::Known, listener: Listener) -> Result<Vaults, NotSignedIn> {
    run.watcher.doing("looking for vaults");
    let (mut vaults, shown) = azure::vaults(run).await;
    if vaults.is_empty() {
        let roles = (Seen::unread(Reason::NotAsked), Vec::new());
        return Ok(Vaults { vaults, watched: Vec::new(), roles, missing: Vec::new(), shown });
    }
    let bare = vaults.clone();
    let contents = async {
        let mut missing = vaults::list(run, &mut vaults).await?;
        // Where Azure shows none, that it does not show this one says nothing.
        missing.retain(|_| shown > 0);
        if missing.is_empty() {
            versions::read(run, &mut vaults, listener, known).await?;
        }
        Ok::<_, NotSignedIn>(missing)
    };
    let (contents, watched, roles, principals) = futures::future::join4(
        contents,
        azure::watching(run, &bare),
        access::roles(run, &bare),
        access::principals(run, &bare),
    )
    .await;
    let missing = contents?;
    principals?.put(&mut vaults);
    Ok(Vaults { vaults, watched, roles: roles?, missing, shown })
}
