//! Candidates with a verdict that no channel has pointed at yet.

use domain::job::Job;
use leptos::prelude::*;

use crate::components::job::JobTitle;
use crate::components::panel::{Empty, Panel};
use crate::components::short;
use crate::components::time::{Ago, duration};
use crate::components::verdict::VerdictTag;
use crate::components::view;
use crate::language::{said, t, use_i18n};

#[component]
pub(super) fn ToReview(jobs: Vec<Job>, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let content = if jobs.is_empty() {
        view! { <Empty text=t!(i18n, review.empty)/> }
    } else {
        let rows: Vec<_> = jobs.into_iter().map(|job| view! { <CandidateRow job now/> }).collect();
        view! { <ul class="rows">{rows}</ul> }
    };
    view! {
        <Panel
            id="to-review"
            title=t!(i18n, review.title)
            about=t!(i18n, review.about)
        >
            {content}
        </Panel>
    }
}

#[component]
fn CandidateRow(job: Job, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let took = job
        .started_us
        .zip(job.finished_us)
        .map(|(started_us, finished_us)| duration(finished_us - started_us));
    let model = job.model.as_ref().map(ToString::to_string);
    let address = match &model {
        Some(model) => format!("/models/{model}"),
        None => format!("/jobs/{}", job.id),
    };
    let verdict = match job.verdict.clone() {
        Some(verdict) => view! {
            <p class="sentence"><VerdictTag state=verdict.state/> " " {said(i18n, verdict.sentence, verdict.sentence_zh)}</p>
            {verdict
                .structural_failure
                .then(|| view! { <p class="flag"><strong>{t!(i18n, review.structural)}</strong></p> })}
        },
        None => view! { <p class="sentence">{t!(i18n, review.no_verdict)}</p> },
    };
    view! {
        <li class="row">
            <h3><a href=address><JobTitle job=job.clone()/></a></h3>
            {verdict}
            <p class="facts">
                {model
                    .map(|model| {
                        let title = model.clone();
                        view! { <span title=title>{t!(i18n, review.model, model = short(&model))}</span> }
                    })}
                {job.finished_us.map(|at_us| view! { <Ago at_us now/> })}
                {took.map(|took| view! { <span>{t!(i18n, review.took, took = took)}</span> })}
            </p>
        </li>
    }
}
