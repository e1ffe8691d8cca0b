//! From the library's errors to exit codes and advice.

use std::error::Error as StdError;

use super::exit::Exit;
use super::failure::{Failure, ServiceFacts};
use crate::detach;
use crate::domain::{CertificateName, KeyUrl, Vault, printable};
use crate::entra;
use crate::graph;
use crate::harden;
use crate::http::{self, Cause, StatusCode};
use crate::keyvault::{self, AccessMode};
use crate::pki;
use crate::provision::{self, Refusal};
use crate::sign_in;

impl From<http::Error> for Failure {
    fn from(error: http::Error) -> Self {
        advise_exchange(Self::from_error(exit_of(&error), &error), &error)
    }
}

/// What holds for every service: who was asked, and what to do when nobody answers.
fn advise_exchange(failure: Failure, error: &http::Error) -> Failure {
    let failure = failure.service(facts(error));
    match error.cause() {
        Cause::Unreachable(_) => failure.hint(format!(
            "check the name {} and the way there: DNS, proxy (HTTPS_PROXY, NO_PROXY) and trusted roots (KVOPS_CA)",
            error.host()
        )),
        Cause::Token(source) => match find::<entra::Error>(source.as_ref()) {
            Some(entra) => advise(failure, entra),
            None => failure,
        },
        _ => failure,
    }
}

/// Who is not let in is told so; everything else is the service's fault.
fn exit_of(error: &http::Error) -> Exit {
    match error.cause() {
        Cause::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => Exit::Denied,
        Cause::Token(source) => match find::<entra::Error>(source.as_ref()) {
            Some(error) => exit_of_entra(error),
            None => Exit::Denied,
        },
        Cause::Challenge { .. } => Exit::Denied,
        _ => Exit::Upstream,
    }
}

fn exit_of_entra(error: &entra::Error) -> Exit {
    match error {
        entra::Error::Setting { .. } | entra::Error::File { .. } | entra::Error::KeyFile { .. } => Exit::Usage,
        entra::Error::Call { source, .. } => exit_of(source),
        // It has a code of its own for being out of order, which says nothing about who asked.
        entra::Error::Refused { source, .. } if source.is_transient() => Exit::Upstream,
        entra::Error::Assertion(source) => exit_of_signature(source),
        entra::Error::Verification(_) => Exit::Upstream,
        _ => Exit::Denied,
    }
}

fn exit_of_signature(error: &pki::Error) -> Exit {
    match error {
        pki::Error::Signer(source) => find::<keyvault::Error>(source.as_ref()).map_or(Exit::Upstream, exit_of_vault),
        pki::Error::Lifetime { .. } | pki::Error::LocalKey(_) | pki::Error::ThumbprintKind { .. } => Exit::Usage,
        _ => Exit::Upstream,
    }
}

fn exit_of_vault(error: &keyvault::Error) -> Exit {
    use keyvault::Error::{
        Conflict, DeletedButRecoverable, Disabled, Firewall, MissingPermission, NotFound, PendingExists,
    };
    match error {
        NotFound { .. } => Exit::Usage,
        MissingPermission { .. } | Firewall { .. } => Exit::Denied,
        DeletedButRecoverable { .. } | Disabled { .. } => Exit::Refused,
        PendingExists { .. } | Conflict { .. } => Exit::Changed,
        other => other.http().map_or(Exit::Upstream, exit_of),
    }
}

impl From<entra::Error> for Failure {
    fn from(error: entra::Error) -> Self {
        if let entra::Error::Assertion(pki::Error::Signer(source)) = &error
            && let Some(vault) = find::<keyvault::Error>(source.as_ref())
        {
            return advise_vault(Self::from_error(exit_of_vault(vault), &error), vault);
        }
        advise(Self::from_error(exit_of_entra(&error), &error), &error)
    }
}

