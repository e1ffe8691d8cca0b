//! What a proxy may be asked for: profiles, and the rule that a request breaks. Pure.

use super::wanted::{Proof, Wanted};
use crate::domain::{AppId, CertificateName, TenantId, Thumbprint, Vault};

/// Stands for every scope in a profile.
const ANY: &str = "*";

/// What a proxy may be asked for.
#[derive(Clone, Debug)]
pub enum Allowed {
    /// Anything that its own identity reaches. Asked for by flag, and said aloud.
    Everything,
    /// What one of these says.
    Profiles(Vec<Profile>),
}

/// One application, and how it may be signed in to.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name in the configuration.
    pub name: String,
    /// The application.
    pub app: AppId,
    /// Where it signs in.
    pub tenant: TenantId,
    /// The certificate in a vault that signs for it.
    pub certificate: Option<(Vault, CertificateName)>,
    /// The certificate in a folder of this machine that signs for it.
    pub local: Option<Thumbprint>,
    /// The scopes, or resources, that tokens may be for; `*` for all.
    pub scopes: Vec<String>,
}

/// The first rule that a request breaks, by the profile that comes nearest to it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no profile allows {what}")]
pub struct Broken {
    /// The rule's name.
    pub rule: &'static str,
    /// What was asked for.
    pub what: String,
}

impl Allowed {
    /// Lets a request for a token pass, or says which rule it breaks.
    pub fn check(&self, wanted: &Wanted) -> Result<(), Broken> {
        let Self::Profiles(profiles) = self else { return Ok(()) };
        let of_tenant = of_application(profiles, wanted.app, &wanted.tenant)?;
        let of_key = match &wanted.proof {
            Proof::Key { key, .. } => of_certificate(of_tenant, key.vault(), key.name())?,
            Proof::Certificate { vault, name, .. } => of_certificate(of_tenant, vault, name)?,
            Proof::Local { certificate } => {
                narrowed(of_tenant, |profile| profile.local.is_some_and(|local| certificate.has_thumbprint(&local)))
                    .ok_or_else(|| Broken {
                        rule: "profile-local",
                        what: format!("the certificate {} of this machine", certificate.thumbprint()),
                    })?
            }
        };
        for scope in &wanted.scopes {
            if !of_key.iter().any(|profile| profile.has_scope(scope)) {
                return Err(Broken { rule: "profile-scope", what: format!("scope {scope}") });
            }
        }
        Ok(())
    }

    /// Lets a look into the folders of this machine pass, for a certificate that is to sign for an application.
    pub fn check_folders(&self, app: AppId, tenant: &TenantId) -> Result<(), Broken> {
        let Self::Profiles(profiles) = self else { return Ok(()) };
        if of_application(profiles, app, tenant)?.iter().any(|profile| profile.local.is_some()) {
            return Ok(());
        }
        Err(Broken { rule: "profile-local", what: "a certificate of this machine".to_owned() })
    }

    /// Lets a look at a certificate pass.
    pub fn check_certificate(&self, vault: &Vault, name: &CertificateName) -> Result<(), Broken> {
        let Self::Profiles(profiles) = self else { return Ok(()) };
        of_certificate(profiles.iter().collect(), vault, name).map(drop)
    }

    /// The profiles; none where everything is allowed.
    pub fn profiles(&self) -> &[Profile] {
        match self {
            Self::Everything => &[],
            Self::Profiles(profiles) => profiles,
        }
    }
}

impl Profile {
    /// Whether tokens may be for `scope`. A profile may name the resource alone.
    fn has_scope(&self, scope: &str) -> bool {
        let is_for = |known: &String| known == ANY || known == scope || default_scope(known) == scope;
        self.scopes.iter().any(is_for)
    }
}

/// The scope of a resource, as the model makes it: `/.default` is added where it is missing.
pub fn default_scope(resource: &str) -> String {
    match resource {
        scope if scope.ends_with("/.default") => scope.to_owned(),
        resource if resource.ends_with('/') => format!("{resource}.default"),
        resource => format!("{resource}/.default"),
    }
}

fn of_application<'a>(profiles: &'a [Profile], app: AppId, tenant: &TenantId) -> Result<Vec<&'a Profile>, Broken> {
    let of_app = narrowed(profiles, |profile| profile.app == app)
        .ok_or_else(|| Broken { rule: "profile-app", what: format!("application {app}") })?;
    narrowed(of_app, |profile| is_same_tenant(&profile.tenant, tenant))
        .ok_or_else(|| Broken { rule: "profile-tenant", what: format!("tenant {tenant}") })
}

fn of_certificate<'a>(
    profiles: Vec<&'a Profile>,
    vault: &Vault,
    name: &CertificateName,
) -> Result<Vec<&'a Profile>, Broken> {
    let of_vault = narrowed(profiles, |profile| profile.certificate.as_ref().is_some_and(|(known, _)| known == vault))
        .ok_or_else(|| Broken { rule: "profile-vault", what: format!("vault {}", vault.name()) })?;
    // The service ignores case in names.
    let is_named = |profile: &Profile| {
        let known = profile.certificate.as_ref().map(|(_, known)| known.as_str());
        known.is_some_and(|known| known.eq_ignore_ascii_case(name.as_str()))
    };
    narrowed(of_vault, is_named)
        .ok_or_else(|| Broken { rule: "profile-certificate", what: format!("certificate {name}") })
}

fn narrowed<'a>(
    profiles: impl IntoIterator<Item = &'a Profile>,
    fits: impl Fn(&Profile) -> bool,
) -> Option<Vec<&'a Profile>> {
    let left: Vec<_> = profiles.into_iter().filter(|profile| fits(profile)).collect();
    (!left.is_empty()).then_some(left)
}

