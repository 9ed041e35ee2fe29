//! A job: a draft to check and start, a run to watch and stop, an end to read.

mod draft;
mod log;
mod prove;
mod run;

use domain::api::JobPatch;
use domain::dataset::DatasetVersion;
use domain::event::{EventKind, JobEvent, Progress};
use domain::gate::policy::GatePolicy;
use domain::job::{Job, JobState};
use domain::report::EvaluationReport;
use domain::request::Request;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use serde::{Deserialize, Serialize};

use crate::backend::{BackendError, SharedBackend, get_json, patch_json, post_json, use_backend};
use crate::components::error::Refusal;
use crate::components::hour::Hour;
use crate::components::job::{JobTitle, StateTag};
use crate::components::loaded::{Loaded, segment};
use crate::components::short;
use crate::language::{t, use_i18n};
use crate::pages::review::open_request;

/// A job and what it is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct JobView {
    job: Job,
    versions: Vec<DatasetVersion>,
    /// Versions that the baseline's job had.
    inherited: Vec<String>,
    policies: Vec<GatePolicy>,
    /// The rapid response that it answers, while that is open.
    request: Option<Request>,
    /// What was measured of the baseline: for a draft, what its sealed photos can prove.
    baseline: Option<EvaluationReport>,
}

async fn load(backend: SharedBackend, id: &str) -> Result<JobView, BackendError> {
    let job: Job = get_json(backend.clone(), &format!("/api/v1/jobs/{}", segment(id))).await?;
    let mut versions = Vec::with_capacity(job.spec.dataset_versions.len());
    for version in &job.spec.dataset_versions {
        versions.push(
            get_json(
                backend.clone(),
                &format!("/api/v1/dataset-versions/{}", segment(&version.0)),
            )
            .await?,
        );
    }
    let (mut inherited, mut baseline) = (Vec::new(), None);
    if let Some(model) = &job.spec.baseline {
        let path = format!("/api/v1/models/{}", segment(&model.0));
        let model: domain::model::Model = get_json(backend.clone(), &path).await?;
        let source: Job = get_json(backend.clone(), &format!("/api/v1/jobs/{}", segment(&model.job.0))).await?;
        inherited = source.spec.dataset_versions.into_iter().map(|id| id.0).collect();
        if job.state == JobState::Draft {
            baseline = Some(get_json(backend.clone(), &format!("{path}/report")).await?);
        }
    }
    Ok(JobView {
        request: open_request(backend.clone(), &job).await?,
        policies: get_json(backend, "/api/v1/policies").await?,
        job,
        versions,
        inherited,
        baseline,
    })
}

/// The page of a job.
#[component]
pub(crate) fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let backend = use_backend();
    let id = Memo::new(move |_| params.read().get("id").unwrap_or_default());
    let resource = Resource::new(
        move || id.get(),
        move |id| {
            let backend = backend.clone();
            async move { load(backend, &id).await }
        },
    );
    // Outside of what a reload renders again, so that the log stays where it is.
    let events = RwSignal::<Vec<JobEvent>>::new(Vec::new());
    #[cfg(feature = "hydrate")]
    follow::follow(id, events, resource);
    let reload = Callback::new(move |()| resource.refetch());
    let show = move |shown: JobView| view! { <Shown shown events reload/> }.into_any();
    view! { <Loaded resource show/> }.into_any()
}

#[component]
fn Shown(shown: JobView, events: RwSignal<Vec<JobEvent>>, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let job = shown.job.clone();
    let id = job.id.to_string();
    let title = short(&id);
    let progress = Signal::derive(move || {
        events.with(|events| {
            events.iter().rev().find_map(|event| match event.kind {
                EventKind::Progress(progress) => Some(progress),
                _ => None,
            })
        })
    });
    view! {
        <Title text=move || format!("{} {} · Rehead", t_string!(i18n, job.word), title)/>
        <div class="page-head">
            <div>
                <p class="crumb">
                    <a href="/jobs">{t!(i18n, nav.jobs)}</a>
                    " / "
                    <code title=id.clone()>{short(&id)}</code>
                </p>
                <h1><JobTitle job=job.clone()/> " " <StateTag state=job.state/></h1>
            </div>
            <div class="page-actions">
                {shown.request.clone().map(|request| view! { <Hour request/> })}
                <Actions job=job.clone() reload/>
            </div>
        </div>
        <div class="columns">
            <div class="column">
                {match job.state {
                    JobState::Draft => view! { <draft::Draft shown=shown.clone() reload/> }.into_any(),
                    _ => view! { <run::Run job=job.clone() progress/> }.into_any(),
                }}
                <draft::Sources shown=shown.clone()/>
            </div>
            <div class="column">
                {shown.baseline.clone().map(|report| view! { <prove::Prove report shown=shown.clone()/> })}
                {(job.state != JobState::Draft).then(|| view! { <log::Log events/> })}
            </div>
        </div>
    }
    .into_any()
}

