//! Datasets: all of them, one of them by class, and new photos for one.

mod one;
pub(crate) mod upload;

use domain::api::DEFAULT_PROJECT;
use domain::dataset::Dataset;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;

use crate::backend::{get_json, use_backend};
use crate::components::loaded::{Loaded, segment};
use crate::components::panel::Panel;
use crate::components::time::utc;
use crate::language::{t, use_i18n};

pub(crate) use one::DatasetPage;

/// All datasets, and a place to drop photos for a new one.
#[component]
pub(crate) fn DatasetsPage() -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let resource = Resource::new(
        || (),
        move |()| {
            let backend = backend.clone();
            async move { get_json::<Vec<Dataset>>(backend, &format!("/api/v1/datasets?project={DEFAULT_PROJECT}")).await }
        },
    );
    let show = move |datasets: Vec<Dataset>| view! { <List datasets/> }.into_any();
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, dataset.list))/>
        <div class="page-head"><h1>{t!(i18n, dataset.list)}</h1></div>
        <div class="columns">
            <div class="column">
                <Loaded resource show/>
            </div>
            <div class="column">
                <upload::Upload dataset=None done=Callback::new(move |()| resource.refetch())/>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn List(datasets: Vec<Dataset>) -> impl IntoView {
    let i18n = use_i18n();
    let content = if datasets.is_empty() {
        view! { <p class="empty">{t!(i18n, dataset.list_empty)}</p> }.into_any()
    } else {
        let rows: Vec<_> = datasets
            .into_iter()
            .map(|dataset| {
                let name = dataset.name.to_string();
                let address = format!("/datasets/{}", segment(&name));
                let (n, classes, at) = match &dataset.latest {
                    Some(version) => {
                        let classes: Vec<_> = version.classes.iter().map(|count| count.class.to_string()).collect();
                        (version.n_images, classes.join(", "), version.created_us)
                    }
                    None => (0, String::new(), dataset.created_us),
                };
                view! {
                    <tr>
                        <th scope="row"><a href=address>{name}</a></th>
                        <td class="n">{n}</td>
                        <td class="classes-cell">{classes}</td>
                        <td><time>{utc(at)}</time></td>
                    </tr>
                }
            })
            .collect();
        view! {
            <div class="data-scroll" tabindex="0" role="region" aria-labelledby="datasets-title">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">{t!(i18n, dataset.word)}</th>
                            <th scope="col" class="n">{t!(i18n, dataset.photos)}</th>
                            <th scope="col">{t!(i18n, dataset.classes)}</th>
                            <th scope="col">{t!(i18n, dataset.updated)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <Panel id="datasets" title=t!(i18n, dataset.list).into_any() about=t!(i18n, dataset.list_about).into_any()>
            {content}
        </Panel>
    }
    .into_any()
}
