//! 2xx: certificates and keys in vaults.

mod kvo201_exportable;

use crate::audit::rule::Rule;

pub(super) const RULES: &[&Rule] = &[&kvo201_exportable::RULE];
