//! KVO405: codes and tokens are sent to where others can take them.

use std::collections::BTreeSet;

use crate::audit::facts::{AddressFault, ApplicationFacts, PrincipalFacts};
use crate::audit::finding::{ObjectKind, Subject};
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO405",
    name: "redirect-uri-unsafe",
    title: "Unsafe redirect URI",
    group: Group::Applications,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::ServicePrincipals],
    params: &[],
    fix: "az ad app update --id {app} --web-redirect-uris URI, with all that shall be left (--public-client-redirect-uris for those of devices)",
    mitre: &["T1528"],
    controls: &["ZTA 21885"],
    references: &["https://learn.microsoft.com/entra/identity-platform/reply-url"],
    page: include_str!("../../../../docs/rules/KVO405.md"),
    check: Check::Identity(application, principal),
};

fn application(app: &ApplicationFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    let own = app.app.redirect_uris.all().map(|address| (address, Evidence::Applications));
    let replies = app.principal.into_iter().flat_map(|principal| &principal.reply_urls);
    let replies = replies.map(|address| (&**address, Evidence::ServicePrincipals));
    // The service principal repeats what stands on the registration.
    let mut judged = BTreeSet::new();
    for (address, evidence) in own.chain(replies) {
        if judged.insert(address) {
            judge(app.subject(), address, evidence, out);
        }
    }
}

/// Applications of other tenants: whoever runs this one can only take their service principal away.
fn principal(principal: &PrincipalFacts<'_>, _case: &Case<'_>, out: &mut Verdicts<'_>) {
    if principal.app.is_some() || principal.is_first_party {
        return;
    }
    let addresses: BTreeSet<&str> = principal.principal.reply_urls.iter().map(AsRef::as_ref).collect();
    for address in addresses {
        judge(principal.subject(), address, Evidence::ServicePrincipals, out);
    }
}

fn judge(subject: Subject, address: &str, evidence: Evidence, out: &mut Verdicts<'_>) {
    let subject = subject.part(address);
    let is_foreign = subject.kind == ObjectKind::ServicePrincipal;
    match AddressFault::of(address) {
        Ok(None) => {}
        Ok(Some(fault)) => {
            let message = format!("a redirect URI {}", fault.words());
            let mut finding = out.finding(subject, message).evidence(evidence, "redirectUris", address);
            if is_foreign {
                finding = finding.fix("ask the publisher for a safe address, or disable the service principal");
            }
            finding.report();
        }
        Err(_) => out.unknown(subject, evidence, Reason::Parse, "the redirect URI is no address"),
    }
}
