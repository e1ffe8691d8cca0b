//! From a rotation's errors to exit codes and advice.

use super::Subject;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::domain::{AppId, ObjectId, printable};
use crate::rotate::{Error, Refusal, lock};

const GOES_ON: &str = "run the same command again: it goes on from here";

impl From<lock::Error> for Failure {
    fn from(error: lock::Error) -> Self {
        match &error {
            lock::Error::Taken { .. } => Self::from_error(Exit::Changed, &error).hint("wait until it has ended"),
            lock::Error::File { .. } => Self::from_error(Exit::Usage, &error)
                .hint("nothing was changed; the lock lies beside the ledger: name another with --ledger PATH"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Provision(error) => error.into(),
            Error::Detach(error) => error.into(),
            Error::Refused(refusal) => refused(&refusal),
            Error::Leased { .. } => Self::from_error(Exit::Changed, &error)
                .hint("wait until it has ended; nothing was changed by this run, and both go on from what they find"),
            Error::Overtaken { .. } => Self::from_error(Exit::Changed, &error)
                .hint("find out who else rotates it, then run the same command again: it goes on from what it finds"),
            Error::Newcomer { .. } | Error::Vanished => Self::from_error(Exit::Changed, &error).hint(GOES_ON),
            Error::NoProgress { .. } => Self::from_error(Exit::Changed, &error).hint(
                "find out who else changes this certificate or these applications, then run the same command again",
            ),
            Error::Stale => {
                Self::from_error(Exit::Changed, &error).hint("make a new plan with --plan-out, and look at it")
            }
        }
    }
}

fn refused(refusal: &Refusal) -> Failure {
    let failure = Failure::new(exit_of(refusal), refusal.to_string());
    match refusal {
        Refusal::NothingToRotate | Refusal::NotTrusted { .. } => {
            failure.hint("create, attach and prove one with `kvops provision`, or check --app, --vault and --name")
        }
        Refusal::WaitsForMerge => {
            failure.hint("complete it with `az keyvault certificate pending merge`, then run the same command again")
        }
        Refusal::OwnCa => failure.hint(
            "make the request with `az keyvault certificate create`, complete it with `az keyvault certificate pending \
             merge`, then run the same command again: it attaches what it finds",
        ),
        Refusal::UnknownUse { .. } => failure
            .hint("give an identity with AuditLog.Read.All, in a tenant with a licence for reports")
            .hint("or look into the sign-in log yourself, and say --accept-unknown-use"),
        Refusal::UnknownEntry { .. } => failure.hint(
            "have the same command run once by somebody with Application.Read.All, who sees the keyId: both keys are \
             trusted until then",
        ),
        Refusal::NoWayBack { .. } => failure.hint("finish the rotation in place of it: --finish"),
        _ => failure,
    }
}

fn exit_of(refusal: &Refusal) -> Exit {
    match refusal {
        Refusal::NothingToRotate | Refusal::NotTrusted { .. } => Exit::Usage,
        Refusal::WaitsForMerge => Exit::Changed,
        _ => Exit::Refused,
    }
}

/// The same, with what has to be looked up to be said.
pub(super) async fn of(context: &Context, subject: &Subject, error: Error) -> Failure {
    let needs_writer = match &error {
        Error::Refused(Refusal::NeedsWriter { application, app_id }) => Some((*application, *app_id)),
        _ => None,
    };
    let failure = Failure::from(error);
    match needs_writer {
        Some((application, app_id)) => privileged(context, subject, failure, application, app_id).await,
        None => failure,
    }
}

/// The one plan that is left, and who may run it.
async fn privileged(
    context: &Context,
    subject: &Subject,
    failure: Failure,
    application: ObjectId,
    app_id: AppId,
) -> Failure {
    let failure = failure.hint(format!(
        "have it run by somebody with Application.ReadWrite.All, or by an owner with Application.ReadWrite.OwnedBy: `kvops \
         provision --app {app_id} --vault {} --name {}`, which makes a new version and writes it to the application",
        subject.vault.name(),
        subject.name
    ));
    match context.graph_client().owners(application).await {
        Ok(owners) if owners.is_empty() => failure.hint("ask an administrator: the application has no owner"),
        Ok(owners) => {
            let names = owners.iter().map(|owner| {
                let name = owner.user_principal_name.as_deref().or(owner.display_name.as_deref()).unwrap_or("unnamed");
                format!("{} ({})", printable(name), owner.id)
            });
            failure.hint(format!("ask an owner: {}", names.collect::<Vec<_>>().join(", ")))
        }
        Err(error) => failure.hint(format!("ask its owners, who cannot be listed from here: {error}")),
    }
}
