//! Private keys of the lab: what they are, how they sign, and the pool that makes them ahead.

mod pool;
mod private_key;

pub(crate) use pool::KeyPool;
pub(crate) use private_key::{Algorithm, Curve, KeyKind, PrivateKey, PublicKey, RsaNumbers};
