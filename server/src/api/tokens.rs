//! Tokens of one's own, for scripts and the command line.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::api::people::{IssuedToken, NewToken, Token};
use domain::ids::TokenId;

use crate::auth::caller::Caller;
use crate::auth::tokens;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// One's tokens that are good, newest first.
#[utoipa::path(get, path = "/tokens", tag = "people", responses((status = 200, body = Vec<Token>)))]
pub(crate) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<Token>>, ApiError> {
    Ok(Json(
        db::tokens::list(&state.db, &caller.id, state.clock.now_us()).await?,
    ))
}

/// Make a token: whoever sends it may do what its owner may.
#[utoipa::path(post, path = "/tokens", tag = "people", request_body = NewToken,
    responses((status = 201, body = IssuedToken), (status = 422)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Json(new): Json<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), ApiError> {
    let issued = tokens::issue(&state.db, &state.clock, &caller.id, &new.name, new.expires_in_days).await?;
    Ok((StatusCode::CREATED, Json(issued)))
}

/// End a token.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = TokenId(id);
    if db::tokens::revoke(&state.db, &caller.id, &id, state.clock.now_us()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("token", id))
    }
}
