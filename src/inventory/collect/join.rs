//! Which certificates of vaults the credentials of the directory point at, and how much of the vaults
//! has to be read before one may be said to be in none of them.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::bytes;
use super::news::Pointed;
use super::plan::Sought;
use crate::domain::Thumbprint;
use crate::inventory::{Digest, KeyCredential, Seen};

/// A SHA-1 thumbprint.
pub(super) type Sha1 = [u8; 20];

/// The credentials that let somebody sign in, now or later, as far as vaults matter.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// What labels say and bytes are.
    digests: HashSet<Sha1>,
    /// Hashes of public keys.
    keys: HashSet<Digest>,
    credentials: Vec<Credential>,
    /// What somebody looks for beside them.
    sought: Option<Sought>,
    is_found: bool,
}

/// One credential.
#[derive(Debug)]
struct Credential {
    /// By its bytes where they are known, else by its label, else not at all.
    digest: Option<Sha1>,
    /// Of its public key, if somebody else than the key itself has issued the certificate.
    issued: Option<Digest>,
}

impl Wanted {
    /// Nothing yet but what somebody looks for.
    pub(super) fn seeking(sought: Option<Sought>) -> Self {
        Self { sought, ..Self::default() }
    }

    /// With all credentials noted.
    pub(super) fn noted(mut self) -> Self {
        match self.sought {
            Some(Sought::Thumbprint(thumbprint)) if !self.is_found => self.seek(thumbprint),
            _ => {}
        }
        self
    }

    /// A certificate that no credential names: no list of a vault states more than SHA-1 of it, so that
    /// any other thumbprint shows only in the bytes of each version.
    fn seek(&mut self, thumbprint: Thumbprint) {
        let digest = sha1(thumbprint);
        self.digests.extend(digest);
        self.credentials.push(Credential { digest, issued: digest.is_none().then(Digest::default) });
    }

    /// What the credentials of these objects point at.
    pub(super) fn pointed(self) -> Pointed {
        self.credentials.iter().filter_map(|credential| credential.digest).collect()
    }

    /// Takes note of the credentials of one object.
    pub(super) fn note(&mut self, keys: &[KeyCredential], now: OffsetDateTime) {
        for key in keys {
            let is_sought = self.sought.is_some_and(|sought| sought.is(key));
            self.is_found |= is_sought;
            if is_sought || bytes::signs_in(key, keys, now) {
                self.add(key);
            }
        }
    }

    fn add(&mut self, key: &KeyCredential) {
        let label = key.thumbprint().and_then(sha1);
        self.digests.extend(label);
        let (digest, issued) = match &key.x {
            Seen::Read(x) => {
                let digest = of(&x.sha1);
                self.digests.extend(digest);
                self.keys.insert(x.spki.clone());
                (digest, (!x.self_signed).then(|| x.spki.clone()))
            }
            Seen::Unread { .. } => (label, None),
        };
        self.credentials.push(Credential { digest, issued });
    }

    /// Whether a credential names this certificate, rightly or not.
    pub(super) fn names(&self, x5t: Option<&Digest>) -> bool {
        x5t.and_then(of).is_some_and(|digest| self.digests.contains(&digest))
    }

    /// Whether a credential has this public key.
    pub(super) fn has_key(&self, spki: &Digest) -> bool {
        self.keys.contains(spki)
    }

    /// Whether some credential is none of these certificates: it may be an older version of any.
    pub(super) fn has_stranger(&self, listed: &HashSet<Sha1>) -> bool {
        self.credentials.iter().any(|credential| !credential.is_in(listed))
    }

    /// Those that come from a certificate authority, which may have issued them for a key that is in a
    /// vault under another certificate. What a key has issued for itself outside the vault is no proof of
    /// custody, so nobody looks for it.
    pub(super) fn issued(&self) -> Issued<'_> {
        let credentials = self.credentials.iter();
        Issued(credentials.filter_map(|one| Some((one.digest, one.issued.as_ref()?))).collect())
    }
}

/// Credentials that come from a certificate authority, each with the hash of its public key.
#[derive(Debug)]
pub(super) struct Issued<'w>(Vec<(Option<Sha1>, &'w Digest)>);

