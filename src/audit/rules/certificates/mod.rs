//! 2xx: certificates and keys in vaults.

mod kvo201_exportable;
mod kvo202_unproven;
mod kvo203_imported;
mod kvo204_policy_usage;
mod kvo205_software_key;
mod kvo206_reuse;
mod kvo207_validity;
mod kvo208_silent_expiry;
mod kvo209_auto_renew;
mod kvo210_weak_policy;
mod kvo211_operations;
mod kvo212_no_expiry;
mod kvo213_extended_usage;
mod scope;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[
    &kvo201_exportable::RULE,
    &kvo202_unproven::RULE,
    &kvo203_imported::RULE,
    &kvo204_policy_usage::RULE,
    &kvo205_software_key::RULE,
    &kvo206_reuse::RULE,
    &kvo207_validity::RULE,
    &kvo208_silent_expiry::RULE,
    &kvo209_auto_renew::RULE,
    &kvo210_weak_policy::RULE,
    &kvo211_operations::RULE,
    &kvo212_no_expiry::RULE,
    &kvo213_extended_usage::RULE,
];
