//! Tags that kvops puts on versions of a certificate. They are hints, never facts.

/// How far a version has come.
pub const TAG_STATE: &str = "kvops-state";
/// The value of [`TAG_STATE`] when tokens have been seen.
pub const STATE_PROVEN: &str = "proven";
