//! The clients against the lab: what they do, what they refuse to do, and what they say.

pub(crate) mod bench;
mod credentials;
mod refusals;
mod transport;
mod whole_way;
