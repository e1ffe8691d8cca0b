//! The one way out: every request of kvops leaves through [`Client::send`].
//!
//! It pins origins, answers challenges, decides on repeats, keeps request ids and measures the
//! difference between clocks, so that no other module has to. It knows services only by the shape
//! of their errors.

mod acts;
mod auth;
pub mod azure;
mod body;
mod challenge;
mod client;
mod error;
mod failure;
mod ids;
mod operation;
mod pace;
mod page;
mod redact;
mod request;
mod response;
mod retry;
mod retry_after;
mod skew;
mod speaker;
mod trace;
mod transport;
mod trust;

// A module that uses this one by its name cannot also name the crate `http`.
pub use ::http::{Method, StatusCode, header};
pub use acts::{Act, witness};
pub use auth::{Auth, TokenRequest, TokenSource};
pub use client::{Client, Options};
pub use error::{Cause, Error};
pub use failure::{Detail, Failure};
pub use ids::Guids;
pub use operation::{Cost, Operation, Repeat, Scarce, Service};
pub use pace::{Pace, Permit, Seen};
pub use page::{Pages, Unreadable};
pub use request::Request;
pub use response::Response;
pub use retry::{Outcome, RetryPolicy, Verdict};
pub use speaker::Speaker;
pub use transport::{Connections, InvalidRoots};
