//! What a browser sees: a page that explains, and the pages to try things out on. All of it comes out
//! of this program; the policy that is sent along lets nothing come from anywhere else.

use axum::Extension;
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::header::CONTENT_TYPE;
use axum::http::header::HOST;
use axum::http::header::REFERRER_POLICY;
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::http::header::X_FRAME_OPTIONS;
use axum::middleware::Next;
use axum::middleware::from_fn;
use axum::response::Html;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;
use utoipa_swagger_ui::SwaggerUi;

use crate::serve::Scheme;

const PAGE: &str = include_str!("index.html");
const STYLE: &str = include_str!("page.css");

/// Where the document lies; the model's address.
pub(super) const DOCUMENT: &str = "/swagger/v1/swagger.json";

/// The page that explains.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The pages to try things out on: scripts of this server alone, which call this server alone. They set
/// styles on what they make.
const UI_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The pages, and the document that they show.
pub(super) fn routes(document: OpenApi) -> Router {
    // Without an address for it the pages do not ask a stranger to validate the document.
    let config = Config::new([DOCUMENT]).validator_url("none").try_it_out_enabled(true).display_request_duration(true);
    let ui: Router = SwaggerUi::new("/swagger").url(DOCUMENT, document).config(config).into();
    let page = Router::new().route("/", get(index)).route("/page.css", get(style));
    page.layer(from_fn(async |request: Request, next: Next| guarded(PAGE_POLICY, next.run(request).await)))
        .merge(ui.layer(from_fn(async |request: Request, next: Next| guarded(UI_POLICY, next.run(request).await))))
}

async fn index(Extension(Scheme(scheme)): Extension<Scheme>, headers: HeaderMap) -> Html<String> {
    // The name by which the caller found us, which has been admitted.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost:5616");
    Html(PAGE.replace("{{origin}}", &escaped(&format!("{scheme}://{host}"))))
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))], STYLE)
}

fn guarded(policy: &'static str, mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_takes_nothing_from_elsewhere_and_runs_nothing() {
        for foreign in ["<script", "http://", "https://", "style=", "onclick", "@import", "url("] {
            let page = PAGE
                .replace("https://graph.microsoft.com/.default", "")
                .replace("https://contoso-kv.vault.azure.net/", "");
            assert!(!page.contains(foreign) && !STYLE.contains(foreign), "{foreign}");
        }
        assert!(PAGE.contains("{{origin}}"));
    }

    #[test]
    fn a_name_does_not_become_markup() {
        assert_eq!(escaped("http://a\"<b>&"), "http://a&quot;&lt;b>&amp;");
    }
}
