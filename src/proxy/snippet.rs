//! The request for a token, as other tools keep requests. The run key is never in one: each tool
//! takes it from `KVOPS_PROXY_KEY`, or from a field that the user fills.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::header::HOST;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::allow::Profile;
use super::allow::default_scope;
use super::desk::Desk;
use super::input::Path;
use super::input::Query;
use crate::serve::Problem;
use crate::serve::Scheme;

/// Where the request goes to.
const PATH: &str = "/api/Token/kv-certificate";

/// What the tools show as the request's name.
const NAME: &str = "Token from kvops proxy";

/// The addresses, with their part of the document.
pub(super) fn routes(desk: &Arc<Desk>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(curl)).routes(routes!(snippet)).with_state(Arc::clone(desk))
}

/// The request for a token as a command for curl
///
/// It takes address and key from `KVOPS_PROXY_URL` and `KVOPS_PROXY_KEY`.
#[utoipa::path(
    get, path = "/api/Token/curl", operation_id = "curl", tag = "Snippets", params(Filled),
    responses(
        (status = 200, description = "For a shell", body = String, content_type = "text/plain"),
        (status = "4XX", description = "Not this request", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn curl(
    State(desk): State<Arc<Desk>>,
    Query(filled): Query<Filled>,
    Extension(scheme): Extension<Scheme>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    written(&desk, Form::Curl, &filled, scheme, &headers)
}

/// The request for a token as a tool keeps it
///
/// `curl`, `http` (a file for Visual Studio Code and JetBrains), `bruno`, `postman` (a collection to import),
/// `insomnia` (an export to import). The run key is in none of them.
#[utoipa::path(
    get, path = "/api/Token/snippet/{form}", operation_id = "snippet", tag = "Snippets",
    params(("form" = Form, Path, description = "For which tool"), Filled),
    responses(
        (status = 200, description = "For the tool", content((String = "text/plain"), (Value = "application/json"))),
        (status = "4XX", description = "Not this request", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn snippet(
    State(desk): State<Arc<Desk>>,
    Path(form): Path<String>,
    Query(filled): Query<Filled>,
    Extension(scheme): Extension<Scheme>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = Form::ALL.into_iter().find(|known| known.name() == form).ok_or_else(|| {
        let known = Form::ALL.map(Form::name).join(", ");
        Problem::new(StatusCode::NOT_FOUND, "no-form", "there is no snippet in that form")
            .hint(format!("choose one of {known}"))
    })?;
    written(&desk, form, &filled, scheme, &headers)
}

/// What the snippet is filled in with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filled {
    /// Name of a profile; without one, the first
    profile: Option<String>,
}

fn written(
    desk: &Desk,
    form: Form,
    filled: &Filled,
    Scheme(scheme): Scheme,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let profiles = desk.engine.allowed().profiles();
    let profile = match &filled.profile {
        Some(name) => Some(profiles.iter().find(|profile| profile.name == *name).ok_or_else(|| {
            Problem::refused(StatusCode::FORBIDDEN, "profile", "outside the profiles of this proxy")
                .detail("there is no profile of that name")
        })?),
        None => profiles.iter().find(|profile| profile.certificate.is_some()),
    };
    // The name by which the caller found us, which has been admitted.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost:5616");
    let graph = default_scope(desk.cloud().graph().as_str());
    let text = Recipe::of(profile, &graph).write(form, &format!("{scheme}://{host}"));
    Ok(([(CONTENT_TYPE, form.content_type())], text).into_response())
}

/// The form of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// A command for a shell.
    Curl,
    /// A `.http` file, as Visual Studio Code and JetBrains read it.
    Http,
    /// A `.bru` file.
    Bruno,
    /// A collection to import.
    Postman,
    /// An export to import.
    Insomnia,
}

impl Form {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Curl, Self::Http, Self::Bruno, Self::Postman, Self::Insomnia];

    /// As in the address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Http => "http",
            Self::Bruno => "bruno",
            Self::Postman => "postman",
            Self::Insomnia => "insomnia",
        }
    }

    /// The type of the answer.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Curl | Self::Http | Self::Bruno => "text/plain; charset=utf-8",
            Self::Postman | Self::Insomnia => "application/json",
        }
    }
}

