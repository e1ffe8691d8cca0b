//! Where the services are. A cloud is a value; the local lab is one like any other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use url::Url;

use super::vault::VaultName;

/// The hosts of one Azure cloud, or of anything that speaks the same wire.
///
/// Source of the well-known ones: <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cloud {
    name: String,
    authority: Url,
    graph: Url,
    vault_suffix: String,
    arm: Url,
    exchange_audience: String,
    ca_pem: Option<Vec<u8>>,
    resolve: BTreeMap<String, IpAddr>,
}

/// The domains in which the well-known clouds live, their older names included.
const AZURES_OWN: [&str; 13] = [
    "microsoftonline.com",
    "microsoftonline.us",
    "microsoftonline.cn",
    "microsoft.com",
    "microsoft.us",
    "windows.net",
    "azure.com",
    "azure.net",
    "azure.us",
    "azure.cn",
    "usgovcloudapi.net",
    "chinacloudapi.cn",
    "windows-ppe.net",
];

/// A cloud table that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cloud {cloud}: `{key}` {problem}")]
pub struct InvalidCloud {
    cloud: String,
    key: &'static str,
    problem: String,
}

impl Cloud {
    /// `AzurePublicCloud`.
    pub fn public() -> Self {
        Self::well_known(
            "public",
            "https://login.microsoftonline.com",
            "https://graph.microsoft.com",
            "vault.azure.net",
            "https://management.azure.com",
            "api://AzureADTokenExchange",
        )
    }

    /// `AzureUSGovernment`.
    pub fn us_government() -> Self {
        Self::well_known(
            "usgov",
            "https://login.microsoftonline.us",
            "https://graph.microsoft.us",
            "vault.usgovcloudapi.net",
            "https://management.usgovcloudapi.net",
            "api://AzureADTokenExchangeUSGov",
        )
    }

    /// `AzureChinaCloud`, operated by 21Vianet.
    pub fn china() -> Self {
        Self::well_known(
            "china",
            "https://login.partner.microsoftonline.cn",
            "https://microsoftgraph.chinacloudapi.cn",
            "vault.azure.cn",
            "https://management.chinacloudapi.cn",
            "api://AzureADTokenExchangeChina",
        )
    }

