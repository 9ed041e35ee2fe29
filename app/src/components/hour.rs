//! The hour that is left: of a rapid response, in sight wherever somebody works on it.

use domain::request::Request;
use leptos::prelude::*;

use crate::components::time::{clock, rfc3339, utc};
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// What is left of a request. The server renders when it is due; the browser counts down by its own clock.
#[component]
pub(crate) fn Hour(request: Request) -> impl IntoView {
    let i18n = use_i18n();
    let ticked = RwSignal::<Option<i64>>::new(None);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        ticked.set(Some(crate::browser::now_us()));
        let tick = move || ticked.set(Some(crate::browser::now_us()));
        if let Ok(interval) = set_interval_with_handle(tick, std::time::Duration::from_secs(1)) {
            on_cleanup(move || interval.clear());
        }
    });
    let due_us = request.due_us;
    let counting = Memo::new(move |_| ticked.read().is_some());
    let now = Signal::derive(move || ticked.get().unwrap_or(due_us));
    let left = move || {
        if counting.get() {
            view! { <TimeLeft due_us now/> }
        } else {
            let at = utc(due_us);
            view! { <p class="time-left"><time datetime=rfc3339(due_us)>{t!(i18n, requests.due, at = at)}</time></p> }
        }
    };
    view! {
        <div class="hour">
            {live(left)}
            <p class="dim">{request.title}</p>
        </div>
    }
}

/// The time until `due_us`, or past it, as a clock.
#[component]
pub(crate) fn TimeLeft(due_us: i64, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let left_us = move || due_us.saturating_sub(now.get());
    let late = Memo::new(move |_| left_us() < 0);
    let word = move || {
        if late.get() {
            t!(i18n, requests.over)
        } else {
            t!(i18n, requests.left)
        }
    };
    view! {
        <p class="time-left" class:late=move || late.get() role="timer">
            <b>{move || clock(left_us().abs())}</b>
            " "
            <span>{live(word)}</span>
        </p>
    }
}
