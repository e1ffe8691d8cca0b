//! What a client asks a managed identity for, in the shapes that clients know. Pure.
//!
//! - App Service: <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>
//! - IMDS: <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
//! - Cloud Shell: a form with a `resource`, posted to `MSI_ENDPOINT`.

use http::HeaderMap;

use crate::domain::AppId;
use crate::proxy::allow::default_scope;

/// No resource is that long.
const LONGEST_RESOURCE: usize = 1024;

/// How a client talks to a managed identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// `GET $IDENTITY_ENDPOINT`, with the key in `X-IDENTITY-HEADER`.
    AppService,
    /// `GET /metadata/identity/oauth2/token`, with `Metadata: true`.
    Imds,
    /// `POST $MSI_ENDPOINT`, a form.
    CloudShell,
}

/// A token that somebody wants from the managed identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Asked {
    /// As it was sent: the answer repeats it.
    pub(super) resource: String,
    /// The same as Entra takes it.
    pub(super) scope: String,
    /// Which user-assigned identity, by client id; without one, whichever there is.
    pub(super) client: Option<AppId>,
}

/// A request that no managed identity would answer. The words are what the real endpoints say.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unanswerable {
    /// A page in a browser cannot set this header, which is what it is for.
    #[error("required metadata header not specified")]
    NoMetadataHeader,
    /// A proxy stands between the client and this one.
    #[error("the request was forwarded, which a managed identity does not answer")]
    Forwarded,
    /// Clients send one, so whoever does not is none.
    #[error("the parameter api-version is missing or not supported")]
    Version,
    /// Nothing was asked for.
    #[error("the parameter resource is required, once")]
    NoResource,
    /// Not an identifier of a resource.
    #[error("the parameter resource is not the identifier of one resource")]
    BadResource,
    /// Only client ids are known here.
    #[error("an identity can be named by client_id alone, which is a GUID")]
    UnknownIdentity,
}

impl Asked {
    /// Reads the parameters of a query or a form.
    pub(super) fn parse(
        shape: Shape,
        headers: &HeaderMap,
        parameters: &[(String, String)],
    ) -> Result<Self, Unanswerable> {
        if shape == Shape::Imds {
            check_imds_headers(headers)?;
        }
        if !has_known_version(shape, parameters) {
            return Err(Unanswerable::Version);
        }
        let mut resources = named(parameters, "resource");
        let resource = match (resources.next(), resources.next()) {
            (Some(resource), None) if !resource.is_empty() => resource,
            _ => return Err(Unanswerable::NoResource),
        };
        let scope = scope_of(resource).ok_or(Unanswerable::BadResource)?;
        Ok(Self { resource: resource.to_owned(), scope, client: client(parameters)? })
    }
}

/// The scope that stands for a resource. A blank in it would make it two.
pub(super) fn scope_of(resource: &str) -> Option<String> {
    let is_sound = !resource.is_empty()
        && resource.len() <= LONGEST_RESOURCE
        && resource.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    is_sound.then(|| default_scope(resource))
}

fn check_imds_headers(headers: &HeaderMap) -> Result<(), Unanswerable> {
    let metadata = headers.get("metadata").and_then(|value| value.to_str().ok());
    if !metadata.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(Unanswerable::NoMetadataHeader);
    }
    if headers.contains_key("x-forwarded-for") {
        return Err(Unanswerable::Forwarded);
    }
    Ok(())
}

