//! Jobs that run or wait for a worker.

use domain::job::{Job, JobState, Stage};
use leptos::prelude::*;

use crate::components::job::{JobTitle, StageName, percent};
use crate::components::panel::{Empty, Panel};
use crate::components::short;
use crate::components::time::{Ago, clock};
use crate::components::{live, view};
use crate::language::{t, use_i18n};

const CLONE: &str = "rehead jobs clone --baseline production --dataset NAME --start --watch";

#[component]
pub(super) fn Running(jobs: Vec<Job>, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let content = if jobs.is_empty() {
        view! { <Empty text=t!(i18n, running.empty) command=CLONE/> }
    } else {
        let rows: Vec<_> = jobs.into_iter().map(|job| view! { <JobRow job now/> }).collect();
        view! { <ul class="rows">{rows}</ul> }
    };
    view! {
        <Panel
            id="running"
            title=t!(i18n, running.title)
            about=t!(i18n, running.about)
        >
            {content}
        </Panel>
    }
}

#[component]
fn JobRow(job: Job, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let began_us = job.started_us.or(job.queued_us).unwrap_or(job.created_us);
    let deadline_us = job
        .started_us
        .map(|at_us| at_us.saturating_add_unsigned(job.spec.config.deadline_ms.saturating_mul(1_000)));
    let id = job.id.to_string();
    view! {
        <li class="row">
            <h3><a href=format!("/jobs/{}", job.id)><JobTitle job=job.clone()/></a></h3>
            <p class="facts">
                <code title=id.clone()>{short(&id)}</code>
                <Ago at_us=began_us now/>
                {(job.attempt > 1).then(|| view! { <span>{t!(i18n, running.attempt, n = job.attempt)}</span> })}
            </p>
            <Stages job/>
            {deadline_us.map(|deadline_us| view! { <Deadline deadline_us now/> })}
        </li>
    }
}

/// The stages in order, the one it is in, and how far that is.
#[component]
fn Stages(job: Job) -> impl IntoView {
    let i18n = use_i18n();
    let current = job.stage.filter(|_| job.state == JobState::Running);
    let steps: Vec<_> = Stage::ALL
        .into_iter()
        .map(|stage| {
            let step = match current {
                Some(now) if stage == now => "step current",
                Some(now) if stage < now => "step done",
                _ => "step",
            };
            let mark = (current == Some(stage)).then_some("step");
            view! { <li class=step aria-current=mark><StageName stage/></li> }
        })
        .collect();
    let state = move || {
        if job.cancel_requested {
            Some(t!(i18n, running.cancelling))
        } else if job.state == JobState::Queued {
            Some(t!(i18n, running.queued))
        } else if current.is_none() {
            Some(t!(i18n, running.starting))
        } else {
            None
        }
    };
    let (done, total) = (job.progress_done, job.progress_total);
    let counted = current.filter(|_| total > 0);
    view! {
        <p class="label">{live(state)}</p>
        <ol class="steps">{steps}</ol>
        {counted
            .map(|stage| {
                view! {
                    <div class="progress">
                        <progress id=format!("progress-{}", job.id) max=total value=done></progress>
                        <label for=format!("progress-{}", job.id)>
                            <StageName stage/>
                            " · "
                            {t!(i18n, running.images, done = done, total = total)}
                        </label>
                        <b>{percent(done, total)} " %"</b>
                    </div>
                }
            })}
    }
}

#[component]
fn Deadline(deadline_us: i64, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let text = move || {
        let left_us = deadline_us.saturating_sub(now.get());
        if left_us < 0 {
            t!(i18n, running.past)
        } else {
            t!(i18n, running.deadline, left = clock(left_us))
        }
    };
    view! { <p class="dim">{live(text)}</p> }
}
