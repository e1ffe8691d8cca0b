//! 4xx: what applications are allowed to be.

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[];
