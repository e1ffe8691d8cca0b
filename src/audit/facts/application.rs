//! Facts about applications and service principals.

use time::OffsetDateTime;

use super::Facts;
use super::credential::{KeyFacts, PasswordFacts, is_saml};
use super::tier::Tier;
use crate::audit::finding::Subject;
use crate::audit::manifest::ManifestEntry;
use crate::audit::verdict::Step;
use crate::inventory::{
    Application, Evidence, KeyCredential, PasswordCredential, Reason, RequiredKind, ServicePrincipal,
};

/// An application, with what was derived.
#[derive(Debug)]
pub struct ApplicationFacts<'a> {
    /// The evidence.
    pub app: &'a Application,
    /// Its service principal in this tenant.
    pub principal: Option<&'a ServicePrincipal>,
    /// What people wrote down about it.
    pub manifest: Option<&'a ManifestEntry>,
    /// How much of the tenant it can take.
    pub tier: Tier,
    /// Whether it works without users.
    pub daemon: Daemon,
    /// Its key credentials.
    pub keys: Vec<KeyFacts<'a>>,
    /// Its secrets.
    pub passwords: Vec<PasswordFacts<'a>>,
    pub(in crate::audit) steps: Vec<Step>,
}

/// A service principal, with what was derived.
#[derive(Debug)]
pub struct PrincipalFacts<'a> {
    /// The evidence.
    pub principal: &'a ServicePrincipal,
    /// The application behind it, if that is registered in this tenant.
    pub app: Option<&'a Application>,
    /// What people wrote down about it.
    pub manifest: Option<&'a ManifestEntry>,
    /// How much of the tenant it can take.
    pub tier: Tier,
    /// Whether Microsoft owns the application behind it.
    pub is_first_party: bool,
    /// Its key credentials.
    pub keys: Vec<KeyFacts<'a>>,
    /// Its secrets.
    pub passwords: Vec<PasswordFacts<'a>>,
    pub(in crate::audit) steps: Vec<Step>,
}

/// Credentials that are valid now and for sign-in, by kind. What belongs to SAML is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct InForce {
    /// Shared secrets, symmetric keys among them.
    pub secrets: usize,
    /// Keys of which the directory holds the public half.
    pub keys: usize,
}

/// Whether an application works without users.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Daemon {
    /// It does, and this shows it.
    Yes(&'static str),
    /// It does not, and this shows it.
    No(&'static str),
    /// What would show it was not read.
    Unknown(Evidence, Reason),
}

/// Raised and lowered for every rule about an identity, and always shown.
fn steps(tier: &Tier, principal: Option<&ServicePrincipal>) -> Vec<Step> {
    let mut steps = Vec::new();
    if tier.is_zero() {
        steps.push(Step::Raise("the application can take the whole tenant"));
    }
    if principal.is_some_and(|principal| principal.account_enabled == Some(false)) {
        steps.push(Step::Lower("nobody can sign in as its service principal"));
    }
    steps
}

impl<'a> ApplicationFacts<'a> {
    /// Derives the facts of one application.
    pub fn new(app: &'a Application, facts: &Facts<'a>) -> Self {
        let principal = facts.principal(app.app_id);
        let manifest = facts.manifest.entries.get(&app.app_id);
        let tier = Tier::of(principal, facts);
        let keys: Vec<_> = app.keys.iter().map(|key| KeyFacts::new(key, &app.keys, facts)).collect();
        let passwords: Vec<_> = app
            .passwords
            .iter()
            .map(|password| PasswordFacts::new(password, &app.keys, app.created_at, facts.now))
            .collect();
        let has_credential =
            keys.iter().any(KeyFacts::is_sign_in) || passwords.iter().any(|p| p.is_active && !p.is_saml);
        let daemon = Daemon::of(app, principal, manifest, has_credential);
        let steps = steps(&tier, principal);
        Self { app, principal, manifest, tier, daemon, keys, passwords, steps }
    }

    /// Who it is, for findings.
    pub fn subject(&self) -> Subject {
        Subject::application(self.app.id, self.app.app_id, &self.app.display_name)
    }

    /// Its secrets that are valid now and open no SAML certificate.
    pub fn secrets(&self) -> impl Iterator<Item = &PasswordFacts<'a>> {
        self.passwords.iter().filter(|password| password.is_active && !password.is_saml)
    }

    /// What lets somebody sign in as it now, on the registration itself.
    pub fn in_force(&self) -> InForce {
        InForce::of(&self.keys, &self.passwords)
    }

    /// Its service principal, or why it is not known whether there is one.
    pub fn principal_if_known(&self, facts: &Facts<'a>) -> Result<Option<&'a ServicePrincipal>, Reason> {
        match (self.principal, facts.principals_unread()) {
            (None, Some(reason)) => Err(reason),
            (principal, _) => Ok(principal),
        }
    }

    /// Its keys that are valid now and for sign-in.
    pub fn sign_in_keys(&self) -> impl Iterator<Item = &KeyFacts<'a>> {
        self.keys.iter().filter(|key| key.is_sign_in())
    }
}