    /// A cloud from its table; every URL must be `https` without path, query or user.
    pub fn custom(
        name: &str,
        authority: &str,
        graph: &str,
        vault_suffix: &str,
        arm: &str,
    ) -> Result<Self, InvalidCloud> {
        let root = |key: &'static str, text: &str| {
            let invalid =
                |problem: &str| InvalidCloud { cloud: name.to_owned(), key, problem: format!("{problem}: {text}") };
            let url = Url::parse(text).map_err(|_| invalid("is not a URL"))?;
            if url.scheme() != "https" || url.host_str().is_none() {
                return Err(invalid("must be an https URL"));
            }
            if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
                return Err(invalid("must be a bare origin, such as https://login.contoso.example"));
            }
            Ok(url)
        };
        let suffix = vault_suffix.trim_start_matches('.').to_ascii_lowercase();
        let probe = Url::parse(&format!("https://name.{suffix}/"));
        let is_suffix = probe.is_ok_and(|url| Self::authority_of(&url) == format!("name.{suffix}"));
        if suffix.is_empty() || !is_suffix {
            return Err(InvalidCloud {
                cloud: name.to_owned(),
                key: "vault_suffix",
                problem: format!("is not a host suffix, optionally with a port: {vault_suffix}"),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            authority: root("authority", authority)?,
            graph: root("graph", graph)?,
            vault_suffix: suffix,
            arm: root("arm", arm)?,
            exchange_audience: "api://AzureADTokenExchange".to_owned(),
            ca_pem: None,
            resolve: BTreeMap::new(),
        })
    }

    /// Trusts one more root, in PEM, for the hosts of this cloud.
    #[must_use]
    pub fn with_ca(mut self, pem: Vec<u8>) -> Self {
        self.ca_pem = Some(pem);
        self
    }

    /// Answers names that the system cannot resolve. A key is a host, or `*.` and a parent.
    #[must_use]
    pub fn with_resolve(mut self, resolve: BTreeMap<String, IpAddr>) -> Self {
        self.resolve = resolve;
        self
    }

    /// Whether a host, or `*.` and a parent, is one of the well-known clouds.
    pub fn is_azures_own(host: &str) -> bool {
        let host = host.trim_start_matches("*.").trim_end_matches('.').to_ascii_lowercase();
        AZURES_OWN
            .iter()
            .any(|domain| host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.')))
    }

    /// The name that `--cloud` takes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Entra's origin; tokens come from `{authority}/{tenant}/oauth2/v2.0/token`.
    pub fn authority(&self) -> &Url {
        &self.authority
    }

    /// Graph's origin; `v1.0` and `beta` lie below it.
    pub fn graph(&self) -> &Url {
        &self.graph
    }

    /// Azure Resource Manager's origin.
    pub fn arm(&self) -> &Url {
        &self.arm
    }

    /// What the host of every vault ends in, with a port where it is not 443, without a leading dot.
    pub fn vault_suffix(&self) -> &str {
        &self.vault_suffix
    }

    /// The audience of managed-identity tokens that serve as federated credentials.
    pub fn exchange_audience(&self) -> &str {
        &self.exchange_audience
    }

    /// The additional trusted root, if there is one.
    pub fn ca_pem(&self) -> Option<&[u8]> {
        self.ca_pem.as_deref()
    }

    /// The address that this cloud's table gives for a host name, if it names it.
    pub fn address_of(&self, host: &str) -> Option<IpAddr> {
        let host = host.to_ascii_lowercase();
        self.resolve.get(&host).copied().or_else(|| {
            let (_, parent) = host.split_once('.')?;
            self.resolve.get(&format!("*.{parent}")).copied()
        })
    }

    /// The resource for which a vault token is asked: `https://{vault_suffix}`.
    pub fn vault_resource(&self) -> String {
        format!("https://{}", self.vault_suffix)
    }

    /// `https://NAME.SUFFIX/`.
    pub fn vault_url(&self, name: &VaultName) -> Url {
        let text = format!("https://{name}.{}/", self.vault_suffix);
        #[expect(
            clippy::expect_used,
            reason = "both constructors have parsed the suffix behind a label, and a vault name is a label"
        )]
        Url::parse(&text).expect("a vault name before a checked suffix is a URL")
    }

    /// The vault at `url`, if its host is exactly one label below the vault suffix, port included.
    pub fn vault_of(&self, url: &Url) -> Option<VaultName> {
        let authority = Self::authority_of(url);
        let label = authority.strip_suffix(&self.vault_suffix)?.strip_suffix('.')?;
        label.parse().ok()
    }

    /// Whether `url` is an origin of this cloud: the only places that may see one of our tokens.
    pub fn has_origin(&self, url: &Url) -> bool {
        let origin = url.origin();
        url.scheme() == "https"
            && (self.vault_of(url).is_some()
                || [&self.authority, &self.graph, &self.arm].iter().any(|known| known.origin() == origin))
    }

    /// Host and port as in a `Host` header: the port only where it is not the scheme's own.
    pub(crate) fn authority_of(url: &Url) -> String {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    fn well_known(
        name: &str,
        authority: &str,
        graph: &str,
        vault_suffix: &str,
        arm: &str,
        exchange_audience: &str,
    ) -> Self {
        #[expect(clippy::expect_used, reason = "the arguments are literals above, and a test builds each cloud")]
        let cloud = Self::custom(name, authority, graph, vault_suffix, arm).expect("the table above is well-formed");
        Self { exchange_audience: exchange_audience.to_owned(), ..cloud }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_well_known_cloud_can_be_built() {
        assert!(!Cloud::is_azures_own("notmicrosoft.com") && !Cloud::is_azures_own("vault.localhost"));
        for cloud in [Cloud::public(), Cloud::us_government(), Cloud::china()] {
            let hosts = [cloud.authority(), cloud.graph(), cloud.arm()].map(|url| url.host_str().unwrap());
            assert!(hosts.into_iter().chain([cloud.vault_suffix()]).all(Cloud::is_azures_own));
            let vault = cloud.vault_url(&"contoso".parse().unwrap());
            assert_eq!(cloud.vault_of(&vault).unwrap().as_str(), "contoso");
            assert!(cloud.has_origin(&vault) && cloud.has_origin(cloud.graph()));
            assert!(!cloud.has_origin(&"https://example.com/".parse().unwrap()));
        }
    }

    #[test]
    fn a_custom_cloud_keeps_its_port_and_its_resolver() {
        let cloud = Cloud::custom(
            "lab",
            "https://localhost:8443",
            "https://localhost:8443",
            "vault.localhost:8443",
            "https://localhost:8443",
        )
        .unwrap()
        .with_resolve([("*.vault.localhost".to_owned(), IpAddr::from([127, 0, 0, 1]))].into());
        assert_eq!(cloud.vault_resource(), "https://vault.localhost:8443");
        assert_eq!(cloud.address_of("kv1.Vault.localhost"), Some(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(cloud.address_of("a.b.vault.localhost"), None);
        assert!(cloud.vault_of(&"https://kv1.vault.localhost:9999/".parse().unwrap()).is_none());
    }

    #[test]
    fn a_table_that_would_leak_is_refused() {
        let error = Cloud::custom("x", "http://login.example", "https://g.example", "v.example", "https://a.example")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cloud x: `authority` must be an https URL: http://login.example/".trim_end_matches('/')
        );
        assert!(
            Cloud::custom("x", "https://l.example", "https://g.example/v1", "v.example", "https://a.example").is_err()
        );
        assert!(
            Cloud::custom("x", "https://l.example", "https://g.example", "v.example/path", "https://a.example")
                .is_err()
        );
        assert!(Cloud::custom("x", "https://l.example", "https://g.example", "", "https://a.example").is_err());
    }
}
