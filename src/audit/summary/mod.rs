//! What a report shows beside its findings: counts, dates, and the applications that are worth the
//! most to a thief, each with the way to its keys. It is made in the engine's one pass over the
//! objects, and stays small however large the tenant is.

mod chain;
mod expiry;
mod risk;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use serde::Serialize;

pub use chain::{Credential, CredentialKind, Hand, Hands, Held, HeldCertificate, HeldVersion};
pub use expiry::{Expiry, Week};
pub use risk::Points;

use self::risk::Privileges;
use super::data::Data;
use super::facts::{ApplicationFacts, Custody, Facts, KeyFacts, PasswordFacts, PrincipalFacts, VaultFacts};
use super::finding::Subject;
use super::rule::Case;
use crate::inventory::{Application, DirectoryRole, Inventory, ServicePrincipal};

/// How many applications are ranked. Those beyond are counted.
const RANKED: usize = 1_000;

/// What a report shows beside its findings.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Applications that were judged.
    pub applications: u64,
    /// Service principals that were judged.
    pub service_principals: u64,
    /// Vaults that were judged.
    pub vaults: u64,
    /// Certificates in them.
    pub certificates: u64,
    /// In whose hands the credentials are that open a sign-in now.
    pub custody: CustodyCounts,
    /// Applications, and service principals of foreign ones, with a secret that works now.
    pub with_secrets: u64,
    /// Credentials that end soon while nothing succeeds them.
    pub expiring: u64,
    /// The days that count as soon.
    pub expiring_days: u32,
    /// Certificates that applications trust, and with whose keys more principals can sign than the limit.
    pub many_signers: u64,
    /// Certificates of which nobody can say how many can sign.
    pub unsure_signers: u64,
    /// The limit.
    pub max_signers: u32,
    /// When credentials end.
    pub expiry: Expiry,
    /// The riskiest first.
    pub ranked: Vec<Ranked>,
    /// How many more there are.
    pub unranked: u64,
}

/// How many credentials are in whose hands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CustodyCounts {
    /// In an HSM.
    pub hsm: u64,
    /// In a vault that does not let them go.
    pub nonexportable: u64,
    /// In a vault; whether it lets them go does not show.
    pub indeterminate: u64,
    /// In a vault from which they can be read.
    pub exportable: u64,
    /// In a vault, and somewhere else before.
    pub imported: u64,
    /// In no vault.
    pub foreign: u64,
    /// Something that would tell was not read.
    pub unverified: u64,
    /// Shared secrets.
    pub secret: u64,
}

/// An application by what its credentials are worth to a thief.
#[derive(Clone, Debug, Serialize)]
pub struct Ranked {
    /// The application; or the service principal, where the application is another tenant's.
    pub subject: Subject,
    /// The sum of the points.
    pub score: u32,
    /// What the score is made of, most first.
    pub points: Vec<Points>,
    /// What opens a sign-in, or did.
    pub credentials: Vec<Credential>,
    /// Credentials that are too many to show.
    pub credentials_left_out: u64,
    /// The certificates in vaults that those may be.
    pub certificates: Vec<HeldCertificate>,
}

/// Gathers a summary while the engine passes over the objects.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    summary: Summary,
    /// The least risky of those that are kept is on top.
    kept: BinaryHeap<Reverse<Kept>>,
    privileges: Privileges<'a>,
}

/// Something that can sign in: an application with its service principal, or one of a foreign application.
struct Identity<'f, 'a> {
    application: Option<&'a Application>,
    principal: Option<&'a ServicePrincipal>,
    is_third_party: bool,
    tier: &'f super::facts::Tier,
    keys: Vec<&'f KeyFacts<'a>>,
    passwords: Vec<&'f PasswordFacts<'a>>,
}

impl CustodyCounts {
    fn add(&mut self, custody: Custody) {
        match custody {
            Custody::Hsm => self.hsm += 1,
            Custody::Nonexportable => self.nonexportable += 1,
            Custody::Indeterminate => self.indeterminate += 1,
            Custody::Exportable => self.exportable += 1,
            Custody::Imported => self.imported += 1,
            Custody::Foreign => self.foreign += 1,
            Custody::Unverified => self.unverified += 1,
        }
    }

    /// Each with its name, from the best to the worst.
    pub const fn all(&self) -> [(&'static str, u64); 8] {
        [
            ("hsm", self.hsm),
            ("nonexportable", self.nonexportable),
            ("indeterminate", self.indeterminate),
            ("unverified", self.unverified),
            ("foreign", self.foreign),
            ("imported", self.imported),
            ("exportable", self.exportable),
            ("secret", self.secret),
        ]
    }

    /// Keys of which nobody can say who holds them.
    pub const fn unknown(&self) -> u64 {
        self.indeterminate + self.foreign + self.unverified
    }
}

impl<'a> Collector<'a> {
    pub(super) fn new(inventory: &'a Inventory, data: &'a Data) -> Self {
        let mut roles: HashMap<_, Vec<&DirectoryRole>> = HashMap::new();
        for role in inventory.directory_roles.read().into_iter().flatten() {
            roles.entry(role.principal).or_default().push(role);
        }
        let privileges = Privileges { roles, data };
        Self { summary: Summary::default(), kept: BinaryHeap::new(), privileges }
    }

