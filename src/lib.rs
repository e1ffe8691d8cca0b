//! kvops gives Microsoft Entra applications credentials that nobody can copy, and proves it.
//!
//! The modules are layers, outermost first: each may use those below it and never one above. The
//! table stands in `docs/ARCHITECTURE.md`, and a test reads the source to hold it.

#[doc(hidden)]
pub mod arm;
pub mod audit;
pub mod cli;
pub mod config;
pub mod detach;
pub mod domain;
pub mod entra;
pub mod graph;
pub mod harden;
pub mod http;
pub mod inventory;
pub mod jwks;
pub mod keyvault;
#[cfg(feature = "lab")]
pub mod lab;
pub mod ledger;
pub mod notice;
pub mod pki;
pub mod provision;
pub mod proxy;
pub mod report;
pub mod rotate;
pub mod serve;
pub mod sign_in;
