//! What pages say of a job.

use domain::job::{Job, JobState, Stage};
use leptos::prelude::*;

use crate::components::short;
use crate::language::{t, use_i18n};

/// What the job makes its model from.
#[component]
pub(crate) fn JobTitle(job: Job) -> impl IntoView {
    let i18n = use_i18n();
    match job.spec.baseline {
        Some(model) => t!(i18n, running.clone, model = short(model.0.as_str())).into_any(),
        None => t!(i18n, running.cold).into_any(),
    }
}

/// A state: a word and a colour.
#[component]
pub(crate) fn StateTag(state: JobState) -> impl IntoView {
    let i18n = use_i18n();
    let word = move || match state {
        JobState::Draft => t!(i18n, state.draft).into_any(),
        JobState::Queued => t!(i18n, state.queued).into_any(),
        JobState::Running => t!(i18n, state.running).into_any(),
        JobState::Succeeded => t!(i18n, state.succeeded).into_any(),
        JobState::Failed => t!(i18n, state.failed).into_any(),
        JobState::Cancelled => t!(i18n, state.cancelled).into_any(),
    };
    let class = match state {
        JobState::Succeeded => "tag pass",
        JobState::Failed => "tag fail",
        JobState::Running | JobState::Queued => "tag moving",
        JobState::Draft | JobState::Cancelled => "tag",
    };
    view! { <span class=class>{word}</span> }.into_any()
}

/// A stage's name.
#[component]
pub(crate) fn StageName(stage: Stage) -> impl IntoView {
    let i18n = use_i18n();
    move || match stage {
        Stage::Fetch => t!(i18n, stage.fetch).into_any(),
        Stage::Extract => t!(i18n, stage.extract).into_any(),
        Stage::Train => t!(i18n, stage.train).into_any(),
        Stage::Evaluate => t!(i18n, stage.evaluate).into_any(),
        Stage::Gate => t!(i18n, stage.gate).into_any(),
        Stage::Package => t!(i18n, stage.package).into_any(),
    }
}

/// Whole percent, rounded down: 100 means done.
pub(crate) fn percent(done: i64, total: i64) -> i64 {
    (i128::from(done.clamp(0, total)) * 100 / i128::from(total.max(1)))
        .try_into()
        .unwrap_or(100)
}
