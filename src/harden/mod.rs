//! Taking from a registration what an application without users has no use for, and from a
//! certificate's policy what lets the next key out.
//!
//! What an audit finds is what is changed: each change names its rule. A change shows the value
//! that is there, the one that will be, and the command that brings the first one back.

pub mod apply;
mod error;
pub mod policy;
pub mod registration;
pub mod undo;

pub use error::Error;
pub use registration::{Change, Seen, What};
