//! All models, newest first, and a choice of some to compare.

use std::collections::BTreeSet;

use domain::api::DEFAULT_PROJECT;
use domain::model::Model;
use domain::release::Channel;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use serde::{Deserialize, Serialize};

use crate::backend::{BackendError, SharedBackend, get_json, use_backend};
use crate::components::loaded::Loaded;
use crate::components::panel::Panel;
use crate::components::short;
use crate::components::time::utc;
use crate::components::verdict::VerdictTag;
use crate::language::{filled, t, use_i18n};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct All {
    models: Vec<Model>,
    channels: Vec<Channel>,
}

async fn load(backend: SharedBackend) -> Result<All, BackendError> {
    Ok(All {
        models: get_json(backend.clone(), &format!("/api/v1/models?project={DEFAULT_PROJECT}")).await?,
        channels: get_json(backend, &format!("/api/v1/channels?project={DEFAULT_PROJECT}")).await?,
    })
}

/// The page.
#[component]
pub(crate) fn ModelsPage() -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let resource = Resource::new(|| (), move |()| load(backend.clone()));
    let show = move |all: All| view! { <List all/> }.into_any();
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, models.title))/>
        <Loaded resource show/>
    }
    .into_any()
}

#[component]
fn List(all: All) -> impl IntoView {
    let i18n = use_i18n();
    let chosen = RwSignal::new(BTreeSet::<String>::new());
    let compare = move || {
        let chosen = chosen.get();
        (chosen.len() > 1).then(|| {
            let n = chosen.len();
            let address = format!("/compare?models={}", chosen.into_iter().collect::<Vec<_>>().join(","));
            view! { <a class="button primary" href=address>{t!(i18n, models.compare, n = n)}</a> }
        })
    };
    let content = if all.models.is_empty() {
        view! { <p class="empty">{t!(i18n, models.empty)}</p> }.into_any()
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
            <div class="data-scroll" tabindex="0" role="region" aria-labelledby="models-title">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col"><span class="unseen">{t!(i18n, compare.title)}</span></th>
                            <th scope="col">{t!(i18n, model.word)}</th>
                            <th scope="col">{t!(i18n, classes.state)}</th>
                            <th scope="col" class="n">{t!(i18n, models.classes)}</th>
                            <th scope="col">{t!(i18n, models.made)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <div class="page-head">
            <h1>{t!(i18n, models.title)}</h1>
            {compare}
        </div>
        <Panel id="models" title=t!(i18n, models.title).into_any() about=t!(i18n, models.about).into_any()>
            {content}
        </Panel>
    }
    .into_any()
}

#[component]
fn Row(model: Model, live: Vec<String>, chosen: RwSignal<BTreeSet<String>>) -> impl IntoView {
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
                if on {
                    chosen.insert(id.clone());
                } else {
                    chosen.remove(&id);
                }
            });
        }
    };
    let new: Vec<String> = model.new_classes.iter().map(ToString::to_string).collect();
    let is_first = model.baseline.is_none();
    let title = if is_first {
        t!(i18n, model.first).into_any()
    } else {
        let names = new.join(", ");
        t!(i18n, model.adds, names = names).into_any()
    };
    let live: Vec<_> = live
        .into_iter()
        .map(|channel| view! { " " <span class="tag pass">{t!(i18n, models.live, channel = channel)}</span> })
        .collect();
    view! {
        <tr>
            <td><input type="checkbox" aria-label=label on:change=toggle/></td>
            <th scope="row">
                <a href=format!("/models/{id}")>{title}</a>
                " "
                <code class="dim">{shown}</code>
                {live}
            </th>
            <td><VerdictTag state=model.verdict.state/></td>
            <td class="n">{model.classes.len()}</td>
            <td><time>{utc(model.created_us)}</time></td>
        </tr>
    }
    .into_any()
}
