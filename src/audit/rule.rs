//! What a rule is.

use std::fmt;

use serde::Serialize;

use super::facts::{ApplicationFacts, CertificateFacts, Facts, PrincipalFacts, VaultFacts};
use super::params::Params;
use super::severity::Severity;
use super::verdict::Verdicts;
use crate::inventory::Evidence;

/// A rule: what it is called, why it matters, and the function that decides.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `KVO101`; never changes, never used again.
    pub id: &'static str,
    /// `<subject>-<fault>`; never changes either.
    pub name: &'static str,
    /// One line for people.
    pub title: &'static str,
    /// Where it belongs.
    pub group: Group,
    /// How bad, before adjustments.
    pub severity: Severity,
    /// Version of kvops that had it first.
    pub since: &'static str,
    /// Without these it cannot decide everything.
    pub needs: &'static [Evidence],
    /// Names of the parameters that it reads.
    pub params: &'static [&'static str],
    /// What to do, as a command where there is one; `{app}`, `{principal}`, `{vault}`, `{certificate}`,
    /// `{part}` and `{kind}` (what `az ad` calls it: `app` or `sp`) are put in.
    pub fix: &'static str,
    /// MITRE ATT&CK techniques.
    pub mitre: &'static [&'static str],
    /// Controls and benchmarks: `NIST SP 800-53 IA-5`, `CIS Azure 8.3.11`, `ScubaGear MS.AAD.5.5v1`.
    pub controls: &'static [&'static str],
    /// Pages to read.
    pub references: &'static [&'static str],
    /// Its page: `docs/rules/KVO101.md`.
    pub page: &'static str,
    /// What it looks at, and how it decides.
    pub check: Check,
}

/// Groups of rules, by what they look at.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Credentials of applications (1xx).
    Credentials,
    /// Certificates and keys in vaults (2xx).
    Certificates,
    /// Vaults (3xx).
    Vaults,
    /// Registrations (4xx).
    Applications,
    /// Service principals (5xx).
    ServicePrincipals,
    /// The tenant (6xx).
    Tenant,
    /// Where vault and directory disagree (7xx).
    Drift,
    /// The audit itself (9xx).
    Audit,
}

/// A function for each object of a kind, or for the tenant as a whole.
#[derive(Clone, Copy)]
pub enum Check {
    /// For each application.
    Application(fn(&ApplicationFacts<'_>, &Case<'_>, &mut Verdicts<'_>)),
    /// For each service principal.
    ServicePrincipal(fn(&PrincipalFacts<'_>, &Case<'_>, &mut Verdicts<'_>)),
    /// For each application, and for each service principal.
    Identity(
        fn(&ApplicationFacts<'_>, &Case<'_>, &mut Verdicts<'_>),
        fn(&PrincipalFacts<'_>, &Case<'_>, &mut Verdicts<'_>),
    ),
    /// For each certificate, with its versions.
    Certificate(fn(&CertificateFacts<'_>, &Case<'_>, &mut Verdicts<'_>)),
    /// For each vault.
    Vault(fn(&VaultFacts<'_>, &Case<'_>, &mut Verdicts<'_>)),
    /// Once.
    Tenant(fn(&Case<'_>, &mut Verdicts<'_>)),
    /// Objects of several kinds, one function each.
    Several(&'static [Self]),
    /// Not by a function of the inventory: the engine decides (waivers, baseline, coverage).
    Engine,
}

/// What a rule is handed beside its object.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Everything that was derived, for joins.
    pub facts: &'a Facts<'a>,
    /// The limits that hold for the object.
    pub params: &'a Params,
    /// The rules that run.
    pub rules: &'a [&'static Rule],
}

impl Case<'_> {
    /// Whether a rule runs too: only then may another leave something to it.
    pub fn runs(&self, id: &str) -> bool {
        self.rules.iter().any(|rule| rule.id == id)
    }
}

impl Check {
    /// Itself, or those that it is made of.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Self::Several(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Application(_) => "Application",
            Self::ServicePrincipal(_) => "ServicePrincipal",
            Self::Identity(..) => "Identity",
            Self::Certificate(_) => "Certificate",
            Self::Vault(_) => "Vault",
            Self::Tenant(_) => "Tenant",
            Self::Several(_) => "Several",
            Self::Engine => "Engine",
        })
    }
}
