//! One dataset: its photos by class, what was found in them, and cloning the live model with it.

use domain::api::{DEFAULT_PROJECT, NewJob};
use domain::dataset::{ClassCount, Dataset, DatasetRow, Finding};
use domain::ids::RequestId;
use domain::job::Job;
use domain::release::Channel;
use domain::request::Request;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::{use_navigate, use_params_map};
use serde::Deserialize;

use super::upload::Upload;
use crate::backend::{BackendError, SharedBackend, read};
use crate::components::error::Refusal;
use crate::components::loaded::{Gathered, Load, Loaded, segment};
use crate::components::panel::Panel;
use crate::components::photos::{Photo, Photos};
use crate::components::sending::Sending;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// What a clone is made of.
const PRODUCTION: &str = "production";
/// Photos of a class that are shown before one asks for more.
const FIRST: usize = 18;

#[derive(Clone, Debug, Deserialize)]
struct DatasetView {
    dataset: Dataset,
    rows: Vec<DatasetRow>,
    channels: Vec<Channel>,
    requests: Vec<Request>,
}

/// JSON text of [`DatasetView`].
async fn load(backend: SharedBackend, name: String) -> Result<String, BackendError> {
    let path = format!("/api/v1/datasets/{}?project={DEFAULT_PROJECT}", segment(&name));
    let text = backend.get(path.clone()).await?;
    let dataset: Dataset = read(&path, &text)?;
    let rows = match &dataset.latest {
        Some(version) => {
            let id = segment(&version.id.0);
            backend.get(format!("/api/v1/dataset-versions/{id}/rows")).await?
        }
        None => "[]".to_owned(),
    };
    let mut all = Gathered::default();
    all.field("dataset", &text);
    all.field("rows", &rows);
    for list in ["channels", "requests"] {
        let path = format!("/api/v1/{list}?project={DEFAULT_PROJECT}");
        all.field(list, &backend.get(path).await?);
    }
    Ok(all.finish())
}

/// The page of a dataset.
#[component]
pub(crate) fn DatasetPage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.read().get("name").unwrap_or_default());
    let load = Load::new(name.into(), load);
    let reload = Callback::new(move |()| load.refetch());
    let show = move |shown: DatasetView| view! { <Shown shown reload/> };
    view! { <Loaded load show/> }
}

#[component]
fn Shown(shown: DatasetView, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let name = shown.dataset.name.to_string();
    let title = name.clone();
    let latest = shown.dataset.latest.clone();
    let photos = latest.is_some();
    let production = |channel: &&Channel| channel.name.as_str() == PRODUCTION;
    let is_first = shown
        .channels
        .iter()
        .find(production)
        .is_none_or(|channel| channel.current.is_none());
    let version = latest.as_ref().map(|version| {
        let n = version.number;
        view! { <span class="dim">{t!(i18n, dataset.version, n = n)}</span> }
    });
    let (counts, findings) = latest
        .map(|version| (version.classes, version.findings))
        .unwrap_or_default();
    view! {
        <Title text=move || format!("{title} · Rehead")/>
        <div class="page-head">
            <div>
                <p class="crumb"><a href="/datasets">{t!(i18n, nav.datasets)}</a> " /"</p>
                <h1>{name.clone()} " " {version}</h1>
            </div>
            {photos.then(|| view! { <Make name=name.clone() is_first requests=shown.requests/> })}
        </div>
        <div class="columns">
            <div class="column">
                <ByClass counts rows=shown.rows/>
            </div>
            <div class="column">
                <Upload dataset=Some(name) done=reload/>
                {(!findings.is_empty()).then(|| view! { <Findings findings/> })}
            </div>
        </div>
    }
}

