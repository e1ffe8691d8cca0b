//! Private keys of the lab: what they are, how they sign, and the pool that makes them ahead.

mod algorithm;
mod pool;
mod private_key;

pub(crate) use algorithm::{Algorithm, Curve, KeyKind};
pub(crate) use pool::KeyPool;
pub(crate) use private_key::{PrivateKey, PublicKey, RsaNumbers};
