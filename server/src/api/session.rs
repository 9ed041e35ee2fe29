//! Signing in and out, and who one is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse as _, Response};
use domain::api::people::{Me, NewSession, ProjectRole};
use domain::people::{Password, Role};
use tower_sessions::Session;

use crate::auth::caller::Caller;
use crate::auth::{sessions, throttle};
use crate::db;
use crate::db::users::Account;
use crate::error::ApiError;
use crate::state::AppState;

/// Sign in: the answer sets the session's cookie.
#[utoipa::path(post, path = "/session", tag = "people", request_body = NewSession,
    responses((status = 200, body = Me), (status = 401, description = "No such name with this password"),
        (status = 429, description = "Too many failures; Retry-After says when to try again")))]
pub(crate) async fn create(
    State(state): State<AppState>,
    session: Session,
    Json(new): Json<NewSession>,
) -> Result<Response, ApiError> {
    let key = new.name.key();
    if let Err(wait_s) = state.auth.throttle.begin(&key, state.clock.now_us()) {
        return Ok(too_many(wait_s));
    }
    let account = proven(&state, &new).await?;
    state.auth.throttle.succeeded(&key);
    let me = begin(&state, &session, &account).await?;
    Ok(Json(me).into_response())
}

/// The account that the password proves. A wrong password and a name that nobody has take the same time and the same
/// words, so that names cannot be found out.
async fn proven(state: &AppState, new: &NewSession) -> Result<Account, ApiError> {
    let account = db::users::by_name(&state.db, &new.name).await?;
    let account = account.filter(|account| account.disabled_us.is_none());
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    // Nobody's password is longer, and hashing a book would keep others waiting.
    let is_possible = new.password.expose().chars().count() <= *Password::LENGTH.end();
    let given = if is_possible {
        new.password.clone()
    } else {
        Password::new("")
    };
    let is_right = state.auth.passwords.verify(given, stored).await?;
    account.filter(|_| is_right && is_possible).ok_or_else(|| {
        ApiError::problem(
            StatusCode::UNAUTHORIZED,
            "wrong-password",
            "Not signed in",
            "there is no account of this name with this password",
        )
    })
}

/// Makes the request's session that of somebody, under an id that nobody knew before.
///
/// # Errors
/// The database says no.
pub(super) async fn begin(state: &AppState, session: &Session, account: &Account) -> Result<Me, ApiError> {
    session.cycle_id().await.map_err(ApiError::internal)?;
    session
        .insert(sessions::USER, &account.id)
        .await
        .map_err(ApiError::internal)?;
    tracing::info!(user = %account.name, "signed in");
    me_of(state, account).await
}

fn too_many(wait_s: u64) -> Response {
    let problem = ApiError::problem(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-failures",
        "Too many failures",
        format!(
            "{} tries to sign in with this name failed within a minute; try again in {wait_s} seconds",
            throttle::MAX_FAILURES
        ),
    );
    let mut response = problem.into_response();
    response.headers_mut().insert(RETRY_AFTER, wait_s.into());
    response
}

/// Sign out: the session ends. A token stays good; DELETE /api/v1/tokens/{id} ends it.
#[utoipa::path(delete, path = "/session", tag = "people", responses((status = 204)))]
pub(crate) async fn delete(session: Session, caller: Caller) -> Result<StatusCode, ApiError> {
    session.flush().await.map_err(ApiError::internal)?;
    tracing::info!(user = %caller.name, "signed out");
    Ok(StatusCode::NO_CONTENT)
}

/// Who one is, and what one may do where.
#[utoipa::path(get, path = "/me", tag = "people", responses((status = 200, body = Me)))]
pub(crate) async fn me(State(state): State<AppState>, caller: Caller) -> Result<Json<Me>, ApiError> {
    let account = db::users::get(&state.db, &caller.id).await?;
    let account = account.ok_or_else(|| ApiError::not_found("account", &caller.name))?;
    Ok(Json(me_of(&state, &account).await?))
}

async fn me_of(state: &AppState, account: &Account) -> Result<Me, ApiError> {
    let roles = if account.is_admin {
        let projects = db::projects::list(&state.db).await?;
        projects
            .into_iter()
            .map(|project| (project.name, Role::Admin))
            .collect()
    } else {
        db::users::named_roles(&state.db, &account.id).await?
    };
    let project = |(project, role): (_, Role)| ProjectRole {
        project,
        role,
        permissions: role.permissions(),
    };
    Ok(Me {
        name: account.name.clone(),
        global_admin: account.is_admin,
        projects: roles.into_iter().map(project).collect(),
    })
}
