//! Parts of a request, whose faults are told as problems.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::serve::Problem;

/// A body in JSON.
pub(super) struct Body<T>(pub(super) T);

/// What stands in the address in place of names in braces.
pub(super) struct Path<T>(pub(super) T);

/// What follows the question mark.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "the request is not JSON")
                    .hint("send JSON with `Content-Type: application/json`"))
            }
            Err(rejection) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "json", "the JSON cannot be read")
                    .detail(rejection.body_text()))
            }
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(parsed)) => Ok(Self(parsed)),
            Err(rejection) => Err(malformed(rejection.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(parsed)) => Ok(Self(parsed)),
            Err(rejection) => Err(malformed(rejection.body_text())),
        }
    }
}

/// An address with a part that cannot be read.
pub(super) fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "address", "the address is malformed").detail(detail)
}
