//! What a key may be used for beyond signing: as the policy asks, as the certificate says, and as
//! the vault lets it.

use crate::inventory::{Certificate, VersionRecord, Word};

/// The key usages that are more than Digital Signature.
pub fn beyond_signature(usages: &[Word]) -> Vec<&str> {
    others(usages, &["digitalSignature"])
}

/// The key operations that are more than signing and verifying.
pub fn beyond_signing(operations: &[Word]) -> Vec<&str> {
    others(operations, &["sign", "verify"])
}

/// Whether policy, certificate and key of a version all go beyond signing, so that one finding says it all.
pub fn goes_beyond_everywhere(certificate: &Certificate, version: &VersionRecord) -> bool {
    let in_policy = certificate.policy.read().is_some_and(|policy| !beyond_signature(&policy.key_usage).is_empty());
    let in_bytes = version.x.read().and_then(|x| x.ku.as_deref()).is_some_and(|ku| !beyond_signature(ku).is_empty());
    let in_key = version.key.read().is_some_and(|key| !beyond_signing(&key.key_ops).is_empty());
    in_policy && in_bytes && in_key
}

fn others<'a>(words: &'a [Word], known: &[&str]) -> Vec<&'a str> {
    let is_known = |word: &&str| known.iter().any(|known| known.eq_ignore_ascii_case(word));
    words.iter().map(AsRef::as_ref).filter(|word| !is_known(word)).collect()
}
