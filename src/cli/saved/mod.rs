//! A plan in a file, for somebody else to look at, and for `kvops apply` to carry out in the same world.

pub(crate) mod text;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attach;
use super::context::Context;
use super::detach;
use super::exit::Exit;
use super::failure::Failure;
use super::harden;
use super::provision;
use super::rotate;
use crate::domain::TenantId;
use crate::ledger::Hash;

/// The form of the file that this program writes.
const FORM: u32 = 1;

/// What the file holds. The steps are decided anew, and are the same as long as the world is and the
/// file as it was written: whoever approves the steps that it shows approves what is done.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Saved {
    /// Version of the form.
    kvops_plan: u32,
    /// The cloud and the tenant that it is about.
    pub(crate) cloud: String,
    /// Likewise; none where no application is involved.
    pub(crate) tenant: Option<TenantId>,
    /// What was asked for.
    #[serde(flatten)]
    pub(crate) asked: Asked,
    /// What comes of it.
    #[serde(flatten)]
    pub(crate) prepared: Prepared,
    /// SHA-256 of all the above: no signature, it shows that somebody has edited the file.
    seal: String,
}

/// The command that a plan is of, with its arguments.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", tag = "command")]
pub(crate) enum Asked {
    /// `kvops provision`
    Provision(Box<provision::Args>),
    /// `kvops attach`
    Attach(attach::Args),
    /// `kvops rotate`
    Rotate(Box<rotate::Asked>),
    /// `kvops detach`
    Detach(Box<detach::Args>),
    /// `kvops harden`
    Harden(Box<harden::Args>),
}

/// What a command would do, and in which world.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Prepared {
    /// SHA-256 of the world.
    pub(crate) snapshot: String,
    /// The steps.
    pub(crate) plan: Value,
}

impl Prepared {
    /// What would be done in the world with this hash.
    pub(crate) fn new(snapshot: String, plan: &impl Serialize) -> Self {
        // Plans have string keys and finite numbers only.
        Self { snapshot, plan: serde_json::to_value(plan).unwrap_or_default() }
    }
}

/// SHA-256 of facts about the world.
pub(crate) fn hash_of(facts: &Value) -> String {
    Hash::of(facts.to_string().as_bytes()).to_string()
}

/// What a file asks for is not what it shows.
pub(crate) fn other_steps() -> Failure {
    Failure::new(Exit::Usage, "what the plan asks for leads to other steps than those that it shows")
        .hint("make the plan again")
}

impl Saved {
    /// A plan that was made now.
    pub(crate) fn new(context: &Context, asked: Asked, prepared: Prepared) -> Self {
        let saved = Self {
            kvops_plan: FORM,
            cloud: context.http().cloud().name().to_owned(),
            tenant: context.tenant().ok(),
            asked,
            prepared,
            seal: String::new(),
        };
        Self { seal: saved.sealed(), ..saved }
    }

    /// Whether it is about this cloud and tenant.
    pub(crate) fn check_place(&self, context: &Context) -> Result<(), Failure> {
        let (cloud, tenant) = (context.http().cloud().name(), context.tenant().ok());
        if cloud == self.cloud && tenant == self.tenant {
            return Ok(());
        }
        let shown = |tenant: &Option<TenantId>| tenant.as_ref().map_or("none".to_owned(), ToString::to_string);
        let place = format!("cloud {} and tenant {}", self.cloud, shown(&self.tenant));
        Err(Failure::new(Exit::Usage, format!("the plan is for {place}, and this is another"))
            .hint("check --cloud and --tenant"))
    }

    /// Whether what was approved is what would be done now.
    pub(crate) fn check(&self, now: &Prepared) -> Result<(), Failure> {
        if self.prepared.snapshot != now.snapshot {
            let gone = "vault or directory are no longer as they were when the plan was made";
            return Err(Failure::new(Exit::Changed, gone).hint("make a new plan with --plan-out, and look at it"));
        }
        if self.prepared.plan == now.plan { Ok(()) } else { Err(other_steps()) }
    }

    fn sealed(&self) -> String {
        // The members keep their order in a file.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value["seal"] = Value::Null;
        Hash::of(value.to_string().as_bytes()).to_string()
    }

    /// Writes the plan.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed = |problem: String| Failure::new(Exit::Usage, format!("cannot write {}: {problem}", path.display()));
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        std::fs::write(path, format!("{text}\n")).map_err(|error| failed(error.to_string()))
    }

    /// Reads a plan back.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let unusable = |problem: String| Failure::new(Exit::Usage, format!("{}: {problem}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let saved: Self =
            serde_json::from_slice(&bytes).map_err(|error| unusable(format!("this is no plan: {error}")))?;
        if saved.kvops_plan != FORM {
            return Err(unusable("this plan was written by another version of kvops".to_owned()));
        }
        if saved.seal != saved.sealed() {
            return Err(unusable("this plan has been edited since it was written; make another one".to_owned()));
        }
        Ok(saved)
    }
}
