//! The one permission table. What is not in it is refused; a test holds it against the routes that there are.

use axum::http::Method;
use domain::people::Permission;

/// What somebody must be for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: whoever asks is answered.
    Nobody,
    /// Signed in. What the answer holds is cut to what the person may see.
    SignedIn,
    /// Somebody with this permission in the project that the call is about.
    In(Permission),
    /// Somebody who may do everything in every project.
    GlobalAdmin,
}

/// A method, a path as the router writes it, and what it needs. HEAD needs what GET needs.
type Entry = (Method, &'static str, Need);

use Need::{GlobalAdmin, In, Nobody, SignedIn};
use Permission::{Administer, Operate, Override, Publish, Read};

/// Every route of the API and every page.
pub(crate) const TABLE: &[Entry] = &[
    // What a machine or a person without an account may ask.
    (Method::GET, "/healthz", Nobody),
    (Method::GET, "/api/v1/openapi.json", Nobody),
    (Method::POST, "/api/v1/session", Nobody),
    (Method::GET, "/api/v1/setup", Nobody),
    (Method::POST, "/api/v1/setup", Nobody),
    (Method::GET, "/sign-in", Nobody),
    (Method::GET, "/setup", Nobody),
    // Pages: they read through the API, with the permissions of whoever looks.
    (Method::GET, "/", SignedIn),
    (Method::GET, "/datasets", SignedIn),
    (Method::GET, "/datasets/{name}", SignedIn),
    (Method::GET, "/jobs", SignedIn),
    (Method::GET, "/jobs/{id}", SignedIn),
    (Method::GET, "/models", SignedIn),
    (Method::GET, "/models/{id}", SignedIn),
    (Method::GET, "/compare", SignedIn),
    (Method::GET, "/policies", SignedIn),
    (Method::GET, "/releases", SignedIn),
    #[cfg(debug_assertions)]
    (Method::GET, "/design", SignedIn),
    // Oneself.
    (Method::DELETE, "/api/v1/session", SignedIn),
    (Method::GET, "/api/v1/me", SignedIn),
    (Method::GET, "/api/v1/tokens", SignedIn),
    (Method::POST, "/api/v1/tokens", SignedIn),
    (Method::DELETE, "/api/v1/tokens/{id}", SignedIn),
    // People.
    (Method::GET, "/api/v1/users", In(Administer)),
    (Method::POST, "/api/v1/users", In(Administer)),
    (Method::PUT, "/api/v1/projects/{name}/members/{user}", In(Administer)),
    (Method::DELETE, "/api/v1/projects/{name}/members/{user}", In(Administer)),
    // Projects: each sees the own ones. An admin of a project makes accounts, so nobody becomes one unasked.
    (Method::GET, "/api/v1/projects", SignedIn),
    (Method::POST, "/api/v1/projects", GlobalAdmin),
    (Method::GET, "/api/v1/projects/{name}", In(Read)),
    (Method::GET, "/api/v1/overview", In(Read)),
    // What comes with the server.
    (Method::GET, "/api/v1/backbones", SignedIn),
    // Policies: who weakens the gate answers for the project.
    (Method::GET, "/api/v1/policies", In(Read)),
    (Method::PUT, "/api/v1/policies/{name}", In(Administer)),
    // Requests.
    (Method::GET, "/api/v1/requests", In(Read)),
    (Method::POST, "/api/v1/requests", In(Operate)),
    (Method::GET, "/api/v1/requests/{id}", In(Read)),
    (Method::POST, "/api/v1/requests/{id}/close", In(Operate)),
    // Datasets and images.
    (Method::GET, "/api/v1/datasets", In(Read)),
    (Method::POST, "/api/v1/datasets", In(Operate)),
    (Method::GET, "/api/v1/datasets/{dataset}", In(Read)),
    (Method::GET, "/api/v1/datasets/{dataset}/versions", In(Read)),
    (Method::POST, "/api/v1/datasets/{dataset}/versions", In(Operate)),
    (Method::GET, "/api/v1/dataset-versions/{id}", In(Read)),
    (Method::GET, "/api/v1/dataset-versions/{id}/rows", In(Read)),
    (Method::POST, "/api/v1/images/missing", In(Operate)),
    (Method::GET, "/api/v1/images/{digest}", In(Read)),
    (Method::PUT, "/api/v1/images/{digest}", In(Operate)),
    // Jobs.
    (Method::GET, "/api/v1/jobs", In(Read)),
    (Method::POST, "/api/v1/jobs", In(Operate)),
    (Method::GET, "/api/v1/jobs/{id}", In(Read)),
    (Method::PATCH, "/api/v1/jobs/{id}", In(Operate)),
    (Method::POST, "/api/v1/jobs/{id}/start", In(Operate)),
    (Method::POST, "/api/v1/jobs/{id}/cancel", In(Operate)),
    (Method::GET, "/api/v1/jobs/{id}/result", In(Read)),
    (Method::GET, "/api/v1/jobs/{id}/events", In(Read)),
    (Method::GET, "/api/v1/jobs/{id}/preview", In(Read)),
    // Models.
    (Method::GET, "/api/v1/models", In(Read)),
    (Method::GET, "/api/v1/models/{id}", In(Read)),
    (Method::GET, "/api/v1/models/{id}/report", In(Read)),
    (Method::GET, "/api/v1/models/{id}/verdict", In(Read)),
    (Method::GET, "/api/v1/models/{id}/files/{name}", In(Read)),
    (Method::GET, "/api/v1/models/{id}/features", In(Read)),
    (Method::GET, "/api/v1/models/{id}/review.html", In(Read)),
    (Method::GET, "/api/v1/models/{id}/review.json", In(Read)),
    (Method::GET, "/api/v1/models/{id}/classes.csv", In(Read)),
    (Method::GET, "/api/v1/models/{id}/checks.csv", In(Read)),
    (Method::GET, "/api/v1/models/{id}/confusion.csv", In(Read)),
    (Method::GET, "/api/v1/models/{id}/flips.csv", In(Read)),
    (Method::GET, "/api/v1/models/{id}/dial", In(Read)),
    (Method::POST, "/api/v1/models/{id}/dial", In(Operate)),
    (Method::POST, "/api/v1/models/{id}/refit", In(Operate)),
    (Method::GET, "/api/v1/compare", In(Read)),
    (Method::GET, "/api/v1/models/{id}/overrides", In(Read)),
    // And not on a job of one's own, see `crate::api::overrides`.
    (Method::POST, "/api/v1/models/{id}/override", In(Override)),
    // Channels. A release of what the gate did not pass needs a reviewer's word too, see `crate::api::overrides`.
    (Method::GET, "/api/v1/channels", In(Read)),
    (Method::GET, "/api/v1/channels/{name}", In(Read)),
    (Method::POST, "/api/v1/channels/{name}/releases", In(Publish)),
    (Method::POST, "/api/v1/channels/{name}/undo", In(Publish)),
    (Method::PUT, "/api/v1/channels/{name}/anchor", In(Administer)),
    (Method::GET, "/api/v1/releases", In(Read)),
];

/// Scripts and styles, the same for everybody.
pub(crate) const STATIC: &str = "/pkg/";

/// What a call needs; none where the table does not know it.
pub(crate) fn need(method: &Method, path: &str) -> Option<Need> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let entry = TABLE.iter().find(|entry| entry.0 == *method && entry.1 == path);
    entry.map(|entry| entry.2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_route_is_declared_once_and_reading_never_needs_more_than_reading() {
        let mut seen = BTreeSet::new();
        for (method, path, need) in TABLE {
            assert!(seen.insert((method.as_str(), *path)), "{method} {path} twice");
            let reads = *method == Method::GET && *path != "/api/v1/users";
            if let In(permission) = need {
                assert_eq!(*permission == Read, reads, "{method} {path}");
            }
        }
        assert_eq!(super::need(&Method::HEAD, "/api/v1/jobs"), Some(In(Read)));
        assert_eq!(super::need(&Method::DELETE, "/api/v1/jobs"), None);
    }
}
