//! Taking a credential away from an application, and from nobody else.
//!
//! A removal is additive first: what remains has been proven by a token before anything goes. A
//! success that the service reports is no fact; the list is read until it stays without the entry.

mod error;
pub mod key;
mod refusal;
mod run;
pub mod secret;
pub mod select;
mod usage;

pub use error::Error;
pub use key::{Detachment, Remaining, Removal, Way};
pub use refusal::Refusal;
pub use run::{Detacher, Done, Plan, Subject};
pub use select::{Kind, Target, Why, Wish};
pub use usage::Uses;
