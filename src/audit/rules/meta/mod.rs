//! 9xx: the audit itself.

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[];
