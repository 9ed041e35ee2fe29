//! The front page of a project: what is live, what runs, what waits, and how much of the hour is left.

mod live;
mod requests;
mod review;
mod running;
#[cfg(test)]
mod tests;

use domain::api::{DEFAULT_PROJECT, Overview};
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;

use crate::backend::{BackendError, get_json, use_backend};
use crate::components::error::ErrorNotice;
use crate::language::{t, use_i18n};

type Answer = Result<Overview, BackendError>;

/// Reads the overview, shows it and keeps it fresh.
#[component]
pub(crate) fn HomePage() -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let overview: Resource<Answer> = Resource::new(
        || (),
        move |()| {
            let backend = backend.clone();
            async move { get_json(backend, &format!("/api/v1/overview?project={DEFAULT_PROJECT}")).await }
        },
    );
    let last_good = StoredValue::<Option<Overview>>::new(None);
    // None until the browser ticks: the first frame after hydration must equal what the server rendered.
    let ticked = RwSignal::<Option<i64>>::new(None);
    #[cfg(feature = "hydrate")]
    fresh::keep(overview, last_good, ticked);

    let retry = Callback::new(move |()| overview.refetch());
    let content = move || {
        overview.get().map(|answer| {
            let error = match answer {
                Ok(good) => {
                    last_good.set_value(Some(good));
                    None
                }
                Err(error) => Some(error),
            };
            let shown = last_good.get_value();
            let stale = shown.is_some();
            view! {
                {error.map(|error| view! { <ErrorNotice error stale retry/> })}
                {shown
                    .map(|overview| {
                        let server_now = overview.now_us;
                        let now = Signal::derive(move || ticked.get().unwrap_or(server_now));
                        view! { <HomeView overview now/> }
                    })}
            }
        })
    };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, home.title))/>
        <Transition fallback=Loading>{content}</Transition>
    }
    .into_any()
}

/// The page from what the server said; `now` counts on from [`Overview::now_us`].
#[component]
pub(crate) fn HomeView(overview: Overview, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let name = overview.project.name.to_string();
    view! {
        <div class="page-head">
            <div>
                <p class="crumb">{t!(i18n, home.project, name = name)}</p>
                <h1>{t!(i18n, home.title)}</h1>
            </div>
            <div class="page-actions">
                <requests::MostUrgent requests=overview.requests.clone() now/>
                <a class="button primary" href="/datasets">{t!(i18n, home.add)}</a>
            </div>
        </div>
        <div class="columns">
            // What presses comes first where there is one column; beside the rest where there are two.
            <div class="column side">
                <requests::Requests requests=overview.requests now/>
                <running::Running jobs=overview.running now/>
            </div>
            <div class="column">
                <live::Live channels=overview.channels now/>
                <review::ToReview jobs=overview.to_review now/>
            </div>
        </div>
    }
    .into_any()
}

/// The page's outline while the answer is on its way.
#[component]
fn Loading() -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div aria-busy="true">
            <div class="page-head">
                <h1>{t!(i18n, home.title)}</h1>
            </div>
            <p class="unseen" role="status">{t!(i18n, home.loading)}</p>
            <div class="columns" aria-hidden="true">
                <div class="column side">
                    <div class="panel skeleton"></div>
                    <div class="panel skeleton"></div>
                </div>
                <div class="column">
                    <div class="panel skeleton"></div>
                    <div class="panel skeleton"></div>
                </div>
            </div>
        </div>
    }
    .into_any()
}

/// Ticks and polls, in the browser only.
#[cfg(feature = "hydrate")]
mod fresh {
    use std::time::Duration;

    use domain::api::Overview;
    use leptos::prelude::*;

    use super::Answer;
    use crate::browser::now_us;

    const BUSY_TICKS: u32 = 2;
    const IDLE_TICKS: u32 = 10;

    /// Counts on from the server's clock every second; asks again every 2 s while a job is queued or running, else every
    /// 10 s, because others start jobs too. A page that nobody looks at asks nothing.
    pub(super) fn keep(
        overview: Resource<Answer>,
        last_good: StoredValue<Option<Overview>>,
        ticked: RwSignal<Option<i64>>,
    ) {
        let ahead_us = StoredValue::new(0_i64);
        Effect::new(move |_| {
            if let Some(Ok(overview)) = overview.get() {
                ahead_us.set_value(overview.now_us - now_us());
            }
        });
        let ticks = StoredValue::new(0_u32);
        Effect::new(move |_| {
            let tick = move || {
                ticked.set(Some(now_us() + ahead_us.get_value()));
                if document().hidden() {
                    return;
                }
                ticks.update_value(|ticks| *ticks += 1);
                let busy = last_good.with_value(|good| good.as_ref().is_some_and(|good| !good.running.is_empty()));
                if ticks.get_value() >= if busy { BUSY_TICKS } else { IDLE_TICKS } {
                    ticks.set_value(0);
                    overview.refetch();
                }
            };
            if let Ok(interval) = set_interval_with_handle(tick, Duration::from_secs(1)) {
                on_cleanup(move || interval.clear());
            }
        });
    }
}
