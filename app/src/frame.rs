//! What stands around every page: the way to its content, the navigation, who is signed in, the language.

use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_router::components::A;

use crate::components::{live, view};
use crate::language::{LanguageSwitch, t, use_i18n};
use crate::visitor::Account;

/// The frame around a page.
#[component]
pub(crate) fn Frame(children: TypedChildren<impl IntoView + 'static>) -> impl IntoView {
    let i18n = use_i18n();
    let children = children.into_inner();
    view! {
        <a class="skip" href="#content" rel="external">{t!(i18n, skip)}</a>
        <div class="frame">
            <header class="frame-side">
                <a class="brand" href="/">
                    <span class="brand-mark" aria-hidden="true"></span>
                    "Rehead"
                </a>
                <nav class="frame-nav" aria-label=move || t_string!(i18n, nav.label)>
                    <A href="/" exact=true>{t!(i18n, nav.respond)}</A>
                    <A href="/datasets">{t!(i18n, nav.datasets)}</A>
                    <A href="/jobs">{t!(i18n, nav.jobs)}</A>
                    <A href="/models">{t!(i18n, nav.models)}</A>
                    <A href="/releases">{t!(i18n, nav.releases)}</A>
                    <a href="/api/v1/openapi.json" rel="external">{t!(i18n, nav.api)}</a>
                </nav>
                <Account/>
                <LanguageSwitch/>
            </header>
            <main id="content" class="frame-main" tabindex="-1">
                <Offline/>
                {children()}
            </main>
        </div>
    }
}

/// Says when the line is gone; nothing that was typed or shown goes with it.
#[component]
fn Offline() -> impl IntoView {
    let i18n = use_i18n();
    let offline = RwSignal::new(false);
    #[cfg(feature = "hydrate")]
    for (event, gone) in [("offline", true), ("online", false)] {
        let listener = window_event_listener_untyped(event, move |_| offline.set(gone));
        on_cleanup(move || listener.remove());
    }
    let notice = move || {
        offline.get().then(|| {
            view! { <p class="flag spaced" role="status"><strong>{t!(i18n, offline.title)}</strong></p> }
        })
    };
    live(notice)
}
