//! The rules, each in a file of its own. The order here is the order of every report.

mod app;
mod certificates;
mod credentials;
#[cfg(test)]
mod differential;
mod drift;
pub(super) mod meta;
mod remedy;
mod sp;
#[cfg(test)]
mod tables;
mod tenant;
mod vault;

use std::sync::LazyLock;

use super::rule::Rule;

/// Every shipped rule, by its number.
pub static RULES: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
    [
        credentials::RULES,
        certificates::RULES,
        vault::RULES,
        app::RULES,
        sp::RULES,
        tenant::RULES,
        drift::RULES,
        meta::RULES,
    ]
    .concat()
});

/// The rule with an id, in any case.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id.eq_ignore_ascii_case(id))
}
