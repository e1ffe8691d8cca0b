//! The credentials that a service principal carries beside those of its registration.

use super::application::PrincipalFacts;
use crate::audit::wording::{counted, verb};

/// What a service principal carries, as findings say it.
#[derive(Debug)]
pub struct Carried {
    /// How many of each kind, and how many of them work now.
    pub message: String,
    /// The end of each, by where it stands.
    pub evidence: Vec<(String, String)>,
}

impl PrincipalFacts<'_> {
    /// The credentials on the service principal itself, ended ones included; `None` without any. What signs,
    /// verifies or opens SAML tokens is no credential of it, nor is a key that others encrypt to.
    pub fn own_credentials(&self) -> Option<Carried> {
        let keys = self.keys.iter().filter(|key| !key.is_saml && (key.key.is_for_sign_in() || key.key.is_symmetric()));
        let keys = keys.map(|key| ("keyCredentials", key.key.key_id, key.key.end));
        let secrets = self.passwords.iter().filter(|password| !password.is_saml);
        let secrets = secrets.map(|secret| ("passwordCredentials", secret.password.key_id, secret.password.end));
        let all: Vec<_> = keys.chain(secrets).collect();
        if all.is_empty() {
            return None;
        }
        let in_secrets = all.iter().filter(|(list, ..)| *list == "passwordCredentials").count();
        let working = self.in_force().total();
        let message = format!(
            "it carries {} and {} of its own, of which {working} {} now",
            counted(all.len() - in_secrets, "key"),
            counted(in_secrets, "secret"),
            verb(working, "works", "work")
        );
        let shown = all.into_iter().map(|(list, key_id, end)| {
            let end = end.map_or_else(|| "never".to_owned(), |end| end.date().to_string());
            (format!("{list}[{key_id}].endDateTime"), end)
        });
        Some(Carried { message, evidence: shown.collect() })
    }
}
