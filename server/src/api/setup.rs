//! One-time links: the first account, and passwords that only their person knows.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use domain::api::people::{Me, NewSetup, SetupLink};
use domain::ids::{Digest, UserId};
use domain::names::UserName;
use domain::people::Password;
use serde::Deserialize;
use tower_sessions::Session;

use super::session;
use crate::auth::links;
use crate::db;
use crate::db::users::Account;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// `?key=…`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct Key {
    /// The link's key.
    pub key: String,
}

/// What a one-time link is for, while it can be used.
#[utoipa::path(get, path = "/setup", tag = "people", params(Key),
    responses((status = 200, body = SetupLink), (status = 410, description = "Used up, expired or never made")))]
pub(crate) async fn get(State(state): State<AppState>, Query(key): Query<Key>) -> Result<Json<SetupLink>, ApiError> {
    let link = db::setup_links::get(&state.db, &links::hash(&key.key), state.clock.now_us()).await?;
    let link = link.ok_or_else(gone)?;
    let name = match &link.user {
        Some(user) => Some(person(&state, user).await?.name),
        None => None,
    };
    Ok(Json(SetupLink {
        name,
        expires_us: link.expires_us,
    }))
}

/// Use a one-time link: makes the first account, which may do everything, or sets the password of the link's person; and
/// signs in.
#[utoipa::path(post, path = "/setup", tag = "people", request_body = NewSetup,
    responses((status = 200, body = Me), (status = 410, description = "Used up, expired or never made"),
        (status = 422, description = "The name or the password cannot be taken")))]
pub(crate) async fn create(
    State(state): State<AppState>,
    session: Session,
    Json(new): Json<NewSetup>,
) -> Result<Json<Me>, ApiError> {
    let hash = links::hash(&new.key);
    let link = db::setup_links::get(&state.db, &hash, state.clock.now_us()).await?;
    // Before a password is hashed for somebody who only tries keys.
    let account = match link.ok_or_else(gone)?.user {
        Some(user) => set_password(&state, &hash, &user, new).await?,
        None => make_first(&state, &hash, new).await?,
    };
    Ok(Json(session::begin(&state, &session, &account).await?))
}

async fn set_password(state: &AppState, hash: &Digest, user: &UserId, new: NewSetup) -> Result<Account, ApiError> {
    let account = person(state, user).await?;
    if new.name.is_some_and(|name| name.key() != account.name.key()) {
        return Err(ApiError::invalid(format!(
            "this link is for {}, and for nobody else",
            account.name
        )));
    }
    let password_hash = hashed(state, &account.name, new.password).await?;
    let now_us = state.clock.now_us();
    if db::setup_links::set_password(&state.db, hash, user, &password_hash, now_us).await? {
        Ok(account)
    } else {
        Err(gone())
    }
}

async fn make_first(state: &AppState, hash: &Digest, new: NewSetup) -> Result<Account, ApiError> {
    let name = new
        .name
        .ok_or_else(|| ApiError::invalid("the first account needs a name"))?;
    let password_hash = hashed(state, &name, new.password).await?;
    let now_us = state.clock.now_us();
    let account = Account {
        id: UserId(new_id(&state.clock)),
        name,
        is_admin: true,
        password_hash: Some(password_hash),
        created_us: now_us,
        disabled_us: None,
    };
    if db::setup_links::make_first(&state.db, hash, &account, now_us).await? {
        Ok(account)
    } else {
        Err(gone())
    }
}

async fn hashed(state: &AppState, name: &UserName, password: Password) -> Result<String, ApiError> {
    password
        .check(name)
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    state.auth.passwords.hash(password).await
}

/// The person of a link, unless the account was disabled meanwhile.
async fn person(state: &AppState, user: &UserId) -> Result<Account, ApiError> {
    let account = db::users::get(&state.db, user).await?;
    account.filter(|account| account.disabled_us.is_none()).ok_or_else(gone)
}

fn gone() -> ApiError {
    ApiError::problem(
        StatusCode::GONE,
        "used-link",
        "The link is no longer good",
        "this link was used, is older than a day, or a newer one was made; `rehead admin user NAME` makes another, and \
         `rehead admin setup-link` one for the first account",
    )
}
