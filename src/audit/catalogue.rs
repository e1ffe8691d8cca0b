//! The rules as documents: an index, and a book of all pages. Made from the rules themselves.

use std::fmt::Write as _;

use super::rule::{Group, Rule};
use super::rules::RULES;
use crate::inventory::Evidence;

/// `docs/rules/README.md`: every rule in one table per group.
pub fn index() -> String {
    let mut text = "# Rules\n\nMade by `kvops policy doc --index`; a test holds it to the rules. What a rule needs is evidence as the \
                    coverage of\na report names it; how severities change and what may be tuned stands in [the guide](../guides/policy.md).\n"
        .to_owned();
    let mut group = None;
    for rule in RULES.iter() {
        if group.replace(rule.group) != Some(rule.group) {
            let _ = write!(
                text,
                "\n## {}\n\n| rule | | severity | needs |\n| --- | --- | --- | --- |\n",
                title(rule.group)
            );
        }
        let needs: Vec<String> = rule.needs.iter().map(|evidence| Evidence::name(*evidence)).collect();
        let _ =
            writeln!(text, "| [{0}]({0}.md) | {1} | {2} | {3} |", rule.id, rule.title, rule.severity, needs.join(", "));
    }
    text
}

/// One document of every rule's page and facts.
pub fn book() -> String {
    let mut text = "# The rules of kvops\n".to_owned();
    for rule in RULES.iter() {
        // The page's own heading is a level too high here.
        let _ = write!(text, "\n#{}\n{}", rule.page.trim_end(), facts(rule));
    }
    text
}

/// What a rule is, as a list.
fn facts(rule: &Rule) -> String {
    let needs: Vec<String> = rule.needs.iter().map(|evidence| Evidence::name(*evidence)).collect();
    let lines = [
        ("severity", rule.severity.to_string()),
        ("name", format!("`{}`", rule.name)),
        ("since", rule.since.to_owned()),
        ("needs", needs.join(", ")),
        ("parameters", rule.params.join(", ")),
        ("MITRE ATT&CK", rule.mitre.join(", ")),
        ("controls", rule.controls.join(", ")),
        ("references", rule.references.join(", ")),
    ];
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty());
    lines.fold("\n".to_owned(), |text, (name, value)| format!("{text}- {name}: {value}\n"))
}

/// A group, for people.
const fn title(group: Group) -> &'static str {
    match group {
        Group::Credentials => "1xx: credentials of applications",
        Group::Certificates => "2xx: certificates and keys in vaults",
        Group::Vaults => "3xx: vaults",
        Group::Applications => "4xx: registrations",
        Group::ServicePrincipals => "5xx: service principals",
        Group::Tenant => "6xx: the tenant",
        Group::Drift => "7xx: where vault and directory disagree",
        Group::Audit => "9xx: the audit itself",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_in_the_documents_is_that_of_the_rules() {
        let written = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules/README.md"));
        assert_eq!(written.unwrap(), index(), "run: kvops policy doc --index > docs/rules/README.md");
    }

    #[test]
    fn the_book_has_every_rule_once_and_no_heading_above_its_own() {
        let book = book();
        for rule in RULES.iter() {
            assert_eq!(book.matches(&format!("## {}: ", rule.id)).count(), 1, "{}", rule.id);
        }
        assert_eq!(book.lines().filter(|line| line.starts_with("# ")).count(), 1);
    }
}
