//! All jobs, newest first.

use domain::api::DEFAULT_PROJECT;
use domain::job::Job;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;

use crate::components::job::{JobTitle, StateTag};
use crate::components::loaded::{Load, Loaded};
use crate::components::panel::{Empty, Panel};
use crate::components::short;
use crate::components::table::{Column, DataTable};
use crate::components::time::{duration, utc};
use crate::components::verdict::VerdictTag;
use crate::components::view;
use crate::language::{t, use_i18n};

/// The page.
#[component]
pub(crate) fn JobsPage() -> impl IntoView {
    let i18n = use_i18n();
    let load = Load::path(format!("/api/v1/jobs?project={DEFAULT_PROJECT}"));
    let show = move |jobs: Vec<Job>| view! { <List jobs/> };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, job.list))/>
        <div class="page-head">
            <h1>{t!(i18n, job.list)}</h1>
            <a class="button primary" href="/datasets">{t!(i18n, home.add)}</a>
        </div>
        <Loaded load show/>
    }
}

#[component]
fn List(jobs: Vec<Job>) -> impl IntoView {
    const FIRST: &str =
        "rehead datasets upload base PHOTOS --create && rehead jobs create --dataset base --start --watch";
    let i18n = use_i18n();
    let content = if jobs.is_empty() {
        view! { <Empty text=t!(i18n, job.list_empty) command=FIRST/> }
    } else {
        let rows: Vec<_> = jobs.into_iter().map(|job| view! { <Row job/> }).collect();
        view! {
            <DataTable
                labelled_by="jobs-title"
                columns=vec![
                    Column::text(t!(i18n, job.word)),
                    Column::text(t!(i18n, classes.state)),
                    Column::number(t!(i18n, job.took)),
                    Column::text(t!(i18n, job.queued_at)),
                ]
                rows=rows.into_any()
                folds=true
            />
        }
    };
    view! {
        <Panel id="jobs" title=t!(i18n, job.list) about=t!(i18n, job.list_about)>{content}</Panel>
    }
}

#[component]
fn Row(job: Job) -> impl IntoView {
    let took = job
        .started_us
        .zip(job.finished_us)
        .map(|(started_us, finished_us)| duration(finished_us - started_us));
    let id = job.id.to_string();
    let verdict = job
        .verdict
        .clone()
        .map(|verdict| view! { " " <VerdictTag state=verdict.state/> });
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/jobs/{id}")><JobTitle job=job.clone()/></a>
                " "
                <code class="dim">{short(&id)}</code>
            </th>
            <td class="wide-cell"><StateTag state=job.state/> {verdict}</td>
            <td class="n">{took}</td>
            <td class="wide-cell"><time>{utc(job.created_us)}</time></td>
        </tr>
    }
}
