//! What happens to every request before and after its handler: an id, the checks against forged requests, the log line,
//! and the body of whatever went wrong.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use domain::api::Problem;
use tracing::Instrument as _;

use crate::auth::sessions;
use crate::auth::tokens::bearer;
use crate::error::{ApiError, ProblemParts};
use crate::ids::new_id;
use crate::state::AppState;

/// The response's header with the id.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer of the API and the pages.
pub(crate) async fn wrap(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let id = new_id(&state.clock);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let is_api = is_api(&path);
    let span = tracing::info_span!("request", id, %method, path);
    let start_us = state.clock.now_us();
    let answer = async {
        match refuse_forged(request.method(), request.headers(), state.config.is_local_only()) {
            Ok(()) => next.run(request).await,
            Err(error) => axum::response::IntoResponse::into_response(error),
        }
    };
    let response = answer.instrument(span.clone()).await;
    let took = Duration::from_micros(u64::try_from(state.clock.now_us() - start_us).unwrap_or_default());
    span.in_scope(|| tracing::info!(status = response.status().as_u16(), ?took, "answered"));
    let mut response = with_problem(response, &id, is_api).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    response
}

/// Whether an address is the API's, where whatever goes wrong is a problem document.
pub(crate) fn is_api(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Two things would let any web page act for whoever is signed in, or look at a server that only this machine should
/// reach: a form or fetch from another site, and a name of the attacker's that resolves to this machine. Both show in the
/// headers that a browser sets itself. A browser sends its cookie by itself, so a cookie counts only where it says as well
/// where the request comes from; a token is sent by nobody who does not know it.
fn refuse_forged(method: &Method, headers: &HeaderMap, local_only: bool) -> Result<(), ApiError> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let refused = |detail: String| {
        Err(ApiError::problem(
            StatusCode::FORBIDDEN,
            "forged-request",
            "Refused as a forged request",
            detail,
        ))
    };
    let host = text(&HOST);
    if local_only
        && let Some(host) = host
        && !is_loopback(host)
    {
        let host = crate::error::shortened(host);
        return refused(format!("this server answers to loopback names only, not to {host:?}"));
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    if bearer(headers).is_some() {
        return Ok(());
    }
    let site = text(&HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return refused("the request comes from a page of another site".to_owned());
    }
    if let Some(origin) = text(&ORIGIN) {
        let from = origin.split_once("://").map_or("", |(_, rest)| rest);
        if host != Some(from) {
            return refused("the request comes from a page of another origin".to_owned());
        }
    } else if site.is_none() && has_session(headers) {
        return refused(
            "a request with a session's cookie says in Origin or Sec-Fetch-Site where it comes from; a script sends a \
             token instead"
                .to_owned(),
        );
    }
    Ok(())
}

fn has_session(headers: &HeaderMap) -> bool {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut names = cookies
        .flat_map(|value| value.split(';'))
        .map(|pair| pair.split('=').next());
    names.any(|name| name.is_some_and(|name| name.trim() == sessions::COOKIE))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Gives every error of the API its body, also those that axum made on its own (no route, wrong method, bad JSON).
async fn with_problem(response: Response, id: &str, is_api: bool) -> Response {
    const MOST_BYTES: usize = 4096;
    let status = response.status();
    let parts = response.extensions().get::<ProblemParts>().cloned();
    if !(status.is_client_error() || status.is_server_error()) || (parts.is_none() && !is_api) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let parts = match parts {
        Some(parts) => parts,
        None => {
            let said = to_bytes(body, MOST_BYTES).await.unwrap_or_default();
            generic(status, &String::from_utf8_lossy(&said))
        }
    };
    let problem = Problem {
        kind: format!("/problems/{}", parts.kind),
        title: parts.title.to_owned(),
        status: status.as_u16(),
        detail: parts.detail,
        request_id: id.to_owned(),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    head.headers.remove(CONTENT_LENGTH);
    head.headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        head.headers
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Response::from_parts(head, Body::from(body))
}

fn generic(status: StatusCode, said: &str) -> ProblemParts {
    let (kind, title, detail) = match status {
        StatusCode::NOT_FOUND => ("not-found", "Not found", "there is nothing at this address".to_owned()),
        StatusCode::METHOD_NOT_ALLOWED => (
            "method-not-allowed",
            "Method not allowed",
            "this address does not understand this method".to_owned(),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "too-large",
            "Too large",
            "the body is larger than the 64 MiB that this address takes".to_owned(),
        ),
        status if status.is_server_error() => (
            "internal",
            "Something failed inside",
            "the server failed; its log says why under this request id".to_owned(),
        ),
        _ => {
            let said: String = said.chars().take(500).collect();
            ("bad-request", "The request cannot be read", said)
        }
    };
    ProblemParts {
        status,
        kind,
        title,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn requests_of_other_sites_are_refused() {
        let local = ("host", "127.0.0.1:3000");
        type Case = (Method, Vec<(&'static str, &'static str)>, bool);
        let cookie = ("cookie", "a=1; rehead_session=x");
        let token = ("authorization", "Bearer rh_x");
        let cases: [Case; 15] = [
            (Method::POST, vec![local], true),
            (Method::POST, vec![local, ("origin", "http://127.0.0.1:3000")], true),
            (Method::POST, vec![local, ("origin", "http://evil.example")], false),
            (Method::POST, vec![local, ("origin", "null")], false),
            (Method::POST, vec![local, ("sec-fetch-site", "cross-site")], false),
            (Method::PUT, vec![local, ("sec-fetch-site", "same-site")], false),
            (Method::POST, vec![local, cookie], false),
            (Method::DELETE, vec![local, ("cookie", "rehead_language=zh")], true),
            (
                Method::POST,
                vec![local, cookie, ("origin", "http://127.0.0.1:3000")],
                true,
            ),
            (
                Method::POST,
                vec![local, cookie, ("sec-fetch-site", "same-origin")],
                true,
            ),
            (Method::POST, vec![local, cookie, ("sec-fetch-site", "none")], true),
            (Method::POST, vec![local, cookie, token], true),
            (Method::GET, vec![local, ("sec-fetch-site", "cross-site")], true),
            (Method::GET, vec![("host", "evil.example")], false),
            (Method::GET, vec![("host", "[::1]:3000")], true),
        ];
        for (method, pairs, allowed) in cases {
            let got = refuse_forged(&method, &headers(&pairs), true).is_ok();
            assert_eq!(got, allowed, "{method} {pairs:?}");
        }
        let elsewhere = headers(&[("host", "rehead.example")]);
        assert!(
            refuse_forged(&Method::GET, &elsewhere, false).is_ok(),
            "others reach it by its own name"
        );
    }
}
