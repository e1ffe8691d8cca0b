//! A new key in place of an old one, without an outage: six parts, each of which can be stopped and
//! begun again.
//!
//! Observe, decide, act: [`next_step`] is a pure function of what vault, directory and ledger show,
//! and is asked anew after each step. No progress is stored. The ledger adds evidence, says since when
//! both keys are trusted, and that a rotation whose traces are gone was not ended.

mod act;
mod aftermath;
mod due;
mod error;
mod history;
mod lease;
pub mod lock;
mod next;
mod observe;
mod pinned;
mod plan;
mod refusal;
mod report;
mod run;
mod scope;
mod step;
mod tags;
#[cfg(test)]
mod tests;
mod unseen;
mod world;

pub use due::due_at;
pub use error::Error;
pub use history::{applications_of, certificates_of, history};
pub use next::{is_unfinished, next_step, target};
pub use observe::Observed;
pub use plan::{Ending, Plan, Planned};
pub use refusal::Refusal;
pub use report::{ApplicationReport, Foreign, Outcome, Report, Soak};
pub use run::{Rotator, Wish};
pub use step::{Because, Demand, Next, OVERLAP_DAYS, Purpose, Stage, Step};
pub use world::{Entry, History, LastUse, Making, PolicyFacts, Tagged, Trust, VersionFacts, World};
