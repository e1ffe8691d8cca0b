//! What applications and service principals have in common: lists give them, and they hold credentials.

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use super::bytes;
use super::record;
use crate::domain::ObjectId;
use crate::graph::{self, Class, List, Part};
use crate::inventory::{Application, Evidence, KeyCredential, PasswordCredential, Reason, Seen, ServicePrincipal};

/// A class of objects that lists give.
pub(super) trait Listed: Serialize + DeserializeOwned {
    /// As Graph sends it.
    type Wire: DeserializeOwned;

    const CLASS: Class;
    const EVIDENCE: Evidence;

    fn list(graph: &graph::Client, part: Part) -> List<'_, Self::Wire>;
    fn record(wire: Self::Wire) -> Self;
    fn id(&self) -> ObjectId;
    fn keys(&mut self) -> &mut [KeyCredential];
    fn passwords(&mut self) -> &mut [PasswordCredential];

    /// Drops what the directory's changes do not tell about.
    fn forget_relations(&mut self);

    /// Leaves of a record of an earlier run what still holds.
    fn forget(&mut self, now: OffsetDateTime) {
        self.forget_relations();
        for key in self.keys() {
            key.last_used = Seen::default();
            if !matches!(key.x, Seen::Read(_) | Seen::Unread { unread: Reason::Parse }) {
                key.x = Seen::default();
            }
        }
        bytes::forget_ended(self.keys(), now);
        self.passwords().iter_mut().for_each(|password| password.last_used = Seen::default());
    }
}

impl Listed for Application {
    type Wire = graph::Registration;

    const CLASS: Class = Class::Applications;
    const EVIDENCE: Evidence = Evidence::Applications;

    fn list(graph: &graph::Client, part: Part) -> List<'_, Self::Wire> {
        graph.registrations(part)
    }

    fn record(wire: Self::Wire) -> Self {
        record::application(wire)
    }

    fn id(&self) -> ObjectId {
        self.id
    }

    fn keys(&mut self) -> &mut [KeyCredential] {
        &mut self.keys
    }

    fn passwords(&mut self) -> &mut [PasswordCredential] {
        &mut self.passwords
    }

    fn forget_relations(&mut self) {
        self.owners = Seen::default();
        self.federated = Seen::default();
    }
}

impl Listed for ServicePrincipal {
    type Wire = graph::Principal;

    const CLASS: Class = Class::ServicePrincipals;
    const EVIDENCE: Evidence = Evidence::ServicePrincipals;

    fn list(graph: &graph::Client, part: Part) -> List<'_, Self::Wire> {
        graph.principals(part)
    }

    fn record(wire: Self::Wire) -> Self {
        record::principal(wire)
    }

    fn id(&self) -> ObjectId {
        self.id
    }

    fn keys(&mut self) -> &mut [KeyCredential] {
        &mut self.keys
    }

    fn passwords(&mut self) -> &mut [PasswordCredential] {
        &mut self.passwords
    }

    fn forget_relations(&mut self) {
        self.owners = Seen::default();
        self.app_roles = Seen::default();
        self.delegated = Seen::default();
        self.last_sign_in = Seen::default();
        self.last_user_sign_in = Seen::default();
    }
}
