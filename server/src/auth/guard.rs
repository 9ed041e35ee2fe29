//! The check before every handler: who asks, whether the table permits it, and whether the handler kept to it.

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::ids::UserId;
use tower_sessions::Session;

use super::caller::{Caller, unknown};
use super::permissions::{self, Need};
use super::{sessions, tokens};
use crate::db;
use crate::error::ApiError;
use crate::requests::is_api;
use crate::state::AppState;

/// Lets through what the table permits.
pub(crate) async fn check(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(permissions::STATIC) {
        return next.run(request).await;
    }
    let need = match request.extensions().get::<MatchedPath>() {
        Some(path) => permissions::need(request.method(), path.as_str()),
        // There is nothing at this address, which is said to those who are known only.
        None => Some(Need::SignedIn),
    };
    let Some(need) = need else {
        return undeclared(&request).into_response();
    };
    // Taken out first: a request's body cannot be shared between threads while something is waited for.
    let token = tokens::bearer(request.headers()).map(ToOwned::to_owned);
    let session = request.extensions().get::<Session>().cloned();
    let caller = match identify(&state, token, session, need).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    match (&caller, need) {
        (None, Need::Nobody) => {}
        (None, _) => return to_sign_in(&request),
        (Some(caller), _) => {
            if let Err(error) = caller.admit_anywhere() {
                return error.into_response();
            }
            request.extensions_mut().insert(caller.clone());
        }
    }
    let response = next.run(request).await;
    if response.status().is_success() && caller.is_some_and(|caller| !caller.is_checked()) {
        return ApiError::internal("a handler answered without holding its project against the permission table")
            .into_response();
    }
    response
}

/// A token, else the browser's session. What is wrong with either is not said.
async fn identify(
    state: &AppState,
    token: Option<String>,
    session: Option<Session>,
    need: Need,
) -> Result<Option<Caller>, ApiError> {
    let user = match token {
        Some(token) => tokens::owner(&state.db, &state.clock, &token).await?,
        None => of_session(session).await?,
    };
    let Some(user) = user else {
        return Ok(None);
    };
    match db::users::get(&state.db, &user).await? {
        Some(account) if account.disabled_us.is_none() => Caller::load(&state.db, account, need).await.map(Some),
        _ => Ok(None),
    }
}

async fn of_session(session: Option<Session>) -> Result<Option<UserId>, ApiError> {
    match session {
        // Without a cookie there is nothing to look up.
        Some(session) if session.id().is_some() => session.get(sessions::USER).await.map_err(ApiError::internal),
        _ => Ok(None),
    }
}

/// A script is told that it is not known; a browser is shown where to sign in, and comes back afterwards.
fn to_sign_in(request: &Request) -> Response {
    let uri = request.uri();
    if is_api(uri.path()) || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return unknown().into_response();
    }
    let wanted = uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    let address = match wanted {
        "/" => "/sign-in".to_owned(),
        wanted => format!("/sign-in?next={}", escaped(wanted)),
    };
    match HeaderValue::from_str(&address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(LOCATION, address)]).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

/// Percent-encoded, so that it is one value of a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn undeclared(request: &Request) -> ApiError {
    ApiError::problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
        format!("this address does not understand {}", request.method()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_one_value_of_a_query() {
        assert_eq!(escaped("/models/x?a=1&b=福"), "/models/x%3Fa%3D1%26b%3D%E7%A6%8F");
    }
}
