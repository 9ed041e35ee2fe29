//! Rapid responses.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::NewRequest;
use domain::ids::{ProjectId, RequestId};
use domain::request::{DEFAULT_DUE_US, Request};

use super::{InProject, named, project};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// The longest title in characters.
const MAX_TITLE_CHARS: usize = 200;

/// Rapid responses of a project: open ones by due time, then closed ones.
#[utoipa::path(get, path = "/requests", tag = "requests", params(InProject),
    responses((status = 200, body = Vec<Request>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<InProject>,
) -> Result<Json<Vec<Request>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    Ok(Json(db::requests::list(&state.db, &project.id).await?))
}

/// Open a rapid response.
#[utoipa::path(post, path = "/requests", tag = "requests", request_body = NewRequest,
    responses((status = 201, body = Request), (status = 422)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Json(new): Json<NewRequest>,
) -> Result<(StatusCode, Json<Request>), ApiError> {
    let title = new.title.trim();
    let n_chars = title.chars().count();
    if n_chars == 0 || n_chars > MAX_TITLE_CHARS || title.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!(
            "a title has 1 to {MAX_TITLE_CHARS} characters on one line, got {n_chars}"
        )));
    }
    let due_us = match new.due_in_minutes {
        None => DEFAULT_DUE_US,
        Some(minutes @ 1..=10_080) => i64::from(minutes) * 60_000_000,
        Some(minutes) => {
            return Err(ApiError::invalid(format!(
                "a response is due within 1 to 10080 minutes, got {minutes}"
            )));
        }
    };
    let project = project(&state, &caller, named(new.project.as_ref())).await?;
    let opened_us = state.clock.now_us();
    let request = Request {
        id: RequestId(new_id(&state.clock)),
        project: project.id,
        title: title.to_owned(),
        opened_us,
        due_us: opened_us + due_us,
        closed_us: None,
        datasets: Vec::new(),
        jobs: Vec::new(),
        releases: Vec::new(),
    };
    db::requests::insert(&state.db, &request).await?;
    Ok((StatusCode::CREATED, Json(request)))
}

/// One rapid response with everything made for it.
#[utoipa::path(get, path = "/requests/{id}", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = Request), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Request>, ApiError> {
    Ok(Json(found(&state, &caller, &RequestId(id)).await?))
}

/// Close a rapid response; closing it twice changes nothing.
#[utoipa::path(post, path = "/requests/{id}/close", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = Request), (status = 404)))]
pub(crate) async fn close(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Request>, ApiError> {
    let id = RequestId(id);
    // Before anything is changed.
    found(&state, &caller, &id).await?;
    db::requests::close(&state.db, &id, state.clock.now_us()).await?;
    Ok(Json(found(&state, &caller, &id).await?))
}

async fn found(state: &AppState, caller: &Caller, id: &RequestId) -> Result<Request, ApiError> {
    let missing = || ApiError::not_found("request", id);
    let request = db::requests::get(&state.db, id).await?.ok_or_else(missing)?;
    caller.admit(&request.project, missing)?;
    Ok(request)
}

/// Checks that a request which something shall be linked to exists in the same project.
pub(super) async fn linkable(state: &AppState, project: &ProjectId, id: Option<&RequestId>) -> Result<(), ApiError> {
    let Some(id) = id else {
        return Ok(());
    };
    match db::requests::get(&state.db, id).await? {
        Some(request) if request.project == *project => Ok(()),
        _ => Err(ApiError::not_found("request", id)),
    }
}
