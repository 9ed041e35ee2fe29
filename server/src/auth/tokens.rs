//! Tokens that scripts send as `Authorization: Bearer rh_…`.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use domain::api::people::{IssuedToken, Token};
use domain::ids::{Digest, TokenId, UserId};

use crate::clock::Clock;
use crate::db;
use crate::db::Db;
use crate::error::ApiError;
use crate::ids::{new_id, new_secret};

/// What every token begins with, so that one which leaked is found by whoever looks for it.
const PREFIX: &str = "rh_";
const DAY_US: i64 = 24 * 3600 * 1_000_000;
/// How long a token is good where nobody says.
pub(crate) const DEFAULT_DAYS: u32 = 365;
const MAX_DAYS: u32 = 3650;
const MAX_NAME_CHARS: usize = 100;

/// Makes a token of somebody's.
///
/// # Errors
/// The name or the days make no sense, or the database says no.
pub(crate) async fn issue(
    db: &Db,
    clock: &Clock,
    user: &UserId,
    name: &str,
    days: Option<u32>,
) -> Result<IssuedToken, ApiError> {
    let name = name.trim();
    let n_chars = name.chars().count();
    if n_chars == 0 || n_chars > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!(
            "a token's name says what it is for in 1 to {MAX_NAME_CHARS} characters on one line, got {n_chars}"
        )));
    }
    let days = days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(ApiError::invalid(format!(
            "a token is good for 1 to {MAX_DAYS} days, got {days}"
        )));
    }
    let secret = format!("{PREFIX}{}", new_secret().map_err(ApiError::internal)?);
    let created_us = clock.now_us();
    let token = Token {
        id: TokenId(new_id(clock)),
        name: name.to_owned(),
        created_us,
        expires_us: created_us + i64::from(days) * DAY_US,
        last_used_us: None,
    };
    db::tokens::insert(db, user, &token, &Digest::of(secret.as_bytes())).await?;
    Ok(IssuedToken { token, secret })
}

/// The token that a request carries, if it carries any.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whose token it is, while it is good.
///
/// # Errors
/// The database says no.
pub(crate) async fn owner(db: &Db, clock: &Clock, token: &str) -> Result<Option<UserId>, ApiError> {
    if !token.starts_with(PREFIX) {
        return Ok(None);
    }
    Ok(db::tokens::used(db, &Digest::of(token.as_bytes()), clock.now_us()).await?)
}
