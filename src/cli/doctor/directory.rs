//! Who kvops is for Microsoft Graph, and what it may do there.

use super::super::context::{Context, principal};
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::check::Check;
use super::impatient;
use crate::domain::{Application, printable};
use crate::graph::{self, Class, Part};
use crate::pki::DecodedToken;

/// Identity, then one check for each right, by using it.
pub(super) async fn checks(context: &Context, app: Option<&str>) -> Vec<Check> {
    let identity = Check::of("directory", "identity");
    let token = match context.graph_identity().await {
        Ok(token) => token,
        Err(failure) => return vec![identity.failed(&failure)],
    };
    let graph = graph::Client::new(&context.http().patient(impatient()), context.graph_tokens());
    let mut checks =
        vec![identity.good(format!("{} by {}", principal(&token), context.settings().graph_credential.value))];
    let (found, application) = find(context, &graph, app).await;
    checks.push(found);
    checks.push(write(&graph, &token, application.as_ref()).await);
    let policies = Check::of("directory", "read credential policies");
    checks.push(match graph.default_app_management_policy().await {
        Ok(_) => policies.good("Policy.Read.All is there"),
        Err(error) => policies.lacking(&error.into()),
    });
    let activity = Check::of("directory", "read last use");
    checks.push(match graph.credential_activity().next().await {
        Ok(_) => activity.good("AuditLog.Read.All is there, and a licence for the report"),
        Err(error) => activity.lacking(&error.into()),
    });
    checks
}

async fn find(context: &Context, graph: &graph::Client, app: Option<&str>) -> (Check, Option<Application>) {
    let check = Check::of("directory", "read applications");
    let Some(app) = app else {
        return match graph.ids_of(Class::Applications, Part::Whole).next().await {
            Ok(_) => (check.good("applications can be listed"), None),
            Err(error) => (check.lacking(&error.into()), None),
        };
    };
    match context.application(graph, app).await {
        Ok(application) => {
            let name = application.display_name.as_deref().map(printable).unwrap_or_default();
            (check.good(format!("{name} is {} (client id {})", application.id, application.app_id)), Some(application))
        }
        Err(failure) => (check.failed(&failure), None),
    }
}

/// Only a change would prove it, so the token's permissions and the owners have to do.
async fn write(graph: &graph::Client, token: &DecodedToken, application: Option<&Application>) -> Check {
    let check = Check::of("directory", "write applications");
    let roles = token.list("roles");
    let has = |role: &str| roles.iter().any(|held| held == role);
    if token.text("scp").is_some() {
        return check
            .unknown("a person's right to write depends on directory roles and ownership, which no token shows");
    }
    if has("Application.ReadWrite.All") {
        return check.good("Application.ReadWrite.All is in the token");
    }
    if !has("Application.ReadWrite.OwnedBy") {
        let failure = Failure::new(Exit::Denied, "neither Application.ReadWrite.OwnedBy nor .All is in the token")
            .hint("have an administrator consent to Application.ReadWrite.OwnedBy to attach a first certificate")
            .hint("or do without: `kvops rotate` needs no Graph permission once a key in a vault is attached");
        return check.lacking(&failure);
    }
    let (Some(application), Some(me)) = (application, token.text("oid")) else {
        return check.good("Application.ReadWrite.OwnedBy is in the token: applications that it owns");
    };
    match graph.owners(application.id).await {
        Ok(owners) if owners.iter().any(|owner| owner.id.to_string() == me) => {
            check.good("Application.ReadWrite.OwnedBy is in the token, and it owns the application")
        }
        Ok(_) => {
            let failure = Failure::new(
                Exit::Denied,
                "Application.ReadWrite.OwnedBy is in the token, but the application belongs to others",
            )
            .hint(format!(
                "make it an owner with `az ad app owner add --id {} --owner-object-id {me}`",
                application.app_id
            ));
            check.lacking(&failure)
        }
        Err(error) => check.lacking(&error.into()),
    }
}
