//! A world with one caller, and short words for requests.

use http::{HeaderMap, HeaderName, Method};
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::{Uuid, uuid};

use crate::lab::clock::LabClock;
use crate::lab::entra::Caller;
use crate::lab::exchange::{Reply, Request};
use crate::lab::world::World;

pub(super) const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
pub(super) const OPERATOR: Uuid = uuid!("0b0e0f00-0000-4000-8000-000000000001");

pub(super) struct Bench {
    pub(super) world: World,
    pub(super) caller: Caller,
    pub(super) headers: HeaderMap,
}

impl Bench {
    /// A tenant without anything but Microsoft's service principals, and replicas without lag.
    pub(super) fn new() -> Self {
        let mut world = World::new(8443, LabClock::frozen(NOW), 1);
        world.settings.graph_propagation = 0;
        Self { world, caller: app(OPERATOR, &["Application.ReadWrite.All"]), headers: HeaderMap::new() }
    }

    /// The same world seen by somebody else.
    pub(super) fn acting_as(&mut self, caller: Caller) -> &mut Self {
        self.caller = caller;
        self
    }

    pub(super) fn with_header(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        self
    }

    pub(super) fn get(&mut self, url: &str) -> Reply {
        self.send(Method::GET, url, None)
    }

    pub(super) fn post(&mut self, url: &str, body: Value) -> Reply {
        self.send(Method::POST, url, Some(body))
    }

    pub(super) fn patch(&mut self, url: &str, body: Value) -> Reply {
        self.send(Method::PATCH, url, Some(body))
    }

    pub(super) fn delete(&mut self, url: &str) -> Reply {
        self.send(Method::DELETE, url, None)
    }

    /// `url` is what follows `https://host`, with the query as people write it.
    pub(super) fn send(&mut self, method: Method, url: &str, body: Option<Value>) -> Reply {
        let url = url.strip_prefix("https://localhost:8443").unwrap_or(url);
        let parsed = url::Url::parse(&format!("https://localhost:8443{url}")).unwrap();
        let path = url.split('?').next().unwrap().split('/').skip(1).map(str::to_owned).collect();
        let request = Request {
            method,
            host: "localhost:8443".to_owned(),
            path,
            query: parsed.query_pairs().into_owned().collect(),
            headers: self.headers.clone(),
            body: body.map(|body| body.to_string().into()).unwrap_or_default(),
        };
        super::super::authorised(&mut self.world, &self.caller, &request)
    }
}

/// An application with roles.
pub(super) fn app(app_id: Uuid, roles: &[&str]) -> Caller {
    Caller {
        app_id,
        object_id: Uuid::from_u128(app_id.as_u128() ^ 0xff),
        tenant: Uuid::nil(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        scopes: Vec::new(),
        groups: std::collections::BTreeSet::new(),
    }
}

/// Status and error code.
pub(super) fn refusal(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.value()["error"]["code"].as_str().unwrap_or_default().to_owned())
}