fn is_same_tenant(one: &TenantId, other: &TenantId) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::domain::Cloud;

    const APPS: [&str; 2] = ["6f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55", "7f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55"];
    const GRAPH: &str = "https://graph.microsoft.com/.default";

    fn vault(name: &str) -> Vault {
        Vault::parse(name, &Cloud::public()).unwrap()
    }

    fn profile(app: &str, tenant: &str, at: &str, certificate: &str, scope: &str) -> Profile {
        Profile {
            name: "p".to_owned(),
            app: app.parse().unwrap(),
            tenant: tenant.parse().unwrap(),
            certificate: Some((vault(at), certificate.parse().unwrap())),
            local: None,
            scopes: vec![scope.to_owned()],
        }
    }

    fn wanted(app: &str, tenant: &str, at: &str, certificate: &str, scope: &str) -> Wanted {
        Wanted {
            app: app.parse().unwrap(),
            tenant: tenant.parse().unwrap(),
            proof: Proof::Certificate { vault: vault(at), name: certificate.parse().unwrap(), skip_cache: false },
            scopes: vec![scope.to_owned()],
        }
    }

    fn rule(allowed: &Allowed, wanted: &Wanted) -> Option<&'static str> {
        allowed.check(wanted).err().map(|broken| broken.rule)
    }

    #[test]
    fn each_part_of_a_request_that_no_profile_has_breaks_its_rule() {
        let allowed = Allowed::Profiles(vec![profile(APPS[0], "contoso.example", "contoso-kv", "billing", GRAPH)]);
        let asked = |app, tenant, at, name, scope| rule(&allowed, &wanted(app, tenant, at, name, scope));
        assert_eq!(asked(APPS[0], "contoso.example", "contoso-kv", "billing", GRAPH), None);
        assert_eq!(asked(APPS[0], "Contoso.example", "contoso-kv", "Billing", GRAPH), None);
        assert_eq!(asked(APPS[1], "contoso.example", "contoso-kv", "billing", GRAPH), Some("profile-app"));
        assert_eq!(asked(APPS[0], "fabrikam.example", "contoso-kv", "billing", GRAPH), Some("profile-tenant"));
        assert_eq!(asked(APPS[0], "contoso.example", "fabrikam-kv", "billing", GRAPH), Some("profile-vault"));
        assert_eq!(asked(APPS[0], "contoso.example", "contoso-kv", "payroll", GRAPH), Some("profile-certificate"));
        assert_eq!(asked(APPS[0], "contoso.example", "contoso-kv", "billing", "x/.default"), Some("profile-scope"));
    }

    #[test]
    fn one_scope_that_is_allowed_does_not_let_another_in() {
        let allowed = Allowed::Profiles(vec![profile(APPS[0], "contoso.example", "contoso-kv", "billing", GRAPH)]);
        let mut wanted = wanted(APPS[0], "contoso.example", "contoso-kv", "billing", GRAPH);
        wanted.scopes.push("https://vault.azure.net/.default".to_owned());
        assert_eq!(rule(&allowed, &wanted), Some("profile-scope"));
    }

    #[test]
    fn a_resource_in_a_profile_stands_for_its_default_scope_and_a_star_for_all() {
        for (known, is_allowed) in [
            ("https://graph.microsoft.com", true),
            ("https://graph.microsoft.com/", true),
            (GRAPH, true),
            ("*", true),
            ("https://graph.microsoft.co", false),
            ("https://*", false),
            ("", false),
        ] {
            let profile = profile(APPS[0], "contoso.example", "contoso-kv", "billing", known);
            assert_eq!(profile.has_scope(GRAPH), is_allowed, "{known}");
        }
    }

    #[test]
    fn a_certificate_may_be_looked_at_if_a_profile_has_it() {
        let allowed = Allowed::Profiles(vec![profile(APPS[0], "contoso.example", "contoso-kv", "billing", GRAPH)]);
        let look = |at, name: &str| allowed.check_certificate(&vault(at), &name.parse().unwrap());
        assert_eq!(look("contoso-kv", "billing"), Ok(()));
        assert_eq!(look("contoso-kv", "payroll").unwrap_err().rule, "profile-certificate");
        assert_eq!(look("fabrikam-kv", "billing").unwrap_err().rule, "profile-vault");
    }

    #[test]
    fn no_profile_allows_nothing() {
        let wanted = wanted(APPS[0], "contoso.example", "contoso-kv", "billing", GRAPH);
        assert_eq!(rule(&Allowed::Profiles(Vec::new()), &wanted), Some("profile-app"));
        assert_eq!(rule(&Allowed::Everything, &wanted), None);
    }

    proptest! {
        /// Parts of two profiles never make a third: what is let in fits one profile as a whole, but
        /// for scopes, each of which fits one.
        #[test]
        fn profiles_do_not_mix(
            one in (select(APPS.to_vec()), select(vec!["a.example", "b.example"]), select(vec!["kv-a", "kv-b"]), select(vec!["x", "y"])),
            other in (select(APPS.to_vec()), select(vec!["a.example", "b.example"]), select(vec!["kv-a", "kv-b"]), select(vec!["x", "y"])),
            asked in (select(APPS.to_vec()), select(vec!["a.example", "b.example"]), select(vec!["kv-a", "kv-b"]), select(vec!["x", "y"])),
        ) {
            let made = |(app, tenant, at, name): (&str, &str, &str, &str)| profile(app, tenant, at, name, "*");
            let allowed = Allowed::Profiles(vec![made(one), made(other)]);
            let (app, tenant, at, name) = asked;
            let is_let_in = allowed.check(&wanted(app, tenant, at, name, GRAPH)).is_ok();
            prop_assert_eq!(is_let_in, asked == one || asked == other);
        }
    }
}
