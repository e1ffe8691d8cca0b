//! How long each answer takes on the lab's clock, as far as others have measured the real services.

use serde::{Deserialize, Serialize};
use time::Duration;

use super::exchange::Request;
use super::log::Service;

/// What Graph lists when nothing is asked for.
const USUAL_PAGE: u32 = 100;

/// Milliseconds, unless a name says otherwise.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Latency {
    /// An answer of the token endpoint.
    entra: u32,
    /// One object of Graph, or a change.
    graph: u32,
    /// A page of Graph, without its objects: 100 of them were seen to take 0.55 to 0.6 s.
    graph_page: u32,
    /// Microseconds for each object that a page may hold, so that one of 999 takes two seconds.
    graph_object_micros: u32,
    keyvault: u32,
    arm: u32,
    resource_graph: u32,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            entra: 100,
            graph: 120,
            graph_page: 400,
            graph_object_micros: 1600,
            keyvault: 40,
            arm: 100,
            resource_graph: 300,
        }
    }
}

impl Latency {
    /// How long a request takes.
    pub(crate) fn of(&self, service: Service, request: &Request) -> Duration {
        let last = request.path.iter().rfind(|segment| !segment.is_empty()).map(|last| last.to_ascii_lowercase());
        let last = last.as_deref().unwrap_or_default();
        let millis = |millis: u32| Duration::milliseconds(millis.into());
        match service {
            Service::Entra | Service::Identity => millis(self.entra),
            Service::KeyVault => millis(self.keyvault),
            Service::Arm if last == "resources" && request.method == http::Method::POST => millis(self.resource_graph),
            Service::Arm => millis(self.arm),
            Service::Graph if is_list(last) && request.method == http::Method::GET => {
                let asked = request.query("$top").and_then(|top| top.parse().ok()).unwrap_or(USUAL_PAGE);
                millis(self.graph_page) + Duration::microseconds((asked * self.graph_object_micros).into())
            }
            Service::Graph => millis(self.graph),
        }
    }
}

/// Whether the last name of a path is one of a list that can be long.
fn is_list(name: &str) -> bool {
    let name = name.split('(').next().unwrap_or_default();
    matches!(
        name,
        "applications"
            | "serviceprincipals"
            | "delta"
            | "approleassignedto"
            | "oauth2permissiongrants"
            | "users"
            | "groups"
            | "appcredentialsigninactivities"
            | "serviceprincipalsigninactivities"
            | "microsoft.graph.application"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_longer_the_more_it_may_hold() {
        let time = |service, path: &str, query: &[(&str, &str)]| {
            let request = Request {
                method: http::Method::GET,
                host: "localhost:1".to_owned(),
                path: path.split('/').map(str::to_owned).collect(),
                query: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
                headers: http::HeaderMap::new(),
                body: bytes::Bytes::new(),
            };
            Latency::default().of(service, &request).whole_milliseconds()
        };
        assert_eq!(time(Service::Graph, "v1.0/applications", &[("$top", "999")]), 1998);
        assert_eq!(time(Service::Graph, "v1.0/applications", &[]), 560);
        assert_eq!(time(Service::Graph, "v1.0/applications/x", &[]), 120);
        assert_eq!(time(Service::KeyVault, "certificates", &[]), 40);
    }
}
