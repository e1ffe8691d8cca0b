//! KVO905: an inventory from a file that cannot stand for the tenant as it is.

use crate::audit::conclude::Ground;
use crate::audit::report::Report;
use crate::audit::rule::{Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, SCHEMA_VERSION};

pub(in crate::audit) const RULE: Rule = Rule {
    id: "KVO905",
    name: "inventory-stale",
    title: "The inventory is old, damaged, or of something else",
    group: Group::Audit,
    severity: Severity::Medium,
    since: "0.2.0",
    needs: &[],
    params: &["max_inventory_hours"],
    fix: "kvops audit --export FILE, and judge that",
    mitre: &[],
    controls: &["NIST SP 800-53 AU-10"],
    references: &[],
    page: include_str!("../../../../docs/rules/KVO905.md"),
    check: Check::Engine,
};

pub(in crate::audit) fn check(ground: &Ground<'_>, report: &Report, out: &mut Verdicts<'_>) {
    let Some(input) = ground.input else { return };
    let header = &report.header;
    let hours = (ground.now - header.collected_at).whole_hours();
    let most = i64::from(ground.policy.params.max_inventory_hours);
    let subject = |part: &str| ground.subject("inventory").part(part);
    if hours > most {
        out.finding(subject("age"), format!("the inventory is {hours} hours old, past the limit of {most}"))
            .evidence(Evidence::History, "header.collectedAt", header.collected_at)
            .report();
    }
    if hours < 0 {
        out.finding(subject("age"), "the inventory is of a time that is yet to come")
            .evidence(Evidence::History, "header.collectedAt", header.collected_at)
            .report();
    }
    if let Some(expected) = input.tenant.as_ref().filter(|tenant| !is_same(tenant.as_str(), header.tenant.as_str())) {
        out.finding(
            subject("tenant"),
            format!("the inventory is of another tenant than {expected}, which was asked for"),
        )
        .severity(Severity::High, "nothing in it is about the tenant that was asked for")
        .evidence(Evidence::History, "header.tenant", &header.tenant)
        .report();
    }
    if header.schema_version != SCHEMA_VERSION {
        let message = format!("the inventory is of schema {}, and this reads {SCHEMA_VERSION}", header.schema_version);
        out.finding(subject("schema"), message)
            .evidence(Evidence::History, "header.schemaVersion", &header.schema_version)
            .report();
    }
    if let Some(damage) = &input.damage {
        out.finding(subject("seal"), format!("the inventory is not as it was written: {damage}"))
            .severity(Severity::High, "what is missing in it cannot be found")
            .evidence(Evidence::History, "seal", damage)
            .report();
    }
}

fn is_same(one: &str, two: &str) -> bool {
    one.eq_ignore_ascii_case(two)
}
