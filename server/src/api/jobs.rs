//! Jobs: drafts, clones, starts, cancellations, results.

pub(super) mod rules;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::{JobPatch, JobResult, NewJob};
use domain::dataset::DatasetVersion;
use domain::gate::policy::GatePolicy;
use domain::ids::{DatasetVersionId, Digest, JobId, ModelId, ProjectId, RequestId};
use domain::job::{HeadMode, Job, JobSpec, JobState, TrainConfig};
use domain::model::Model;
use domain::names::{ChannelName, ClassName};
use domain::release::Channel;
use serde::Deserialize;

use self::rules::{check, check_clone, check_cold, classes};
use super::{datasets, named, policies, project, requests};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// `?project=&state=`
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct JobQuery {
    /// Project by name; `main` where absent.
    pub project: Option<String>,
    /// Only jobs in this state.
    pub state: Option<JobState>,
}

/// Jobs of a project, newest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(JobQuery), responses((status = 200, body = Vec<Job>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<JobQuery>,
) -> Result<Json<Vec<Job>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    Ok(Json(db::jobs::list(&state.db, &project.id, query.state).await?))
}

/// Make a draft, or with `start` a queued job. With `baseline` it is a clone: everything is frozen from the baseline's
/// job, and the named datasets come on top.
#[utoipa::path(post, path = "/jobs", tag = "jobs", request_body = NewJob,
    responses((status = 201, body = Job), (status = 404), (status = 422)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Json(new): Json<NewJob>,
) -> Result<(StatusCode, Json<Job>), ApiError> {
    let project = project(&state, &caller, named(new.project.as_ref())).await?;
    requests::linkable(&state, &project.id, new.request.as_ref()).await?;
    let added = versions(&state, &project.id, &new.datasets).await?;
    let spec = match &new.baseline {
        Some(baseline) => clone_of(&state, &project.id, baseline, &new, &added).await?,
        None => cold(&state, &project.id, &new, &added).await?,
    };
    let job = make(&state, &caller, project.id, new.request, spec, new.start).await?;
    Ok((StatusCode::CREATED, Json(job)))
}

/// Makes a job of a checked spec, and with `start` queues it.
pub(super) async fn make(
    state: &AppState,
    caller: &Caller,
    project: ProjectId,
    request: Option<RequestId>,
    spec: JobSpec,
    start: bool,
) -> Result<Job, ApiError> {
    check(&spec)?;
    // A turned head is judged as the one that it was turned from.
    if spec.turned_from.is_none() {
        policies::check_current(state, &project, &spec.policy).await?;
    }
    let job = Job {
        id: JobId(new_id(&state.clock)),
        project,
        request,
        spec,
        state: JobState::Draft,
        stage: None,
        progress_done: 0,
        progress_total: 0,
        attempt: 0,
        cancel_requested: false,
        error: None,
        verdict: None,
        model: None,
        stage_times: Vec::new(),
        created_by: Some(caller.name.clone()),
        created_us: state.clock.now_us(),
        queued_us: None,
        started_us: None,
        finished_us: None,
    };
    db::jobs::insert(&state.db, &job, Some(&caller.id)).await?;
    if start {
        db::jobs::start(&state.db, &job.id, Some(&caller.id), state.clock.now_us()).await?;
    }
    state.wake.notify();
    found(state, caller, &job.id).await
}

/// The versions that a job names: a dataset's latest by name or id, or a version's id.
async fn versions(state: &AppState, project: &ProjectId, named: &[String]) -> Result<Vec<DatasetVersion>, ApiError> {
    let mut versions: Vec<DatasetVersion> = Vec::with_capacity(named.len());
    for name in named {
        let by_id = db::datasets::version(&state.db, &DatasetVersionId(name.clone())).await?;
        let version = match by_id {
            Some(version) => {
                // Another project's version is as good as none.
                datasets::find(state, project, &version.dataset.0).await?;
                version
            }
            None => {
                let dataset = datasets::find(state, project, name).await?;
                dataset.latest.ok_or_else(|| {
                    ApiError::invalid(format!(
                        "the dataset {} is empty; upload photos to it first",
                        dataset.name
                    ))
                })?
            }
        };
        if versions.iter().all(|other| other.id != version.id) {
            versions.push(version);
        }
    }
    Ok(versions)
}

fn config(new: &NewJob, base: TrainConfig) -> Result<TrainConfig, ApiError> {
    let deadline_ms = match new.deadline_s {
        None => base.deadline_ms,
        Some(seconds) if (1.0..=900.0).contains(&seconds) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and 900 seconds"
            )]
            let deadline_ms = (seconds * 1000.0).round() as u64;
            deadline_ms
        }
        Some(seconds) => {
            return Err(ApiError::invalid(format!(
                "a deadline lies between 1 and 900 seconds, got {seconds}"
            )));
        }
    };
    Ok(TrainConfig {
        seed: new.seed.unwrap_or(base.seed),
        tau: new.tau.unwrap_or(base.tau),
        recall_target: new.recall_target.unwrap_or(base.recall_target),
        deadline_ms,
        ..base
    })
}

