//! Projects.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::api::{NewProject, Project};
use domain::ids::ProjectId;

use super::project;
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// The caller's projects, oldest first.
#[utoipa::path(get, path = "/projects", tag = "projects", responses((status = 200, body = Vec<Project>)))]
pub(crate) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<Project>>, ApiError> {
    if caller.is_admin {
        // Made when it is first asked for, so that an empty server shows it.
        project(&state, &caller, None).await?;
    }
    let mut projects = db::projects::list(&state.db).await?;
    projects.retain(|project| caller.role(&project.id).is_some());
    Ok(Json(projects))
}

/// Make a project; the caller is its admin.
#[utoipa::path(post, path = "/projects", tag = "projects", request_body = NewProject,
    responses((status = 201, body = Project), (status = 409, description = "The name is taken")))]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Json(new): Json<NewProject>,
) -> Result<(StatusCode, Json<Project>), ApiError> {
    let made = Project {
        id: ProjectId(new_id(&state.clock)),
        name: new.name,
        created_us: state.clock.now_us(),
    };
    if db::projects::insert(&state.db, &made, Some(&caller.id)).await? {
        Ok((StatusCode::CREATED, Json(made)))
    } else {
        Err(ApiError::conflict(format!(
            "there is a project {:?} already",
            made.name.as_str()
        )))
    }
}

/// One project by its name.
#[utoipa::path(get, path = "/projects/{name}", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, body = Project), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Project>, ApiError> {
    Ok(Json(project(&state, &caller, Some(&name)).await?))
}
