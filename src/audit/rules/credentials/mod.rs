//! 1xx: credentials of applications.

mod kvo101_secret;
mod kvo102_secret_life;
mod kvo103_symmetric;
mod kvo104_expired;
mod kvo105_successor;
mod kvo106_certificate_life;
mod kvo107_endless;
mod kvo108_many;
mod kvo109_unused;
mod kvo110_rotation;
mod kvo111_weak_key;
mod kvo112_weak_signature;
mod kvo113_key_usage;
mod kvo114_ca;
mod kvo115_shared_key;
mod kvo116_dates;
mod kvo117_private_key;
mod kvo118_label;
mod kvo119_federation;
mod kvo120_unfinished;
mod kvo121_managed_identity;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[
    &kvo101_secret::RULE,
    &kvo102_secret_life::RULE,
    &kvo103_symmetric::RULE,
    &kvo104_expired::RULE,
    &kvo105_successor::RULE,
    &kvo106_certificate_life::RULE,
    &kvo107_endless::RULE,
    &kvo108_many::RULE,
    &kvo109_unused::RULE,
    &kvo110_rotation::RULE,
    &kvo111_weak_key::RULE,
    &kvo112_weak_signature::RULE,
    &kvo113_key_usage::RULE,
    &kvo114_ca::RULE,
    &kvo115_shared_key::RULE,
    &kvo116_dates::RULE,
    &kvo117_private_key::RULE,
    &kvo118_label::RULE,
    &kvo119_federation::RULE,
    &kvo120_unfinished::RULE,
    &kvo121_managed_identity::RULE,
];
