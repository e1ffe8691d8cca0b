//! The lab held against recorded traffic of the real services: every recorded request is sent to
//! the lab, and its answer compared with the recorded one.
//!
//! The recordings lie beside the repository, in `../shared/fixtures`, or where `KVOPS_FIXTURES`
//! says. Without them the tests say so and pass.

mod decode;
mod entra;
mod fixture;
mod graph;
mod keyvault;
mod shape;
mod sign_vectors;
mod tally;
mod translation;
