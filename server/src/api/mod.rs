//! Handlers of `/api/v1`, one file a resource. Each checks what it is told, asks `db` and the object store, and answers
//! with a type of `domain`.

pub(crate) mod channels;
pub(crate) mod compare;
pub(crate) mod dataset_versions;
pub(crate) mod datasets;
pub(crate) mod dial;
pub(crate) mod events;
pub(crate) mod exports;
pub(crate) mod features;
pub(crate) mod images;
pub(crate) mod jobs;
pub(crate) mod models;
pub(crate) mod overrides;
pub(crate) mod overview;
pub(crate) mod policies;
pub(crate) mod preview;
pub(crate) mod projects;
pub(crate) mod requests;
pub(crate) mod session;
pub(crate) mod setup;
pub(crate) mod tokens;
pub(crate) mod users;

use domain::api::{DEFAULT_PROJECT, Project};
use domain::names::ProjectName;
use serde::Deserialize;

use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// `?project=NAME`; `main` where absent.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct InProject {
    /// Project by name; `main` where absent.
    pub project: Option<String>,
}

/// The project of that name, if the caller may do there what the call does. `main` is made when it is first asked for.
async fn project(state: &AppState, caller: &Caller, name: Option<&str>) -> Result<Project, ApiError> {
    let name = ProjectName::new(name.unwrap_or(DEFAULT_PROJECT))?;
    let missing = || ApiError::not_found("project", &name);
    let project = db::projects::find(&state.db, &state.clock, &name).await?;
    let project = project.ok_or_else(missing)?;
    caller.admit(&project.id, missing)?;
    Ok(project)
}

/// A JSON body's project name, as a query's.
fn named(project: Option<&ProjectName>) -> Option<&str> {
    project.map(ProjectName::as_str)
}
