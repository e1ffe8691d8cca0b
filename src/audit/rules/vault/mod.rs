//! 3xx: vaults, and who may do what there.

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[];
