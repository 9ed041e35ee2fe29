//! One dataset: its photos by class, what was found in them, and cloning the live model with it.

use std::collections::BTreeMap;

use domain::api::{DEFAULT_PROJECT, NewJob};
use domain::dataset::{ClassCount, Dataset, DatasetRow, Finding};
use domain::job::Job;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::{use_navigate, use_params_map};
use serde::{Deserialize, Serialize};

use super::upload::Upload;
use crate::backend::{BackendError, SharedBackend, get_json, post_json, use_backend};
use crate::components::error::Refusal;
use crate::components::loaded::{Loaded, segment};
use crate::components::panel::Panel;
use crate::components::photos::{Photo, Photos};
use crate::language::{t, use_i18n};

/// Photos of a class that are shown before one asks for more.
const FIRST: usize = 18;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DatasetView {
    dataset: Dataset,
    rows: Vec<DatasetRow>,
}

async fn load(backend: SharedBackend, name: &str) -> Result<DatasetView, BackendError> {
    let path = format!("/api/v1/datasets/{}?project={DEFAULT_PROJECT}", segment(name));
    let dataset: Dataset = get_json(backend.clone(), &path).await?;
    let rows = match &dataset.latest {
        Some(version) => {
            get_json(
                backend,
                &format!("/api/v1/dataset-versions/{}/rows", segment(&version.id.0)),
            )
            .await?
        }
        None => Vec::new(),
    };
    Ok(DatasetView { dataset, rows })
}

/// The page of a dataset.
#[component]
pub(crate) fn DatasetPage() -> impl IntoView {
    let params = use_params_map();
    let backend = use_backend();
    let name = Memo::new(move |_| params.read().get("name").unwrap_or_default());
    let resource = Resource::new(
        move || name.get(),
        move |name| {
            let backend = backend.clone();
            async move { load(backend, &name).await }
        },
    );
    let reload = Callback::new(move |()| resource.refetch());
    let show = move |shown: DatasetView| view! { <Shown shown reload/> }.into_any();
    view! { <Loaded resource show/> }.into_any()
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
    .into_any()
}

/// The one click of the main job: a draft of a clone of what is live.
#[component]
fn Clone(name: String) -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let navigate = use_navigate();
    let make = Action::new(move |(): &()| {
        let (backend, name) = (backend.clone(), name.clone());
        async move {
            let new = NewJob {
                baseline: Some("production".to_owned()),
                datasets: vec![name],
                ..NewJob::default()
            };
            post_json::<Job>(backend, "/api/v1/jobs", &new).await
        }
    });
    Effect::new(move |_| {
        if let Some(Ok(job)) = make.value().get() {
            navigate(&format!("/jobs/{}", segment(&job.id.0)), Default::default());
        }
    });
    view! {
        <div class="page-actions">
            <button
                type="button"
                class="button primary"
                disabled=move || make.pending().get()
                title=move || t_string!(i18n, dataset.clone_about)
                on:click=move |_| { make.dispatch(()); }
            >
                {move || {
                    if make.pending().get() {
                        t!(i18n, dataset.cloning).into_any()
                    } else {
                        t!(i18n, dataset.clone).into_any()
                    }
                }}
            </button>
            <Refusal error=Signal::derive(move || make.value().get().and_then(Result::err))/>
        </div>
    }
    .into_any()
}

#[component]
fn ByClass(counts: Vec<ClassCount>, rows: Vec<DatasetRow>) -> impl IntoView {
    let i18n = use_i18n();
    let mut by_class: BTreeMap<String, Vec<DatasetRow>> = BTreeMap::new();
    for row in rows {
        by_class.entry(row.class.to_string()).or_default().push(row);
    }
    let empty = counts.is_empty();
    let classes: Vec<_> = counts
        .into_iter()
        .map(|count| {
            let rows = by_class.remove(count.class.as_str()).unwrap_or_default();
            view! { <OneClass count rows/> }
        })
        .collect();
    view! {
        <Panel id="by-class" title=t!(i18n, dataset.by_class).into_any() about=t!(i18n, dataset.by_class_about).into_any()>
            {empty.then(|| view! { <p class="empty">{t!(i18n, dataset.empty)}</p> })}
            {classes}
        </Panel>
    }
    .into_any()
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
            {shown}
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
    .into_any()
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
        <Panel id="findings" title=t!(i18n, dataset.findings).into_any() about=t!(i18n, dataset.findings_about).into_any()>
            <ul class="rows findings" tabindex="0">{rows}</ul>
        </Panel>
    }
    .into_any()
}