/// The one click of the main job: a draft of a clone of what is live; where nothing is, of a first model.
#[component]
fn Make(name: String, is_first: bool, requests: Vec<Request>) -> impl IntoView {
    let i18n = use_i18n();
    let mut open: Vec<Request> = requests;
    open.retain(|request| request.closed_us.is_none());
    open.sort_unstable_by_key(|request| request.due_us);
    let chosen = RwSignal::new(open.first().map(|request| request.id.to_string()).unwrap_or_default());
    let options: Vec<_> = open
        .into_iter()
        .map(|request| view! { <option value=request.id.to_string()>{request.title}</option> })
        .collect();
    let pick = (!options.is_empty()).then(|| {
        view! {
            <label class="check">
                <span>{t!(i18n, dataset.answers)}</span>
                <select prop:value=chosen on:change=move |event| chosen.set(event_target_value(&event))>
                    {options}
                    <option value="">"–"</option>
                </select>
            </label>
        }
    });
    let navigate = use_navigate();
    let sending = Sending::new();
    let make = move |_| {
        let new = NewJob {
            baseline: (!is_first).then(|| PRODUCTION.to_owned()),
            datasets: vec![name.clone()],
            request: Some(chosen.get_untracked()).filter(|id| !id.is_empty()).map(RequestId),
            ..NewJob::default()
        };
        sending.post("/api/v1/jobs".to_owned(), &new);
    };
    Effect::new(move |_| {
        if let Some(job) = sending.answer::<Job>() {
            navigate(&format!("/jobs/{}", segment(&job.id.0)), Default::default());
        }
    });
    view! {
        <div class="page-actions">
            {pick}
            <button
                type="button"
                class="button primary"
                disabled=move || sending.pending()
                title=move || t_string!(i18n, dataset.clone_about)
                on:click=make
            >
                {move || {
                    if sending.pending() {
                        t!(i18n, dataset.cloning)
                    } else if is_first {
                        t!(i18n, dataset.first)
                    } else {
                        t!(i18n, dataset.clone)
                    }
                }}
            </button>
            <Refusal error=sending.error()/>
        </div>
    }
}

#[component]
fn ByClass(counts: Vec<ClassCount>, rows: Vec<DatasetRow>) -> impl IntoView {
    let i18n = use_i18n();
    let mut by_class: Vec<Vec<DatasetRow>> = counts.iter().map(|_| Vec::new()).collect();
    for row in rows {
        if let Some(idx) = counts.iter().position(|count| count.class == row.class) {
            by_class[idx].push(row);
        }
    }
    let empty = counts.is_empty();
    let classes: Vec<_> = counts
        .into_iter()
        .zip(by_class)
        .map(|(count, rows)| view! { <OneClass count rows/> })
        .collect();
    view! {
        <Panel id="by-class" title=t!(i18n, dataset.by_class) about=t!(i18n, dataset.by_class_about)>
            {empty.then(|| view! { <p class="empty">{t!(i18n, dataset.empty)}</p> })}
            {classes}
        </Panel>
    }
}

#[component]
fn OneClass(count: ClassCount, rows: Vec<DatasetRow>) -> impl IntoView {
    let i18n = use_i18n();
    let all = RwSignal::new(false);
    let n = rows.len();
    let class = count.class.to_string();
    let shown = {
        let class = class.clone();
        move || {
            let take = if all.get() { n } else { FIRST };
            let photo = |row: &DatasetRow| Photo {
                image: row.image,
                title: class.clone(),
                caption: row.split.as_str().to_owned(),
                answers: None,
                marked: false,
            };
            view! { <Photos photos=rows.iter().take(take).map(photo).collect()/> }
        }
    };
    view! {
        <section class="row">
            <h3>{class}</h3>
            <p class="facts">
                <span>{t!(i18n, dataset.train)} " " <b>{count.train}</b></span>
                <span>{t!(i18n, dataset.calibration)} " " <b>{count.calibration}</b></span>
                <span>{t!(i18n, dataset.sealed)} " " <b>{count.sealed}</b></span>
            </p>
            {live(shown)}
            {move || {
                (n > FIRST && !all.get())
                    .then(|| {
                        view! {
                            <button type="button" class="button" on:click=move |_| all.set(true)>
                                {t!(i18n, dataset.all, n = n)}
                            </button>
                        }
                    })
            }}
        </section>
    }
}

#[component]
fn Findings(findings: Vec<Finding>) -> impl IntoView {
    let i18n = use_i18n();
    let rows: Vec<_> = findings
        .into_iter()
        .map(
            |finding| view! { <li class="row"><b>{finding.name}</b> " " <span lang="en">{finding.message}</span></li> },
        )
        .collect();
    view! {
        <Panel id="findings" title=t!(i18n, dataset.findings) about=t!(i18n, dataset.findings_about)>
            <ul class="rows findings" tabindex="0">{rows}</ul>
        </Panel>
    }
}