/// Which token is asked for: members of the body of `kv-certificate`.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) client: String,
    pub(super) tenant: String,
    pub(super) scope: String,
    pub(super) vault: String,
    pub(super) certificate: String,
}

impl Recipe {
    /// What a profile allows; without one, words in place of what the user knows.
    fn of(profile: Option<&Profile>, scope: &str) -> Self {
        let certificate = profile.and_then(|profile| profile.certificate.as_ref());
        let scopes = profile.map(|profile| profile.scopes.as_slice()).unwrap_or_default();
        let named = scopes.iter().find(|scope| *scope != "*").map(|scope| default_scope(scope));
        Self {
            client: profile.map_or_else(|| "CLIENT-ID".to_owned(), |profile| profile.app.to_string()),
            tenant: profile.map_or_else(|| "TENANT".to_owned(), |profile| profile.tenant.to_string()),
            scope: named.unwrap_or_else(|| scope.to_owned()),
            vault: certificate
                .map_or_else(|| "https://VAULT.vault.azure.net/".to_owned(), |(vault, _)| vault.to_string()),
            certificate: certificate.map_or_else(|| "NAME".to_owned(), |(_, name)| name.to_string()),
        }
    }

    /// The request to a proxy at `url`, in one form.
    pub(super) fn write(&self, form: Form, url: &str) -> String {
        match form {
            Form::Curl => self.curl(),
            Form::Http => self.http(url),
            Form::Bruno => self.bruno(),
            Form::Postman => pretty(&self.postman(url)),
            Form::Insomnia => pretty(&self.insomnia(url)),
        }
    }

    fn body(&self) -> Value {
        json!({
            "clientId": self.client,
            "tenantId": self.tenant,
            "scopes": [self.scope],
            "keyVaultUri": self.vault,
            "certificateName": self.certificate,
        })
    }

    fn curl(&self) -> String {
        let body = self.body().to_string().replace('\'', "'\\''");
        format!(
            "curl --silent --show-error \"$KVOPS_PROXY_URL{PATH}\" \\\n  --header \"X-Kvops-Key: $KVOPS_PROXY_KEY\" \\\n  \
             --header 'Content-Type: application/json' \\\n  --data '{body}'\n"
        )
    }

    fn http(&self, url: &str) -> String {
        format!(
            "@proxy = {url}\n\n# @name token\nPOST {{{{proxy}}}}{PATH}\nX-Kvops-Key: {{{{$processEnv KVOPS_PROXY_KEY}}}}\n\
             Content-Type: application/json\n\n{}\n\n###\n\n# Whatever the token is for.\nGET https://graph.microsoft.com/v1.0/organization\n\
             Authorization: Bearer {{{{token.response.body.$.access_token}}}}\n",
            pretty(&self.body())
        )
    }

    fn bruno(&self) -> String {
        let body = pretty(&self.body()).lines().map(|line| format!("  {line}\n")).collect::<String>();
        format!(
            "meta {{\n  name: {NAME}\n  type: http\n  seq: 1\n}}\n\npost {{\n  url: {{{{process.env.KVOPS_PROXY_URL}}}}{PATH}\n  \
             body: json\n  auth: none\n}}\n\nheaders {{\n  X-Kvops-Key: {{{{process.env.KVOPS_PROXY_KEY}}}}\n}}\n\n\
             body:json {{\n{body}}}\n\nvars:post-response {{\n  token: res.body.access_token\n}}\n"
        )
    }

