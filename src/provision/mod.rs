//! A hardened certificate in a vault, trusted by an application and proven by tokens.
//!
//! Observe, decide, act: [`decide::decide`] is a pure function of what was seen; the runner takes
//! the steps it names and can be stopped and started again at any point.

pub mod attach;
pub mod attaching;
mod audited;
pub mod decide;
mod error;
pub mod issue;
mod journal;
pub mod key_list;
pub mod lifetime;
pub mod observe;
pub mod plan;
pub mod prove;
mod refusal;
mod report;
pub mod rules;
mod run;
pub mod spec;
pub mod watch;

pub use error::Error;
pub use journal::Journal;
pub use observe::Services;
pub use prove::SignIn;
pub use refusal::Refusal;
pub use report::{ApplicationFacts, CertificateFacts, Outcome, Report, exportability};
pub use rules::Gap;
pub use run::{Provisioner, Wish};
pub use watch::Watcher;
