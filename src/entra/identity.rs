//! Whom a token speaks for, for messages and for the ledger. A hint: only its resource may check it.

use std::fmt;

use super::token::Token;
use crate::domain::printable;
use crate::pki::DecodedToken;

/// The subject of a token, as far as its claims tell.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Identity {
    /// `oid`: the user or service principal.
    pub object_id: Option<String>,
    /// `appid` or `azp`: the application that asked.
    pub app_id: Option<String>,
    /// `upn`, or the application's name.
    pub name: Option<String>,
    /// `tid`.
    pub tenant: Option<String>,
    /// Whether the token is an application's own, with no user behind it.
    pub is_app: bool,
}

impl Identity {
    /// Reads the claims of a token; of an opaque one nothing.
    pub fn of(token: &Token) -> Self {
        let Ok(decoded) = DecodedToken::decode(&token.access_token) else { return Self::default() };
        let first = |names: &[&str]| names.iter().find_map(|name| decoded.text(name));
        // `idtyp` is optional; without it, only a user's token has scopes.
        let is_app = match decoded.text("idtyp") {
            Some(kind) => kind == "app",
            None => !decoded.claims.contains_key("scp"),
        };
        Self {
            object_id: first(&["oid"]),
            app_id: first(&["appid", "azp"]),
            name: first(&["upn", "unique_name", "app_displayname", "preferred_username"]),
            tenant: first(&["tid"]),
            is_app,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = "unknown".to_owned();
        let object = self.object_id.as_ref().unwrap_or(&unknown);
        let name = self.name.as_deref().map(printable).unwrap_or_default();
        match (&self.app_id, self.is_app) {
            (Some(app), true) if name.is_empty() => write!(f, "application {app} (object {object})"),
            (Some(app), true) => write!(f, "application {name} ({app}, object {object})"),
            _ if name.is_empty() => write!(f, "object {object}"),
            _ => write!(f, "{name} (object {object})"),
        }
    }
}
