//! What a saved plan of a rotation holds, and carrying it out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Subject, plan, rotate, show};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::{Global, Output};
use crate::cli::provision::Alg;
use crate::cli::saved::{Saved, other_steps};
use crate::domain::{AppId, CertificateName, Environment, ObjectId};
use crate::rotate::{Demand, Plan};

/// A rotation of one certificate.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Asked {
    /// The vault's URL.
    vault: String,
    /// The certificate.
    name: CertificateName,
    /// Object id of the application that was named.
    application: Option<ObjectId>,
    /// Its client id.
    app_id: Option<AppId>,
    /// What for, and how far.
    demand: Demand,
    /// Algorithm of the assertions; none for the usual one.
    alg: Option<Alg>,
}

impl Asked {
    pub(super) fn new(subject: &Subject, demand: Demand, alg: Option<Alg>) -> Self {
        Self {
            vault: subject.vault.to_string(),
            name: subject.name.clone(),
            application: subject.application,
            app_id: subject.app_id,
            demand,
            alg,
        }
    }

    /// Rotates as it was approved, in the world that it was approved in.
    pub(crate) async fn apply(
        &self,
        approved: &Saved,
        output: Output,
        global: &Global,
        environment: &Environment,
    ) -> Result<Exit, Failure> {
        let context = &Context::new(global, environment, output.output).await?;
        approved.check_place(context)?;
        let approved = &approved.prepared;
        let (application, app_id) = self.application.zip(self.app_id).unzip();
        let subject = Subject { vault: context.vault(&self.vault)?, name: self.name.clone(), application, app_id };
        // In another world there are other steps; that the world is another is said by the rotation.
        if let Ok(planned) = plan(context, &subject, self.demand, self.alg).await
            && planned.snapshot == approved.snapshot
            && !shows(&approved.plan, &planned)
        {
            return Err(other_steps());
        }
        let report = rotate(context, &subject, self.demand, self.alg, Some(approved.snapshot.clone())).await?;
        show(context, &report, self.demand)?;
        Ok(Exit::Ok)
    }
}

/// Whether `planned` takes the steps that were approved. When they can be taken is another thing: it moves
/// on with the clock.
fn shows(approved: &Value, planned: &Plan) -> bool {
    let bare = |mut step: Value| {
        for name in ["not_before", "writes_to", "right"] {
            step.as_object_mut().and_then(|step| step.shift_remove(name));
        }
        step
    };
    let steps =
        |plan: &Value| -> Vec<_> { plan["steps"].as_array().into_iter().flatten().cloned().map(bare).collect() };
    let planned = serde_json::to_value(planned).unwrap_or_default();
    steps(&planned) == steps(approved) && planned["ends"] == approved["ends"]
}
