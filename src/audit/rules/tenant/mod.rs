//! 6xx: policies of the tenant.

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[];
