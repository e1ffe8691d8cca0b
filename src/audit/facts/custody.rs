//! In whose hands a private key is, and how that is known: the custody ladder.
//!
//! Two questions are kept apart, because their proofs differ: whether the key can leave the vault
//! now, and whether a copy ever existed outside.

use serde::{Deserialize, Serialize};
use time::Duration;

use crate::audit::history::History;
use crate::inventory::{Certificate, Seen, VersionRecord};

/// Whether a private key can leave its vault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Export {
    /// It cannot.
    No,
    /// What is left to see does not tell.
    Indeterminate,
    /// It can.
    Yes,
}

/// How well something is known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Grade {
    /// By the kind of key, or by a record made when the version was born.
    A,
    /// By dates: no proof against somebody who edits the policy while the version is being made.
    B,
}

/// Whether a copy of a key existed outside the vault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A record says that the vault made it.
    Generated,
    /// Everything looks as if the vault made it; whoever imports can make it look so.
    Assumed,
    /// It may have been imported, or made for a request that an own CA answered.
    Suspected,
    /// It was imported: a copy existed outside.
    Imported,
}

/// In whose hands the key behind a credential is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Custody {
    /// In an HSM, and cannot leave it.
    Hsm,
    /// In a vault, and cannot leave it.
    Nonexportable,
    /// In a vault; whether it can leave it does not show.
    Indeterminate,
    /// In a vault, from which it can be read.
    Exportable,
    /// In a vault, and was somewhere else before.
    Imported,
    /// In no vault that there is.
    Foreign,
    /// Not known: something that would tell could not be read.
    Unverified,
}

impl Custody {
    /// As in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hsm => "hsm",
            Self::Nonexportable => "nonexportable",
            Self::Indeterminate => "indeterminate",
            Self::Exportable => "exportable",
            Self::Imported => "imported",
            Self::Foreign => "foreign",
            Self::Unverified => "unverified",
        }
    }

    /// Whether nobody can copy the key, as far as that can be known.
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Hsm | Self::Nonexportable)
    }
}

/// Certificates that a vault makes are dated back by ten minutes; recordings lie between 600 and 613 s.
const BACKDATING: std::ops::RangeInclusive<i64> = 590..=900;

/// Whether the key of a version can leave the vault now, how well that is known, and why it is so.
/// The first line of the ladder that applies decides.
pub fn custody_of_version(
    vault: &str,
    certificate: &Certificate,
    version: &VersionRecord,
    history: &Seen<History>,
) -> (Export, Option<Grade>, String) {
    let kty = version.key.read().and_then(|key| key.kty.as_deref());
    if kty.is_some_and(|kty| kty.ends_with("-HSM")) {
        return (
            Export::No,
            Some(Grade::A),
            "the key is in an HSM, and keys of certificates cannot leave it".to_owned(),
        );
    }
    let path = format!("{vault}/{}/{}", certificate.name, version.version);
    if let Some(born) = history.read().and_then(|history| history.born.get(&path)) {
        let export = if *born { Export::Yes } else { Export::No };
        return (export, Some(Grade::A), format!("the record of its birth says exportable {born}"));
    }
    let policy = match certificate.policy.get() {
        Ok(policy) => policy,
        Err(reason) => return (Export::Indeterminate, None, format!("the policy was not read ({reason})")),
    };
    let (Some(updated), Some(created)) = (policy.updated, version.created) else {
        return (Export::Indeterminate, None, "the vault states no dates for policy or version".to_owned());
    };
    if updated > created {
        let why = format!("the policy was changed {} after the version was made", age(updated - created));
        return (Export::Indeterminate, None, why);
    }
    match policy.exportable {
        Some(true) => (Export::Yes, Some(Grade::B), "the policy it was made under says exportable true".to_owned()),
        Some(false) => (Export::No, Some(Grade::B), "the policy it was made under says exportable false".to_owned()),
        None => (Export::Indeterminate, None, "the policy does not say whether the key is exportable".to_owned()),
    }
}

/// Whether a copy of a version's key existed outside, and why it is thought so.
pub fn origin_of_version(
    vault: &str,
    certificate: &Certificate,
    version: &VersionRecord,
    history: &Seen<History>,
) -> (Origin, String) {
    let path = format!("{vault}/{}/{}", certificate.name, version.version);
    if history.read().is_some_and(|history| history.born.contains_key(&path)) {
        return (Origin::Generated, "kvops recorded how the vault made it".to_owned());
    }
    let issuer = certificate.policy.read().and_then(|policy| policy.issuer.as_deref());
    let (Some(x), Some(created)) = (version.x.read(), version.created) else {
        return (Origin::Suspected, "its dates were not read".to_owned());
    };
    let ahead = (created - x.not_before).whole_seconds();
    // The policy of an import is the importer's: what it says of an issuer proves nothing where the
    // certificate says that it signed itself.
    let was_changed = certificate.policy.read().and_then(|policy| policy.updated).is_some_and(|at| at > created);
    // Nor does it make a difference that this names nobody: what is merged was signed by somebody else.
    if x.self_signed && !BACKDATING.contains(&ahead) {
        return (
            Origin::Imported,
            format!("it is valid from {} before the vault had it", age(Duration::seconds(ahead))),
        );
    }
    if was_changed && !x.self_signed {
        return (Origin::Suspected, "its policy was changed after it was made".to_owned());
    }
    match issuer {
        Some(name) if name.eq_ignore_ascii_case("Self") && BACKDATING.contains(&ahead) => {
            (Origin::Assumed, format!("it is dated {ahead} s back, as the vault does"))
        }
        Some(name) if name.eq_ignore_ascii_case("Self") => {
            (Origin::Imported, format!("it is valid from {} before the vault had it", age(Duration::seconds(ahead))))
        }
        Some(name) if name.eq_ignore_ascii_case("Unknown") => {
            (Origin::Suspected, "an import and a merged request look alike in a vault".to_owned())
        }
        Some(_) => (Origin::Assumed, "its issuer is a CA that the vault asks by itself".to_owned()),
        None => (Origin::Suspected, "its policy was not read".to_owned()),
    }
}

fn age(span: Duration) -> String {
    let seconds = span.whole_seconds().abs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// How a certificate came into the vault whose policy names nobody as its issuer.
    fn origin(is_self_signed: bool, not_before: &str) -> Origin {
        let x = json!({
            "sha1": "A", "spki": "B", "self_signed": is_self_signed, "alg": "RSA", "bits": 2048,
            "not_before": not_before, "not_after": "2028-01-01T00:00:00Z",
        });
        let version: Value = json!({ "version": "0".repeat(32), "created": "2026-06-01T12:10:00Z", "x": x });
        let certificate: Certificate = serde_json::from_value(json!({
            "name": "billing", "versions": [version],
            "policy": { "issuer": "Unknown", "exportable": false, "created": null, "updated": "2026-06-01T12:00:00Z" },
        }))
        .unwrap();
        let version = &certificate.versions.read().unwrap()[0];
        origin_of_version("contoso-kv", &certificate, version, &Seen::default()).0
    }

    #[test]
    fn what_signed_itself_long_before_was_imported_even_where_the_policy_names_no_issuer() {
        assert_eq!(origin(true, "2026-05-01T12:00:00Z"), Origin::Imported);
        assert_eq!(origin(false, "2026-05-01T12:00:00Z"), Origin::Suspected, "an own CA may have signed a request");
        assert_eq!(origin(true, "2026-06-01T12:00:00Z"), Origin::Suspected, "as the vault would date it");
    }
}
