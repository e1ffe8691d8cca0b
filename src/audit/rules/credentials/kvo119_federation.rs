//! KVO119: a federated credential that trusts too much.

use crate::audit::facts::{ApplicationFacts, Expression, Issuer, Scope};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, FederatedCredential, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO119",
    name: "app-federation-unsafe",
    title: "Federated credential is too broad, or from an unsafe issuer",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::FederatedCredentials],
    params: &[],
    fix: "az ad app federated-credential update --id {app} --federated-credential-id {part} --parameters credential.json, with issuer, subject and audience pinned; or take it away: kvops harden --app {app} --fic {part}",
    mitre: &["T1199", "T1078.004"],
    controls: &["Checkov CKV_AZURE_249", "NIST SP 800-53 AC-3"],
    references: &["https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations"],
    page: include_str!("../../../../docs/rules/KVO119.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let federated = match app.app.federated.get() {
        Ok(federated) => federated,
        Err(reason) => {
            out.unknown(app.subject(), Evidence::FederatedCredentials, reason, "federated credentials were not read");
            return;
        }
    };
    for credential in federated {
        let subject = app.subject().part(&credential.id);
        let (faults, is_understood) = faults(credential, case);
        let Some(worst) = faults.iter().map(|fault| fault.severity).max() else {
            if !is_understood {
                let why = "the expression is in a form that kvops does not know";
                out.unknown(subject, Evidence::FederatedCredentials, Reason::Parse, why);
            }
            continue;
        };
        let message = faults.iter().map(|fault| &*fault.message).collect::<Vec<_>>().join("; ");
        let mut finding = out.finding(subject, message).severity(worst, "by the worst of what is wrong with it");
        for fault in &faults {
            let field = format!("federatedIdentityCredentials[{}].{}", credential.id, fault.field);
            finding = finding.evidence(Evidence::FederatedCredentials, field, fault.value);
        }
        finding.report();
    }
}

struct Fault<'a> {
    severity: Severity,
    message: String,
    field: &'static str,
    value: &'a str,
}

/// What is wrong with it, and whether all of it was understood.
fn faults<'a>(credential: &'a FederatedCredential, case: &Case<'_>) -> (Vec<Fault<'a>>, bool) {
    let issuers = &case.facts.data.issuers;
    let mut faults = Vec::new();
    let mut add = |severity, message: &str, field, value| {
        faults.push(Fault { severity, message: message.to_owned(), field, value });
    };
    match Issuer::of(&credential.issuer, issuers, &case.facts.inventory.header.tenant) {
        Issuer::Known => {}
        Issuer::OtherTenant => {
            add(Severity::High, "its issuer belongs to another tenant", "issuer", &*credential.issuer)
        }
        Issuer::Unknown => {
            add(Severity::High, "its issuer is none of those that are known", "issuer", &*credential.issuer)
        }
    }
    for audience in
        credential.audiences.iter().filter(|audience| !issuers.audiences.iter().any(|known| **known == ***audience))
    {
        add(Severity::High, "it accepts tokens that are meant for somebody else", "audiences", audience);
    }
    if let Some(subject) = credential.subject.as_deref() {
        if Scope::is_pull_request(subject) {
            add(Severity::Medium, "any pull request of the repository can sign in", "subject", subject);
        }
        if subject.contains('*') {
            add(
                Severity::Info,
                "its subject is compared literally, so that its asterisk matches nothing",
                "subject",
                subject,
            );
        }
    }
    let Some(text) = credential.expression.as_deref() else { return (faults, true) };
    let Some(expression) = Expression::parse(text) else { return (faults, false) };
    if expression.scopes().any(|scope| scope == Scope::Open) {
        add(
            Severity::High,
            "its pattern leaves open which repository or namespace may sign in",
            "claimsMatchingExpression",
            text,
        );
    }
    if expression.scopes().any(|scope| scope == Scope::PullRequest) {
        add(Severity::Medium, "any pull request of the repository can sign in", "claimsMatchingExpression", text);
    }
    (faults, true)
}
