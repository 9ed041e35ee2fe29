//! The features behind every number of a model.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use domain::change::Look;
use domain::dataset::{DatasetRow, Finding, Split, merge_versions};
use domain::event::Progress;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, ModelId};
use domain::job::Stage;
use domain::model::Model;
use domain::names::ClassName;
use half::f16;
use serde::Deserialize;
use trainer::features::Features;
use trainer::observer::Observer;

use super::jobs::found as found_job;
use super::models::found;
use crate::auth::caller::Caller;
use crate::clock::Clock;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

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
pub(crate) async fn get(
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
    let known = known(&state, &caller, &model, split).await?;
    let bytes = state
        .blocking(move || {
            let classes: Vec<&ClassName> = model.classes.iter().map(|class| &class.name).collect();
            encode(&known.rows, &known.features, &classes)
        })
        .await?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// Rows of a model's job, and the features of those whose image can be read.
pub(super) struct Known {
    pub(super) rows: Vec<DatasetRow>,
    pub(super) features: Features,
}

/// What a model was trained and judged on: one split of it, or all.
pub(super) async fn known(
    state: &AppState,
    caller: &Caller,
    model: &Model,
    split: Option<Split>,
) -> Result<Known, ApiError> {
    let job = found_job(state, caller, &model.job).await?;
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
    let backbone = state.backbones.find(&model.backbone.digest).cloned().ok_or_else(|| {
        ApiError::invalid(format!(
            "the model was made with the backbone {} ({}), which this server does not have",
            model.backbone.name,
            model.backbone.digest.short()
        ))
    })?;
    let cache = state.cache.clone();
    let (project, clock) = (model.project.clone(), state.clock.clone());
    state
        .blocking(move || {
            let _permit = permit;
            let images: Vec<Digest> = rows.iter().map(|row| row.image).collect();
            let extraction =
                trainer::features::extract(&cache, &project, &backbone, &images, u64::MAX, &Unheard::new(&clock))?;
            Ok::<_, ApiError>(Known {
                rows,
                features: extraction.features,
            })
        })
        .await
}

fn encode(rows: &[DatasetRow], features: &Features, classes: &[&ClassName]) -> Result<Vec<u8>, ApiError> {
    let known: Vec<(&DatasetRow, &[f16])> = rows
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
        .flat_map(|(_, values)| values.iter().flat_map(|value| value.to_f32().to_le_bytes()))
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

/// Knows the time since it was made, and tells nobody.
pub(super) struct Unheard<'a> {
    clock: &'a Clock,
    start_us: i64,
}

impl<'a> Unheard<'a> {
    pub(super) fn new(clock: &'a Clock) -> Self {
        Self {
            clock,
            start_us: clock.now_us(),
        }
    }
}

impl Observer for Unheard<'_> {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from((self.clock.now_us() - self.start_us) / 1_000).unwrap_or_default()
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn stage_started(&self, _: Stage) {}
    fn stage_finished(&self, _: Stage, _: i64) {}
    fn progress(&self, _: Progress) {}
    fn finding(&self, _: Finding) {}
    fn look(&self, _: &Look) -> Option<Vec<Look>> {
        None
    }
    fn verdict(&self, _: &Verdict) {}
}
