//! 1xx: credentials of applications.

mod kvo101_secret;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[&kvo101_secret::RULE];
