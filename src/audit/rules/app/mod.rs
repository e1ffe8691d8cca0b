//! 4xx: what applications are allowed to be.

mod kvo401_redirect;
mod kvo402_implicit;
mod kvo403_delegated;
mod kvo404_public_client;
mod kvo405_redirect_unsafe;
mod kvo406_multi_tenant;
mod kvo407_lock;
mod kvo408_tier0;
mod kvo409_owners;
mod kvo410_tier0_owners;
mod kvo411_reference;
mod kvo412_permissions;
mod kvo413_public_secret;
mod kvo414_delegated_would_do;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[
    &kvo401_redirect::RULE,
    &kvo402_implicit::RULE,
    &kvo403_delegated::RULE,
    &kvo404_public_client::RULE,
    &kvo405_redirect_unsafe::RULE,
    &kvo406_multi_tenant::RULE,
    &kvo407_lock::RULE,
    &kvo408_tier0::RULE,
    &kvo409_owners::RULE,
    &kvo410_tier0_owners::RULE,
    &kvo411_reference::RULE,
    &kvo412_permissions::RULE,
    &kvo413_public_secret::RULE,
    &kvo414_delegated_would_do::RULE,
];
