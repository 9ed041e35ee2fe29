//! What pages say of a job.

use domain::job::{Job, JobState, Stage};
use leptos::prelude::*;

use crate::components::short;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// What the job makes its model from.
#[component]
pub(crate) fn JobTitle(job: Job) -> impl IntoView {
    let i18n = use_i18n();
    match job.spec.baseline {
        Some(model) => t!(i18n, running.clone, model = short(model.0.as_str())),
        None => t!(i18n, running.cold),
    }
}

/// A state: a word and a colour.
#[component]
pub(crate) fn StateTag(state: JobState) -> impl IntoView {
    let i18n = use_i18n();
    let word = move || match state {
        JobState::Draft => t!(i18n, state.draft),
        JobState::Queued => t!(i18n, state.queued),
        JobState::Running => t!(i18n, state.running),
        JobState::Succeeded => t!(i18n, state.succeeded),
        JobState::Failed => t!(i18n, state.failed),
        JobState::Cancelled => t!(i18n, state.cancelled),
    };
    let class = match state {
        JobState::Succeeded => "tag pass",
        JobState::Failed => "tag fail",
        JobState::Running | JobState::Queued => "tag moving",
        JobState::Draft | JobState::Cancelled => "tag",
    };
    view! { <span class=class>{live(word)}</span> }
}

/// A stage's name.
#[component]
pub(crate) fn StageName(stage: Stage) -> impl IntoView {
    let i18n = use_i18n();
    live(move || match stage {
        Stage::Fetch => t!(i18n, stage.fetch),
        Stage::Extract => t!(i18n, stage.extract),
        Stage::Train => t!(i18n, stage.train),
        Stage::Evaluate => t!(i18n, stage.evaluate),
        Stage::Gate => t!(i18n, stage.gate),
        Stage::Package => t!(i18n, stage.package),
    })
}

/// Whole percent, rounded down: 100 means done.
pub(crate) fn percent(done: i64, total: i64) -> i64 {
    (i128::from(done.clamp(0, total)) * 100 / i128::from(total.max(1)))
        .try_into()
        .unwrap_or(100)
}
