//! Identities with few rights, and rights that are given and taken.

use serde_json::Value;
use serde_json::json;

use super::Bench;
use super::vault::VAULT;

/// An application that signs in with a secret.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) app_id: String,
    /// Object id of its service principal.
    pub(crate) principal: String,
    pub(crate) secret: String,
}

impl Bench {
    /// A variable of the lab, such as `LAB_TENANT`.
    pub(crate) fn variable(&self, name: &str) -> String {
        self.lab().env().into_iter().find(|(known, _)| known == name).unwrap().1
    }

    /// Registers somebody without any right.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        let app = self.graph("POST", "/v1.0/applications", &json!({ "displayName": name }));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let principal = self.graph("POST", "/v1.0/servicePrincipals", &json!({ "appId": app["appId"] }));
        self.lab().clock().advance(time::Duration::minutes(10));
        let path = format!("/v1.0/applications/{}/addPassword", text(&app["id"]));
        let secret = self.graph("POST", &path, &json!({ "passwordCredential": { "displayName": "s" } }));
        self.lab().clock().advance(time::Duration::minutes(10));
        Identity { app_id: text(&app["appId"]), principal: text(&principal["id"]), secret: text(&secret["secretText"]) }
    }

    /// Lets the program work as somebody else from now on.
    pub(crate) fn work_as(&mut self, identity: &Identity) {
        self.set("AZURE_CLIENT_ID", &identity.app_id);
        self.set("AZURE_CLIENT_SECRET", &identity.secret);
    }

    /// Gives or takes rights, as the lab's control endpoint has it.
    pub(crate) fn permit(&self, change: &Value) {
        self.lab().control("POST", "/permissions", change).unwrap();
    }

    /// Gives a role in the vault that every seed has.
    pub(crate) fn give_role(&self, identity: &Identity, role: &str) {
        self.permit(&json!({ "vault": VAULT, "principal": identity.principal, "role": role }));
    }

    /// Gives a permission in Graph.
    pub(crate) fn give_graph(&self, identity: &Identity, permission: &str) {
        self.permit(&json!({ "principal": identity.principal, "graph_role": permission }));
    }
}
