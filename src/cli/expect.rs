//! Expectations of a token, so that a command serves as a smoke test.

use std::str::FromStr;

use serde::Serialize;

use crate::domain::printable;
use crate::pki::DecodedToken;

/// `claim=value`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Expectation {
    claim: String,
    value: String,
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((claim, value)) if !claim.trim().is_empty() && !value.trim().is_empty() => {
                Ok(Self { claim: claim.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err("expected CLAIM=VALUE, such as azpacr=2 or role=Sites.Selected".to_owned()),
        }
    }
}

/// An expectation that did not hold.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Unmet {
    pub(crate) claim: String,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Expectation {
    /// What differs, if anything does. An absent claim never fits.
    pub(crate) fn check(&self, token: &DecodedToken) -> Option<Unmet> {
        let found: Vec<String> = match self.claim.as_str() {
            "role" | "roles" => token.list("roles"),
            "scp" | "scope" => token.text("scp").unwrap_or_default().split(' ').map(str::to_owned).collect(),
            // v1 tokens, such as those for Graph, have their own names for two claims.
            "azpacr" | "appidacr" => token.client_authentication().into_iter().collect(),
            "azp" | "appid" => token.text("azp").or_else(|| token.text("appid")).into_iter().collect(),
            claim => token.text(claim).into_iter().chain(token.list(claim)).collect(),
        };
        let fits = found.iter().any(|found| match self.claim.as_str() {
            // A resource is the same with and without a slash at its end.
            "aud" => found.trim_end_matches('/') == self.value.trim_end_matches('/'),
            "tid" | "oid" | "azp" | "appid" => found.eq_ignore_ascii_case(&self.value),
            _ => *found == self.value,
        });
        (!fits).then(|| Unmet {
            claim: self.claim.clone(),
            expected: self.value.clone(),
            found: if found.is_empty() { "absent".to_owned() } else { printable(&found.join(", ")) },
        })
    }
}

/// `AADSTS700027`, or the number alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ExpectedError(pub(crate) u32);

impl FromStr for ExpectedError {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("AADSTS").or_else(|| text.strip_prefix("aadsts")).unwrap_or(text);
        digits.parse().map(Self).map_err(|_| "expected a code such as AADSTS700027".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token() -> DecodedToken {
        let claims =
            json!({ "aud": "https://graph.microsoft.com/", "appidacr": "2", "roles": ["A.Read", "B.Read"], "exp": 5 });
        DecodedToken { header: serde_json::Map::new(), claims: claims.as_object().unwrap().clone() }
    }

    #[test]
    fn claims_are_found_by_the_names_of_both_versions() {
        for met in ["azpacr=2", "appidacr=2", "role=B.Read", "roles=A.Read", "aud=https://graph.microsoft.com", "exp=5"]
        {
            assert!(met.parse::<Expectation>().unwrap().check(&token()).is_none(), "{met}");
        }
    }

    #[test]
    fn an_absent_claim_never_fits() {
        for unmet in ["azpacr=1", "role=C.Read", "tid=x", "aud=https://vault.azure.net"] {
            assert!(unmet.parse::<Expectation>().unwrap().check(&token()).is_some(), "{unmet}");
        }
        let unmet = "tid=x".parse::<Expectation>().unwrap().check(&token()).unwrap();
        assert_eq!(unmet.found, "absent");
    }

    #[test]
    fn what_is_no_expectation_is_refused() {
        for bad in ["", "azpacr", "=2", "azpacr="] {
            assert!(bad.parse::<Expectation>().is_err(), "{bad}");
        }
        assert_eq!("700027".parse(), Ok(ExpectedError(700_027)));
        assert!("AADSTSx".parse::<ExpectedError>().is_err());
    }
}
