//! A review to take elsewhere: everything as JSON, tables as CSV, and one page that needs no server.

mod csv;
mod html;
mod words;

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use domain::api::dial::DialPlaces;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, ModelId, ProjectId};
use domain::job::Job;
use domain::metrics::Metrics;
use domain::model::Model;
use domain::overrides::Override;
use domain::report::EvaluationReport;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use trainer::artifacts::ArtifactKey;
use trainer::images::thumbnail;
use trainer::package::{METRICS_FILE, REPORT_FILE};

use super::dial;
use super::models::{found, read};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// Pictures that a page holds at most.
const MOST_PICTURES: usize = 60;
/// A picture larger than this is put in smaller, with this many pixels a side at most.
const LARGE_PICTURE_BYTES: usize = 60_000;
const PICTURE_SIDE: u32 = 384;

/// `?lang=zh`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct LanguageQuery {
    /// `en`, where absent, or `zh`.
    pub lang: Option<String>,
}

/// Everything that a review is made of.
struct Review {
    model: Model,
    job: Job,
    project: String,
    report: EvaluationReport,
    verdict: Verdict,
    overrides: Vec<Override>,
    /// None for packages that are older than it.
    metrics: Option<Metrics>,
    /// None where the model has no dial, or its photos are gone.
    dial: Option<DialPlaces>,
    /// Bytes of pictures, by digest.
    pictures: BTreeMap<Digest, Bytes>,
}

/// The whole review as one HTML file with its curves and pictures in it.
#[utoipa::path(get, path = "/models/{id}/review.html", tag = "models", params(("id" = String, Path), LanguageQuery),
    responses((status = 200, content_type = "text/html"), (status = 404)))]
pub(crate) async fn html(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<LanguageQuery>,
) -> Result<Response, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let project = db::projects::get(&state.db, &model.project).await?;
    let (report, verdict) = (report(&state, &model).await?, verdict(&state, &model).await?);
    let flips = report
        .comparison
        .iter()
        .flat_map(|comparison| &comparison.negative_flips);
    let wanted: Vec<Digest> = flips.map(|flip| flip.image).take(MOST_PICTURES).collect();
    let review = Review {
        job: job(&state, &model).await?,
        project: project.map_or_else(String::new, |project| project.name.to_string()),
        overrides: db::overrides::of_model(&state.db, &model.id).await?,
        metrics: metrics(&state, &model).await?,
        dial: places(&state, &caller, &model, &report).await?,
        pictures: pictures(&state, &model.project, wanted).await?,
        model,
        report,
        verdict,
    };
    let language = words::Language::of(query.lang.as_deref());
    let name = format!("review-{}.html", review.model.id);
    Ok(attachment(
        "text/html; charset=utf-8",
        &name,
        html::page(&review, language),
    ))
}

/// Everything of a review in one document. Parts that are files of the package are its very text.
#[derive(Serialize)]
struct Everything<'a> {
    /// Version of this format: 1.
    format: u32,
    model: &'a Model,
    /// With the whole policy that it was judged by.
    job: &'a Job,
    verdict: &'a Verdict,
    overrides: &'a [Override],
    report: &'a RawValue,
    metrics: Option<&'a RawValue>,
    dial: Option<&'a DialPlaces>,
}

/// The whole review as one JSON file: model, job and policy, verdict with every check, reviewers' words, report, metrics,
/// dial.
#[utoipa::path(get, path = "/models/{id}/review.json", tag = "models", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/json"), (status = 404)))]
pub(crate) async fn json(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let report = read(&state, &model, REPORT_FILE).await?;
    let read_report: EvaluationReport = serde_json::from_slice(&report).map_err(ApiError::internal)?;
    let metrics = match has_metrics(&model) {
        true => Some(read(&state, &model, METRICS_FILE).await?),
        false => None,
    };
    let raw = |bytes: &Bytes| serde_json::from_slice::<Box<RawValue>>(bytes).map_err(ApiError::internal);
    let text = serde_json::to_string(&Everything {
        format: 1,
        job: &job(&state, &model).await?,
        verdict: &verdict(&state, &model).await?,
        overrides: &db::overrides::of_model(&state.db, &model.id).await?,
        report: &raw(&report)?,
        metrics: metrics.as_ref().map(raw).transpose()?.as_deref(),
        dial: places(&state, &caller, &model, &read_report).await?.as_ref(),
        model: &model,
    })
    .map_err(ApiError::internal)?;
    Ok(attachment(
        "application/json",
        &format!("review-{}.json", model.id),
        text,
    ))
}