impl Issued<'_> {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is none of these certificates, and has none of these keys.
    pub(super) fn has_stranger(&self, seen: impl IntoIterator<Item = (Option<Sha1>, Option<Digest>)>) -> bool {
        // Vaults hold far more certificates than authorities have issued.
        let digests: HashSet<Sha1> = self.0.iter().filter_map(|(digest, _)| *digest).collect();
        let keys: HashSet<&Digest> = self.0.iter().map(|(_, key)| *key).collect();
        let (mut seen_digests, mut seen_keys) = (HashSet::new(), HashSet::new());
        for (digest, key) in seen {
            seen_digests.extend(digest.filter(|digest| digests.contains(digest)));
            seen_keys.extend(key.filter(|key| keys.contains(key)));
        }
        let is_seen = |(digest, key): &(Option<Sha1>, &Digest)| {
            digest.is_some_and(|digest| seen_digests.contains(&digest)) || seen_keys.contains(*key)
        };
        !self.0.iter().all(is_seen)
    }
}

impl Sought {
    /// Whether this is the credential that is looked for, as far as its bytes or else its label tell.
    fn is(self, key: &KeyCredential) -> bool {
        match (self, &key.x) {
            (Self::KeyId(key_id), _) => key.key_id == key_id,
            (Self::Thumbprint(thumbprint), Seen::Read(x)) => x.has(&thumbprint),
            (Self::Thumbprint(thumbprint), Seen::Unread { .. }) => key.thumbprint() == Some(thumbprint),
        }
    }
}

impl Credential {
    fn is_in(&self, listed: &HashSet<Sha1>) -> bool {
        self.digest.is_some_and(|digest| listed.contains(&digest))
    }
}

/// A digest of a record as bytes.
pub(super) fn of(digest: &Digest) -> Option<Sha1> {
    sha1(digest.as_str().parse().ok()?)
}

fn sha1(thumbprint: Thumbprint) -> Option<Sha1> {
    match thumbprint {
        Thumbprint::Sha1(digest) => Some(digest),
        Thumbprint::Sha256(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

    fn wanted(label: &str, sha1: Option<&str>, is_self_signed: bool) -> Wanted {
        let mut key = json!({
            "keyId": "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10", "type": "AsymmetricX509Cert", "usage": "Verify", "label": label,
        });
        if let Some(sha1) = sha1 {
            key["x"] = json!({
                "sha1": sha1, "spki": "key", "self_signed": is_self_signed, "alg": "RSA", "bits": 2048,
                "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z",
            });
        }
        let key: KeyCredential = serde_json::from_value(key).unwrap();
        let mut wanted = Wanted::seeking(None);
        wanted.note(&[key], datetime!(2026-06-01 00:00 UTC));
        wanted.noted()
    }

    fn listed(digests: &[&str]) -> HashSet<Sha1> {
        digests.iter().filter_map(|digest| of(&digest.parse().unwrap())).collect()
    }

    #[test]
    fn a_label_points_at_a_certificate_but_the_bytes_decide_whether_it_is_known() {
        let spoofed = wanted(A, Some(B), true);
        assert!(spoofed.names(Some(&A.parse().unwrap())), "what the label names is looked at");
        assert!(spoofed.has_stranger(&listed(&[A])), "and is not the credential");
        assert!(!spoofed.has_stranger(&listed(&[B])));
        let unread = wanted(A, None, true);
        assert!(!unread.has_stranger(&listed(&[A])), "without bytes the label has to do");
    }

    #[test]
    fn a_label_that_is_no_thumbprint_makes_a_stranger() {
        assert!(wanted("my key", None, true).has_stranger(&listed(&[A, B])));
    }

    #[test]
    fn only_what_an_authority_has_issued_may_hide_behind_another_certificate() {
        let other = || [(of(&B.parse().unwrap()), None)];
        assert!(wanted(A, Some(A), false).issued().has_stranger(other()));
        assert!(wanted(A, Some(A), true).issued().is_empty());
        assert!(!wanted(A, Some(A), false).issued().has_stranger([(of(&A.parse().unwrap()), None)]));
        let key = (None, Some("key".parse().unwrap()));
        assert!(!wanted(A, Some(A), false).issued().has_stranger(other().into_iter().chain([key])));
    }

    #[test]
    fn what_is_looked_for_is_read_though_no_credential_names_it() {
        let seek = |text: &str| Wanted::seeking(Some(text.parse().unwrap())).noted();
        let by_sha1 = seek(B);
        assert!(by_sha1.names(Some(&B.parse().unwrap())));
        assert!(!by_sha1.has_stranger(&listed(&[B])) && by_sha1.has_stranger(&listed(&[A])));
        let by_sha256 = seek(&"C".repeat(64));
        let listed = [A, B].map(|digest| (of(&digest.parse().unwrap()), None));
        assert!(by_sha256.issued().has_stranger(listed), "only bytes would show it");
    }
}
