//! What happened, line by line.

use domain::event::{EventKind, JobEvent};
use leptos::prelude::*;

use crate::components::job::{StageName, StateTag};
use crate::components::panel::Panel;
use crate::components::time::{duration, rfc3339};
use crate::components::verdict::VerdictTag;
use crate::components::view;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Log(events: RwSignal<Vec<JobEvent>>) -> impl IntoView {
    let i18n = use_i18n();
    // Progress moves the bar and would drown the rest.
    let told = move || {
        events.with(|events| {
            let told = events
                .iter()
                .filter(|event| !matches!(event.kind, EventKind::Progress(_)));
            told.cloned().collect::<Vec<_>>()
        })
    };
    view! {
        <Panel id="log" title=t!(i18n, job.log) about=t!(i18n, running.about)>
            {move || {
                told()
                    .is_empty()
                    .then(|| view! { <p class="empty">{t!(i18n, job.log_empty)}</p> })
            }}
            <div role="log">
                <ol class="log">
                    <For each=told key=|event| event.seq let:event>
                        <Line event/>
                    </For>
                </ol>
            </div>
        </Panel>
    }
}

#[component]
fn Line(event: JobEvent) -> impl IntoView {
    let i18n = use_i18n();
    let at = rfc3339(event.at_us);
    let clock = at.get(11..19).unwrap_or(&at).to_owned();
    let said = match event.kind {
        EventKind::State { state, message } => view! {
            <StateTag state/>
            " "
            <span lang="en">{message}</span>
        },
        EventKind::StageStarted { stage } => {
            view! { <span class="dim">{t!(i18n, job.stage_started)}</span> " " <StageName stage/> }
        }
        EventKind::StageFinished { stage, duration_ms } => view! {
            <span class="dim">{t!(i18n, job.stage_finished)}</span>
            " "
            <StageName stage/>
            " "
            {duration(duration_ms * 1000)}
        },
        EventKind::Finding { finding } => {
            view! { <span class="tag unproven">{finding.name}</span> " " <span lang="en">{finding.message}</span> }
        }
        EventKind::Verdict { state, sentence } => {
            view! { <VerdictTag state/> " " <span lang="en">{sentence}</span> }
        }
        EventKind::Progress(_) => ().into_any(),
    };
    view! {
        <li>
            <time datetime=at.clone() title=at>{clock}</time>
            <p>{said}</p>
        </li>
    }
}
