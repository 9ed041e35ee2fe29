//! What a job can be told before it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::change::Look;
use domain::dataset::DatasetVersion;
use domain::forecast::{Forecast, InTime, Rate, Work, forecast};
use domain::ids::{Digest, JobId};
use domain::job::{DEFAULT_DEADLINE_MS, Job, Stage};
use domain::preview::{NextLook, Preview, Without};
use tokio::runtime::Handle;
use trainer::features::{extract_missing, fetch};
use trainer::observer::Observer;
use trainer::pipeline::{Draft, JobInput, PipelineError, backbone_of};

use super::features::Unheard;
use super::jobs::found;
use super::jobs::rules::may_have;
use crate::auth::caller::Caller;
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
    let known = Known {
        history: db::stage_rates::latest(&state.db).await?,
        looks: db::looks::all(&state.db, &job.project).await?,
    };
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
    let of = state.clone();
    let preview = state
        .blocking(move || {
            let _permit = permit;
            let input = queue.input(&job.project, &job.id, &job.spec).map_err(ApiError::from)?;
            preview(&of, &queue, &job, &input, &known)
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

/// What the database knows that a preview rests on.
struct Known {
    history: Vec<Rate>,
    looks: Vec<Look>,
}

/// Versions without any one of which the draft would still be a job.
async fn spare(state: &AppState, job: &Job) -> Result<Vec<DatasetVersion>, ApiError> {
    let mut spare = Vec::new();
    for id in &job.spec.dataset_versions {
        let rest = job.spec.dataset_versions.iter().filter(|other| *other != id);
        if may_have(state, job, &rest.cloned().collect::<Vec<_>>()).await? {
            spare.extend(db::datasets::version(&state.db, id).await?);
        }
    }
    Ok(spare)
}

fn preview(state: &AppState, queue: &DbQueue, job: &Job, input: &JobInput, known: &Known) -> Result<Preview, ApiError> {
    let (cache, backbones, clock) = (&state.cache, &*state.backbones, &state.clock);
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
    let mut fetched = fetch(cache, backbone, &asked, &reader)?;
    let n_found = fetched.missing().len();
    let unread: BTreeSet<Digest> = fetched.missing().iter().copied().collect();
    fetched.only(&draft.wanted);
    let n_wanted = draft.wanted.len();
    let n_unread = fetched.missing().len();
    let n_missing = if looks_up_all {
        n_found
    } else {
        n_unread * input.rows.len() / n_wanted.max(1)
    };
    let features = extract_missing(cache, &input.project, backbone, fetched, READ_MS, &reader)?.features;
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
        fetch(cache, backbones.lineup(), &compared, &reader)?.missing().len()
    };
    let work = draft.work(n_missing.saturating_sub(n_read) + COMPARED_UNITS * n_compared);
    let guess = |stage: Stage| guess_ms(stage, n_read, reader.elapsed_ms());
    let takes = |work: &Work| {
        let deadline_ms = job.spec.config.deadline_ms;
        forecast(work, &known.history, &guess, deadline_ms, DEFAULT_DEADLINE_MS)
    };
    let all = takes(&work);
    let without = match all.in_time {
        InTime::Yes => Vec::new(),
        // Where not every image is looked up, what one version needs is not known.
        _ if looks_up_all => without(state, queue, job, &unread, &work, &takes)?,
        _ => Vec::new(),
    };
    Ok(Preview {
        certificates: draft.certificates(&features).map_err(said)?,
        collisions: draft.collisions(&features).map_err(said)?,
        n_seen: n_seen as u64,
        n_wanted: n_wanted as u64,
        forecast: all,
        look: NextLook::of(&draft.look(), &known.looks, &input.policy),
        without,
    })
}

/// What the job comes to without each of the versions that it can do without, where that is quicker.
fn without(
    state: &AppState,
    queue: &DbQueue,
    job: &Job,
    unread: &BTreeSet<Digest>,
    work: &Work,
    takes: &dyn Fn(&Work) -> Forecast,
) -> Result<Vec<Without>, ApiError> {
    let (runtime, db) = (&queue.runtime, &state.db);
    let mut images: Vec<BTreeSet<Digest>> = Vec::new();
    let mut holders: BTreeMap<Digest, usize> = BTreeMap::new();
    for id in &job.spec.dataset_versions {
        let rows = runtime.block_on(db::datasets::rows(db, id))?;
        let mine: BTreeSet<Digest> = rows.into_iter().map(|row| row.image).collect();
        for image in &mine {
            *holders.entry(*image).or_default() += 1;
        }
        images.push(mine);
    }
    let mut choices = Vec::new();
    for version in runtime.block_on(spare(state, job))? {
        let Some(place) = job.spec.dataset_versions.iter().position(|id| *id == version.id) else {
            continue;
        };
        // What another version has too must be read all the same.
        let mut mine = images[place].clone();
        mine.retain(|image| holders.get(image) == Some(&1));
        let n_spared = mine.intersection(unread).count() as u64;
        if n_spared == 0 {
            continue;
        }
        let less = takes(&Work {
            n_images: work.n_images.saturating_sub(mine.len() as u64),
            n_missing: work.n_missing.saturating_sub(n_spared),
            ..*work
        });
        choices.push(Without {
            version: version.id,
            dataset: version.dataset_name,
            number: version.number,
            n_spared,
            total: less.total,
            in_time: less.in_time,
        });
    }
    choices.sort_by_key(|choice| choice.total.typical_ms);
    Ok(choices)
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
