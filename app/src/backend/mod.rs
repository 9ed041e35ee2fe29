//! The one way from the pages to the server: `/api/v1`, asked by path, answered in JSON.
//!
//! Owns: the port [`Backend`], its errors, and reading an answer into a type of `domain`. Refuses to know: how the answer
//! travels. The browser fetches it; the server calls its own router in process and gives that by context.

mod objects;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use domain::api::Problem;
use leptos::prelude::use_context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An answer on its way: the body of a success, as JSON text.
pub type Answer = Pin<Box<dyn Future<Output = Result<String, BackendError>> + Send>>;

/// Asks the server. Paths begin with `/api/v1/`.
pub trait Backend: Send + Sync {
    /// Reads.
    fn get(&self, path: String) -> Answer;

    /// Writes: `body` is JSON text.
    fn post(&self, path: String, body: String) -> Answer;

    /// Changes what is there: `body` is JSON text.
    fn patch(&self, path: String, body: String) -> Answer;

    /// Puts what is to be there: `body` is JSON text. A stand-in that only reads needs none.
    fn put(&self, path: String, _body: String) -> Answer {
        let refused = BackendError::unreachable(&format!("nothing can be put at {path} from here"));
        Box::pin(std::future::ready(Err(refused)))
    }

    /// Ends what is there. A stand-in that only reads needs none.
    fn delete(&self, path: String) -> Answer {
        let refused = BackendError::unreachable(&format!("{path} cannot be ended from here"));
        Box::pin(std::future::ready(Err(refused)))
    }
}

/// The backend as pages find it in their context.
pub type SharedBackend = Arc<dyn Backend>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendError {
    /// HTTP status; 0 where no answer came.
    pub status: u16,
    /// What the server says is wrong.
    pub problem: Option<Box<Problem>>,
    /// The same in one sentence, where the server says nothing.
    pub message: String,
}

impl BackendError {
    /// An answer that is not a success.
    #[must_use]
    pub fn from_answer(status: u16, body: &str) -> Self {
        Self {
            status,
            problem: read("an error", body).ok(),
            message: format!("the server answered with status {status}"),
        }
    }

    /// No answer came.
    #[must_use]
    pub fn unreachable(cause: &str) -> Self {
        Self {
            status: 0,
            problem: None,
            message: format!("the server could not be reached: {cause}"),
        }
    }

    /// The problem's sentence, else the message.
    #[must_use]
    pub fn sentence(&self) -> &str {
        self.problem
            .as_ref()
            .map_or(self.message.as_str(), |problem| problem.detail.as_str())
    }

    /// What names the failed call in the server's log.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.problem
            .as_ref()
            .map(|problem| problem.request_id.as_str())
            .filter(|id| !id.is_empty())
    }
}

impl std::fmt::Display for BackendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for BackendError {}

/// The backend of the context. Where none was given, every call answers that.
#[must_use]
pub fn use_backend() -> SharedBackend {
    use_context::<SharedBackend>().unwrap_or_else(|| Arc::new(Absent))
}

/// Posts `body` to `path` and reads the answer as a `T`.
///
/// # Errors
/// The server cannot be reached, refuses, or answers with something else than a `T`.
#[cfg(feature = "hydrate")]
pub(crate) async fn post_json<T: DeserializeOwned>(
    backend: SharedBackend,
    path: &str,
    body: &impl Serialize,
) -> Result<T, BackendError> {
    let text = backend.post(path.to_owned(), written(body)).await?;
    read(path, &text)
}

/// JSON text of a body.
pub(crate) fn written(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("domain types serialise to JSON")
}

/// Reads an answer.
///
/// # Errors
/// It is no `T`; `path` says what was asked.
pub(crate) fn read<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, BackendError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let answer = T::deserialize(objects::Objects(&mut json)).and_then(|answer| json.end().map(|()| answer));
    answer.map_err(|error| BackendError {
        status: 200,
        problem: None,
        message: format!("the answer to {path} is not what this page expects: {error}"),
    })
}

struct Absent;

impl Absent {
    fn answer() -> Answer {
        Box::pin(async { Err(BackendError::unreachable("these pages were given no way to it")) })
    }
}

impl Backend for Absent {
    fn get(&self, _path: String) -> Answer {
        Self::answer()
    }

    fn post(&self, _path: String, _body: String) -> Answer {
        Self::answer()
    }

    fn patch(&self, _path: String, _body: String) -> Answer {
        Self::answer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_speaks_with_the_servers_words_where_there_are_any() {
        let body = r#"{"type":"/problems/x","title":"X","status":404,"detail":"no project \"y\"","request_id":"r-1"}"#;
        let told = BackendError::from_answer(404, body);
        assert_eq!(told.sentence(), "no project \"y\"");
        assert_eq!(told.request_id(), Some("r-1"));
        let mute = BackendError::from_answer(502, "<html>");
        assert_eq!(mute.sentence(), "the server answered with status 502");
        assert_eq!(mute.request_id(), None);
    }
}
