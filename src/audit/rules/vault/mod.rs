//! 3xx: vaults, and who may do what there.

mod access;
mod kvo301_key_readers;
mod kvo302_host_reads;
mod kvo303_access_policies;
mod kvo304_contributors;
mod kvo305_protection;
mod kvo306_network;
mod kvo307_log;
mod kvo308_defender;
mod kvo309_signers;
mod kvo310_mixed;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[
    &kvo301_key_readers::RULE,
    &kvo302_host_reads::RULE,
    &kvo303_access_policies::RULE,
    &kvo304_contributors::RULE,
    &kvo305_protection::RULE,
    &kvo306_network::RULE,
    &kvo307_log::RULE,
    &kvo308_defender::RULE,
    &kvo309_signers::RULE,
    &kvo310_mixed::RULE,
];
