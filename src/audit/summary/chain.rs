//! The way from an application over its credentials to the versions in vaults that hold the keys.

use serde::Serialize;
use time::OffsetDateTime;

use super::risk::Points;
use super::{Identity, Ranked};
use crate::audit::facts::{
    Access, By, CertificateFacts, Custody, Export, Facts, Holder, Holders, KeyFacts, Level, Match, PasswordFacts,
    PrincipalKind,
};
use crate::audit::finding::Subject;
use crate::inventory::Certificate;

/// Credentials of one application that are shown; those that work now come first.
const CREDENTIALS: usize = 40;
/// Certificates of one application that are shown.
const CERTIFICATES: usize = 12;
/// Versions of one certificate that are shown, newest first.
const VERSIONS: usize = 24;
/// Principals that are named for one right on one certificate.
const HANDS: usize = 20;

/// What opens a sign-in, or did.
#[derive(Clone, Debug, Serialize)]
pub struct Credential {
    /// `keyId`, or the id of a federated credential.
    pub id: Box<str>,
    /// What it is.
    pub kind: CredentialKind,
    /// Hostile text.
    pub name: Box<str>,
    /// Start of validity.
    #[serde(with = "time::serde::rfc3339::option")]
    pub start: Option<OffsetDateTime>,
    /// End of validity.
    #[serde(with = "time::serde::rfc3339::option")]
    pub end: Option<OffsetDateTime>,
    /// Whether it works now.
    pub is_active: bool,
    /// In whose hands the key is, of a certificate.
    pub custody: Option<Custody>,
    /// Why it is thought so. May hold hostile text.
    pub why: String,
    /// Where the key may be.
    pub held: Vec<Held>,
}

/// Kinds of credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A certificate.
    Certificate,
    /// A shared secret.
    Secret,
    /// Part of SAML single sign-on; nobody signs in with it.
    Saml,
    /// Tokens of another issuer.
    Federated,
}

/// A place where a key may be.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// Which of the application's certificates; `None` for a deleted one, or beyond those that are shown.
    pub certificate: Option<usize>,
    /// `vault/name/version`, as far as it is known.
    pub path: String,
    /// Whether it is more than a label.
    pub is_proven: bool,
    /// Whether it is the same key in another certificate.
    pub is_other_certificate: bool,
    /// Whether it is in a deleted certificate.
    pub is_deleted: bool,
}

/// A certificate in a vault.
#[derive(Clone, Debug, Serialize)]
pub struct HeldCertificate {
    /// Name of the vault.
    pub vault: Box<str>,
    /// Name of the certificate.
    pub name: Box<str>,
    /// Its versions, newest first.
    pub versions: Vec<HeldVersion>,
    /// Versions that are too many to show.
    pub versions_left_out: u64,
    /// Who can sign with its key: tokens, and proofs that attach another key.
    pub signers: Hands,
    /// Who can read the secret behind it, which holds the private key if that is exportable.
    pub readers: Hands,
}

/// Everybody who may do one thing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Hands {
    /// How many principals there are, certain or not.
    pub total: u64,
    /// The first of them.
    pub hands: Vec<Hand>,
    /// What was not read, so that there may be more.
    pub missing: Vec<String>,
}

/// One principal that may do something.
#[derive(Clone, Debug, Serialize)]
pub struct Hand {
    /// Object id.
    pub id: Box<str>,
    /// Name of a service principal. Hostile text; empty where nobody looked.
    pub name: Box<str>,
    /// What it is.
    pub kind: PrincipalKind,
    /// What lets it: a role, or an access policy. Hostile text, if it is a custom role.
    pub by: Box<str>,
    /// Where the role was assigned; empty for an access policy.
    pub scope: Box<str>,
    /// Whether it goes through a group.
    pub is_by_group: bool,
    /// Whether it may perhaps only: a condition, or a scope that nobody could place.
    pub is_doubtful: bool,
}

/// A version of a certificate.
#[derive(Clone, Debug, Serialize)]
pub struct HeldVersion {
    /// The version.
    pub version: Box<str>,
    /// When it was issued.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created: Option<OffsetDateTime>,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires: Option<OffsetDateTime>,
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// Whether its key can leave the vault.
    pub export: Export,
    /// Why it is thought so.
    pub why: String,
    /// Whether an application or a service principal trusts it now.
    pub is_trusted: bool,
}

