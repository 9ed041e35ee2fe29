//! Models: what they are, what was measured of them, their files, and the features behind every number.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::dataset::{DatasetRow, Finding, Split, merge_versions};
use domain::event::Progress;
use domain::gate::policy::GatePolicy;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, ModelId};
use domain::job::Stage;
use domain::judge::at_threshold;
use domain::model::{BackboneRef, Model};
use domain::names::ClassName;
use domain::report::EvaluationReport;
use domain::scores::SealedScores;
use serde::Deserialize;
use trainer::artifacts::ArtifactKey;
use trainer::observer::Observer;
use trainer::package::{MANIFEST_FILE, REPORT_FILE, SCORES_FILE};

use super::jobs::found as found_job;
use super::{InProject, project};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// Models of a project, newest first.
#[utoipa::path(get, path = "/models", tag = "models", params(InProject),
    responses((status = 200, body = Vec<Model>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<InProject>,
) -> Result<Json<Vec<Model>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    Ok(Json(db::models::list(&state.db, &project.id).await?))
}

/// One model.
#[utoipa::path(get, path = "/models/{id}", tag = "models", params(("id" = String, Path)),
    responses((status = 200, body = Model), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Model>, ApiError> {
    Ok(Json(found(&state, &caller, &ModelId(id)).await?))
}

/// `?tau=0.8`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct ReportQuery {
    /// Count again with every class at this threshold, between 0 and 1.
    pub tau: Option<f64>,
}

/// What was measured of it: the very bytes of its report.json, or with `tau` the same counted again at another threshold.
#[utoipa::path(get, path = "/models/{id}/report", tag = "models", params(("id" = String, Path), ReportQuery),
    responses((status = 200, body = EvaluationReport), (status = 404), (status = 422)))]
pub(crate) async fn report(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ReportQuery>,
) -> Result<Response, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let bytes = read(&state, &model, REPORT_FILE).await?;
    let Some(tau) = query.tau else {
        return Ok(([(CONTENT_TYPE, "application/json")], bytes).into_response());
    };
    if !(tau > 0.0 && tau < 1.0) {
        return Err(ApiError::invalid(format!("tau must lie between 0 and 1, got {tau}")));
    }
    let scores = read(&state, &model, SCORES_FILE).await?;
    let again = state
        .blocking(move || {
            let report: EvaluationReport = serde_json::from_slice(&bytes).map_err(ApiError::internal)?;
            let scores: SealedScores = serde_json::from_slice(&scores).map_err(ApiError::internal)?;
            at_threshold(&report, &scores, tau).map_err(ApiError::internal)
        })
        .await?;
    Ok(Json(again).into_response())
}

/// What the gate said of it, with the evidence.
#[utoipa::path(get, path = "/models/{id}/verdict", tag = "models", params(("id" = String, Path)),
    responses((status = 200, body = Verdict), (status = 404)))]
pub(crate) async fn verdict(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Verdict>, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let verdict = db::models::verdict(&state.db, &model.id).await?;
    verdict
        .map(Json)
        .ok_or_else(|| ApiError::internal(format!("model {} has no verdict", model.id)))
}

/// A file of its package.
#[utoipa::path(get, path = "/models/{id}/files/{name}", tag = "models",
    params(("id" = String, Path), ("name" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 404)))]
pub(crate) async fn file(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    // Only names that the package lists ever become part of a path.
    let Some(listed) = model.files.iter().find(|file| file.name == name) else {
        let names: Vec<&str> = model.files.iter().map(|file| file.name.as_str()).collect();
        return Err(ApiError::problem(
            axum::http::StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            format!("the model's package has the files {}", names.join(", ")),
        ));
    };
    let bytes = read(&state, &model, &listed.name).await?;
    let media_type = if listed.name.ends_with(".json") {
        "application/json"
    } else {
        "application/octet-stream"
    };
    let disposition = format!("attachment; filename=\"{}\"", listed.name);
    Ok((
        [
            (CONTENT_TYPE, media_type.to_owned()),
            (CONTENT_DISPOSITION, disposition),
        ],
        bytes,
    )
        .into_response())
}

/// Reads a file and checks it against the digest under which it was packaged.
async fn read(state: &AppState, model: &Model, name: &str) -> Result<Bytes, ApiError> {
    let attempt = db::models::attempt(&state.db, &model.id).await?;
    let attempt = attempt.ok_or_else(|| ApiError::not_found("model", &model.id))?;
    let key = ArtifactKey::job_file(&model.project, &model.job, attempt, name);
    let artifacts = state.artifacts.clone();
    let bytes = state.blocking(move || artifacts.get(&key)).await?;
    let bytes = bytes.ok_or_else(|| ApiError::internal(format!("{name} of model {} is gone", model.id)))?;
    let listed = model
        .files
        .iter()
        .find(|file| file.name == name)
        .map(|file| file.digest);
    let expected = if name == MANIFEST_FILE {
        Some(model.digest)
    } else {
        listed
    };
    match expected {
        Some(expected) if Digest::of(&bytes) == expected => Ok(bytes),
        _ => Err(ApiError::internal(format!(
            "{name} of model {} is damaged in the store",
            model.id
        ))),
    }
}

/// `?split=sealed`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct FeatureQuery {
    /// `train`, `calibration`, `sealed` (where absent) or `all`.
    pub split: Option<String>,
}

