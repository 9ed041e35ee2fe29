//! What stands around every page: the way to its content, the navigation, who is signed in, the language.

use leptos::prelude::*;
use leptos_i18n::{t, t_string};
use leptos_router::components::A;

use crate::language::{LanguageSwitch, use_i18n};
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
                    <a href="/api/v1/openapi.json" rel="external">{t!(i18n, nav.api)}</a>
                </nav>
                <Account/>
                <LanguageSwitch/>
            </header>
            <main id="content" class="frame-main" tabindex="-1">{children()}</main>
        </div>
    }
}
