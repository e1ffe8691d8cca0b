//! 5xx: service principals.

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[];
