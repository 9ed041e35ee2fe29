//! What a job must be before it is written down: its classes, its versions, its numbers. Reads, and writes nothing.

use std::collections::BTreeSet;

use domain::dataset::DatasetVersion;
use domain::gate::policy::CheckId;
use domain::ids::{DatasetVersionId, ModelId};
use domain::job::{Job, JobSpec, TrainConfig};
use domain::names::ClassName;

use super::{by_id, versions};
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// The rules of every job: numbers in their ranges, and a policy that asks what it must.
pub(super) fn check(spec: &JobSpec) -> Result<(), ApiError> {
    spec.config.validate().map_err(ApiError::invalid)?;
    let policy = &spec.policy;
    policy.validate().map_err(ApiError::invalid)?;
    // A policy that does not ask whether something is harmed would pass whatever harms it.
    let needed: &[CheckId] = match spec.baseline {
        Some(_) => &[
            CheckId::Coverage,
            CheckId::OldClassLoss,
            CheckId::NewRecall,
            CheckId::FalseNew,
        ],
        None => &[CheckId::Coverage, CheckId::ClassRecall, CheckId::ClassPrecision],
    };
    let lacks = |id: &&CheckId| policy.checks.iter().all(|check| check.id != **id);
    if let Some(id) = needed.iter().find(lacks) {
        let kind = if spec.baseline.is_some() {
            "a clone"
        } else {
            "a first model"
        };
        return Err(ApiError::invalid(format!(
            "the policy {:?} has no check {}, without which {kind} cannot be judged",
            crate::error::shortened(&policy.name),
            id.as_str()
        )));
    }
    Ok(())
}

/// Whether a draft could be changed to have these versions.
pub(in crate::api) async fn may_have(state: &AppState, job: &Job, ids: &[DatasetVersionId]) -> Result<bool, ApiError> {
    let names: Vec<String> = ids.iter().map(|id| id.0.clone()).collect();
    let versions = versions(state, &job.project, &names).await?;
    let config = &job.spec.config;
    let checked = match &job.spec.baseline {
        Some(baseline) => check_clone(state, baseline, &versions, config).await,
        None => check_cold(&versions, &config.reject_classes),
    };
    match checked {
        Ok(()) => Ok(true),
        // A rule says no; a database that does not answer says nothing.
        Err(ApiError::Problem(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The rules of a new cold job, for a draft that was changed.
pub(super) fn check_cold(versions: &[DatasetVersion], reject_classes: &[ClassName]) -> Result<(), ApiError> {
    if versions.is_empty() {
        return Err(ApiError::invalid("name at least one dataset to train on"));
    }
    let classes = classes(versions);
    if classes.len() < 2 {
        return Err(ApiError::invalid(format!(
            "training needs at least two classes, got {}",
            classes.len()
        )));
    }
    if let Some(unknown) = reject_classes.iter().find(|class| !classes.contains(class)) {
        return Err(ApiError::invalid(format!(
            "the class {unknown} that is to mean \"none of these\" has no image"
        )));
    }
    if classes.len() == reject_classes.len() {
        return Err(ApiError::invalid(
            "every class is a reject class, so nothing could be recognised",
        ));
    }
    Ok(())
}

/// The rules of a new clone, for a draft that was changed: everything of the baseline's job, and a new class.
pub(super) async fn check_clone(
    state: &AppState,
    baseline: &ModelId,
    versions: &[DatasetVersion],
    config: &TrainConfig,
) -> Result<(), ApiError> {
    let model = db::models::get(&state.db, baseline).await?;
    let model = model.ok_or_else(|| ApiError::not_found("model", baseline))?;
    let source = by_id(state, &model.job).await?;
    if config.reject_classes != source.spec.config.reject_classes {
        return Err(ApiError::invalid("a clone keeps its baseline's roles"));
    }
    let named: BTreeSet<&DatasetVersionId> = versions.iter().map(|version| &version.id).collect();
    if let Some(gone) = source.spec.dataset_versions.iter().find(|id| !named.contains(id)) {
        return Err(ApiError::invalid(format!(
            "the baseline's dataset version {gone} must stay: its sealed photos prove that nothing old is harmed"
        )));
    }
    let known: BTreeSet<&ClassName> = model.classes.iter().map(|class| &class.name).collect();
    if classes(versions).is_subset(&known) {
        return Err(ApiError::invalid("the clone would add no class"));
    }
    Ok(())
}

pub(super) fn classes(versions: &[DatasetVersion]) -> BTreeSet<&ClassName> {
    versions
        .iter()
        .flat_map(|version| version.classes.iter().map(|count| &count.class))
        .collect()
}
