//! Datasets: all of them, one of them by class, and new photos for one.

mod one;
pub(crate) mod upload;

use domain::api::DEFAULT_PROJECT;
use domain::dataset::Dataset;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;

use crate::components::loaded::{Load, Loaded, segment};
use crate::components::panel::Panel;
use crate::components::table::{Column, DataTable};
use crate::components::time::utc;
use crate::components::view;
use crate::language::{t, use_i18n};

pub(crate) use one::DatasetPage;

/// All datasets, and a place to drop photos for a new one.
#[component]
pub(crate) fn DatasetsPage() -> impl IntoView {
    let i18n = use_i18n();
    let load = Load::path(format!("/api/v1/datasets?project={DEFAULT_PROJECT}"));
    let show = move |datasets: Vec<Dataset>| view! { <List datasets/> };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, dataset.list))/>
        <div class="page-head"><h1>{t!(i18n, dataset.list)}</h1></div>
        <div class="columns">
            <div class="column">
                <Loaded load show/>
            </div>
            <div class="column">
                <upload::Upload dataset=None done=Callback::new(move |()| load.refetch())/>
            </div>
        </div>
    }
}

#[component]
fn List(datasets: Vec<Dataset>) -> impl IntoView {
    let i18n = use_i18n();
    let content = if datasets.is_empty() {
        view! { <p class="empty">{t!(i18n, dataset.list_empty)}</p> }
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
                        <td class="n" data-head=t_string!(i18n, dataset.photos)>{n}</td>
                        <td class="classes-cell">{classes}</td>
                        <td class="wide-cell"><time>{utc(at)}</time></td>
                    </tr>
                }
            })
            .collect();
        view! {
            <DataTable
                labelled_by="datasets-title"
                columns=vec![
                    Column::text(t!(i18n, dataset.word)),
                    Column::number(t!(i18n, dataset.photos)),
                    Column::text(t!(i18n, dataset.classes)),
                    Column::text(t!(i18n, dataset.updated)),
                ]
                rows=rows.into_any()
                folds=true
            />
        }
    };
    view! {
        <Panel id="datasets" title=t!(i18n, dataset.list) about=t!(i18n, dataset.list_about)>
            {content}
        </Panel>
    }
}
