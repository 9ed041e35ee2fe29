//! Other heads for a model's classes: the safety dial elsewhere, or all rows anew.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::dial::{DialBudget, DialCount, DialPlace, DialPlaces, NewDial};
use domain::dataset::Split;
use domain::gate::policy::GatePolicy;
use domain::ids::ModelId;
use domain::job::{HeadMode, Job, JobSpec, RefitConfig, TrainConfig};
use domain::model::{ClassRole, Model};
use domain::report::{Dial, EvaluationReport, GroupCount, ReportClass};
use serde::Deserialize;
use trainer::head::{Head, Matrix, PlaceCounts, Places, PlacesInput, Rows};
use trainer::package::{HEAD_FILE, REPORT_FILE};

use super::features::{Known, known};
use super::models::{found, read};
use super::{jobs, policies};
use crate::auth::caller::Caller;
use crate::error::ApiError;
use crate::state::AppState;

/// The most places in one answer.
const MOST_PLACES: usize = 401;
/// Places where none are asked for.
const USUAL_PLACES: u32 = 41;
/// How far they go beyond what the interval and the model's own place span, logits.
const MARGIN: f64 = 3.0;

/// `?offsets=-1,0,1`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct DialQuery {
    /// Offsets with commas between them, at most 401; where absent, 41 around the interval.
    pub offsets: Option<String>,
}

/// What old losses, false alarms and new recall would be with the dial elsewhere: exact counts on `calibration`, from the
/// model's own logits.
#[utoipa::path(get, path = "/models/{id}/dial", tag = "models", params(("id" = String, Path), DialQuery),
    responses((status = 200, body = DialPlaces), (status = 404), (status = 422, description = "It has no dial")))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<DialQuery>,
) -> Result<Json<DialPlaces>, ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let report = read(&state, &model, REPORT_FILE).await?;
    let report: EvaluationReport = serde_json::from_slice(&report).map_err(ApiError::internal)?;
    let dial = report.training.dial.ok_or_else(|| no_dial(&model))?;
    let offsets = match &query.offsets {
        Some(text) => parsed(text)?,
        None => around(&dial),
    };
    let head = read(&state, &model, HEAD_FILE).await?;
    let job = jobs::found(&state, &caller, &model.job).await?;
    let known = known(&state, &caller, &model, Some(Split::Calibration)).await?;
    let places = state
        .blocking(move || {
            let head = Head::from_safetensors(&head).map_err(ApiError::internal)?;
            counted(&head, &report.classes, &dial, &known, (&offsets, &job.spec.policy))
        })
        .await?;
    Ok(Json(places))
}

/// Make the same model with the dial elsewhere: its very rows, with other biases on the new ones. Nothing is fitted; the job
/// measures it on the same photos and judges it by the very policy that the model was judged by.
#[utoipa::path(post, path = "/models/{id}/dial", tag = "models", params(("id" = String, Path)), request_body = NewDial,
    responses((status = 201, body = Job), (status = 404), (status = 422)))]
pub(crate) async fn turn(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(new): Json<NewDial>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let source = jobs::found(&state, &caller, &model.job).await?;
    if source.spec.baseline.is_none() || source.spec.config.mode != HeadMode::Append {
        return Err(no_dial(&model));
    }
    let spec = JobSpec {
        source: Some(source.id),
        config: TrainConfig {
            offset: Some(new.offset),
            ..source.spec.config
        },
        // From the rows as they were fitted, however often the dial was turned since: turned back is where it was, bit by bit.
        turned_from: Some(source.spec.turned_from.unwrap_or(model.id)),
        ..source.spec
    };
    let job = jobs::make(&state, &caller, model.project, source.request, spec, true).await?;
    Ok((StatusCode::CREATED, Json(job)))
}

/// Make the same classes' model with all rows anew, on the same photos, judged by the same policy. No old answer is
/// guaranteed: what it harms is measured alone.
#[utoipa::path(post, path = "/models/{id}/refit", tag = "models", params(("id" = String, Path)),
    request_body = RefitConfig, responses((status = 201, body = Job), (status = 404), (status = 422)))]
