//! Who is waiting, and how much time is left.

use domain::request::Request;
use leptos::prelude::*;

use crate::components::hour::TimeLeft;
use crate::components::panel::{Empty, Panel};
use crate::components::time::{rfc3339, utc};
use crate::components::view;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Requests(requests: Vec<Request>, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let mut requests = requests;
    requests.sort_unstable_by_key(|request| request.due_us);
    let content = if requests.is_empty() {
        let command = r#"rehead requests open "A new class for the campaign""#;
        view! { <Empty text=t!(i18n, requests.empty) command/> }
    } else {
        let rows: Vec<_> = requests
            .into_iter()
            .map(|request| view! { <RequestRow request now/> })
            .collect();
        view! { <ul class="rows">{rows}</ul> }
    };
    view! {
        <Panel
            id="requests"
            title=t!(i18n, requests.title)
            about=t!(i18n, requests.about)
        >
            {content}
        </Panel>
    }
}

#[component]
fn RequestRow(request: Request, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let at = utc(request.due_us);
    view! {
        <li class="row split">
            <div>
                <h3>{request.title}</h3>
                <p class="facts">
                    <time datetime=rfc3339(request.due_us)>{t!(i18n, requests.due, at = at)}</time>
                </p>
                <dl class="counts">
                    <div><dt>{t!(i18n, requests.datasets)}</dt><dd>{request.datasets.len()}</dd></div>
                    <div><dt>{t!(i18n, requests.jobs)}</dt><dd>{request.jobs.len()}</dd></div>
                    <div><dt>{t!(i18n, requests.releases)}</dt><dd>{request.releases.len()}</dd></div>
                </dl>
            </div>
            <TimeLeft due_us=request.due_us now/>
        </li>
    }
}

/// The time left of the request that is due first, in sight beside the page's title.
#[component]
pub(super) fn MostUrgent(requests: Vec<Request>, now: Signal<i64>) -> impl IntoView {
    let first = requests.into_iter().min_by_key(|request| request.due_us);
    first.map(|request| {
        view! {
            <div class="hour">
                <TimeLeft due_us=request.due_us now/>
                <p class="dim">{request.title}</p>
            </div>
        }
    })
}
