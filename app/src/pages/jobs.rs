//! All jobs, newest first.

use domain::api::DEFAULT_PROJECT;
use domain::job::Job;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;

use crate::backend::{get_json, use_backend};
use crate::components::job::{JobTitle, StateTag};
use crate::components::loaded::Loaded;
use crate::components::panel::{Empty, Panel};
use crate::components::short;
use crate::components::time::{duration, utc};
use crate::components::verdict::VerdictTag;
use crate::language::{t, use_i18n};

/// The page.
#[component]
pub(crate) fn JobsPage() -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let resource = Resource::new(
        || (),
        move |()| {
            let backend = backend.clone();
            async move { get_json::<Vec<Job>>(backend, &format!("/api/v1/jobs?project={DEFAULT_PROJECT}")).await }
        },
    );
    let show = move |jobs: Vec<Job>| view! { <List jobs/> }.into_any();
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, job.list))/>
        <div class="page-head">
            <h1>{t!(i18n, job.list)}</h1>
            <a class="button primary" href="/datasets">{t!(i18n, home.add)}</a>
        </div>
        <Loaded resource show/>
    }
    .into_any()
}

#[component]
fn List(jobs: Vec<Job>) -> impl IntoView {
    const FIRST: &str =
        "rehead datasets upload base PHOTOS --create && rehead jobs create --dataset base --start --watch";
    let i18n = use_i18n();
    let content = if jobs.is_empty() {
        view! { <Empty text=t!(i18n, job.list_empty).into_any() command=FIRST/> }.into_any()
    } else {
        let rows: Vec<_> = jobs.into_iter().map(|job| view! { <Row job/> }).collect();
        view! {
            <div class="data-scroll" tabindex="0" role="region" aria-labelledby="jobs-title">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">{t!(i18n, job.word)}</th>
                            <th scope="col">{t!(i18n, classes.state)}</th>
                            <th scope="col" class="n">{t!(i18n, job.took)}</th>
                            <th scope="col">{t!(i18n, job.queued_at)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <Panel id="jobs" title=t!(i18n, job.list).into_any() about=t!(i18n, job.list_about).into_any()>{content}</Panel>
    }
    .into_any()
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
            <td><StateTag state=job.state/> {verdict}</td>
            <td class="n">{took}</td>
            <td><time>{utc(job.created_us)}</time></td>
        </tr>
    }
    .into_any()
}
