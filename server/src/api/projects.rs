//! Projects.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::api::{NewProject, Project};
use domain::ids::ProjectId;

use super::project;
use crate::db;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// All projects, oldest first.
#[utoipa::path(get, path = "/projects", tag = "projects", responses((status = 200, body = Vec<Project>)))]
pub(crate) async fn list(State(state): State<AppState>) -> Result<Json<Vec<Project>>, ApiError> {
    project(&state, None).await?;
    Ok(Json(db::projects::list(&state.db).await?))
}

/// Make a project.
#[utoipa::path(post, path = "/projects", tag = "projects", request_body = NewProject,
    responses((status = 201, body = Project), (status = 409, description = "The name is taken")))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Json(new): Json<NewProject>,
) -> Result<(StatusCode, Json<Project>), ApiError> {
    let made = Project {
        id: ProjectId(new_id(&state.clock)),
        name: new.name,
        created_us: state.clock.now_us(),
    };
    if db::projects::insert(&state.db, &made).await? {
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
pub(crate) async fn get(State(state): State<AppState>, Path(name): Path<String>) -> Result<Json<Project>, ApiError> {
    Ok(Json(project(&state, Some(&name)).await?))
}
