//! The languages of the pages: which there are, and which one a reader gets.
//!
//! The reader's own choice comes first (a cookie), then what the browser asks for, then English. What the server's data
//! say (verdicts, problems) stays in English.

use leptos::prelude::*;
use leptos_i18n::context::{CookieOptions, UseLocalesOptions};

pub(crate) use generated::i18n::{I18nContextProvider, Locale, use_i18n};

#[expect(deprecated, reason = "generated from app/locales by a macro: one build script less")]
mod generated {
    leptos_i18n::load_locales!();
}

const COOKIE: &str = "rehead_language";
const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;

/// Gives the language to everything inside.
#[component]
pub(crate) fn Languages(children: TypedChildren<impl IntoView + 'static>) -> impl IntoView {
    // On the server the choice is only read; the browser writes the cookie.
    let cookie_options = CookieOptions::<Locale>::default()
        .path("/".to_owned())
        .max_age(YEAR_MS)
        .ssr_cookies_header_getter(|| header("cookie"))
        .ssr_set_cookie(|_: &_| {});
    let accepted = UseLocalesOptions::default().ssr_lang_header_getter(|| header("accept-language"));
    let children = children.into_inner();
    view! {
        <I18nContextProvider cookie_name=COOKIE cookie_options ssr_lang_header_getter=accepted>
            {children()}
        </I18nContextProvider>
    }
    .into_any()
}

/// Chooses the language of the pages.
#[component]
pub(crate) fn LanguageSwitch() -> impl IntoView {
    let i18n = use_i18n();
    let choice = move |locale: Locale, name: &'static str| {
        let chosen = move || i18n.get_locale() == locale;
        view! {
            <button
                type="button"
                class="choice"
                lang=locale.to_string()
                aria-pressed=move || chosen().to_string()
                on:click=move |_| i18n.set_locale(locale)
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
    .into_any()
}

/// What `t!` makes of a key: its text in the reader's language, which follows when that changes.
///
/// leptos_i18n's own `t!` gives each call a type of its own, and each of hundreds its own copy of all that rendering does:
/// two thirds of the page's bytes. Here all calls share one type.
pub(crate) fn say(i18n: I18n, text: fn(I18n) -> &'static str) -> impl Fn() -> &'static str + Copy + Send + Sync {
    move || text(i18n)
}

/// The same with values for the text's `{names}`.
pub(crate) fn say_filled(
    i18n: I18n,
    text: fn(I18n) -> &'static str,
    values: Vec<(&'static str, String)>,
) -> impl Fn() -> String + Clone + Send + Sync {
    move || {
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        filled(text(i18n), &values)
    }
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
            vec![$((stringify!($name), $value.to_string())),+],
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

/// A header of the request that is being answered.
#[cfg(feature = "ssr")]
fn header(name: &str) -> Option<String> {
    let parts = use_context::<http::request::Parts>()?;
    parts.headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

#[cfg(not(feature = "ssr"))]
fn header(_name: &str) -> Option<String> {
    None
}
