//! The answer to `--plan`: each step, what it writes to, as whom, and by which right.

use std::fmt::Write as _;

use serde::Serialize;

use super::console::{Console, Tone};
use super::context::Context;
use super::failure::Failure;
use crate::config::Setting;
use crate::domain::printable;
use crate::pki::DecodedToken;
use crate::provision::Wish;
use crate::provision::plan::{AttachMethod, Plan, Step};

/// A plan, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct PlanView<'a> {
    changes: bool,
    steps: Vec<StepView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyView>,
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
struct StepView<'a> {
    #[serde(flatten)]
    step: &'a Step,
    what: &'static str,
    writes_to: Option<&'static str>,
    identity: String,
    right: String,
    /// `yes`, `no`, or `unknown` where it cannot be seen from here.
    held: &'static str,
}

#[derive(Debug, Serialize)]
struct PolicyView {
    subject: Option<String>,
    key: String,
    exportable: Option<bool>,
    reuse_key: Option<bool>,
    key_usage: Vec<String>,
    validity_months: Option<u32>,
}

/// Who acts, and what is known of their rights.
struct Actors {
    vault: String,
    graph: String,
    graph_token: Option<DecodedToken>,
}

impl Actors {
    fn describe<'a>(&self, step: &'a Step) -> StepView<'a> {
        let (writes_to, identity, right, held) = match step {
            Step::Recover => {
                (Some("vault"), self.vault.clone(), "certificates recover (Key Vault Certificates Officer)", "unknown")
            }
            Step::Purge => {
                (Some("vault"), self.vault.clone(), "certificates purge (Key Vault Administrator)", "unknown")
            }
            Step::Create { .. } => {
                (Some("vault"), self.vault.clone(), "certificates create (Key Vault Certificates Officer)", "unknown")
            }
            Step::Merge => {
                (Some("vault"), self.vault.clone(), "certificates create (Key Vault Certificates Officer)", "unknown")
            }
            Step::Record => {
                (Some("vault"), self.vault.clone(), "certificates update (Key Vault Certificates Officer)", "unknown")
            }
            Step::AwaitIssue | Step::ExportRequest => {
                (None, self.vault.clone(), "certificates get (Key Vault Reader)", "yes")
            }
            Step::Inspect => (None, self.vault.clone(), "certificates get, keys get (Key Vault Reader)", "unknown"),
            Step::Attach { method: AttachMethod::AddKey { .. } } => (
                Some("Graph"),
                "the application itself".to_owned(),
                "keys sign (Key Vault Crypto User) and no Graph permission",
                "unknown",
            ),
            Step::Attach { method: AttachMethod::Patch { .. } } => (
                Some("Graph"),
                self.graph.clone(),
                "Application.ReadWrite.OwnedBy as an owner, or Application.ReadWrite.All",
                self.may_write_applications(),
            ),
            Step::Prove { .. } => {
                (None, "the application itself".to_owned(), "keys sign (Key Vault Crypto User)", "unknown")
            }
        };
        StepView { step, what: step.title(), writes_to, identity, right: right.to_owned(), held }
    }

    fn may_write_applications(&self) -> &'static str {
        let Some(token) = &self.graph_token else { return "unknown" };
        if let Some(scopes) = token.text("scp") {
            // A user's token says what the tool may do for its user, and not what the user may do.
            let may = |scope: &str| scope.starts_with("Application.ReadWrite.") || scope.starts_with("Directory.");
            return if scopes.split_whitespace().any(may) { "unknown" } else { "no" };
        }
        let roles = token.list("roles");
        let has = |role: &str| roles.iter().any(|held| held == role);
        if has("Application.ReadWrite.All") || has("Directory.ReadWrite.All") {
            "yes"
        } else if has("Application.ReadWrite.OwnedBy") {
            "yes, if this identity is an owner"
        } else {
            "no"
        }
    }
}

/// Whom a token speaks for, and which source gave it.
fn identity(source: &str, token: Option<&DecodedToken>) -> String {
    let Some(token) = token else { return source.to_owned() };
    let first = |names: &[&str]| names.iter().find_map(|name| token.text(name)).map(|text| printable(&text));
    let name = first(&["upn", "unique_name", "preferred_username", "app_displayname"]);
    let id = match token.text("scp") {
        Some(_) => first(&["oid"]).map(|id| format!("object {id}")),
        None => first(&["appid", "azp"]).map(|id| format!("application {id}")),
    };
    match [name, id].into_iter().flatten().collect::<Vec<_>>().join(", ") {
        nobody if nobody.is_empty() => source.to_owned(),
        somebody => format!("{somebody} ({source})"),
    }
}

