//! Models: what they are, what was measured of them, and their files.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, ModelId};
use domain::judge::at_threshold;
use domain::model::{BackboneRef, Model};
use domain::report::EvaluationReport;
use domain::scores::SealedScores;
use serde::Deserialize;
use serde_json::value::RawValue;
use trainer::artifacts::ArtifactKey;
use trainer::package::{MANIFEST_FILE, REPORT_FILE, SCORES_FILE};

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
    /// Leave out what else there is.
    pub only: Option<ReportPart>,
}

/// A part of a report.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReportPart {
    /// The candidate: without `baseline` and `comparison`.
    Candidate,
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
        let json = |bytes: Bytes| ([(CONTENT_TYPE, "application/json")], bytes).into_response();
        return Ok(json(match query.only {
            None => bytes,
            Some(ReportPart::Candidate) => candidate_of(&bytes)?,
        }));
    };
    if !(tau > 0.0 && tau < 1.0) {
        return Err(ApiError::invalid(format!("tau must lie between 0 and 1, got {tau}")));
    }
    let scores = read(&state, &model, SCORES_FILE).await?;
    let again = state
        .blocking(move || {
            let report: EvaluationReport = serde_json::from_slice(&bytes).map_err(ApiError::internal)?;
            let scores: SealedScores = serde_json::from_slice(&scores).map_err(ApiError::internal)?;
            let again = at_threshold(&report, &scores, tau).map_err(ApiError::internal)?;
            Ok::<_, ApiError>(match query.only {
                None => again,
                Some(ReportPart::Candidate) => EvaluationReport {
                    baseline: None,
                    comparison: None,
                    ..again
                },
            })
        })
        .await?;
    Ok(Json(again).into_response())
}

/// The candidate's part of a report.json, cut out without a look inside.
fn candidate_of(report: &[u8]) -> Result<Bytes, ApiError> {
    let mut parts: BTreeMap<&str, &RawValue> = serde_json::from_slice(report).map_err(ApiError::internal)?;
    for other in ["baseline", "comparison"] {
        parts.remove(other);
    }
    serde_json::to_vec(&parts).map(Bytes::from).map_err(ApiError::internal)
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
pub(super) async fn read(state: &AppState, model: &Model, name: &str) -> Result<Bytes, ApiError> {
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

pub(super) async fn found(state: &AppState, caller: &Caller, id: &ModelId) -> Result<Model, ApiError> {
    let missing = || ApiError::not_found("model", id);
    let model = db::models::get(&state.db, id).await?.ok_or_else(missing)?;
    caller.admit(&model.project, missing)?;
    Ok(model)
}

/// The backbones that this server has: one by each feature recipe, the usual one first.
#[utoipa::path(get, path = "/backbones", tag = "models", responses((status = 200, body = Vec<BackboneRef>)))]
pub(crate) async fn backbones(State(state): State<AppState>) -> Json<Vec<BackboneRef>> {
    Json(state.backbones.references())
}
