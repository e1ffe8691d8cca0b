//! Private keys of the lab, made ahead in the background.

/// Hands out fresh keys without making callers wait for prime numbers.
#[derive(Debug, Default)]
pub(crate) struct KeyPool {}
