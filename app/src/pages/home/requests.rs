//! Who is waiting, and how much time is left.

use domain::api::NewRequest;
use domain::request::Request;
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos_i18n::t_string;

use crate::components::error::Refusal;
use crate::components::hour::TimeLeft;
use crate::components::panel::{Empty, Panel};
use crate::components::sending::Sending;
use crate::components::time::{rfc3339, utc};
use crate::components::view;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Requests(requests: Vec<Request>, now: Signal<i64>, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let mut requests = requests;
    requests.sort_unstable_by_key(|request| request.due_us);
    let content = if requests.is_empty() {
        view! { <Empty text=t!(i18n, requests.empty)/> }
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
            <Open reload/>
        </Panel>
    }
}

/// Starts somebody's clock.
#[component]
fn Open(reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let title = RwSignal::new(String::new());
    let sending = Sending::then(Callback::new(move |()| {
        title.set(String::new());
        reload.run(());
    }));
    let send = move |event: SubmitEvent| {
        event.prevent_default();
        let new = NewRequest {
            project: None,
            title: title.get_untracked(),
            due_in_minutes: None,
        };
        sending.post("/api/v1/requests".to_owned(), &new);
    };
    view! {
        <form class="row open-request" on:submit=send>
            <input
                type="text"
                required
                maxlength="200"
                aria-label=move || t_string!(i18n, requests.what)
                placeholder=move || t_string!(i18n, requests.what)
                prop:value=title
                on:input=move |event| title.set(event_target_value(&event))
            />
            <button type="submit" class="button" disabled=move || sending.pending()>{t!(i18n, requests.open)}</button>
            <Refusal error=sending.error()/>
        </form>
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
