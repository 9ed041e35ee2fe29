//! The languages of the pages: which there are, and which one a reader gets.
//!
//! The reader's own choice comes first (a cookie), then what the browser asks for, then English.

use std::fmt::Display;

use leptos::prelude::*;
use leptos_i18n::context::UseLocalesOptions;

use crate::components::{live, view};

pub(crate) use generated::i18n::{I18nContextProvider, Locale, use_i18n};

#[expect(deprecated, reason = "generated from app/locales by a macro: one build script less")]
mod generated {
    leptos_i18n::load_locales!();
}

const COOKIE: &str = "rehead_language";

/// Gives the language to everything inside.
#[component]
pub(crate) fn Languages(children: TypedChildren<impl IntoView + 'static>) -> impl IntoView {
    let wanted = UseLocalesOptions::default().ssr_lang_header_getter(wanted);
    let children = children.into_inner();
    view! {
        <I18nContextProvider ssr_lang_header_getter=wanted>
            {children()}
        </I18nContextProvider>
    }
}

/// Chooses the language of the pages.
#[component]
pub(crate) fn LanguageSwitch() -> impl IntoView {
    let i18n = use_i18n();
    let choice = move |locale: Locale, name: &'static str| {
        let chosen = move || i18n.get_locale() == locale;
        let choose = move |_| {
            i18n.set_locale(locale);
            remember(locale);
        };
        view! {
            <button
                type="button"
                class="choice"
                lang=locale.to_string()
                aria-pressed=move || chosen().to_string()
                on:click=choose
            >
                {name}
            </button>
        }
    };
    view! {
        <div class="choices" role="group" aria-label=move || leptos_i18n::t_string!(i18n, nav.language)>
            {choice(Locale::en, "English")}
            {choice(Locale::zh, "中文")}
        </div>
    }
}

/// Keeps the choice for a year.
#[cfg(feature = "hydrate")]
fn remember(locale: Locale) {
    use wasm_bindgen::JsCast as _;

    const YEAR_S: u32 = 365 * 24 * 3600;
    // A browser that keeps no cookies shows the choice until the page is left.
    if let Ok(html) = document().dyn_into::<web_sys::HtmlDocument>() {
        let _ = html.set_cookie(&format!("{COOKIE}={locale}; Path=/; Max-Age={YEAR_S}; SameSite=Lax"));
    }
}

/// Nobody presses a button on the server.
#[cfg(not(feature = "hydrate"))]
const fn remember(_locale: Locale) {}

/// The languages that the request asks for, the most wanted first, as `Accept-Language` lists them.
#[cfg(feature = "ssr")]
fn wanted() -> Option<String> {
    let parts = use_context::<http::request::Parts>()?;
    let header = |name| parts.headers.get(name)?.to_str().ok();
    let cookies = header("cookie").unwrap_or_default();
    let chosen = chosen(cookies).map(ToOwned::to_owned);
    chosen.or_else(|| header("accept-language").map(ToOwned::to_owned))
}

/// The browser takes over what the server chose.
#[cfg(not(feature = "ssr"))]
fn wanted() -> Option<String> {
    None
}

/// The reader's choice among the request's cookies.
#[cfg(any(feature = "ssr", test))]
fn chosen(cookies: &str) -> Option<&str> {
    let mut cookies = cookies.split(';').filter_map(|cookie| cookie.trim().split_once('='));
    let (_, choice) = cookies.find(|(name, _)| *name == COOKIE)?;
    choice.parse::<Locale>().is_ok().then_some(choice)
}

/// What `t!` makes of a key: its text in the reader's language, which follows when that changes.
///
/// leptos_i18n's own `t!` gives each call a type of its own, and each of hundreds its own copy of all that rendering does:
/// two thirds of the page's bytes. Here all calls share one type.
pub(crate) fn say(i18n: I18n, text: fn(I18n) -> &'static str) -> AnyView {
    (move || text(i18n)).into_any()
}

/// The same with values for the text's `{names}`.
pub(crate) fn say_filled(
    i18n: I18n,
    text: fn(I18n) -> &'static str,
    values: &[(&'static str, &dyn Display)],
) -> AnyView {
    let values: Vec<(&str, String)> = values.iter().map(|(name, value)| (*name, value.to_string())).collect();
    let said = move || {
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        filled(text(i18n), &values)
    };
    said.into_any()
}

/// What the server says in every language: the reader's, where there is one; English else.
pub(crate) fn said(i18n: I18n, en: String, zh: String) -> AnyView {
    live(move || {
        let (lang, text) = match i18n.get_locale() {
            Locale::zh if !zh.is_empty() => ("zh", zh.clone()),
            _ => ("en", en.clone()),
        };
        view! { <span lang=lang>{text}</span> }
    })
}

/// A key's text as a child of an element: `t!(i18n, job.start)`, `t!(i18n, upload.send, n = 3)`.
macro_rules! t {
    ($i18n:expr, $($key:ident).+) => {
        $crate::language::say($i18n, |i18n| ::leptos_i18n::t_string!(i18n, $($key).+))
    };
    ($i18n:expr, $($key:ident).+, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::language::say_filled(
            $i18n,
            |i18n| ::leptos_i18n::t_string!(i18n, $($key).+),
            &[$((stringify!($name), &$value as &dyn ::std::fmt::Display)),+],
        )
    };
}
pub(crate) use t;

/// The reader's language, as components find it.
pub(crate) type I18n = leptos_i18n::I18nContext<Locale>;

/// `text` with `{name}` replaced by its value: for attributes, which take text, where `t!` makes views.
pub(crate) fn filled(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_one_of_the_languages() {
        assert_eq!(chosen("a=b; rehead_language=zh; c=d"), Some("zh"));
        assert_eq!(chosen("rehead_language=en"), Some("en"));
        assert_eq!(chosen("rehead_language=<script>"), None);
        assert_eq!(chosen("language=zh"), None);
        assert_eq!(chosen(""), None);
    }

    #[test]
    fn values_take_their_names_place() {
        assert_eq!(filled("{n} of {all}", &[("n", "1"), ("all", "2")]), "1 of 2");
        assert_eq!(filled("{n}", &[]), "{n}");
    }
}
