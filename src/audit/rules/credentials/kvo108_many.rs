//! KVO108: more credentials than rolling over needs.

use std::collections::BTreeSet;

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, Reason};

pub(super) const RULE: Rule = Rule {
    id: "KVO108",
    name: "app-credentials-too-many",
    title: "Too many active credentials",
    group: Group::Credentials,
    severity: Severity::Low,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes],
    params: &["max_active", "many_active"],
    fix: "kvops detach --app {app} --vault VAULT --unused, which removes those that nobody uses",
    mitre: &["T1098.001"],
    controls: &["NIST SP 800-53 AC-6"],
    references: &["https://learn.microsoft.com/entra/identity-platform/certificate-credentials"],
    page: include_str!("../../../../docs/rules/KVO108.md"),
    check: Check::Application(check),
};

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    let count = Count::of(app);
    let limit = case.params.max_active as usize;
    if count.least <= limit {
        if let Some(reason) = count.unread.filter(|_| count.most > limit) {
            let why = format!("{} entries may be {} keys or {}", count.most, count.least, count.most);
            out.unknown(app.subject(), Evidence::KeyBytes, reason, why);
        }
        return;
    }
    let message = format!("{} different credentials work now, and {limit} are enough to roll over", count.least);
    let mut finding = out.finding(app.subject(), message);
    for credential in app.active() {
        finding = finding.evidence(Evidence::Applications, credential.field("keyId"), credential.kind);
    }
    let many = case.params.many_active as usize;
    if count.least > many {
        finding = finding.severity(Severity::Medium, &format!("that is more than {many}"));
    }
    finding.report();
}

/// How many different keys and secrets there are: one key in two certificates is one door.
struct Count {
    least: usize,
    most: usize,
    unread: Option<Reason>,
}

impl Count {
    fn of(app: &ApplicationFacts<'_>) -> Self {
        let (mut keys, mut others, mut unread) = (BTreeSet::new(), 0, Vec::new());
        for credential in app.active() {
            match credential.key.filter(|key| !key.key.is_symmetric()).map(|key| key.key.x.get()) {
                Some(Ok(x)) => {
                    keys.insert(&x.spki);
                }
                Some(Err(reason)) => unread.push(reason),
                None => others += 1,
            }
        }
        // What was not read may be one key, or one that was read elsewhere.
        let hidden = usize::from(keys.is_empty() && !unread.is_empty());
        Self {
            least: keys.len() + hidden + others,
            most: keys.len() + unread.len() + others,
            unread: unread.first().copied(),
        }
    }
}
