//! A hardened certificate in a vault, trusted by an application and proven by tokens.
//!
//! Observe, decide, act: [`plan::decide`] is a pure function of what was seen; the runner takes
//! the steps it names and can be stopped and started again at any point.

pub mod lifetime;
pub mod plan;
mod refusal;
pub mod rules;
pub mod spec;

pub use refusal::Refusal;
