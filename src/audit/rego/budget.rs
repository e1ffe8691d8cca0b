//! How much memory an evaluation may take: a rule must not end the audit, or the machine, with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use regorus::{LimitError, check_global_memory_limit, set_global_memory_limit};

/// The limit is one of the whole process: it is in force for one evaluation at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A limit that is in force until this is dropped.
pub(super) struct Budget(#[expect(dead_code, reason = "held, not used")] MutexGuard<'static, ()>);

impl Budget {
    /// So many bytes more than are taken now.
    pub(super) fn beyond_now(bytes: u64) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        set_global_memory_limit(Some(taken().saturating_add(bytes)));
        Self(alone)
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        set_global_memory_limit(None);
    }
}

/// Bytes that are taken now. The engine tells them only of a limit that was passed.
fn taken() -> u64 {
    set_global_memory_limit(Some(0));
    match check_global_memory_limit() {
        Err(LimitError::MemoryLimitExceeded { usage, .. }) => usage,
        _ => 0,
    }
}