/// The features of the images that it was trained and judged on, as safetensors: `features` (n, d) f32, `labels` (n)
/// i64 (row of the head, −1 where the head has no such class), `groups` (n) i64, `split` (n) i64 (0 train, 1
/// calibration, 2 sealed), `images` (n, 32) u8; `__metadata__.classes` is the JSON list of class names.
#[utoipa::path(get, path = "/models/{id}/features", tag = "models", params(("id" = String, Path), FeatureQuery),
    responses((status = 200, content_type = "application/octet-stream"), (status = 404), (status = 422)))]
pub(crate) async fn features(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<FeatureQuery>,
) -> Result<Response, ApiError> {
    let split: Option<Split> = match query.split.as_deref() {
        None => Some(Split::Sealed),
        Some("all") => None,
        Some(word) => Some(
            word.parse()
                .map_err(|error| ApiError::invalid(format!("{error}, or all")))?,
        ),
    };
    let model = found(&state, &caller, &ModelId(id)).await?;
    let job = found_job(&state, &caller, &model.job).await?;
    let mut versions = Vec::with_capacity(job.spec.dataset_versions.len());
    for version in &job.spec.dataset_versions {
        versions.push(db::datasets::rows(&state.db, version).await?);
    }
    let permit = Arc::clone(&state.exporting)
        .acquire_owned()
        .await
        .map_err(ApiError::internal)?;
    let (mut rows, _) = merge_versions(&versions);
    rows.retain(|row| split.is_none_or(|split| row.split == split));
    let (artifacts, backbone) = (state.artifacts.clone(), Arc::clone(&state.backbone));
    let bytes = state
        .blocking(move || {
            let _permit = permit;
            let images: Vec<Digest> = rows.iter().map(|row| row.image).collect();
            let extraction =
                trainer::features::extract(&artifacts, &model.project, &backbone, &images, u64::MAX, &Silent)?;
            let classes: Vec<&ClassName> = model.classes.iter().map(|class| &class.name).collect();
            encode(&rows, &extraction.features, &classes)
        })
        .await?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

fn encode(
    rows: &[DatasetRow],
    features: &trainer::features::Features,
    classes: &[&ClassName],
) -> Result<Vec<u8>, ApiError> {
    let known: Vec<(&DatasetRow, &[f32])> = rows
        .iter()
        .filter_map(|row| features.get(&row.image).map(|values| (row, values)))
        .collect();
    let mut groups: BTreeMap<Digest, i64> = BTreeMap::new();
    for (row, _) in &known {
        let next = i64::try_from(groups.len()).map_err(ApiError::internal)?;
        groups.entry(row.group).or_insert(next);
    }
    let label = |row: &DatasetRow| -> i64 {
        let index = classes.iter().position(|class| **class == row.class);
        index.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1)
    };
    let values: Vec<u8> = known
        .iter()
        .flat_map(|(_, values)| values.iter().flat_map(|value| value.to_le_bytes()))
        .collect();
    let integers = |of: &dyn Fn(&DatasetRow) -> i64| -> Vec<u8> {
        known.iter().flat_map(|(row, _)| of(row).to_le_bytes()).collect()
    };
    let labels = integers(&label);
    let group_ids = integers(&|row| groups[&row.group]);
    let splits = integers(&|row| row.split as i64);
    let images: Vec<u8> = known.iter().flat_map(|(row, _)| *row.image.as_bytes()).collect();
    let n = known.len();
    let view = |dtype, shape: Vec<usize>, data| {
        safetensors::tensor::TensorView::new(dtype, shape, data).map_err(ApiError::internal)
    };
    let tensors = [
        (
            "features",
            view(safetensors::Dtype::F32, vec![n, features.dim], &values[..])?,
        ),
        ("groups", view(safetensors::Dtype::I64, vec![n], &group_ids[..])?),
        ("images", view(safetensors::Dtype::U8, vec![n, 32], &images[..])?),
        ("labels", view(safetensors::Dtype::I64, vec![n], &labels[..])?),
        ("split", view(safetensors::Dtype::I64, vec![n], &splits[..])?),
    ];
    let names = serde_json::to_string(classes).map_err(ApiError::internal)?;
    let metadata = std::collections::HashMap::from([("classes".to_owned(), names)]);
    safetensors::serialize(tensors, Some(metadata)).map_err(ApiError::internal)
}

/// An export reports to nobody and has no deadline.
struct Silent;

impl Observer for Silent {
    fn elapsed_ms(&self) -> u64 {
        0
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn stage_started(&self, _: Stage) {}
    fn stage_finished(&self, _: Stage, _: i64) {}
    fn progress(&self, _: Progress) {}
    fn finding(&self, _: Finding) {}
    fn verdict(&self, _: &Verdict) {}
}

async fn found(state: &AppState, caller: &Caller, id: &ModelId) -> Result<Model, ApiError> {
    let missing = || ApiError::not_found("model", id);
    let model = db::models::get(&state.db, id).await?.ok_or_else(missing)?;
    caller.admit(&model.project, missing)?;
    Ok(model)
}

/// The backbones that this server has.
#[utoipa::path(get, path = "/backbones", tag = "models", responses((status = 200, body = Vec<BackboneRef>)))]
pub(crate) async fn backbones(State(state): State<AppState>) -> Json<Vec<BackboneRef>> {
    Json(vec![state.backbone.reference()])
}

/// The gate policies that come with the product.
#[utoipa::path(get, path = "/policies", tag = "models", responses((status = 200, body = Vec<GatePolicy>)))]
pub(crate) async fn policies() -> Json<Vec<GatePolicy>> {
    Json(GatePolicy::shipped().into())
}
