//! Errors on the wire: RFC 9457 problems with a request id. What went wrong inside is logged and never sent.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::names::InvalidName;
use trainer::artifacts::ArtifactError;
use trainer::features::FeatureError;
use trainer::images::ImageError;

use crate::db::DbError;

/// What a handler says when it cannot do what it was asked.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The caller can do something about it.
    Problem(ProblemParts),
    /// Only the log is told.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// A problem before it knows its request's id; the outermost layer writes the body.
#[derive(Clone, Debug)]
pub(crate) struct ProblemParts {
    /// HTTP status.
    pub status: StatusCode,
    /// The stable word behind `/problems/`.
    pub kind: &'static str,
    /// The same in a few words.
    pub title: &'static str,
    /// What failed, on what, and what to do.
    pub detail: String,
}

impl ApiError {
    /// A problem of the caller's.
    #[must_use]
    pub(crate) fn problem(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::Problem(ProblemParts {
            status,
            kind,
            title,
            detail: detail.into(),
        })
    }

    /// 404: there is no such thing.
    #[must_use]
    pub(crate) fn not_found(what: &str, which: impl std::fmt::Display) -> Self {
        Self::problem(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            format!("there is no {what} {:?} here", shortened(&which.to_string())),
        )
    }

    /// 422: understood, but it makes no sense.
    #[must_use]
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "Cannot be done as asked",
            detail,
        )
    }

    /// 409: somebody else was faster, or it is too late.
    #[must_use]
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::problem(StatusCode::CONFLICT, "conflict", "Changed in the meantime", detail)
    }

    /// 500: only the log is told what.
    #[must_use]
    pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// Whether it says that something is not there.
    #[must_use]
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Problem(parts) if parts.status == StatusCode::NOT_FOUND)
    }

    /// What is wrong in one sentence, for whoever stands at the server itself.
    #[must_use]
    pub(crate) fn sentence(self) -> String {
        match self {
            Self::Problem(parts) => parts.detail,
            Self::Internal(error) => error.to_string(),
        }
    }
}

/// An answer never repeats more than a line of what the caller sent.
#[must_use]
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        Self::internal(error)
    }
}

impl From<ArtifactError> for ApiError {
    fn from(error: ArtifactError) -> Self {
        Self::internal(error)
    }
}

impl From<FeatureError> for ApiError {
    fn from(error: FeatureError) -> Self {
        Self::internal(error)
    }
}

impl From<InvalidName> for ApiError {
    fn from(error: InvalidName) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<ImageError> for ApiError {
    fn from(error: ImageError) -> Self {
        Self::problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not-an-image",
            "Not a picture that can be used",
            error.to_string(),
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(parts) => {
                let mut response = parts.status.into_response();
                response.extensions_mut().insert(parts);
                response
            }
            Self::Internal(error) => {
                tracing::error!(error = &*error, "a request failed inside");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