impl<'a> PrincipalFacts<'a> {
    /// Derives the facts of one service principal.
    pub fn new(principal: &'a ServicePrincipal, facts: &Facts<'a>) -> Self {
        let tier = Tier::of(Some(principal), facts);
        let first_party = &facts.data.first_party.tenants;
        Self {
            principal,
            app: facts.application(principal.app_id),
            manifest: facts.manifest.entries.get(&principal.app_id),
            is_first_party: principal.owner_tenant.is_some_and(|tenant| first_party.contains_key(&tenant)),
            keys: principal.keys.iter().map(|key| KeyFacts::new(key, &principal.keys, facts)).collect(),
            passwords: principal
                .passwords
                .iter()
                .map(|password| PasswordFacts::new(password, &principal.keys, None, facts.now))
                .collect(),
            steps: steps(&tier, Some(principal)),
            tier,
        }
    }

    /// Who it is, for findings.
    pub fn subject(&self) -> Subject {
        Subject::service_principal(self.principal.id, self.principal.app_id, &self.principal.display_name)
    }

    /// What lets somebody sign in as it now, on the service principal itself.
    pub fn in_force(&self) -> InForce {
        InForce::of(&self.keys, &self.passwords)
    }

    /// The same with what is on the application behind it, if that is registered here.
    pub fn in_force_with_application(&self, facts: &Facts<'a>) -> InForce {
        let own = self.in_force();
        let of = |app: &Application| InForce::of_records(&app.keys, &app.passwords, facts.now);
        let application = self.app.map(of).unwrap_or_default();
        InForce { secrets: own.secrets + application.secrets, keys: own.keys + application.keys }
    }

    /// Whether the platform looks after its credentials.
    pub fn is_managed_identity(&self) -> bool {
        self.principal.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("ManagedIdentity"))
    }
}

impl InForce {
    fn of(keys: &[KeyFacts<'_>], passwords: &[PasswordFacts<'_>]) -> Self {
        let keys = keys.iter().filter(|key| key.is_active && !key.is_saml).map(|key| key.key);
        Self::counted(keys, passwords.iter())
    }

    /// Of credentials of which nothing else is asked: where their keys are, takes long to find out.
    fn of_records(keys: &[KeyCredential], passwords: &[PasswordCredential], now: OffsetDateTime) -> Self {
        let in_force = keys.iter().filter(|key| key.is_active(now) && !is_saml(key, keys));
        let passwords: Vec<_> =
            passwords.iter().map(|password| PasswordFacts::new(password, keys, None, now)).collect();
        Self::counted(in_force, passwords.iter())
    }

    /// Of keys that are valid now and no part of SAML.
    fn counted<'a, 'p: 'a>(
        keys: impl Iterator<Item = &'a KeyCredential>,
        passwords: impl Iterator<Item = &'a PasswordFacts<'p>>,
    ) -> Self {
        let passwords = passwords.filter(|password| password.is_active && !password.is_saml).count();
        keys.fold(Self { secrets: passwords, keys: 0 }, |sum, key| Self {
            secrets: sum.secrets + usize::from(key.is_symmetric()),
            keys: sum.keys + usize::from(key.is_for_sign_in()),
        })
    }

    /// Whether there is none.
    pub const fn is_none(self) -> bool {
        self.total() == 0
    }

    /// How many there are.
    pub const fn total(self) -> usize {
        self.secrets + self.keys
    }
}

impl Daemon {
    fn of(
        app: &Application,
        principal: Option<&ServicePrincipal>,
        manifest: Option<&ManifestEntry>,
        has_credential: bool,
    ) -> Self {
        if let Some(kind) = manifest.and_then(|entry| entry.kind.as_deref()) {
            let is_daemon = kind.eq_ignore_ascii_case("daemon");
            return if is_daemon { Self::Yes("its manifest says so") } else { Self::No("its manifest says so") };
        }
        if app.exposes_scopes {
            return Self::No("it offers scopes, so it acts for users");
        }
        if !has_credential {
            return Self::No("it has no credential that works now");
        }
        let Some(principal) = principal else { return Self::No("it has no service principal in this tenant") };
        if let Some(Some(_)) = principal.last_user_sign_in.read() {
            return Self::No("users sign in to it");
        }
        match principal.delegated.get() {
            Ok(grants) if grants.iter().any(|grant| grant.scopes.iter().any(|scope| !is_profile_scope(scope))) => {
                return Self::No("it was granted more for users than reading their profile");
            }
            Ok(_) => {}
            Err(reason) => return Self::Unknown(Evidence::DelegatedGrants, reason),
        }
        match principal.app_roles.get() {
            Ok(roles) if !roles.is_empty() => Self::Yes("it holds application permissions, and none for users"),
            Ok(_) if app.required.iter().any(|access| access.kind == RequiredKind::Role) => {
                Self::Yes("it asks for application permissions, and has none for users")
            }
            Ok(_) => Self::No("it holds no application permission"),
            Err(reason) => Self::Unknown(Evidence::AppRoles, reason),
        }
    }
}

fn is_profile_scope(scope: &str) -> bool {
    ["User.Read", "openid", "profile", "email", "offline_access"].iter().any(|known| known.eq_ignore_ascii_case(scope))
}
