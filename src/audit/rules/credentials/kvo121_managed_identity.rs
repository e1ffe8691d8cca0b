//! KVO121: a managed identity could take the place of a credential.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::audit::facts::{ApplicationFacts, Daemon, Holder, Missing};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO121",
    name: "app-could-use-managed-identity",
    title: "A managed identity would need no credential",
    group: Group::Credentials,
    severity: Severity::Info,
    since: "0.2.0",
    needs: &[
        Evidence::Applications,
        Evidence::KeyBytes,
        Evidence::FederatedCredentials,
        Evidence::RoleAssignments,
        Evidence::DelegatedGrants,
        Evidence::AppRoles,
    ],
    params: &[],
    fix: "az ad app federated-credential create --id {app} --parameters credential.json, prove it with kvops token --app {app} --federated, then remove the keys",
    mitre: &[],
    controls: &["NIST SP 800-53 IA-5"],
    references: &[
        "https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity",
    ],
    page: include_str!("../../../../docs/rules/KVO121.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    if matches!(app.daemon, Daemon::No(_)) {
        return;
    }
    let (identities, missing) = identities(app, case);
    if identities.is_empty() {
        if let (Daemon::Yes(_), Some(missing)) = (&app.daemon, missing) {
            out.unknown(app.subject(), missing.evidence, missing.reason, format!("{} were not read", missing.what));
        }
        return;
    }
    // A managed identity that may use the key is one sign of two; that no user is involved is the other.
    let daemon = match &app.daemon {
        Daemon::Yes(why) => *why,
        Daemon::Unknown(evidence, reason) => {
            out.unknown(app.subject(), *evidence, *reason, "whether it works without users was not read");
            return;
        }
        Daemon::No(_) => return,
    };
    match app.app.federated.get() {
        Err(reason) => {
            let why = "whether it uses federation already was not read";
            out.unknown(app.subject(), Evidence::FederatedCredentials, reason, why);
        }
        Ok(federated) if federated.is_empty() => {
            let count = identities.len();
            let who = if count == 1 { "a managed identity".to_owned() } else { format!("{count} managed identities") };
            let mut finding = out
                .finding(app.subject(), format!("{who} may use its key: federation with it would need no key at all"))
                .evidence(Evidence::AppRoles, "daemon", daemon);
            for identity in identities {
                finding = finding.evidence(Evidence::RoleAssignments, "principal", identity);
            }
            finding.report();
        }
        Ok(_) => {}
    }
}

/// The managed identities that may sign with a key of the application or read it, or what would tell.
fn identities(app: &ApplicationFacts<'_>, case: &Case<'_>) -> (BTreeSet<Uuid>, Option<Missing>) {
    let (mut identities, mut missing) = (BTreeSet::new(), None);
    for found in app.sign_in_keys().flat_map(|key| key.proven()) {
        let Some(certificate) = found.certificate else { continue };
        let access = case.facts.access(found.vault);
        let is_identity = |way: &Holder<'_>| {
            let kind = access.service(way.principal).and_then(|principal| principal.kind.as_deref());
            way.doubt.is_none() && kind.is_some_and(|kind| kind.eq_ignore_ascii_case("ManagedIdentity"))
        };
        for holders in [access.signers(&certificate.name), access.readers(&certificate.name)] {
            identities.extend(holders.ways.iter().filter(|way| is_identity(way)).map(|way| way.principal));
            missing = missing.or(holders.missing.first().copied());
        }
    }
    (identities, missing)
}