fn has_known_version(shape: Shape, parameters: &[(String, String)]) -> bool {
    let version = named(parameters, "api-version").next();
    match shape {
        Shape::AppService => version == Some("2019-08-01"),
        // Each version since the first answers a request for a token alike.
        Shape::Imds => version.is_some_and(|version| is_date(version) && version >= "2018-02-01"),
        Shape::CloudShell => true,
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
}

fn client(parameters: &[(String, String)]) -> Result<Option<AppId>, Unanswerable> {
    const OTHERWISE: [&str; 4] = ["object_id", "principal_id", "mi_res_id", "msi_res_id"];
    if OTHERWISE.iter().any(|name| named(parameters, name).next().is_some()) {
        return Err(Unanswerable::UnknownIdentity);
    }
    named(parameters, "client_id").next().map(str::parse).transpose().map_err(|_| Unanswerable::UnknownIdentity)
}

fn named<'a>(parameters: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    parameters.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "615e6319-bf4f-4279-937c-b9eb198e511f";

    fn asked(shape: Shape, headers: &[(&'static str, &'static str)], query: &str) -> Result<Asked, Unanswerable> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let parameters: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Asked::parse(shape, &headers, &parameters)
    }

    #[test]
    fn a_resource_becomes_the_scope_of_all_its_roles() {
        for (resource, scope) in [
            ("https://vault.azure.net", "https://vault.azure.net/.default"),
            ("https://management.azure.com/", "https://management.azure.com/.default"),
            ("https://graph.microsoft.com/.default", "https://graph.microsoft.com/.default"),
            ("api://billing", "api://billing/.default"),
            (APP, "615e6319-bf4f-4279-937c-b9eb198e511f/.default"),
        ] {
            assert_eq!(scope_of(resource).as_deref(), Some(scope));
        }
    }

    #[test]
    fn what_would_be_two_scopes_or_none_is_no_resource() {
        let long = "a".repeat(LONGEST_RESOURCE + 1);
        for resource in ["", "https://a/.default https://b", "a\tb", "a\nb", "a\u{a0}b", "a\"b", &long] {
            assert_eq!(scope_of(resource), None, "{resource:?}");
        }
    }

    #[test]
    fn app_service_asks_in_one_version_of_its_interface() {
        let first = asked(Shape::AppService, &[], "resource=https%3A%2F%2Fvault.azure.net&api-version=2019-08-01");
        assert_eq!(first.unwrap().scope, "https://vault.azure.net/.default");
        for version in ["", "&api-version=2017-09-01", "&api-version=2019-08-01x"] {
            let asked = asked(Shape::AppService, &[], &format!("resource=r{version}"));
            assert_eq!(asked, Err(Unanswerable::Version), "{version}");
        }
    }

    #[test]
    fn imds_wants_its_header_and_no_proxy_before_it() {
        let query = "api-version=2018-02-01&resource=https://vault.azure.net";
        assert!(asked(Shape::Imds, &[("metadata", "true")], query).is_ok());
        assert!(asked(Shape::Imds, &[("metadata", "True")], "api-version=2021-12-13&resource=r").is_ok());
        assert_eq!(asked(Shape::Imds, &[], query), Err(Unanswerable::NoMetadataHeader));
        assert_eq!(asked(Shape::Imds, &[("metadata", "false")], query), Err(Unanswerable::NoMetadataHeader));
        let forwarded = [("metadata", "true"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(asked(Shape::Imds, &forwarded, query), Err(Unanswerable::Forwarded));
        for version in ["2017-12-01", "latest", "2018-2-1", "2018-02-0a"] {
            let asked = asked(Shape::Imds, &[("metadata", "true")], &format!("resource=r&api-version={version}"));
            assert_eq!(asked, Err(Unanswerable::Version), "{version}");
        }
    }

    #[test]
    fn one_resource_is_asked_for_at_a_time() {
        for form in ["", "resource=", "resource=a&resource=b", "Resource=a"] {
            assert_eq!(asked(Shape::CloudShell, &[], form), Err(Unanswerable::NoResource), "{form}");
        }
        let first = asked(Shape::CloudShell, &[], "resource=https://management.azure.com/").unwrap();
        assert_eq!(first.resource, "https://management.azure.com/", "the answer repeats what was sent");
        assert_eq!(asked(Shape::CloudShell, &[], "resource=a+b"), Err(Unanswerable::BadResource));
    }

    #[test]
    fn an_identity_is_named_by_its_client_id_or_not_at_all() {
        let first = asked(Shape::CloudShell, &[], &format!("resource=r&client_id={APP}")).unwrap();
        assert_eq!(first.client, Some(APP.parse().unwrap()));
        for other in ["client_id=mine", "object_id=x", "principal_id=x", "mi_res_id=/subscriptions", "msi_res_id="] {
            let asked = asked(Shape::CloudShell, &[], &format!("resource=r&{other}"));
            assert_eq!(asked, Err(Unanswerable::UnknownIdentity), "{other}");
        }
    }
}
