//! An address without a page.

use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;

use crate::components::view;
use crate::language::{t, use_i18n};

/// Says that there is no page, and where there is one.
#[component]
pub(crate) fn MissingPage() -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, missing.title))/>
        <div class="panel notice">
            <h1>{t!(i18n, missing.title)}</h1>
            <p>{t!(i18n, missing.text)}</p>
            <p><a class="button" href="/">{t!(i18n, missing.home)}</a></p>
        </div>
    }
}
