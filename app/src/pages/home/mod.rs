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

use crate::components::loaded::{Load, Loaded};
use crate::components::view;
use crate::language::{t, use_i18n};

/// Reads the overview, shows it and keeps it fresh.
#[component]
pub(crate) fn HomePage() -> impl IntoView {
    let i18n = use_i18n();
    let load = Load::path(format!("/api/v1/overview?project={DEFAULT_PROJECT}"));
    // None until the browser ticks: the first frame after hydration must equal what the server rendered.
    let ticked = RwSignal::<Option<i64>>::new(None);
    #[cfg(feature = "hydrate")]
    fresh::keep(load, ticked);
    let reload = Callback::new(move |()| load.refetch());
    let show = move |overview: Overview| {
        let server_now = overview.now_us;
        let now = Signal::derive(move || ticked.get().unwrap_or(server_now));
        view! { <HomeView overview now reload/> }
    };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, home.title))/>
        <Loaded load show/>
    }
}

/// The page from what the server said; `now` counts on from [`Overview::now_us`].
#[component]
pub(crate) fn HomeView(overview: Overview, now: Signal<i64>, reload: Callback<()>) -> impl IntoView {
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
                <requests::Requests requests=overview.requests now reload/>
                <running::Running jobs=overview.running now/>
            </div>
            <div class="column">
                <live::Live channels=overview.channels now/>
                <review::ToReview jobs=overview.to_review now/>
            </div>
        </div>
    }
}

/// Ticks and polls, in the browser only.
#[cfg(feature = "hydrate")]
mod fresh {
    use std::time::Duration;

    use domain::api::Overview;
    use leptos::prelude::*;

    use crate::browser::now_us;
    use crate::components::loaded::Load;

    const BUSY_TICKS: u32 = 2;
    const IDLE_TICKS: u32 = 10;

    /// Counts on from the server's clock every second; asks again every 2 s while a job is queued or running, else every
    /// 10 s, because others start jobs too. A page that nobody looks at asks nothing.
    pub(super) fn keep(load: Load<Overview>, ticked: RwSignal<Option<i64>>) {
        let (ahead_us, busy) = (StoredValue::new(0_i64), StoredValue::new(false));
        Effect::new(move |_| {
            if let Some(Ok(overview)) = load.get() {
                ahead_us.set_value(overview.now_us - now_us());
                busy.set_value(!overview.running.is_empty());
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
                if ticks.get_value() >= if busy.get_value() { BUSY_TICKS } else { IDLE_TICKS } {
                    ticks.set_value(0);
                    load.refetch();
                }
            };
            if let Ok(interval) = set_interval_with_handle(tick, Duration::from_secs(1)) {
                on_cleanup(move || interval.clear());
            }
        });
    }
}
