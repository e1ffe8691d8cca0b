//! 9xx: the audit itself. These look at the run: what was read, what was waived, what was known.

mod kvo901_coverage;
mod kvo902_waiver_expired;
mod kvo903_waiver_dead;
mod kvo904_baseline_stale;
mod kvo905_inventory_stale;

use crate::audit::conclude::Ground;
use crate::audit::report::Report;
use crate::audit::rule::Rule;
use crate::audit::verdict::Verdicts;

pub(super) const RULES: &[&Rule] = &[
    &kvo901_coverage::RULE,
    &kvo902_waiver_expired::RULE,
    &kvo903_waiver_dead::RULE,
    &kvo904_baseline_stale::RULE,
    &kvo905_inventory_stale::RULE,
];

type Decide = fn(&Ground<'_>, &Report, &mut Verdicts<'_>);

/// What can be decided before waivers and baseline are laid over the findings.
pub(in crate::audit) const BEFORE: &[(&Rule, Decide)] =
    &[(&kvo901_coverage::RULE, kvo901_coverage::check), (&kvo905_inventory_stale::RULE, kvo905_inventory_stale::check)];

/// What is about waivers and baseline themselves, and cannot be waived.
pub(in crate::audit) const AFTER: &[(&Rule, Decide)] = &[
    (&kvo902_waiver_expired::RULE, kvo902_waiver_expired::check),
    (&kvo903_waiver_dead::RULE, kvo903_waiver_dead::check),
    (&kvo904_baseline_stale::RULE, kvo904_baseline_stale::check),
];
