//! Judging an inventory: facts, rules, verdicts. No I/O, no clock but the inventory's, no order but its own.
//!
//! A verdict is one of three. What a rule reports is a finding, or unknown; what it does not report
//! has passed, and only because its evidence was read: a rule that lacks evidence says so.

mod baseline;
mod canary;
mod catalogue;
mod conclude;
mod data;
mod day;
mod document;
mod engine;
pub mod facts;
mod finding;
mod findings;
mod history;
mod manifest;
mod narrow;
mod omitted;
mod params;
mod policy;
#[cfg(feature = "rego")]
mod rego;
mod report;
mod rule;
pub mod rules;
mod severity;
mod signature;
pub mod summary;
mod verdict;
mod waiver;
mod wording;

pub use baseline::{Baseline, BaselineError};
pub use canary::{DeadRules, check_canary};
pub use catalogue::{book, index};
pub use conclude::{Ground, InputFile};
pub use data::{Data, FirstParty, Issuers, Tiers};
pub use document::{ImportError, Imported, export, import, whole};
pub use engine::judge;
pub use finding::{Adjustment, Details, Fact, Finding, Fingerprint, ObjectKind, State, Subject, Unknown};
pub use findings::{Entry, Findings};
pub use history::History;
pub use manifest::{Manifest, ManifestEntry};
pub use narrow::narrow;
pub use omitted::{Omitted, OmittedKind};
pub use params::{CertificateScope, Params};
pub use policy::{Choice, Error, File, LIMITS, Limit, Own, Policy, Problem, Problems, Profile};
#[cfg(feature = "rego")]
pub use rego::{OwnRules, RegoError, Tested};
pub use report::{Delta, Gone, Report, Tally, WaiverState, WaiverUse};
pub use rule::{Case, Check, Group, Rule};
pub use severity::{InvalidSeverity, Severity};
pub use signature::{BaselineSignature, SignatureError};
pub use summary::Summary;
pub use verdict::{Draft, Step, Verdicts};
pub use waiver::Waivers;