    fn postman(&self, url: &str) -> Value {
        json!({
            "info": {
                "name": NAME,
                "description": "Fill in the variable kvops_proxy_key. The request leaves the token in the variable token.",
                "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
            },
            "item": [{
                "name": NAME,
                "request": {
                    "method": "POST",
                    "url": format!("{{{{kvops_proxy_url}}}}{PATH}"),
                    "header": [{ "key": "X-Kvops-Key", "value": "{{kvops_proxy_key}}" }],
                    "body": { "mode": "raw", "raw": pretty(&self.body()), "options": { "raw": { "language": "json" } } },
                },
                "event": [{ "listen": "test", "script": {
                    "type": "text/javascript",
                    "exec": ["pm.collectionVariables.set(\"token\", pm.response.json().access_token);"],
                } }],
            }],
            "variable": [
                { "key": "kvops_proxy_url", "value": url },
                { "key": "kvops_proxy_key", "value": "" },
                { "key": "token", "value": "" },
            ],
        })
    }

    /// The environment holds what asks this request for a token again once the last one is 50 minutes
    /// old; other requests say `Bearer {{ _.token }}`.
    fn insomnia(&self, url: &str) -> Value {
        json!({
            "_type": "export",
            "__export_format": 4,
            "__export_source": "kvops",
            "resources": [
                { "_id": "wrk_kvops", "_type": "workspace", "parentId": null, "name": NAME, "scope": "collection" },
                { "_id": "env_kvops", "_type": "environment", "parentId": "wrk_kvops", "name": "Base Environment", "data": {
                    "kvops_proxy_url": url,
                    "kvops_proxy_key": "",
                    // The argument in the middle is base64 of `$.access_token`.
                    "token": "{% response 'body', 'req_kvops', 'b64::JC5hY2Nlc3NfdG9rZW4=::46b', 'when-expired', 3000 %}",
                } },
                {
                    "_id": "req_kvops", "_type": "request", "parentId": "wrk_kvops", "name": NAME, "method": "POST",
                    "url": format!("{{{{ _.kvops_proxy_url }}}}{PATH}"),
                    "headers": [
                        { "name": "Content-Type", "value": "application/json" },
                        { "name": "X-Kvops-Key", "value": "{{ _.kvops_proxy_key }}" },
                    ],
                    "body": { "mimeType": "application/json", "text": pretty(&self.body()) },
                },
            ],
        })
    }
}

fn pretty(value: &Value) -> String {
    // A `Value` always has a JSON text; the alternate form is the indented one.
    format!("{value:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            client: "615e6319-bf4f-4279-937c-b9eb198e511f".to_owned(),
            tenant: "contoso.example".to_owned(),
            scope: "api://billing/.default".to_owned(),
            vault: "https://contoso-kv.vault.azure.net/".to_owned(),
            certificate: "billing".to_owned(),
        }
    }

    #[test]
    fn each_form_asks_for_the_same_token_and_leaves_the_key_to_the_user() {
        for form in Form::ALL {
            let text = recipe().write(form, "http://127.0.0.1:5616");
            for part in
                ["615e6319-bf4f-4279-937c-b9eb198e511f", "api://billing/.default", "billing", PATH, "X-Kvops-Key"]
            {
                assert!(text.contains(part), "{form:?} lacks {part}:\n{text}");
            }
            assert!(text.to_lowercase().contains("kvops_proxy_key"), "{form:?}");
        }
    }

    #[test]
    fn what_tools_import_is_json_and_holds_the_body_as_text() {
        for (form, pointer) in [(Form::Postman, "/item/0/request/body/raw"), (Form::Insomnia, "/resources/2/body/text")]
        {
            let document: Value = serde_json::from_str(&recipe().write(form, "http://127.0.0.1:5616")).unwrap();
            let body: Value = serde_json::from_str(document.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
            assert_eq!(body, recipe().body());
            assert!(form.content_type().starts_with("application/json"));
        }
    }

    #[test]
    fn a_quote_in_a_scope_stays_inside_the_shells_quotes() {
        let recipe = Recipe { scope: "api://o'brien/.default".to_owned(), ..recipe() };
        assert!(recipe.write(Form::Curl, "").contains("api://o'\\''brien/.default"));
    }

    #[test]
    fn insomnia_asks_again_after_fifty_minutes() {
        let text = recipe().write(Form::Insomnia, "http://127.0.0.1:5616");
        assert!(text.contains("'when-expired', 3000") && text.contains("JC5hY2Nlc3NfdG9rZW4="), "{text}");
    }
}
