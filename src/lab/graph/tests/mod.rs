//! Graph as a client sees it, without the wire.

mod audit;
mod bench;
mod credentials;
mod lists;
mod objects;
mod proofs;
mod relations;