impl<'a> PlanView<'a> {
    /// Describes `plan`, which leads to `wish`.
    pub(crate) async fn new(context: &Context, plan: &'a Plan, wish: &Wish) -> Result<Self, Failure> {
        let settings = context.settings();
        let graph_token = if wish.application.is_some() { context.graph_token().await } else { None };
        let vault_token = context.vault_token().await;
        let source = |flag: &str, setting: &Setting<String>| format!("--{flag} {}", setting.value);
        let actors = Actors {
            vault: identity(&source("vault-credential", &settings.vault_credential), vault_token.as_ref()),
            graph: identity(&source("graph-credential", &settings.graph_credential), graph_token.as_ref()),
            graph_token,
        };
        let policy = plan.steps.iter().find_map(|step| match step {
            Step::Create { policy } => Some(PolicyView {
                subject: policy.subject.clone(),
                key: wish.spec.key.to_string(),
                exportable: policy.exportable,
                reuse_key: policy.reuse_key,
                key_usage: policy.key_usage.iter().map(ToString::to_string).collect(),
                validity_months: policy.validity_months,
            }),
            _ => None,
        });
        let steps = plan.steps.iter().map(|step| actors.describe(step)).collect();
        Ok(Self { changes: !plan.is_no_change(), steps, policy, warnings: &plan.warnings })
    }

    /// The plan as text.
    pub(crate) fn for_people(&self, console: Console) -> String {
        let headline = if self.changes {
            console.paint(Tone::Strong, "plan: nothing has been written yet")
        } else {
            console.paint(Tone::Good, "plan: no change")
        };
        let mut text = format!("{headline}\n");
        for (index, step) in self.steps.iter().enumerate() {
            let target = step.writes_to.map(|to| format!(" [writes to {to}]")).unwrap_or_default();
            let _ = writeln!(text, "  {}. {}{target}", index + 1, step.what);
            let by = format!("as {}; needs {}; held: {}", step.identity, step.right, step.held);
            let _ = writeln!(text, "     {}", console.paint(Tone::Faint, &by));
        }
        if let Some(policy) = &self.policy {
            let _ = writeln!(
                text,
                "  policy: {}, {}, not exportable, a new key for each version, {} only, {} months, mail and no renewal",
                policy.subject.as_deref().map(printable).unwrap_or_default(),
                policy.key,
                policy.key_usage.join(", "),
                policy.validity_months.unwrap_or_default(),
            );
        }
        for warning in self.warnings {
            let _ = writeln!(text, "  {} {warning}", console.paint(Tone::Warning, "warning:"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn token(claims: &Value) -> DecodedToken {
        DecodedToken { header: Map::new(), claims: claims.as_object().unwrap().clone() }
    }

    fn held(claims: &Value) -> &'static str {
        let nobody = String::new;
        Actors { vault: nobody(), graph: nobody(), graph_token: Some(token(claims)) }.may_write_applications()
    }

    #[test]
    fn what_a_tool_may_do_for_its_user_is_not_what_the_user_may_do() {
        assert_eq!(held(&json!({ "scp": "User.Read Application.ReadWrite.All" })), "unknown");
        assert_eq!(held(&json!({ "scp": "Directory.AccessAsUser.All" })), "unknown");
        assert_eq!(held(&json!({ "scp": "User.Read" })), "no");
        assert_eq!(held(&json!({ "roles": ["Application.ReadWrite.All"] })), "yes");
        assert_eq!(held(&json!({ "roles": [] })), "no");
    }

    #[test]
    fn an_identity_is_a_user_or_an_application_and_not_only_a_source() {
        let user = token(&json!({ "upn": "ann@contoso.com", "oid": "o", "appid": "a", "scp": "User.Read" }));
        assert_eq!(identity("--credential cli", Some(&user)), "ann@contoso.com, object o (--credential cli)");
        let app = token(&json!({ "app_displayname": "deploy", "appid": "a", "roles": [] }));
        assert_eq!(identity("--credential env", Some(&app)), "deploy, application a (--credential env)");
        assert_eq!(identity("--credential env", None), "--credential env");
    }
}
