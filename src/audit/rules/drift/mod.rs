//! 7xx: where vault and directory disagree.

mod common;
mod kvo701_foreign;
mod kvo702_disabled;
mod kvo703_deleted;
mod kvo704_overlap;
mod kvo705_unregistered;
mod kvo706_orphan;
mod kvo707_tag;
mod kvo708_environments;
mod kvo709_unrecorded;
mod kvo710_label;
mod kvo711_manifest;
mod kvo712_weakened;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[
    &kvo701_foreign::RULE,
    &kvo702_disabled::RULE,
    &kvo703_deleted::RULE,
    &kvo704_overlap::RULE,
    &kvo705_unregistered::RULE,
    &kvo706_orphan::RULE,
    &kvo707_tag::RULE,
    &kvo708_environments::RULE,
    &kvo709_unrecorded::RULE,
    &kvo710_label::RULE,
    &kvo711_manifest::RULE,
    &kvo712_weakened::RULE,
];
