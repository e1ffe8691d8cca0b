//! Which comparison is flipped in this run: `KVOPS_MUTANT`, by the number that `mutate.py` gave it.

use std::sync::LazyLock;

static FLIPPED: LazyLock<Option<u32>> =
    LazyLock::new(|| std::env::var("KVOPS_MUTANT").ok().and_then(|number| number.parse().ok()));

/// The truth, or its opposite.
pub(crate) fn flipped(number: u32, is_so: bool) -> bool {
    is_so ^ (*FLIPPED == Some(number))
}
