//! Tags that kvops puts on versions of a certificate. They are hints, never facts.

/// Object id of the application that a version was made for.
pub const TAG_APP: &str = "kvops-app";
/// Value of [`TAG_APP`] on a version that was made without naming an application.
pub const UNASSIGNED: &str = "unassigned";
/// keyId of its entry on that application.
pub const TAG_KEY_ID: &str = "kvops-keyid";
/// Hash of a line of the ledger: the line must be there, or the ledger's end was cut off.
pub const TAG_LEDGER: &str = "kvops-ledger";
/// Who is rotating the certificate just now, and until when that may last.
pub const TAG_LEASE: &str = "kvops-lease";
/// How far a version has come.
pub const TAG_STATE: &str = "kvops-state";
/// The value of [`TAG_STATE`] when tokens have been seen.
pub const STATE_PROVEN: &str = "proven";
/// The value of [`TAG_STATE`] when a rotation has taken the version off all applications that it knows.
pub const STATE_RETIRED: &str = "retired";
/// When the published keys of an issuer were first seen to hold a version.
pub const TAG_JWKS_SHOWN: &str = "kvops-jwks-shown";
/// From when on every verifier knows a version of an issuer's key.
pub const TAG_JWKS_PROMOTED: &str = "kvops-jwks-promoted";