async fn cold(
    state: &AppState,
    project: &ProjectId,
    new: &NewJob,
    versions: &[DatasetVersion],
) -> Result<JobSpec, ApiError> {
    check_cold(versions, &new.reject_classes)?;
    let recipe = new.recipe.clone().filter(|recipe| recipe != CHOSEN);
    let base = TrainConfig {
        mode: HeadMode::Cold,
        recipe: recipe.clone(),
        reject_classes: new.reject_classes.clone(),
        ..TrainConfig::default()
    };
    Ok(JobSpec {
        baseline: None,
        anchor: None,
        turned_from: None,
        backbone: by_recipe(state, recipe.as_deref())?,
        dataset_versions: versions.iter().map(|version| version.id.clone()).collect(),
        source: None,
        config: config(new, base)?,
        policy: policies::find(state, project, new.policy.as_deref().unwrap_or("root")).await?,
    })
}

/// The word for a recipe that is yet to be chosen.
const CHOSEN: &str = "auto";

/// The backbone by this recipe; by its usual one, where it is yet to be chosen.
fn by_recipe(state: &AppState, recipe: Option<&str>) -> Result<Digest, ApiError> {
    let Some(recipe) = recipe else {
        return Ok(state.backbones.first().digest());
    };
    let found = state.backbones.by_recipe(recipe).ok_or_else(|| {
        let names: Vec<String> = state.backbones.references().into_iter().map(|one| one.recipe).collect();
        ApiError::invalid(format!(
            "there is no feature recipe {:?}; choose {CHOSEN} or one of: {}",
            crate::error::shortened(recipe),
            names.join(", ")
        ))
    })?;
    Ok(found.digest())
}

async fn clone_of(
    state: &AppState,
    project: &ProjectId,
    baseline: &str,
    new: &NewJob,
    added: &[DatasetVersion],
) -> Result<JobSpec, ApiError> {
    if !new.reject_classes.is_empty() {
        return Err(ApiError::invalid(
            "a clone keeps its baseline's roles; leave reject_classes out",
        ));
    }
    if new.recipe.is_some() {
        return Err(ApiError::invalid(
            "a clone keeps its baseline's feature recipe; leave recipe out",
        ));
    }
    let model = baseline_model(state, project, baseline).await?;
    if state.backbones.find(&model.backbone.digest).is_none() {
        return Err(ApiError::invalid(format!(
            "the baseline was made with the backbone {} ({}), which this server does not have",
            model.backbone.name,
            model.backbone.digest.short()
        )));
    }
    let known: BTreeSet<&ClassName> = model.classes.iter().map(|class| &class.name).collect();
    if classes(added).is_subset(&known) {
        let hint = if added.is_empty() {
            "name a dataset with the new class"
        } else {
            "every class in it is known"
        };
        return Err(ApiError::invalid(format!("the clone would add no class: {hint}")));
    }
    let source = by_id(state, &model.job).await?;
    let mut dataset_versions = source.spec.dataset_versions;
    for version in added {
        if !dataset_versions.contains(&version.id) {
            dataset_versions.push(version.id.clone());
        }
    }
    let policy = match new.policy.as_deref() {
        Some(name) => policies::find(state, project, name).await?,
        None if source.spec.policy.name == "root" => GatePolicy::default_policy(),
        None => policies::renewed(state, project, source.spec.policy).await?,
    };
    let base = TrainConfig {
        mode: HeadMode::Append,
        // Where the baseline's own dial was turned to says nothing about this one's.
        offset: None,
        refit: None,
        recipe: None,
        ..source.spec.config
    };
    Ok(JobSpec {
        anchor: anchor(state, project, baseline, &model.id).await?,
        baseline: Some(model.id),
        turned_from: None,
        backbone: model.backbone.digest,
        dataset_versions,
        source: None,
        config: config(new, base)?,
        policy,
    })
}

/// The model that losses add up from: the anchor of the channel that the baseline is named by or live on.
async fn anchor(
    state: &AppState,
    project: &ProjectId,
    named: &str,
    baseline: &ModelId,
) -> Result<Option<ModelId>, ApiError> {
    let channels = db::releases::channels(&state.db, project).await?;
    let is_live = |channel: &&Channel| {
        channel
            .current
            .as_ref()
            .is_some_and(|release| release.model == *baseline)
    };
    let live = || channels.iter().filter(is_live);
    let channel = live()
        .find(|channel| channel.name.as_str() == named)
        .or_else(|| live().next());
    let anchor = channel.and_then(|channel| channel.anchor.as_ref());
    Ok(anchor
        .map(|release| release.model.clone())
        .filter(|model| model != baseline))
}

