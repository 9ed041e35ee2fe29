//! Datasets and the reading of their versions; what makes a version is in [`super::dataset_versions`].

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::NewDataset;
use domain::dataset::{Dataset, DatasetRow, DatasetVersion};
use domain::ids::{DatasetId, DatasetVersionId, ProjectId};
use domain::names::DatasetName;

use super::{InProject, named, project, requests};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// Datasets of a project, by name.
#[utoipa::path(get, path = "/datasets", tag = "datasets", params(InProject),
    responses((status = 200, body = Vec<Dataset>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<InProject>,
) -> Result<Json<Vec<Dataset>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    Ok(Json(db::datasets::list(&state.db, &project.id).await?))
}

/// Make an empty dataset.
#[utoipa::path(post, path = "/datasets", tag = "datasets", request_body = NewDataset,
    responses((status = 201, body = Dataset), (status = 409, description = "The name is taken")))]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Json(new): Json<NewDataset>,
) -> Result<(StatusCode, Json<Dataset>), ApiError> {
    let project = project(&state, &caller, named(new.project.as_ref())).await?;
    requests::linkable(&state, &project.id, new.request.as_ref()).await?;
    let dataset = Dataset {
        id: DatasetId(new_id(&state.clock)),
        project: project.id,
        name: new.name,
        created_us: state.clock.now_us(),
        latest: None,
    };
    if db::datasets::insert(&state.db, &dataset, new.request.as_ref()).await? {
        Ok((StatusCode::CREATED, Json(dataset)))
    } else {
        Err(ApiError::conflict(format!(
            "there is a dataset {:?} already; upload to it, or take another name",
            dataset.name.as_str()
        )))
    }
}

/// One dataset, by name or id.
#[utoipa::path(get, path = "/datasets/{dataset}", tag = "datasets", params(("dataset" = String, Path), InProject),
    responses((status = 200, body = Dataset), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(dataset): Path<String>,
    Query(query): Query<InProject>,
) -> Result<Json<Dataset>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    Ok(Json(find(&state, &project.id, &dataset).await?))
}

/// Versions of a dataset, oldest first.
#[utoipa::path(get, path = "/datasets/{dataset}/versions", tag = "datasets",
    params(("dataset" = String, Path), InProject), responses((status = 200, body = Vec<DatasetVersion>)))]
pub(crate) async fn versions(
    State(state): State<AppState>,
    caller: Caller,
    Path(dataset): Path<String>,
    Query(query): Query<InProject>,
) -> Result<Json<Vec<DatasetVersion>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    let dataset = find(&state, &project.id, &dataset).await?;
    Ok(Json(db::datasets::versions(&state.db, &dataset.id).await?))
}

/// One version.
#[utoipa::path(get, path = "/dataset-versions/{id}", tag = "datasets", params(("id" = String, Path)),
    responses((status = 200, body = DatasetVersion), (status = 404)))]
pub(crate) async fn version(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DatasetVersion>, ApiError> {
    Ok(Json(find_version(&state, &caller, &DatasetVersionId(id)).await?))
}

/// The rows of a version, by image.
#[utoipa::path(get, path = "/dataset-versions/{id}/rows", tag = "datasets", params(("id" = String, Path)),
    responses((status = 200, body = Vec<DatasetRow>), (status = 404)))]
pub(crate) async fn rows(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Vec<DatasetRow>>, ApiError> {
    let version = find_version(&state, &caller, &DatasetVersionId(id)).await?;
    Ok(Json(db::datasets::rows(&state.db, &version.id).await?))
}

async fn find_version(state: &AppState, caller: &Caller, id: &DatasetVersionId) -> Result<DatasetVersion, ApiError> {
    let missing = || ApiError::not_found("dataset version", id);
    let version = db::datasets::version(&state.db, id).await?.ok_or_else(missing)?;
    let dataset = db::datasets::get(&state.db, &version.dataset).await?;
    caller.admit(&dataset.ok_or_else(missing)?.project, missing)?;
    Ok(version)
}

/// A dataset of the project, by id or by name.
pub(super) async fn find(state: &AppState, project: &ProjectId, dataset: &str) -> Result<Dataset, ApiError> {
    if let Some(found) = db::datasets::get(&state.db, &DatasetId(dataset.to_owned())).await?
        && found.project == *project
    {
        return Ok(found);
    }
    let by_name = match DatasetName::new(dataset) {
        Ok(name) => db::datasets::by_name(&state.db, project, &name).await?,
        Err(_) => None,
    };
    by_name.ok_or_else(|| ApiError::not_found("dataset", dataset))
}
