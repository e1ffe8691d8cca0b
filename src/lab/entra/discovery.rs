//! What issuers outside the tenant publish, read over HTTP from this machine and no other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use url::{Host, Url};

/// Where the discovery document lies below an issuer (OpenID Connect Discovery 1.0, 4).
const DISCOVERY: &str = ".well-known/openid-configuration";

/// The largest document that is read.
const MOST: usize = 256 * 1024;

/// For a document to arrive, in real time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an issuer's documents really are: what DNS and a TLS front end do for others.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Place {
    /// The server that stands in for the issuer's origin. Absent: the origin, on this machine.
    pub(crate) at: Option<Url>,
    /// The root that its certificate has, in PEM.
    pub(crate) ca: Option<String>,
}

/// What was read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(super) keys: Result<Vec<Jwk>, String>,
    pub(super) at: OffsetDateTime,
}

/// Documents that are to be read.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) issuer: String,
    pub(super) place: Option<Place>,
}

impl Wanted {
    /// Reads the discovery document and the keys that it points to. The error is for whoever runs the lab.
    pub(crate) async fn read(&self) -> Result<Vec<Jwk>, String> {
        let http = self.client()?;
        let issuer = Url::parse(&self.issuer).map_err(|error| format!("the issuer is not a URL: {error}"))?;
        if issuer.scheme() != "https" {
            return Err("the issuer is not an https URL".to_owned());
        }
        let mut discovery = issuer.clone();
        discovery.set_path(&format!("{}/{DISCOVERY}", issuer.path().trim_end_matches('/')));
        let document = self.get(&http, &issuer, discovery).await?;
        if document["issuer"].as_str() != Some(&self.issuer) {
            return Err(format!("the discovery document is that of {}", document["issuer"]));
        }
        let keys = document["jwks_uri"].as_str().and_then(|uri| Url::parse(uri).ok());
        let keys = keys.ok_or("the discovery document has no jwks_uri that is a URL")?;
        let set = self.get(&http, &issuer, keys).await?;
        let keys = set["keys"].as_array().ok_or("the document at jwks_uri has no keys")?;
        // Kinds of keys that nobody here knows are for others.
        Ok(keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect())
    }

    async fn get(&self, http: &reqwest::Client, issuer: &Url, url: Url) -> Result<Value, String> {
        let url = self.really(issuer, url)?;
        let failed = |error: reqwest::Error| format!("{url}: {error}");
        let mut response = http.get(url.clone()).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!("{url}: {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&part);
            if body.len() > MOST {
                return Err(format!("{url}: more than {MOST} bytes"));
            }
        }
        serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))
    }

    /// Where a document of the issuer is asked for.
    fn really(&self, issuer: &Url, mut url: Url) -> Result<Url, String> {
        let at = self.place.as_ref().and_then(|place| place.at.as_ref()).filter(|_| url.origin() == issuer.origin());
        match at {
            Some(at) => {
                let path = url.path().to_owned();
                url = at.clone();
                url.set_path(&path);
            }
            None if url.scheme() != "https" => return Err(format!("{url} is not https")),
            None => {}
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            // Every name leads to this machine.
            _ => None,
        };
        if address.is_some_and(|address| !address.is_loopback()) {
            return Err(format!("{url} is not on this machine, and the lab asks no other"));
        }
        Ok(url)
    }

    fn client(&self) -> Result<reqwest::Client, String> {
        let roots = match self.place.as_ref().and_then(|place| place.ca.as_ref()) {
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| error.to_string())?,
            None => Vec::new(),
        };
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .dns_resolver(Arc::new(ThisMachine))
            .tls_certs_only(roots)
            .build()
            .map_err(|error| error.to_string())
    }
}

/// Takes every name for one of this machine's.
#[derive(Debug)]
struct ThisMachine;

impl Resolve for ThisMachine {
    fn resolve(&self, _: Name) -> Resolving {
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let addresses: Addrs = Box::new(both.into_iter().map(|address| SocketAddr::new(address, 0)));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn really(at: Option<&str>, url: &str) -> Result<String, String> {
        let place = at.map(|at| Place { at: Some(at.parse().unwrap()), ca: None });
        let wanted = Wanted { issuer: "https://t.example/a".to_owned(), place };
        wanted.really(&wanted.issuer.parse().unwrap(), url.parse().unwrap()).map(String::from)
    }

    #[test]
    fn a_place_stands_in_for_the_issuers_origin_and_for_no_other() {
        let at = Some("http://127.0.0.1:5617");
        assert_eq!(really(at, "https://t.example/a/jwks.json").unwrap(), "http://127.0.0.1:5617/a/jwks.json");
        assert_eq!(really(at, "https://keys.example/x").unwrap(), "https://keys.example/x");
        assert_eq!(really(None, "https://t.example/x").unwrap(), "https://t.example/x");
    }

    #[test]
    fn no_other_machine_is_asked_and_nothing_in_the_clear() {
        for (at, url) in [
            (None, "https://10.0.0.1/jwks.json"),
            (None, "https://[2001:db8::1]/jwks.json"),
            (Some("http://10.0.0.1:80"), "https://t.example/jwks.json"),
            (Some("http://127.0.0.1:80"), "http://keys.example/jwks.json"),
            (None, "http://t.example/jwks.json"),
        ] {
            assert!(really(at, url).is_err(), "{at:?} {url}");
        }
    }
}
