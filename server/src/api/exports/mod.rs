//! A review to take elsewhere: classes as a table, everything as one page that needs no server.

mod csv;
mod html;

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, ModelId};
use domain::metrics::Metrics;
use domain::model::Model;
use domain::report::EvaluationReport;
use serde::Deserialize;
use trainer::artifacts::ArtifactKey;
use trainer::package::{METRICS_FILE, REPORT_FILE};

use super::models::{found, read};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// Pictures that a page holds at most, and how large one may be.
const MOST_PICTURES: usize = 24;
const MOST_PICTURE_BYTES: usize = 400_000;

/// `?lang=zh`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct LanguageQuery {
    /// `en`, where absent, or `zh`.
    pub lang: Option<String>,
}

/// Everything that a review is made of.
struct Review {
    model: Model,
    report: EvaluationReport,
    verdict: Verdict,
    /// None for packages that are older than it.
    metrics: Option<Metrics>,
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
    let mut review = review(&state, &caller, id).await?;
    let flips = review
        .report
        .comparison
        .iter()
        .flat_map(|comparison| &comparison.negative_flips);
    let wanted: Vec<Digest> = flips.map(|flip| flip.image).take(MOST_PICTURES).collect();
    let (artifacts, project) = (state.artifacts.clone(), review.model.project.clone());
    review.pictures = state
        .blocking(move || {
            let mut pictures = BTreeMap::new();
            for image in wanted {
                let bytes = artifacts.get(&ArtifactKey::image(&project, &image))?;
                if let Some(bytes) = bytes.filter(|bytes| bytes.len() <= MOST_PICTURE_BYTES) {
                    pictures.insert(image, bytes);
                }
            }
            Ok::<_, ApiError>(pictures)
        })
        .await?;
    let is_zh = query.lang.as_deref() == Some("zh");
    let name = format!("review-{}.html", review.model.id);
    Ok(attachment(
        "text/html; charset=utf-8",
        &name,
        html::page(&review, is_zh),
    ))
}

/// One row a class: counts, rates and the verdict of each of its checks.
#[utoipa::path(get, path = "/models/{id}/classes.csv", tag = "models", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/csv"), (status = 404)))]
pub(crate) async fn classes(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let review = review(&state, &caller, id).await?;
    let name = format!("classes-{}.csv", review.model.id);
    let text = csv::classes(&review.report, &review.verdict);
    Ok(attachment("text/csv; charset=utf-8", &name, text))
}

async fn review(state: &AppState, caller: &Caller, id: String) -> Result<Review, ApiError> {
    let model = found(state, caller, &ModelId(id)).await?;
    let report = read(state, &model, REPORT_FILE).await?;
    let report: EvaluationReport = serde_json::from_slice(&report).map_err(ApiError::internal)?;
    let metrics = match model.files.iter().any(|file| file.name == METRICS_FILE) {
        true => {
            let bytes = read(state, &model, METRICS_FILE).await?;
            Some(serde_json::from_slice(&bytes).map_err(ApiError::internal)?)
        }
        false => None,
    };
    let verdict = db::models::verdict(&state.db, &model.id).await?;
    let verdict = verdict.ok_or_else(|| ApiError::internal(format!("model {} has no verdict", model.id)))?;
    Ok(Review {
        model,
        report,
        verdict,
        metrics,
        pictures: BTreeMap::new(),
    })
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