/// A baseline is named by the channel that it is live on, or by its id.
async fn baseline_model(state: &AppState, project: &ProjectId, baseline: &str) -> Result<Model, ApiError> {
    let live = match ChannelName::new(baseline) {
        Ok(channel) => db::releases::current(&state.db, project, &channel).await?,
        Err(_) => None,
    };
    let id = live.map_or_else(|| ModelId(baseline.to_owned()), |release| release.model);
    let model = db::models::get(&state.db, &id)
        .await?
        .filter(|model| model.project == *project);
    model.ok_or_else(|| ApiError::not_found("live channel or model", baseline))
}

/// One job.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    Ok(Json(found(&state, &caller, &JobId(id)).await?))
}

/// Change a draft; what is absent stays.
#[utoipa::path(patch, path = "/jobs/{id}", tag = "jobs", params(("id" = String, Path)), request_body = JobPatch,
    responses((status = 200, body = Job), (status = 404), (status = 409, description = "No draft any more"),
        (status = 422)))]
pub(crate) async fn patch(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(patch): Json<JobPatch>,
) -> Result<Json<Job>, ApiError> {
    let job = found(&state, &caller, &JobId(id)).await?;
    let mut spec = job.spec;
    if let Some(config) = patch.config {
        if config.mode != spec.config.mode {
            return Err(ApiError::invalid(
                "the mode follows from the baseline and cannot be changed",
            ));
        }
        spec.config = config;
    }
    let config = &mut spec.config;
    config.tau = patch.tau.unwrap_or(config.tau);
    config.recall_target = patch.recall_target.unwrap_or(config.recall_target);
    config.deadline_ms = patch.deadline_ms.unwrap_or(config.deadline_ms);
    if let Some(classes) = patch.reject_classes {
        config.reject_classes = classes;
    }
    if let Some(recipe) = patch.recipe {
        config.recipe = Some(recipe).filter(|recipe| recipe != CHOSEN);
    }
    if spec.baseline.is_none() {
        spec.backbone = by_recipe(&state, config.recipe.as_deref())?;
    }
    spec.policy = patch.policy.unwrap_or(spec.policy);
    let ids = patch.dataset_versions.unwrap_or(spec.dataset_versions);
    let names: Vec<String> = ids.into_iter().map(|id| id.0).collect();
    let versions = versions(&state, &job.project, &names).await?;
    match &spec.baseline {
        Some(baseline) => check_clone(&state, baseline, &versions, &spec.config).await?,
        None => check_cold(&versions, &spec.config.reject_classes)?,
    }
    spec.dataset_versions = versions.into_iter().map(|version| version.id).collect();
    check(&spec)?;
    policies::check_current(&state, &job.project, &spec.policy).await?;
    if db::jobs::patch_spec(&state.db, &job.id, &spec, state.clock.now_us()).await? {
        Ok(Json(found(&state, &caller, &job.id).await?))
    } else {
        Err(ApiError::conflict(
            "only a draft can be changed; this job was started, so clone it instead",
        ))
    }
}

/// Queue a draft.
#[utoipa::path(post, path = "/jobs/{id}/start", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404), (status = 409, description = "No draft any more")))]
pub(crate) async fn start(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    let job = found(&state, &caller, &JobId(id)).await?;
    // A draft may be older than what its policy's name means by now.
    if job.state == JobState::Draft {
        policies::check_current(&state, &job.project, &job.spec.policy).await?;
    }
    if !db::jobs::start(&state.db, &job.id, Some(&caller.id), state.clock.now_us()).await? {
        let now = found(&state, &caller, &job.id).await?.state;
        return Err(ApiError::conflict(format!(
            "only a draft can be started; this job is {}",
            now.as_str()
        )));
    }
    state.wake.notify();
    Ok(Json(found(&state, &caller, &job.id).await?))
}

/// Stop a job; a running one stops within a moment. Stopping an ended job changes nothing.
#[utoipa::path(post, path = "/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404)))]
pub(crate) async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    let id = JobId(id);
    found(&state, &caller, &id).await?;
    db::jobs::request_cancel(&state.db, &id, state.clock.now_us()).await?;
    state.wake.notify();
    Ok(Json(found(&state, &caller, &id).await?))
}

/// A job with its verdict and the evidence.
#[utoipa::path(get, path = "/jobs/{id}/result", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = JobResult), (status = 404)))]
pub(crate) async fn result(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<JobResult>, ApiError> {
    let job = found(&state, &caller, &JobId(id)).await?;
    let verdict = match &job.model {
        Some(model) => db::models::verdict(&state.db, model).await?,
        None => None,
    };
    Ok(Json(JobResult { job, verdict }))
}

/// A job of a project where the caller may do what the call does.
pub(super) async fn found(state: &AppState, caller: &Caller, id: &JobId) -> Result<Job, ApiError> {
    let job = by_id(state, id).await?;
    caller.admit(&job.project, || ApiError::not_found("job", id))?;
    Ok(job)
}

/// A job that something which the caller may see was made from.
async fn by_id(state: &AppState, id: &JobId) -> Result<Job, ApiError> {
    db::jobs::get(&state.db, id)
        .await?
        .ok_or_else(|| ApiError::not_found("job", id))
}