fn advise(mut failure: Failure, error: &entra::Error) -> Failure {
    if let Some(http) = error.http() {
        let code = error.aadsts().map(|code| format!("AADSTS{code}"));
        let known = facts(http);
        failure = advise_exchange(failure, http);
        failure = failure.service(ServiceFacts { code: code.or_else(|| known.code.clone()), ..known });
    }
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Why nobody is signed in.
pub(crate) fn of_identity(error: &(dyn StdError + 'static)) -> Failure {
    match find::<entra::Error>(error) {
        Some(entra) => advise(Failure::from_error(exit_of_entra(entra), error), entra),
        None => Failure::from_error(Exit::Denied, error),
    }
}

impl From<keyvault::Error> for Failure {
    fn from(error: keyvault::Error) -> Self {
        advise_vault(Self::from_error(exit_of_vault(&error), &error), &error)
    }
}

/// What a vault said, inside another error.
pub(crate) fn of_vault(error: &(dyn StdError + 'static), vault: &keyvault::Error) -> Failure {
    advise_vault(Failure::from_error(exit_of_vault(vault), error), vault)
}

fn advise_vault(mut failure: Failure, error: &keyvault::Error) -> Failure {
    if let Some(http) = error.http() {
        failure = advise_exchange(failure, http);
    }
    match error {
        keyvault::Error::MissingPermission { vault, missing, source, .. } => {
            let name = vault.name();
            let who = source.speaker().map_or_else(|| "OBJECT_ID".to_owned(), |speaker| speaker.object.to_string());
            let by_role = format!(
                "grant it with `az role assignment create --role \"{}\" --assignee {who} --scope \
                 /subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.KeyVault/vaults/{name}`",
                missing.right.role
            );
            let (kind, permission) = missing.right.policy.split_once(' ').unwrap_or(("certificates", "get"));
            let kind = kind.trim_end_matches('s');
            let by_policy = format!(
                "grant it with `az keyvault set-policy --name {name} --object-id {who} --{kind}-permissions {permission}`"
            );
            failure = match missing.mode {
                AccessMode::Rbac => failure.hint(by_role),
                AccessMode::AccessPolicy => failure.hint(by_policy),
                AccessMode::Unknown => failure.hint(by_role).hint(by_policy),
            };
            with_identity(failure, source).hint("a new assignment takes minutes to spread")
        }
        keyvault::Error::Firewall { private_only: true, .. } => {
            failure.hint("run this from a network that has the vault's private endpoint")
        }
        keyvault::Error::Firewall { .. } => {
            failure.hint("run this from a network that the vault's firewall lets in; it is not a matter of roles")
        }
        keyvault::Error::Call { source, .. } if matches!(source.cause(), Cause::Unreachable(_)) => {
            failure.hint(format!("check the vault's name and the cloud: {} cannot be reached", source.host()))
        }
        _ => failure,
    }
}

impl From<graph::Error> for Failure {
    fn from(error: graph::Error) -> Self {
        let exit = match &error {
            graph::Error::NoSuchApplication { .. } | graph::Error::Ambiguous { .. } => Exit::Usage,
            graph::Error::MissingPermission { .. } | graph::Error::ProofRefused { .. } => Exit::Denied,
            graph::Error::PolicyRefusal { .. } => Exit::Refused,
            other => other.http().map_or(Exit::Upstream, exit_of),
        };
        let mut failure = Self::from_error(exit, &error);
        if let Some(http) = error.http() {
            failure = advise_exchange(failure, http);
        }
        match &error {
            graph::Error::MissingPermission { source, .. } => with_identity(failure, source).hint(
                "have an administrator consent to the permission, or make this identity an owner of the application \
                 and grant Application.ReadWrite.OwnedBy",
            ),
            graph::Error::ProofRefused { .. } => failure.hint(
                "check that the signing certificate is attached to this application and valid now, and that the clock is right",
            ),
            graph::Error::NoSuchApplication { .. } => {
                failure.hint("give an object id, a client id or the exact display name, and check --tenant")
            }
            graph::Error::Ambiguous { candidates, .. } => candidates.iter().fold(failure, |failure, candidate| {
                failure.hint(format!("give --app {} for the one whose object id is {}", candidate.app_id, candidate.id))
            }),
            _ => failure,
        }
    }
}

impl From<sign_in::Error> for Failure {
    fn from(error: sign_in::Error) -> Self {
        match error {
            sign_in::Error::Vault(error) => error.into(),
            sign_in::Error::Entra(error) => error.into(),
            other => Self::from_error(Exit::Refused, &other),
        }
    }
}

impl From<pki::Error> for Failure {
    fn from(error: pki::Error) -> Self {
        let failure = Self::from_error(exit_of_signature(&error), &error);
        match &error {
            pki::Error::Signer(source) => match find::<keyvault::Error>(source.as_ref()) {
                Some(vault) => advise_vault(failure, vault),
                None => failure,
            },
            _ => failure,
        }
    }
}

impl From<provision::Error> for Failure {
    fn from(error: provision::Error) -> Self {
        use provision::Error as E;
        match error {
            E::Vault(error) => error.into(),
            E::Graph(error) => error.into(),
            E::Ledger(error) => Self::from_error(Exit::Usage, &error)
                .hint("name another file with --ledger PATH or KVOPS_LEDGER, and run the same command again: it goes on from here"),
            E::SignIn(error) => error.into(),
            E::Pki(error) => error.into(),
            E::Refused(refusal) => (*refusal).into(),
            E::NotAccepted { ref source, .. } => {
                let failure = Self::from_error(Exit::Upstream, &error);
                let facts = source.http().map(facts).unwrap_or_default();
                failure
                    .service(ServiceFacts { code: source.aadsts().map(|code| format!("AADSTS{code}")), ..facts })
                    .hint("run the same command again: it goes on from here, and keys can take minutes to spread")
                    .hint(
                        "check that --tenant is the application's own tenant and that it has a service principal there",
                    )
            }
            E::NotIssued { .. } | E::NoDirectory => Self::from_error(Exit::Upstream, &error),
            E::Deadline { .. } => {
                Self::from_error(Exit::Upstream, &error).hint("run the same command again: it goes on from here")
            }
            E::StillAccepted { .. } => Self::from_error(Exit::Upstream, &error)
                .hint("run the same command again: it goes on from here")
                .hint(
                    "look with `kvops why` whether its service principal has the same certificate: those keys are a list \
                     of their own, and `kvops detach --on service-principal` removes one",
                ),
            E::Stale => Self::from_error(Exit::Changed, &error).hint("make a new plan with --plan-out, and look at it"),
            E::LostUpdates { .. } | E::Overtaken { .. } | E::Replaced { .. } => Self::from_error(Exit::Changed, &error)
                .hint("find out who else changes this application or certificate, then run the same command again"),
            E::WrongProof { .. } => Self::from_error(Exit::Refused, &error),
            E::Interrupted { .. } => {
                Self::from_error(Exit::Interrupted, &error).hint("run the same command again: it goes on from here")
            }
        }
    }
}

impl From<detach::Error> for Failure {
    fn from(error: detach::Error) -> Self {
        match error {
            detach::Error::Provision(error) => error.into(),
            detach::Error::Refused(refusal) => (*refusal).into(),
            detach::Error::StillThere { .. } => Self::from_error(Exit::Upstream, &error)
                .hint("run the same command again; if it stays, remove the credential in the portal and look who puts it back"),
        }
    }
}

impl From<detach::Refusal> for Failure {
    fn from(refusal: detach::Refusal) -> Self {
        use detach::Refusal as R;
        let exit = if matches!(refusal, R::RemainingIsGone { .. }) { Exit::Changed } else { Exit::Refused };
        let failure = Self::new(exit, refusal.to_string());
        match refusal {
            R::NotForSignIn { .. } => failure,
            R::NothingProven { .. } | R::Itself { .. } => failure.hint(
                "attach another certificate with `kvops provision`, and name it with --vault and --name, so that it can be \
                 proven first",
            ),
            R::RemainingIsGone { .. } => {
                failure.hint("find out who else changes this application, then run the same command again")
            }
            R::InUse { .. } => failure
                .hint("find who signs in with it in the sign-in log, move them, and run this again")
                .hint("or, if it has leaked, take it away under them with --despite-use"),
            R::UseUnknown { .. } => failure
                .hint("the report needs AuditLog.Read.All; without it, look into the sign-in log for the keyId yourself")
                .hint("then accept with --accept-unknown-use"),
            R::ReportUnread { .. } => failure.hint("the report needs AuditLog.Read.All; or name what is to go: --key, --secret"),
        }
    }
}

impl From<harden::Error> for Failure {
    fn from(error: harden::Error) -> Self {
        match error {
            harden::Error::Provision(error) => error.into(),
            harden::Error::Changed { .. } => Self::from_error(Exit::Changed, &error)
                .hint("find out who else changes this application, then look at a new plan with --plan"),
            harden::Error::StillThere { .. } => {
                Self::from_error(Exit::Upstream, &error).hint("run the same command again: it goes on from here")
            }
            harden::Error::PolicyNotAsWritten { .. } => Self::from_error(Exit::Changed, &error)
                .hint("find out what changes the policies of this vault, then run the same command again"),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let failure = Self::new(exit_of_refusal(&refusal), refusal.to_string());
        match &refusal {
            Refusal::SoftDeleted { .. } => failure
                .hint("bring it back with --recover")
                .hint("or choose another --name")
                .hint("or purge it for good, with its key and all versions, with --allow-purge"),
            Refusal::PurgeProtected { .. } => {
                failure.hint("bring it back with --recover").hint("or choose another --name")
            }
            Refusal::Pending { waits_for_merge: true, vault, name, .. } => failure
                .hint("complete it with --merge FILE, with the certificate that was made for its request")
                .hint(drop_pending(vault, name)),
            Refusal::Pending { vault, name, .. } => {
                failure.hint("wait until it has ended and run the same command again").hint(drop_pending(vault, name))
            }
            Refusal::NotHardened { .. } => {
                failure.hint("choose another --name: the key of a version cannot be made safer afterwards")
            }
            Refusal::Drifted { .. } => {
                failure.hint("ask for what is there, take it as it is with --adopt, or choose another --name")
            }
            Refusal::NotOurs { .. } => {
                failure.hint("take it with --adopt if this application may share it, or choose another --name")
            }
            Refusal::Disabled { version } => failure.hint(enable(version)),
            Refusal::Lifetime { allowed_months, .. } if *allowed_months > 0 => {
                failure.hint(format!("ask for --validity {allowed_months}, the longest that fits"))
            }
            Refusal::Lifetime { .. } => failure.hint(NO_MONTH_FITS),
            Refusal::NoRequest { .. } => failure
                .hint("make a request with --issuer Unknown --csr-out FILE, have it signed, and complete it with --merge FILE")
                .hint("check --name, if there should be one"),
            Refusal::NothingToAttach { .. } => failure.hint("create, attach and prove one with `kvops provision`"),
            Refusal::PolicyNotHardened { .. } => {
                failure.hint("drop the pending request and make a new one with `kvops provision --issuer Unknown --csr-out FILE`")
            }
            Refusal::CertificateNotHardened { .. } => {
                failure.hint("have one made for digital signature and client authentication alone, for at most 12 months")
            }
            Refusal::Expired { .. } => failure.hint("have a new one made"),
            Refusal::NotAsAsked { .. } => {
                failure.hint("nothing was attached; find out what changes the policies of this vault")
            }
        }
    }
}

fn exit_of_refusal(refusal: &Refusal) -> Exit {
    match refusal {
        Refusal::Pending { .. } | Refusal::Drifted { .. } => Exit::Changed,
        Refusal::NoRequest { .. } | Refusal::NothingToAttach { .. } => Exit::Usage,
        _ => Exit::Refused,
    }
}

const NO_MONTH_FITS: &str =
    "no whole month fits: ask the tenant's administrators for a custom policy for this application";

fn drop_pending(vault: &Vault, name: &CertificateName) -> String {
    format!("or drop it with `az keyvault certificate pending delete --vault-name {} --name {name}`", vault.name())
}

fn enable(version: &KeyUrl) -> String {
    format!(
        "find out who disabled it and why; `az keyvault certificate set-attributes --vault-name {} --name {} \
         --version {} --enabled true` enables it again",
        version.vault().name(),
        version.name(),
        version.version()
    )
}

/// The same for `kvops attach`, which makes nothing: its advice names other commands.
pub(super) fn not_attached(error: provision::Error) -> Failure {
    let provision::Error::Refused(refusal) = error else { return error.into() };
    let ours = |hint: String| Failure::new(exit_of_refusal(&refusal), refusal.to_string()).hint(hint);
    match refusal.as_ref() {
        Refusal::SoftDeleted { vault, deleted } | Refusal::PurgeProtected { vault, deleted } => ours(format!(
            "bring it back with `az keyvault certificate recover --vault-name {} --name {}`",
            vault.name(),
            deleted.name
        ))
        .hint("or choose another --name"),
        Refusal::Pending { waits_for_merge: true, vault, name, .. } => ours(format!(
            "complete it with `kvops provision --app APP --vault {} --name {name} --issuer Unknown --merge FILE`",
            vault.name()
        ))
        .hint(drop_pending(vault, name)),
        Refusal::Drifted { .. } | Refusal::NotOurs { .. } => ours("choose another --name".to_owned()),
        Refusal::Lifetime { allowed_months, .. } if *allowed_months > 0 => ours(format!(
            "have one made by `kvops provision --vault-only --vault VAULT --name NAME --validity {allowed_months}`, the \
             longest that fits"
        )),
        _ => (*refusal).into(),
    }
}

/// Who was refused. An identity that a chain has chosen may be another than one expects.
fn with_identity(failure: Failure, source: &http::Error) -> Failure {
    match source.speaker() {
        Some(speaker) => {
            failure.hint(format!("the request was made as {speaker}; see --credential if that is not who it should be"))
        }
        None => failure.hint("run with -v to see which identity was used"),
    }
}

/// What the service's support would ask for.
fn facts(error: &http::Error) -> ServiceFacts {
    ServiceFacts {
        service: Some(error.operation().service.to_string()),
        status: error.status().map(|status| status.as_u16()),
        code: error.inner_code().or_else(|| error.code()).map(printable),
        request_id: error.request_id().map(printable),
        retryable: Some(error.is_transient()),
        identity: error.speaker().map(|speaker| speaker.to_string()),
    }
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