/// One row a class: counts, rates, and each of its checks with its bounds.
#[utoipa::path(get, path = "/models/{id}/classes.csv", tag = "models", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/csv"), (status = 404)))]
pub(crate) async fn classes(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let text = csv::classes(&report(&state, &model).await?, &verdict(&state, &model).await?);
    Ok(table("classes", &model, text))
}

/// One row a check of the verdict.
#[utoipa::path(get, path = "/models/{id}/checks.csv", tag = "models", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/csv"), (status = 404)))]
pub(crate) async fn checks(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let text = csv::checks(&verdict(&state, &model).await?);
    Ok(table("checks", &model, text))
}

/// The confusion matrices of candidate and baseline: one row a model and true class, one column an answer.
#[utoipa::path(get, path = "/models/{id}/confusion.csv", tag = "models", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/csv"), (status = 404)))]
pub(crate) async fn confusion(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let text = csv::confusion(&report(&state, &model).await?);
    Ok(table("confusion", &model, text))
}

/// One row a photo that the baseline had right and the candidate has not.
#[utoipa::path(get, path = "/models/{id}/flips.csv", tag = "models", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/csv"), (status = 404)))]
pub(crate) async fn flips(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let text = csv::flips(&report(&state, &model).await?);
    Ok(table("flips", &model, text))
}

async fn report(state: &AppState, model: &Model) -> Result<EvaluationReport, ApiError> {
    let bytes = read(state, model, REPORT_FILE).await?;
    serde_json::from_slice(&bytes).map_err(ApiError::internal)
}

fn has_metrics(model: &Model) -> bool {
    model.files.iter().any(|file| file.name == METRICS_FILE)
}

async fn metrics(state: &AppState, model: &Model) -> Result<Option<Metrics>, ApiError> {
    if !has_metrics(model) {
        return Ok(None);
    }
    let bytes = read(state, model, METRICS_FILE).await?;
    serde_json::from_slice(&bytes).map(Some).map_err(ApiError::internal)
}

async fn verdict(state: &AppState, model: &Model) -> Result<Verdict, ApiError> {
    let verdict = db::models::verdict(&state.db, &model.id).await?;
    verdict.ok_or_else(|| ApiError::internal(format!("model {} has no verdict", model.id)))
}

async fn job(state: &AppState, model: &Model) -> Result<Job, ApiError> {
    let job = db::jobs::get(&state.db, &model.job).await?;
    job.ok_or_else(|| ApiError::internal(format!("model {} names a lost job", model.id)))
}

/// The dial's places, where it has a dial and what they are counted on is still there: the rest of the review is worth
/// having without.
async fn places(
    state: &AppState,
    caller: &Caller,
    model: &Model,
    report: &EvaluationReport,
) -> Result<Option<DialPlaces>, ApiError> {
    if report.training.dial.is_none() {
        return Ok(None);
    }
    let query = dial::DialQuery { offsets: None };
    let places = dial::get(
        State(state.clone()),
        caller.clone(),
        Path(model.id.0.clone()),
        Query(query),
    )
    .await;
    match places {
        Ok(places) => Ok(Some(places.0)),
        Err(ApiError::Problem(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The pictures that are there, large ones smaller.
async fn pictures(
    state: &AppState,
    project: &ProjectId,
    wanted: Vec<Digest>,
) -> Result<BTreeMap<Digest, Bytes>, ApiError> {
    let (artifacts, project) = (state.artifacts.clone(), project.clone());
    let found = state.blocking(move || {
        let mut pictures = BTreeMap::new();
        for image in wanted {
            let Some(bytes) = artifacts.get(&ArtifactKey::image(&project, &image))? else {
                continue;
            };
            let small = if bytes.len() > LARGE_PICTURE_BYTES {
                thumbnail(&bytes, PICTURE_SIDE).map_or(bytes, Bytes::from)
            } else {
                bytes
            };
            pictures.insert(image, small);
        }
        Ok::<_, ApiError>(pictures)
    });
    found.await
}

fn table(what: &str, model: &Model, text: String) -> Response {
    attachment("text/csv; charset=utf-8", &format!("{what}-{}.csv", model.id), text)
}

fn attachment(media_type: &'static str, name: &str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    (
        [
            (CONTENT_TYPE, media_type.to_owned()),
            (CONTENT_DISPOSITION, disposition),
        ],
        text,
    )
        .into_response()
}
