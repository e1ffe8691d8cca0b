//! Graph as a client sees it, without the wire.

mod bench;
mod credentials;
mod objects;
mod proofs;
