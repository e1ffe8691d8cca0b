//! Randomness that a test can replace: correlation ids and jitter come from here.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// A source of GUIDs.
#[derive(Clone)]
pub struct Guids(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl Guids {
    /// The operating system's randomness.
    pub fn random() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that draws ids; it is handed on from here"
        )]
        Self::from_fn(Uuid::new_v4)
    }

    /// GUIDs from a function, for tests.
    pub fn from_fn(next: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// The next GUID.
    pub fn next(&self) -> Uuid {
        (self.0)()
    }

    /// A number from 0 up to, not including, 1.
    pub(super) fn fraction(&self) -> f64 {
        // The top eight bytes of a version 4 GUID hold four fixed bits; its last six bytes hold none.
        let bytes = self.next().into_bytes();
        let low = bytes[12..].iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        f64::from(low) / (f64::from(u32::MAX) + 1.0)
    }
}

impl fmt::Debug for Guids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_never_reaches_one() {
        assert_eq!(Guids::from_fn(Uuid::nil).fraction(), 0.0);
        let most = Guids::from_fn(Uuid::max).fraction();
        assert!((0.99..1.0).contains(&most));
    }
}