pub(crate) async fn refit(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(config): Json<RefitConfig>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    let model = found(&state, &caller, &ModelId(id)).await?;
    let source = jobs::found(&state, &caller, &model.job).await?;
    if source.spec.baseline.is_none() {
        return Err(ApiError::invalid(format!(
            "model {} has no baseline, so all of its rows are its own: only a clone can be refitted",
            model.id
        )));
    }
    let spec = JobSpec {
        source: Some(source.id),
        config: TrainConfig {
            mode: HeadMode::Refit,
            offset: None,
            refit: Some(config),
            ..source.spec.config
        },
        turned_from: None,
        // Judged by what its policy's name means by now: it is another head.
        policy: policies::renewed(&state, &model.project, source.spec.policy).await?,
        ..source.spec
    };
    let job = jobs::make(&state, &caller, model.project, source.request, spec, true).await?;
    Ok((StatusCode::CREATED, Json(job)))
}

fn no_dial(model: &Model) -> ApiError {
    ApiError::invalid(format!(
        "model {} has no dial: only a clone with new rows beside frozen old ones has one",
        model.id
    ))
}

fn parsed(text: &str) -> Result<Vec<f64>, ApiError> {
    let offset = |text: &str| {
        let offset = text.trim().parse::<f64>().ok().filter(|offset| offset.is_finite());
        offset.ok_or_else(|| {
            let text = crate::error::shortened(text);
            ApiError::invalid(format!("offsets are numbers with commas between them, got {text:?}"))
        })
    };
    let offsets: Vec<f64> = text.split(',').map(offset).collect::<Result<_, _>>()?;
    if offsets.len() > MOST_PLACES {
        return Err(ApiError::invalid(format!(
            "at most {MOST_PLACES} offsets at once, got {}",
            offsets.len()
        )));
    }
    Ok(offsets)
}

/// From below everything of interest to above it, in even steps.
fn around(dial: &Dial) -> Vec<f64> {
    let named = [Some(dial.offset), dial.b_need, dial.b_safe].into_iter().flatten();
    let (low, high) = named
        .clone()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), b| {
            (low.min(b), high.max(b))
        });
    let (low, high) = (low - MARGIN, high + MARGIN);
    let share = |step: u32| f64::from(step) / f64::from(USUAL_PLACES - 1);
    let even = (0..USUAL_PLACES).map(|step| low + (high - low) * share(step));
    // The places that are spoken of are there exactly.
    let mut offsets: Vec<f64> = even.chain(named).collect();
    offsets.sort_by(f64::total_cmp);
    offsets.dedup();
    offsets
}

fn counted(
    head: &Head,
    classes: &[ReportClass],
    dial: &Dial,
    known: &Known,
    (offsets, policy): (&[f64], &GatePolicy),
) -> Result<DialPlaces, ApiError> {
    let n_old = classes.iter().filter(|class| !class.is_new).count();
    let (mut halves, mut labels) = (Vec::new(), Vec::new());
    for row in &known.rows {
        let label = classes.iter().position(|class| class.name == row.class);
        if let (Some(label), Some(values)) = (label, known.features.get(&row.image)) {
            halves.push(values);
            labels.push(label);
        }
    }
    let index: Vec<usize> = (0..labels.len()).collect();
    let rows = Rows {
        data: Matrix::Halves(&halves),
        dim: head.dim,
        index: &index,
    };
    let taus: Vec<f64> = classes.iter().map(|class| class.tau).collect();
    let old = classes.iter().take(n_old);
    let rejects: Vec<bool> = old.map(|class| class.role == ClassRole::Reject).collect();
    let places = Places::of(&PlacesInput {
        old: &head.rows_to(n_old).logits(&rows).map_err(ApiError::internal)?,
        new: &head.rows_from(n_old).logits(&rows).map_err(ApiError::internal)?,
        labels: &labels,
        taus: &taus,
        rejects: &rejects,
    });
    let count = |(class, GroupCount { n, x }): (&ReportClass, GroupCount)| DialCount {
        class: class.name.clone(),
        n,
        x,
    };
    let place = |offset: &f64| {
        let PlaceCounts {
            lost,
            false_new,
            recalled,
        } = places.at(offset - dial.offset);
        DialPlace {
            offset: *offset,
            old: classes.iter().zip(lost).map(count).collect(),
            false_new,
            new: classes.iter().skip(n_old).zip(recalled).map(count).collect(),
        }
    };
    Ok(DialPlaces {
        offset: dial.offset,
        b_need: dial.b_need,
        b_safe: dial.b_safe,
        unbounded_classes: dial.unbounded_classes.clone(),
        budget: DialBudget::of(policy, classes.iter().take(n_old).map(|class| &class.name)),
        n_images: labels.len(),
        places: offsets.iter().map(place).collect(),
    })
}
