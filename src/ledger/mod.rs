//! What kvops did: an append-only file of JSON lines, each of which carries the hash of the one before.
//!
//! It is the journal that is written before and after every change, and the evidence that an auditor
//! reads. It is not a log: it survives `KVOPS_LOG=off`, and it never holds a token, an assertion, a
//! proof or a secret. Nothing that kvops decides rests on it alone, except when the soak of a rotation
//! began: vault and directory are looked at anew each time.

pub mod checkpoint;
mod entry;
mod error;
mod file;
mod line;
mod run;
mod verify;

pub use entry::{Actor, Entry, Object, Phase, RequestRecord, Step};
pub use error::Error;
pub use file::Ledger;
pub use line::Hash;
pub use run::{Record, Run, Started};
pub use verify::{Anchor, Damage, Fault, Verified, entries, read, verify};
