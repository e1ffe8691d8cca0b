//! 7xx: where vault and directory disagree.

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[];