    /// Takes note of an application, and of the credentials on its service principal.
    pub(super) fn application(&mut self, app: &ApplicationFacts<'_>, case: &Case<'_>, facts: &Facts<'_>) {
        self.summary.applications += 1;
        let principal = app.principal.map(|principal| PrincipalFacts::new(principal, facts));
        let identity = Identity {
            application: Some(app.app),
            principal: app.principal,
            is_third_party: false,
            tier: &app.tier,
            keys: app.keys.iter().chain(principal.iter().flat_map(|p| &p.keys)).collect(),
            passwords: app.passwords.iter().chain(principal.iter().flat_map(|p| &p.passwords)).collect(),
        };
        self.identity(&identity, app.subject(), case, facts);
    }

    /// Takes note of a service principal. What the platform looks after is left to it, and what is
    /// registered here was noted with its application.
    pub(super) fn principal(&mut self, principal: &PrincipalFacts<'_>, case: &Case<'_>, facts: &Facts<'_>) {
        self.summary.service_principals += 1;
        let has_credential = !principal.keys.is_empty() || !principal.passwords.is_empty();
        if principal.app.is_some() || principal.is_managed_identity() || principal.is_first_party && !has_credential {
            return;
        }
        let identity = Identity {
            application: None,
            principal: Some(principal.principal),
            is_third_party: !principal.is_first_party,
            tier: &principal.tier,
            keys: principal.keys.iter().collect(),
            passwords: principal.passwords.iter().collect(),
        };
        self.identity(&identity, principal.subject(), case, facts);
    }

    /// Takes note of a vault with its certificates.
    pub(super) fn vault(&mut self, vault: &VaultFacts<'_>, case: &Case<'_>, facts: &Facts<'_>) {
        self.summary.vaults += 1;
        self.summary.certificates += vault.certificates.len() as u64;
        self.summary.max_signers = case.params.max_signers;
        let access = facts.access(vault.vault);
        for certificate in vault.certificates.iter().filter(|certificate| certificate.is_trusted()) {
            let signers = access.signers(&certificate.certificate.name);
            if signers.certain().len() > case.params.max_signers as usize {
                self.summary.many_signers += 1;
            } else if signers.doubt().is_some() {
                self.summary.unsure_signers += 1;
            }
        }
    }

    /// The summary, the riskiest first.
    pub(super) fn finish(mut self) -> Summary {
        let mut kept: Vec<_> = self.kept.into_iter().map(|kept| kept.0).collect();
        kept.sort_by(|a, b| b.cmp(a));
        self.summary.ranked = kept.into_iter().map(|kept| kept.0).collect();
        self.summary
    }

    fn identity(&mut self, identity: &Identity<'_, '_>, subject: Subject, case: &Case<'_>, facts: &Facts<'_>) {
        self.summary.expiring_days = case.params.warn_days;
        for key in identity.keys.iter().filter(|key| key.is_sign_in()) {
            self.summary.custody.add(key.custody);
        }
        let secrets = identity.secrets();
        self.summary.custody.secret += secrets;
        self.summary.with_secrets += u64::from(secrets > 0);
        self.summary.expiring += self.summary.expiry.add(identity, case.params.warn_days);

        let (score, points) = self.privileges.score(identity);
        if score == 0 {
            return;
        }
        let is_full = self.kept.len() >= RANKED;
        if is_full
            && self
                .kept
                .peek()
                .is_some_and(|least| (least.0.0.score, Reverse(&least.0.0.subject)) >= (score, Reverse(&subject)))
        {
            self.summary.unranked += 1;
            return;
        }
        if is_full {
            self.kept.pop();
            self.summary.unranked += 1;
        }
        self.kept.push(Reverse(Kept(chain::ranked(identity, subject, score, points, facts))));
    }
}

impl Identity<'_, '_> {
    /// How many secrets work now, under whatever name.
    fn secrets(&self) -> u64 {
        let passwords = self.passwords.iter().filter(|password| password.is_active && !password.is_saml).count();
        let symmetric = self.keys.iter().filter(|key| key.is_active && key.key.is_symmetric()).count();
        (passwords + symmetric) as u64
    }
}

/// By score, then by who it is, so that the same tenant has the same order.
#[derive(Debug)]
struct Kept(Ranked);

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.score, Reverse(&self.0.subject)).cmp(&(other.0.score, Reverse(&other.0.subject)))
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Kept {}
