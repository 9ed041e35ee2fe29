//! A job: a draft to check and start, a run to watch and stop, an end to read.

mod before;
mod draft;
mod log;
mod run;

use domain::api::DEFAULT_PROJECT;
use domain::dataset::{Dataset, DatasetVersion};
use domain::event::{EventKind, JobEvent, Progress};
use domain::gate::policy::GatePolicy;
use domain::ids::DatasetVersionId;
use domain::job::{Job, JobState};
use domain::model::{BackboneRef, Model};
use domain::preview::Preview;
use domain::request::Request;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use serde::Deserialize;

use crate::backend::{BackendError, SharedBackend, read, written};
use crate::components::error::Refusal;
use crate::components::hour::Hour;
use crate::components::job::{JobTitle, StateTag};
use crate::components::loaded::{Gathered, Load, Loaded, list, segment};
use crate::components::sending::Sending;
use crate::components::short;
use crate::components::view;
use crate::language::{t, use_i18n};
use crate::pages::review::open_request;

/// A job and what it is made from.
#[derive(Clone, Debug, Deserialize)]
struct JobView {
    job: Job,
    versions: Vec<DatasetVersion>,
    /// Versions that the baseline's job had.
    inherited: Vec<DatasetVersionId>,
    policies: Vec<GatePolicy>,
    /// For a draft of a first model: the feature recipes that it can be given.
    recipes: Vec<BackboneRef>,
    /// For a draft, the project's: what it could be trained on as well.
    datasets: Vec<Dataset>,
    /// The rapid response that it answers, while that is open.
    request: Option<Request>,
    /// For a draft: what it can be told before it starts.
    preview: Option<Preview>,
    /// Why it could not run as it stands.
    stuck: Option<String>,
}

/// JSON text of [`JobView`].
async fn load(backend: SharedBackend, id: String) -> Result<String, BackendError> {
    let (text, job) = job(&backend, &id).await?;
    let mut versions = Vec::with_capacity(job.spec.dataset_versions.len());
    for version in &job.spec.dataset_versions {
        let id = segment(&version.0);
        versions.push(backend.get(format!("/api/v1/dataset-versions/{id}")).await?);
    }
    let mut inherited = Vec::new();
    let (mut preview, mut stuck) = ("null".to_owned(), None);
    if let Some(model) = &job.spec.baseline {
        let path = format!("/api/v1/models/{}", segment(&model.0));
        let model: Model = read(&path, &backend.get(path.clone()).await?)?;
        inherited = self::job(&backend, &model.job.0).await?.1.spec.dataset_versions;
    }
    if job.state == JobState::Draft {
        match backend.get(format!("/api/v1/jobs/{}/preview", segment(&id))).await {
            Ok(text) => preview = text,
            Err(error) if error.status == 422 => stuck = Some(error.sentence().to_owned()),
            Err(error) => return Err(error),
        }
    }
    let recipes = match (job.state, &job.spec.baseline) {
        (JobState::Draft, None) => backend.get("/api/v1/backbones".to_owned()).await?,
        _ => "[]".to_owned(),
    };
    let datasets = match job.state {
        JobState::Draft => {
            backend
                .get(format!("/api/v1/datasets?project={DEFAULT_PROJECT}"))
                .await?
        }
        _ => "[]".to_owned(),
    };
    let mut all = Gathered::default();
    all.field("datasets", &datasets);
    all.field("recipes", &recipes);
    all.field("job", &text);
    all.field("versions", &list(&versions));
    all.field("inherited", &written(&inherited));
    all.field("policies", &backend.get("/api/v1/policies".to_owned()).await?);
    all.field("request", &open_request(backend, &job).await?);
    all.field("preview", &preview);
    all.field("stuck", &written(&stuck));
    Ok(all.finish())
}

async fn job(backend: &SharedBackend, id: &str) -> Result<(String, Job), BackendError> {
    let path = format!("/api/v1/jobs/{}", segment(id));
    let text = backend.get(path.clone()).await?;
    let job = read(&path, &text)?;
    Ok((text, job))
}