/// An application with everything that is shown of it.
pub(super) fn ranked<'a>(
    identity: &Identity<'_, 'a>,
    subject: Subject,
    score: u32,
    points: Vec<Points>,
    facts: &Facts<'a>,
) -> Ranked {
    let mut found: Vec<(&'a Certificate, HeldCertificate)> = Vec::new();
    let mut keys: Vec<&KeyFacts<'a>> = identity.keys.clone();
    keys.sort_by_key(|key| (!key.is_sign_in(), std::cmp::Reverse(key.key.end)));
    let certificates = keys.iter().map(|key| Credential::of_key(key, &mut found, facts));
    let secrets = identity.passwords.iter().map(|password| Credential::of_password(password));
    let federated = identity.application.and_then(|app| app.federated.read()).into_iter().flatten();
    let federated = federated.map(|one| Credential {
        id: one.id.clone(),
        kind: CredentialKind::Federated,
        name: one.name.clone(),
        start: None,
        end: None,
        is_active: true,
        custody: None,
        why: format!("tokens of {} for {}", one.issuer, one.subject.as_deref().unwrap_or("whoever matches")),
        held: Vec::new(),
    });
    let all = identity.keys.len()
        + identity.passwords.len()
        + identity.application.and_then(|app| app.federated.read()).map_or(0, Vec::len);
    let credentials: Vec<_> = secrets.chain(certificates).chain(federated).take(CREDENTIALS).collect();
    Ranked {
        subject,
        score,
        points,
        credentials_left_out: all.saturating_sub(credentials.len()) as u64,
        credentials,
        certificates: found.into_iter().map(|(_, certificate)| certificate).collect(),
    }
}

impl Credential {
    fn of_key<'a>(key: &KeyFacts<'a>, found: &mut Vec<(&'a Certificate, HeldCertificate)>, facts: &Facts<'a>) -> Self {
        let is_sign_in = key.key.is_for_sign_in() && !key.is_saml;
        let kind = match (is_sign_in, key.key.is_symmetric()) {
            (true, _) => CredentialKind::Certificate,
            (false, true) => CredentialKind::Secret,
            (false, false) => CredentialKind::Saml,
        };
        Self {
            id: key.key.key_id.to_string().into(),
            kind,
            name: key.key.display_name.clone().unwrap_or_default(),
            start: key.key.start,
            end: key.key.end,
            is_active: key.is_active,
            custody: is_sign_in.then_some(key.custody),
            why: key.custody_why.clone(),
            held: key.matches.iter().take(CERTIFICATES).map(|place| Held::at(place, found, facts)).collect(),
        }
    }

    fn of_password(password: &PasswordFacts<'_>) -> Self {
        Self {
            id: password.password.key_id.to_string().into(),
            kind: if password.is_saml { CredentialKind::Saml } else { CredentialKind::Secret },
            name: password.password.display_name.clone().unwrap_or_default(),
            start: password.password.start,
            end: password.password.end,
            is_active: password.is_active,
            custody: None,
            why: if password.is_saml {
                "it opens the certificate that signs SAML tokens".to_owned()
            } else {
                "whoever has read it once can sign in from anywhere".to_owned()
            },
            held: Vec::new(),
        }
    }
}

impl Held {
    fn at<'a>(place: &Match<'a>, found: &mut Vec<(&'a Certificate, HeldCertificate)>, facts: &Facts<'a>) -> Self {
        let certificate = place.certificate.and_then(|certificate| {
            let known = found.iter().position(|(known, _)| std::ptr::eq(*known, certificate));
            if known.is_none() && found.len() < CERTIFICATES {
                found.push((certificate, HeldCertificate::new(place, certificate, facts)));
                return Some(found.len() - 1);
            }
            known
        });
        Self {
            certificate,
            path: place.path(),
            is_proven: place.is_proven(),
            is_other_certificate: place.level == Level::Spki,
            is_deleted: place.is_deleted(),
        }
    }
}

impl HeldCertificate {
    fn new<'a>(place: &Match<'a>, certificate: &'a Certificate, facts: &Facts<'a>) -> Self {
        let derived = CertificateFacts::new(place.vault, certificate, facts);
        let access = facts.access(place.vault);
        let versions = derived.versions.iter().take(VERSIONS).map(|version| HeldVersion {
            version: version.version.version.to_string().into(),
            created: version.version.created,
            expires: version.version.expires.or(version.version.x.read().map(|x| x.not_after)),
            enabled: version.version.enabled,
            export: version.export,
            why: version.export_why.clone(),
            is_trusted: version.is_trusted(),
        });
        Self {
            vault: place.vault.name.as_str().into(),
            name: certificate.name.as_str().into(),
            versions: versions.collect(),
            versions_left_out: derived.versions.len().saturating_sub(VERSIONS) as u64,
            signers: Hands::of(&access.signers(&certificate.name), &access),
            readers: Hands::of(&access.readers(&certificate.name), &access),
        }
    }
}

impl Hands {
    fn of(holders: &Holders<'_>, access: &Access<'_>) -> Self {
        // Of several ways that somebody has, the first that is certain is shown.
        let mut ways: Vec<&Holder<'_>> = holders.ways.iter().collect();
        ways.sort_by_key(|way| (way.principal, way.doubt.is_some()));
        ways.dedup_by_key(|way| way.principal);
        ways.sort_by_key(|way| (way.doubt.is_some(), way.kind, way.principal));
        let hands = ways.iter().take(HANDS).map(|way| {
            let (by, scope) = match way.by {
                By::Role { name, scope } => (name, scope),
                By::AccessPolicy => ("an access policy", ""),
            };
            Hand {
                id: way.principal.to_string().into(),
                name: access.service(way.principal).map(|service| service.display_name.clone()).unwrap_or_default(),
                kind: way.kind,
                by: by.into(),
                scope: scope.into(),
                is_by_group: way.group.is_some(),
                is_doubtful: way.doubt.is_some(),
            }
        });
        Self {
            total: ways.len() as u64,
            hands: hands.collect(),
            missing: holders.missing.iter().map(|gap| format!("{} ({})", gap.what, gap.reason)).collect(),
        }
    }
}
