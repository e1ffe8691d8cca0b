//! Refusals in the words that clients of managed identities look for.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::request::Unanswerable;
use crate::serve::Problem;

/// A problem, with the members that SDKs show to their users: those of OAuth, and those of App Service.
/// Whoever is turned away at the door, without the key for one, gets a problem without these.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::proxy) struct IdentityProblem {
    #[serde(flatten)]
    problem: Problem,
    /// As OAuth names errors.
    #[schema(example = "invalid_request", required = false)]
    error: &'static str,
    /// What happened, with the service's code and what to do.
    #[schema(required = false)]
    error_description: String,
    /// The HTTP status, as App Service calls it.
    #[serde(rename = "statusCode")]
    #[schema(required = false)]
    status_code: u16,
    /// The same as `error_description`, as App Service calls it.
    #[schema(required = false)]
    message: String,
}

impl From<Problem> for IdentityProblem {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        let error = match status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNSUPPORTED_MEDIA_TYPE => "invalid_request",
            StatusCode::FORBIDDEN => "access_denied",
            StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            _ => "server_error",
        };
        let description = problem.to_string();
        Self {
            error,
            error_description: description.clone(),
            status_code: status.as_u16(),
            message: description,
            problem,
        }
    }
}

impl From<Unanswerable> for IdentityProblem {
    fn from(reason: Unanswerable) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "identity-request", "this is not how a managed identity is asked")
            .detail(reason.to_string())
            .into()
    }
}

impl IntoResponse for IdentityProblem {
    fn into_response(self) -> Response {
        // Status and headers are those of any problem; the body has more members.
        let (mut head, _) = self.problem.clone().into_response().into_parts();
        head.headers.remove(CONTENT_LENGTH);
        let mut response = Json(self).into_response();
        *response.status_mut() = head.status;
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        *response.headers_mut() = head.headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn a_refusal_has_the_words_of_oauth_of_app_service_and_of_a_problem() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "a service is out of order")
            .detail("the vault does not answer")
            .retry_after(Some(Duration::from_secs(7)));
        let response = IdentityProblem::from(problem).into_response();
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(body["error"], "temporarily_unavailable");
        assert_eq!(body["type"], "urn:kvops:problem:unavailable");
        assert_eq!((&body["statusCode"], &body["status"]), (&503.into(), &503.into()));
        assert_eq!(body["error_description"], body["message"]);
        assert!(body["message"].as_str().unwrap().contains("the vault does not answer"), "{body}");
    }
}