/// The page of a job.
#[component]
pub(crate) fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.read().get("id").unwrap_or_default());
    let load = Load::new(id.into(), load);
    // Outside of what a reload renders again, so that the log stays where it is.
    let events = RwSignal::<Vec<JobEvent>>::new(Vec::new());
    #[cfg(feature = "hydrate")]
    {
        follow::follow(id, events, load);
        follow::read_on(load);
    }
    let reload = Callback::new(move |()| load.refetch());
    let show = move |shown: JobView| view! { <Shown shown events reload/> };
    view! { <Loaded load show/> }
}

#[component]
fn Shown(shown: JobView, events: RwSignal<Vec<JobEvent>>, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let job = shown.job.clone();
    let id = job.id.to_string();
    let title = short(&id);
    let unsaved = RwSignal::new(false);
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
                <Actions job=job.clone() reload unsaved/>
            </div>
        </div>
        <div class="columns">
            <div class="column">
                {match job.state {
                    JobState::Draft => view! { <draft::Draft shown=shown.clone() reload unsaved/> },
                    _ => view! { <run::Run job=job.clone() progress/> },
                }}
                <draft::Sources shown=shown.clone() reload/>
            </div>
            <div class="column">
                {shown.stuck.clone().map(|why| view! { <before::Stuck why/> })}
                {shown
                    .preview
                    .clone()
                    .map(|preview| view! { <before::Before preview job=job.clone() reload/> })}
                {(job.state != JobState::Draft).then(|| view! { <log::Log events/> })}
            </div>
        </div>
    }
}

/// Start, stop, review.
#[component]
fn Actions(job: Job, reload: Callback<()>, unsaved: RwSignal<bool>) -> impl IntoView {
    let i18n = use_i18n();
    let id = job.id.to_string();
    let sending = Sending::then(reload);
    let act = Callback::new(move |verb: &'static str| {
        sending.post(format!("/api/v1/jobs/{}/{verb}", segment(&id)), &());
    });
    let stoppable = matches!(job.state, JobState::Queued | JobState::Running) && !job.cancel_requested;
    let busy = move || sending.pending();
    view! {
        <div class="page-actions">
            {(job.state == JobState::Draft)
                .then(|| {
                    view! {
                        <button type="button" class="button" disabled=busy on:click=move |_| act.run("cancel")>
                            {t!(i18n, job.discard)}
                        </button>
                        <button
                            type="button"
                            class="button primary"
                            disabled=move || busy() || unsaved.get()
                            on:click=move |_| act.run("start")
                        >
                            {t!(i18n, job.start)}
                        </button>
                    }
                })}
            {stoppable
                .then(|| {
                    view! {
                        <button type="button" class="button" disabled=busy on:click=move |_| act.run("cancel")>
                            {t!(i18n, job.stop)}
                        </button>
                    }
                })}
            {job
                .model
                .map(|model| {
                    view! { <a class="button primary" href=format!("/models/{model}")>{t!(i18n, job.review)}</a> }
                })}
            <Refusal error=sending.error()/>
        </div>
    }
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
    use crate::backend::read;
    use crate::browser::files::pause;
    use crate::components::loaded::{Load, segment};

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

    pub(super) fn follow(id: Memo<String>, events: RwSignal<Vec<JobEvent>>, load: Load<JobView>) {
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
                    .and_then(|text| read::<JobEvent>("events", &text).ok())
                else {
                    return;
                };
                hear(event, events, load, open);
            });
            source.set_onmessage(Some(heard.as_ref().unchecked_ref()));
            open.set_value(Some(Open { source, _heard: heard }));
        });
        on_cleanup(move || {
            open.try_set_value(None);
        });
    }

    /// Asks a draft's preview again while its photos are being read, as long as that gets on.
    pub(super) fn read_on(load: Load<JobView>) {
        Effect::new(move |before: Option<u64>| {
            let shown = load.get().and_then(Result::ok);
            let preview = shown.and_then(|shown| shown.preview);
            let (n_seen, n_wanted) = preview.map_or((0, 0), |preview| (preview.n_seen, preview.n_wanted));
            if n_seen < n_wanted && before != Some(n_seen) {
                leptos::task::spawn_local(async move {
                    pause(300).await;
                    load.refetch();
                });
            }
            n_seen
        });
    }

    fn hear(
        event: JobEvent,
        events: RwSignal<Vec<JobEvent>>,
        load: Load<JobView>,
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
            load.refetch();
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
