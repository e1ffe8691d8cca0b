//! What would be done, step by step, and a hash of what that rests on.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::next::next_step;
use super::refusal::Refusal;
use super::step::{Because, Demand, Next, Stage, Step};
use super::world::World;
use crate::domain::{CertificateName, Vault};

/// No rotation has more steps, whatever it is about.
const MOST_STEPS: usize = 10_000;

/// The steps from a world to what is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The vault.
    pub vault: Vault,
    /// The certificate.
    pub name: CertificateName,
    /// In order.
    pub steps: Vec<Planned>,
    /// How it ends.
    pub ends: Ending,
    /// SHA-256 of the world that it rests on: versions, entries, policy, what the ledger says.
    pub snapshot: String,
    /// What the user ought to know.
    pub warnings: Vec<String>,
}

/// One step, and when at the earliest.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// What it writes to; none where it only looks, or writes to the ledger alone.
    pub writes_to: Option<&'static str>,
    /// The right that it takes.
    pub right: &'static str,
    /// Not before this, because both keys are to be trusted for a while.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<OffsetDateTime>,
}

/// How a plan ends.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Ending {
    /// The old key is gone, or the new one, if that was asked for.
    Finished,
    /// As far as was asked.
    Reached {
        /// The last part.
        stage: Stage,
    },
    /// Nothing was begun that could be finished.
    Nothing,
}

impl Plan {
    /// Projects the decision to its end.
    pub(super) fn of(
        world: &World,
        demand: &Demand,
        vault: &Vault,
        name: &CertificateName,
        warnings: Vec<String>,
    ) -> Result<Self, Refusal> {
        let snapshot = snapshot(world);
        let (mut world, mut steps, mut not_before) = (world.clone(), Vec::new(), None);
        let mut ends = Ending::Finished;
        while steps.len() < MOST_STEPS {
            match next_step(&world, demand)? {
                Next::Take(step) => {
                    let is_last = step == Step::Close;
                    let (writes_to, right) = needs(&step, &world);
                    world = world.after(&step);
                    steps.push(Planned { step, writes_to, right, not_before });
                    if is_last {
                        break;
                    }
                }
                Next::Wait { until, because: Because::Overlap | Because::Used { .. } } => {
                    (world.now, not_before) = (until, Some(until));
                    // Whoever finishes it proves it anew.
                    world.proven.clear();
                }
                Next::Reached(stage) => {
                    ends = Ending::Reached { stage };
                    break;
                }
                Next::Nothing => {
                    ends = Ending::Nothing;
                    break;
                }
            }
        }
        Ok(Self { vault: vault.clone(), name: name.clone(), steps, ends, snapshot, warnings })
    }

    /// Whether anything would be written.
    pub fn is_no_change(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What a step writes to, and by which right: the least role that grants it and opens no secret.
fn needs(step: &Step, world: &World) -> (Option<&'static str>, &'static str) {
    const UPDATE: &str = "certificates update (Key Vault Certificates Officer)";
    const SIGN: &str = "keys sign (Key Vault Crypto User)";
    const PROOF: &str = "keys sign (Key Vault Crypto User) and no Graph permission";
    match step {
        Step::Create => (Some("vault"), "certificates create (Key Vault Certificates Officer)"),
        Step::Open { .. }
        | Step::Harden
        | Step::Record { .. }
        | Step::Retire { .. }
        | Step::Disable { .. }
        | Step::Close => (Some("vault"), UPDATE),
        Step::AwaitIssue => (None, "certificates get, keys get (Key Vault Reader)"),
        Step::Attach { application, .. } => {
            let proves = world.applications.iter().any(|trust| trust.application == *application && trust.can_prove);
            let by_list = "Application.ReadWrite.OwnedBy as an owner, or Application.ReadWrite.All";
            (Some("Graph"), if proves { PROOF } else { by_list })
        }
        Step::Detach { .. } => (Some("Graph"), PROOF),
        Step::Prove { .. } | Step::ProveRefusal { .. } => (None, SIGN),
        Step::StartSoak { .. } => (None, "none: it is a line in the ledger"),
        Step::LookAtUse => (None, "AuditLog.Read.All, in a tenant with a licence for reports"),
    }
}

/// The facts in one order, without the time, and without what depends on who looks.
pub(super) fn snapshot(world: &World) -> String {
    // The type has string keys and finite numbers only.
    let text = serde_json::to_vec(world).unwrap_or_default();
    crate::domain::hex(&Sha256::digest(&text))
}
