//! A job that runs, or has run.

use domain::event::Progress;
use domain::job::{Job, JobState, Stage};
use leptos::prelude::*;

use super::of;
use crate::components::job::{StageName, percent};
use crate::components::panel::Panel;
use crate::components::time::{duration, utc};
use crate::components::verdict::VerdictTag;
use crate::components::{live, view};
use crate::language::{said, t, use_i18n};

#[component]
pub(super) fn Run(job: Job, progress: Signal<Option<Progress>>) -> impl IntoView {
    let i18n = use_i18n();
    let about = match job.state {
        JobState::Queued => t!(i18n, running.queued),
        JobState::Running if job.cancel_requested => t!(i18n, running.cancelling),
        _ => match job.started_us.zip(job.finished_us) {
            Some((started_us, finished_us)) => {
                let took = duration(finished_us - started_us);
                t!(i18n, review.took, took = took)
            }
            None => ().into_any(),
        },
    };
    let stages: Vec<_> = Stage::ALL
        .into_iter()
        .map(|stage| view! { <StageRow stage job=job.clone() progress/> })
        .collect();
    let verdict = job.verdict.clone().map(|verdict| {
        view! {
            <p class="sentence"><VerdictTag state=verdict.state/> " " {said(i18n, verdict.sentence, verdict.sentence_zh)}</p>
        }
    });
    let error = job
        .error
        .clone()
        .map(|error| view! { <div class="refusal" role="alert"><p lang="en">{error}</p></div> });
    let began = job
        .started_us
        .map(|at_us| view! { <p class="dim">{t!(i18n, job.began, at = utc(at_us))}</p> });
    view! {
        <Panel id="stages" title=t!(i18n, stage.label) about>
            <ol class="stages">{stages}</ol>
            {error}
            {verdict}
            {began}
        </Panel>
    }
}

#[component]
fn StageRow(stage: Stage, job: Job, progress: Signal<Option<Progress>>) -> impl IntoView {
    let i18n = use_i18n();
    let took = job
        .stage_times
        .iter()
        .find(|time| time.stage == stage)
        .map(|time| duration(time.duration_ms * 1000));
    let current = job.state == JobState::Running && job.stage == Some(stage);
    let class = if current {
        "stage current"
    } else if took.is_some() {
        "stage done"
    } else {
        "stage"
    };
    let mark = current.then_some("step");
    let bar = move || {
        let progress = of(progress.get(), &job).filter(|progress| current && progress.total > 0)?;
        let (done, total) = (progress.done, progress.total);
        let rate = format!("{:.0}", progress.rate_per_s);
        let left = duration(progress.left_ms * 1000);
        Some(view! {
            <div class="progress">
                <progress id="stage-progress" max=total value=done></progress>
                <label for="stage-progress">
                    {t!(i18n, running.images, done = done, total = total)}
                    " · "
                    {t!(i18n, job.rate, rate = rate, left = left)}
                </label>
                <b>{percent(done, total)} " %"</b>
            </div>
        })
    };
    view! {
        <li class=class aria-current=mark>
            <span class="stage-name"><StageName stage/></span>
            <span class="n">{took}</span>
            {live(bar)}
        </li>
    }
}
