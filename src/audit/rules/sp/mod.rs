//! 5xx: service principals.

mod kvo501_credential;
mod kvo502_first_party;
mod kvo503_orphaned;
mod kvo504_role_secret;
mod kvo505_saml;
mod kvo506_dormant;
mod kvo507_unverified;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[
    &kvo501_credential::RULE,
    &kvo502_first_party::RULE,
    &kvo503_orphaned::RULE,
    &kvo504_role_secret::RULE,
    &kvo505_saml::RULE,
    &kvo506_dormant::RULE,
    &kvo507_unverified::RULE,
];
