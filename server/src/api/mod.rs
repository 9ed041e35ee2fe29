//! Handlers of `/api/v1`, one file a resource. Each checks what it is told, asks `db` and the object store, and answers
//! with a type of `domain`.

pub(crate) mod channels;
pub(crate) mod dataset_versions;
pub(crate) mod datasets;
pub(crate) mod events;
pub(crate) mod images;
pub(crate) mod jobs;
pub(crate) mod models;
pub(crate) mod overview;
pub(crate) mod projects;
pub(crate) mod requests;

use domain::api::{DEFAULT_PROJECT, Project};
use domain::ids::ProjectId;
use domain::names::ProjectName;
use serde::Deserialize;

use crate::db;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// `?project=NAME`; `main` where absent.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct InProject {
    /// Project by name; `main` where absent.
    pub project: Option<String>,
}

/// The project of that name. `main` is made when it is first asked for.
async fn project(state: &AppState, name: Option<&str>) -> Result<Project, ApiError> {
    let name = ProjectName::new(name.unwrap_or(DEFAULT_PROJECT))?;
    if let Some(project) = db::projects::by_name(&state.db, &name).await? {
        return Ok(project);
    }
    if name.as_str() != DEFAULT_PROJECT {
        return Err(ApiError::not_found("project", name));
    }
    let made = Project {
        id: ProjectId(new_id(&state.clock)),
        name: name.clone(),
        created_us: state.clock.now_us(),
    };
    db::projects::insert(&state.db, &made).await?;
    // Somebody else may have made it at the same moment; theirs then holds.
    let project = db::projects::by_name(&state.db, &name).await?;
    project.ok_or_else(|| ApiError::internal("the project main is gone right after it was made"))
}

/// A JSON body's project name, as a query's.
fn named(project: Option<&ProjectName>) -> Option<&str> {
    project.map(ProjectName::as_str)
}
