//! What a job can be told before it starts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::forecast::{Rate, forecast};
use domain::ids::{Digest, JobId};
use domain::job::{DEFAULT_DEADLINE_MS, Job, Stage};
use domain::preview::Preview;
use tokio::runtime::Handle;
use trainer::artifacts::Artifacts;
use trainer::backbones::Backbones;
use trainer::features::{extract_missing, fetch};
use trainer::observer::Observer;
use trainer::pipeline::{Draft, JobInput, PipelineError, backbone_of};

use super::features::Unheard;
use super::jobs::found;
use crate::auth::caller::Caller;
use crate::clock::Clock;
use crate::db;
use crate::error::ApiError;
use crate::jobs::{DbQueue, InputError};
use crate::state::AppState;

/// Photos of a new class are read for so long; whoever asks again reads on.
const READ_MS: u64 = 600;
/// Up to here it is looked up for every image whether it is cached; beyond, it is inferred from some.
const MOST_LOOKED_UP: usize = 20_000;

/// An image that recipes are compared on goes deeper through the network and is fitted for each.
const COMPARED_UNITS: usize = 2;

/// What the job's sealed photos can prove, which classes stand in each other's way, and how long it will take: from cached
/// features, and from some of the photos that are not cached yet.
#[utoipa::path(get, path = "/jobs/{id}/preview", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Preview), (status = 404),
        (status = 422, description = "It could not run as it stands; says what to change")))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Preview>, ApiError> {
    let job = found(&state, &caller, &JobId(id)).await?;
    let history = db::stage_rates::latest(&state.db).await?;
    let permit = Arc::clone(&state.exporting)
        .acquire_owned()
        .await
        .map_err(ApiError::internal)?;
    let queue = DbQueue {
        db: state.db.clone(),
        artifacts: state.artifacts.clone(),
        runtime: Handle::current(),
        clock: state.clock.clone(),
        wake: state.wake.clone(),
        lease_us: 0,
    };
    let backbones = Arc::clone(&state.backbones);
    let preview = state
        .blocking(move || {
            let _permit = permit;
            let input = queue.input(&job.project, &job.id, &job.spec).map_err(ApiError::from)?;
            preview(&queue.artifacts, &backbones, &queue.clock, &job, &input, &history)
        })
        .await?;
    Ok(Json(preview))
}

impl From<InputError> for ApiError {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Db(error) => error.into(),
            InputError::Gone(detail) => Self::invalid(detail),
        }
    }
}

fn preview(
    artifacts: &Artifacts,
    backbones: &Backbones,
    clock: &Clock,
    job: &Job,
    input: &JobInput,
    history: &[Rate],
) -> Result<Preview, ApiError> {
    let said = |error: PipelineError| match error {
        PipelineError::Input(detail) => ApiError::invalid(detail),
        error => ApiError::internal(error),
    };
    let backbone = backbone_of(backbones, input).map_err(said)?;
    let draft = Draft::new(input, &backbone.reference()).map_err(said)?;
    let reader = Unheard::new(clock);
    // Looked up once: what is wanted comes first in the order of what is missing.
    let looks_up_all = input.rows.len() <= MOST_LOOKED_UP;
    let others = input.rows.iter().map(|row| row.image).filter(|_| looks_up_all);
    let asked: Vec<Digest> = draft.wanted.iter().copied().chain(others).collect();
    let mut fetched = fetch(artifacts, backbone, &asked, &reader)?;
    let n_found = fetched.missing().len();
    fetched.only(&draft.wanted);
    let n_wanted = draft.wanted.len();
    let n_unread = fetched.missing().len();
    let n_missing = if looks_up_all {
        n_found
    } else {
        n_unread * input.rows.len() / n_wanted.max(1)
    };
    let features = extract_missing(artifacts, &input.project, backbone, fetched, READ_MS, &reader)?.features;
    let n_seen = draft
        .wanted
        .iter()
        .filter(|image| features.get(image).is_some())
        .count();
    let n_read = (n_seen + n_unread).saturating_sub(n_wanted);
    let compared = draft.compared();
    let n_compared = if compared.is_empty() {
        0
    } else {
        fetch(artifacts, backbones.lineup(), &compared, &reader)?
            .missing()
            .len()
    };
    let work = draft.work(n_missing.saturating_sub(n_read) + COMPARED_UNITS * n_compared);
    let guess = |stage: Stage| guess_ms(stage, n_read, reader.elapsed_ms());
    Ok(Preview {
        certificates: draft.certificates(&features).map_err(said)?,
        collisions: draft.collisions(&features).map_err(said)?,
        n_seen: n_seen as u64,
        n_wanted: n_wanted as u64,
        forecast: forecast(&work, history, &guess, job.spec.config.deadline_ms, DEFAULT_DEADLINE_MS),
    })
}

/// What a unit of a stage takes where no job has run yet: for extraction what was just measured, else what the stages took
/// on a machine with two cores.
fn guess_ms(stage: Stage, n_read: usize, elapsed_ms: u64) -> f64 {
    match stage {
        Stage::Fetch => 0.05,
        Stage::Extract if n_read > 0 => {
            let measured = u32::try_from(elapsed_ms.min(READ_MS)).map_or(10.0, f64::from);
            measured / u32::try_from(n_read).map_or(1.0, f64::from)
        }
        Stage::Extract => 8.0,
        Stage::Train => 0.05,
        Stage::Evaluate => 0.01,
        Stage::Gate | Stage::Package => 1.0,
    }
}
