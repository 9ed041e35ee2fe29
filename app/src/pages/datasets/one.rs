//! One dataset: its photos by class, what was found in them, and cloning the live model with it.

use domain::api::{DEFAULT_PROJECT, NewJob};
use domain::dataset::{ClassCount, Dataset, DatasetRow, Finding};
use domain::job::Job;
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

/// Photos of a class that are shown before one asks for more.
const FIRST: usize = 18;

#[derive(Clone, Debug, Deserialize)]
struct DatasetView {
    dataset: Dataset,
    rows: Vec<DatasetRow>,
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
            {photos.then(|| view! { <Clone name=name.clone()/> })}
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

/// The one click of the main job: a draft of a clone of what is live.
#[component]
fn Clone(name: String) -> impl IntoView {
    let i18n = use_i18n();
    let navigate = use_navigate();
    let sending = Sending::new();
    let make = move |_| {
        let new = NewJob {
            baseline: Some("production".to_owned()),
            datasets: vec![name.clone()],
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
