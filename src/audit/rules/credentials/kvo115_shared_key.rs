//! KVO115: one key for several applications.

use std::collections::BTreeSet;

use crate::audit::facts::{ApplicationFacts, Facts, KeyFacts, PrincipalFacts, Tier};
use crate::audit::finding::Subject;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::domain::AppId;
use crate::inventory::Evidence;

pub(super) const RULE: Rule = Rule {
    id: "KVO115",
    name: "app-key-shared",
    title: "Same key on several applications",
    group: Group::Credentials,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::ServicePrincipals, Evidence::KeyBytes],
    params: &[],
    fix: "kvops provision --app {app} --vault VAULT --name NAME, one certificate for each application, then az ad {kind} credential delete --id {app} --key-id {part} --cert",
    mitre: &["T1552.004"],
    controls: &["NIST SP 800-53 IA-2", "NIST SP 800-53 IA-5", "NIST SP 800-57 part 1, 5.2"],
    references: &["https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final"],
    page: include_str!("../../../../docs/rules/KVO115.md"),
    check: Check::Identity(check_application, check_principal),
};

fn check_application(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in first_of_each(&app.keys, &app.subject(), out) {
        report(key, app.app.app_id, app.subject(), case.facts, out);
    }
}

fn check_principal(principal: &PrincipalFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in first_of_each(&principal.keys, &principal.subject(), out) {
        // An application and its own service principal are one identity, and the application has the finding.
        let own = principal.app.map(|app| &app.keys).into_iter().flatten();
        if !own.filter_map(|own| own.x.read()).any(|own| key.key.x.read().is_some_and(|x| x.spki == own.spki)) {
            report(key, principal.principal.app_id, principal.subject(), case.facts, out);
        }
    }
}

/// The keys that work now, each once.
fn first_of_each<'f, 'a>(keys: &'f [KeyFacts<'a>], subject: &Subject, out: &mut Verdicts<'_>) -> Vec<&'f KeyFacts<'a>> {
    let mut seen = BTreeSet::new();
    let mut first = Vec::new();
    for key in keys.iter().filter(|key| key.is_sign_in()) {
        match key.key.x.get() {
            Ok(x) if seen.insert(&x.spki) => first.push(key),
            Ok(_) => {}
            Err(reason) => {
                let subject = subject.clone().part(key.key.key_id);
                out.unknown(subject, Evidence::KeyBytes, reason, "without its bytes it cannot be compared");
            }
        }
    }
    first
}

fn report(key: &KeyFacts<'_>, own: AppId, subject: Subject, facts: &Facts<'_>, out: &mut Verdicts<'_>) {
    let Some(x) = key.key.x.read() else { return };
    let holders = facts.holders(x.spki.as_str()).iter().filter(|trust| trust.is_for_sign_in());
    let others: BTreeSet<AppId> = holders.map(|trust| trust.app_id()).filter(|other| *other != own).collect();
    if others.is_empty() {
        return;
    }
    let others_are = if others.len() == 1 {
        "1 other application".to_owned()
    } else {
        format!("{} other applications", others.len())
    };
    let finding = out
        .finding(subject.part(key.key.key_id), format!("the same key lets somebody sign in as {others_are}"))
        .evidence(Evidence::KeyBytes, "subjectPublicKeyInfo", x.spki.as_str())
        .evidence(Evidence::Applications, "appId", listed(&others));
    if others.iter().any(|other| differ(&facts.tier(own), &facts.tier(*other))) {
        // The difference between the tiers is the fault: it is not counted twice.
        finding
            .severity(Severity::High, "one of them can take the whole tenant, and another cannot")
            .without_steps()
            .report();
    } else if others.iter().any(|other| is_other_environment(own, *other, facts)) {
        finding.severity(Severity::High, "they belong to different environments").report();
    } else {
        finding.report();
    }
}

fn differ(one: &Tier, two: &Tier) -> bool {
    matches!((one, two), (Tier::Zero { .. }, Tier::Other) | (Tier::Other, Tier::Zero { .. }))
}

fn is_other_environment(one: AppId, two: AppId, facts: &Facts<'_>) -> bool {
    facts.environment(one).zip(facts.environment(two)).is_some_and(|(one, two)| one != two)
}

fn listed(apps: &BTreeSet<AppId>) -> String {
    apps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
