//! All models, newest first, and a choice of some to compare.

use domain::api::DEFAULT_PROJECT;
use domain::api::compare::MOST_COMPARED;
use domain::model::Model;
use domain::release::Channel;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use serde::Deserialize;

use crate::backend::{BackendError, SharedBackend};
use crate::components::loaded::{Gathered, Load, Loaded};
use crate::components::panel::Panel;
use crate::components::short;
use crate::components::table::{Column, DataTable};
use crate::components::time::utc;
use crate::components::verdict::VerdictTag;
use crate::components::{live, view};
use crate::language::{filled, t, use_i18n};

#[derive(Debug, Deserialize)]
struct All {
    models: Vec<Model>,
    channels: Vec<Channel>,
}

/// JSON text of [`All`].
async fn load(backend: SharedBackend) -> Result<String, BackendError> {
    let mut all = Gathered::default();
    let models = backend.get(format!("/api/v1/models?project={DEFAULT_PROJECT}")).await?;
    all.field("models", &models);
    let channels = backend
        .get(format!("/api/v1/channels?project={DEFAULT_PROJECT}"))
        .await?;
    all.field("channels", &channels);
    Ok(all.finish())
}

/// The page.
#[component]
pub(crate) fn ModelsPage() -> impl IntoView {
    let i18n = use_i18n();
    let load = Load::new(Signal::stored(String::new()), |backend, _| load(backend));
    let show = move |all: All| view! { <List all/> };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, models.title))/>
        <Loaded load show/>
    }
}

#[component]
fn List(all: All) -> impl IntoView {
    let i18n = use_i18n();
    let chosen = RwSignal::new(Vec::<String>::new());
    let compare = move || {
        let chosen = chosen.get();
        (chosen.len() > 1).then(|| {
            let n = chosen.len();
            let address = format!("/compare?models={}", chosen.join(","));
            let full = (n == MOST_COMPARED).then(
                || view! { <span class="dim" role="status">{t!(i18n, models.most, most = MOST_COMPARED)}</span> },
            );
            view! { {full} <a class="button primary" href=address>{t!(i18n, models.compare, n = n)}</a> }
        })
    };
    let content = if all.models.is_empty() {
        view! { <p class="empty">{t!(i18n, models.empty)}</p> }
    } else {
        let channels = all.channels;
        let rows: Vec<_> = all
            .models
            .into_iter()
            .map(|model| {
                let live = channels
                    .iter()
                    .filter(|channel| {
                        channel
                            .current
                            .as_ref()
                            .is_some_and(|release| release.model == model.id)
                    })
                    .map(|channel| channel.name.to_string())
                    .collect();
                view! { <Row model live chosen/> }
            })
            .collect();
        view! {
            <DataTable
                labelled_by="models-title"
                columns=vec![
                    Column::unseen(t!(i18n, compare.title)),
                    Column::text(t!(i18n, model.word)),
                    Column::text(t!(i18n, classes.state)),
                    Column::number(t!(i18n, models.classes)),
                    Column::text(t!(i18n, models.made)),
                ]
                rows=rows.into_any()
                folds=true
            />
        }
    };
    view! {
        <div class="page-head">
            <h1>{t!(i18n, models.title)}</h1>
            {live(compare)}
        </div>
        <Panel id="models" title=t!(i18n, models.title) about=t!(i18n, models.about)>
            {content}
        </Panel>
    }
}

#[component]
fn Row(model: Model, live: Vec<String>, chosen: RwSignal<Vec<String>>) -> impl IntoView {
    let i18n = use_i18n();
    let id = model.id.to_string();
    let shown = short(&id);
    let label = {
        let shown = shown.clone();
        move || filled(t_string!(i18n, models.choose), &[("id", &shown)])
    };
    let toggle = {
        let id = id.clone();
        move |event| {
            let on = event_target_checked(&event);
            chosen.update(|chosen| {
                chosen.retain(|other| *other != id);
                if on {
                    chosen.push(id.clone());
                }
            });
        }
    };
    // A comparison of more cannot be read.
    let full = {
        let id = id.clone();
        move || chosen.with(|chosen| chosen.len() >= MOST_COMPARED && !chosen.contains(&id))
    };
    let new: Vec<String> = model.new_classes.iter().map(ToString::to_string).collect();
    let is_first = model.baseline.is_none();
    let title = if is_first {
        t!(i18n, model.first)
    } else {
        let names = new.join(", ");
        t!(i18n, model.adds, names = names)
    };
    let live: Vec<_> = live
        .into_iter()
        .map(|channel| view! { " " <span class="tag pass">{t!(i18n, models.live, channel = channel)}</span> })
        .collect();
    view! {
        <tr>
            <td class="pick"><input type="checkbox" aria-label=label disabled=full on:change=toggle/></td>
            <th scope="row">
                <a href=format!("/models/{id}")>{title}</a>
                " "
                <code class="dim">{shown}</code>
                {live}
            </th>
            <td><VerdictTag state=model.verdict.state/></td>
            <td class="n" data-head=t_string!(i18n, models.classes)>{model.classes.len()}</td>
            <td class="wide-cell"><time>{utc(model.created_us)}</time></td>
        </tr>
    }
}
