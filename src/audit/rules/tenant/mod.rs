//! 6xx: policies of the tenant.

mod kvo601_policy;
mod kvo602_secrets;
mod kvo603_secret_lifetime;
mod kvo604_cert_lifetime;
mod kvo605_holes;
mod kvo606_custom_passwords;
mod kvo607_registration;
mod kvo608_trusted_ca;
mod policy;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[
    &kvo601_policy::RULE,
    &kvo602_secrets::RULE,
    &kvo603_secret_lifetime::RULE,
    &kvo604_cert_lifetime::RULE,
    &kvo605_holes::RULE,
    &kvo606_custom_passwords::RULE,
    &kvo607_registration::RULE,
    &kvo608_trusted_ca::RULE,
];
