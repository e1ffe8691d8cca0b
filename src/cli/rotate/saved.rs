//! A plan in a file, for somebody else to look at, and for `kvops apply` to carry out in the same world.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Subject;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::provision::Alg;
use crate::domain::{AppId, CertificateName, ObjectId, TenantId};
use crate::rotate::{Demand, Plan};

/// The form of the file that this program writes.
const FORM: u32 = 1;

/// What the file holds. The steps are decided anew, and are the same as long as the world is and the
/// file as it was written: whoever approves the steps that it shows approves what is done.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Saved {
    /// Version of the form.
    pub(crate) kvops_plan: u32,
    /// Which command it is a plan of.
    pub(crate) command: String,
    /// The cloud and the tenant that it is about.
    pub(crate) cloud: String,
    /// Likewise.
    pub(crate) tenant: TenantId,
    /// The vault's URL.
    pub(crate) vault: String,
    /// The certificate.
    pub(crate) name: CertificateName,
    /// Object id of the application that was named.
    pub(crate) application: Option<ObjectId>,
    /// Its client id.
    pub(crate) app_id: Option<AppId>,
    /// What for, and how far.
    pub(crate) demand: Demand,
    /// Algorithm of the assertions; none for the usual one.
    pub(crate) alg: Option<Alg>,
    /// SHA-256 of the world.
    pub(crate) snapshot: String,
    /// For the reader.
    pub(crate) plan: serde_json::Value,
    /// SHA-256 of all the above: no signature, it shows that somebody has edited the file.
    seal: String,
}

impl Saved {
    pub(super) fn new(
        context: &Context,
        subject: &Subject,
        demand: Demand,
        alg: Option<Alg>,
        plan: &Plan,
    ) -> Result<Self, Failure> {
        let saved = Self {
            kvops_plan: FORM,
            command: "rotate".to_owned(),
            cloud: context.http().cloud().name().to_owned(),
            tenant: context.tenant()?,
            vault: subject.vault.to_string(),
            name: subject.name.clone(),
            application: subject.application,
            app_id: subject.app_id,
            demand,
            alg,
            snapshot: plan.snapshot.clone(),
            plan: serde_json::to_value(plan).unwrap_or_default(),
            seal: String::new(),
        };
        Ok(Self { seal: saved.sealed(), ..saved })
    }

    fn sealed(&self) -> String {
        // The members have string keys and finite numbers only, and keep their order in a file.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value["seal"] = serde_json::Value::Null;
        Sha256::digest(value.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `planned`, made now of what the file asks for, takes the steps that the file shows. When
    /// they can be taken is another thing: it moves on with the clock.
    pub(crate) fn shows(&self, planned: &Plan) -> bool {
        let bare = |mut step: serde_json::Value| {
            for name in ["not_before", "writes_to", "right"] {
                step.as_object_mut().and_then(|step| step.shift_remove(name));
            }
            step
        };
        let steps = |plan: &serde_json::Value| -> Vec<_> {
            plan["steps"].as_array().into_iter().flatten().cloned().map(bare).collect()
        };
        let planned = serde_json::to_value(planned).unwrap_or_default();
        steps(&planned) == steps(&self.plan) && planned["ends"] == self.plan["ends"]
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        std::fs::write(path, format!("{text}\n"))
            .map_err(|error| Failure::new(Exit::Usage, format!("cannot write {}: {error}", path.display())))
    }

    /// Reads a plan back.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let unusable = |problem: String| Failure::new(Exit::Usage, format!("{}: {problem}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let saved: Self =
            serde_json::from_slice(&bytes).map_err(|error| unusable(format!("this is no plan: {error}")))?;
        if saved.kvops_plan != FORM || saved.command != "rotate" {
            return Err(unusable(
                "this plan was written by another version of kvops, or for another command".to_owned(),
            ));
        }
        if saved.seal != saved.sealed() {
            return Err(unusable("this plan has been edited since it was written; make another one".to_owned()));
        }
        Ok(saved)
    }
}