/// Start, stop, review.
#[component]
fn Actions(job: Job, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let id = job.id.to_string();
    let act = Action::new(move |verb: &&'static str| {
        let (backend, path) = (backend.clone(), format!("/api/v1/jobs/{}/{verb}", segment(&id)));
        async move { post_json::<Job>(backend, &path, &serde_json::Value::Null).await }
    });
    Effect::new(move |_| {
        if act.value().get().is_some_and(|answer| answer.is_ok()) {
            reload.run(());
        }
    });
    let stoppable = matches!(job.state, JobState::Queued | JobState::Running) && !job.cancel_requested;
    let busy = move || act.pending().get();
    view! {
        <div class="page-actions">
            {(job.state == JobState::Draft)
                .then(|| {
                    view! {
                        <button type="button" class="button" disabled=busy on:click=move |_| { act.dispatch("cancel"); }>
                            {t!(i18n, job.discard)}
                        </button>
                        <button
                            type="button"
                            class="button primary"
                            disabled=busy
                            on:click=move |_| { act.dispatch("start"); }
                        >
                            {t!(i18n, job.start)}
                        </button>
                    }
                })}
            {stoppable
                .then(|| {
                    view! {
                        <button type="button" class="button" disabled=busy on:click=move |_| { act.dispatch("cancel"); }>
                            {t!(i18n, job.stop)}
                        </button>
                    }
                })}
            {job
                .model
                .map(|model| {
                    view! { <a class="button primary" href=format!("/models/{model}")>{t!(i18n, job.review)}</a> }
                })}
            <Refusal error=Signal::derive(move || act.value().get().and_then(Result::err))/>
        </div>
    }
    .into_any()
}

/// Sends a change of a draft.
async fn change(backend: SharedBackend, id: String, patch: JobPatch) -> Result<Job, BackendError> {
    patch_json(backend, &format!("/api/v1/jobs/{}", segment(&id)), &patch).await
}

/// How far a stage is, for its bar.
fn of(progress: Option<Progress>, job: &Job) -> Option<Progress> {
    progress.filter(|progress| job.state == JobState::Running && Some(progress.stage) == job.stage)
}

/// Listens to the job's events while it lasts.
#[cfg(feature = "hydrate")]
mod follow {
    use domain::event::{EventKind, JobEvent};
    use leptos::prelude::*;
    use wasm_bindgen::JsCast as _;
    use wasm_bindgen::prelude::Closure;
    use web_sys::{EventSource, MessageEvent};

    use super::JobView;
    use crate::backend::BackendError;
    use crate::components::loaded::segment;

    /// A source of events that is closed with the page.
    struct Open {
        source: EventSource,
        _heard: Closure<dyn FnMut(MessageEvent)>,
    }

    impl Drop for Open {
        fn drop(&mut self) {
            self.source.set_onmessage(None);
            self.source.close();
        }
    }

    pub(super) fn follow(
        id: Memo<String>,
        events: RwSignal<Vec<JobEvent>>,
        resource: Resource<Result<JobView, BackendError>>,
    ) {
        let open = StoredValue::new_local(None::<Open>);
        Effect::new(move |_| {
            let id = id.get();
            events.set(Vec::new());
            open.set_value(None);
            let Ok(source) = EventSource::new(&format!("/api/v1/jobs/{}/events", segment(&id))) else {
                return;
            };
            let heard = Closure::new(move |message: MessageEvent| {
                let Some(event) = message
                    .data()
                    .as_string()
                    .and_then(|text| serde_json::from_str::<JobEvent>(&text).ok())
                else {
                    return;
                };
                hear(event, events, resource, open);
            });
            source.set_onmessage(Some(heard.as_ref().unchecked_ref()));
            open.set_value(Some(Open { source, _heard: heard }));
        });
        on_cleanup(move || {
            open.try_set_value(None);
        });
    }

    fn hear(
        event: JobEvent,
        events: RwSignal<Vec<JobEvent>>,
        resource: Resource<Result<JobView, BackendError>>,
        open: StoredValue<Option<Open>, LocalStorage>,
    ) {
        // A source that was cut off asks again from where it was; what comes twice is the same.
        if events.with_untracked(|events| events.iter().any(|known| known.seq == event.seq)) {
            return;
        }
        let (moves, ends) = match &event.kind {
            EventKind::State { state, .. } => (true, state.is_final()),
            EventKind::StageStarted { .. } | EventKind::Verdict { .. } => (true, false),
            _ => (false, false),
        };
        events.update(|events| events.push(event));
        if moves {
            resource.refetch();
        }
        if ends {
            // The server has closed the stream; a browser would open it again and again.
            open.with_value(|open| {
                if let Some(open) = open {
                    open.source.close();
                }
            });
        }
    }
}
