//! What a one-time link leads to: the first account, or a new password.

use domain::api::people::SetupLink;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::components::error::ErrorNotice;
use crate::components::form::{Failure, Field, Submit, on_submit, text};
use crate::components::loaded::Load;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// Asks what the link is for and shows its form, or says that it is used up.
#[component]
pub(crate) fn SetupPage() -> impl IntoView {
    let i18n = use_i18n();
    let query = use_query_map();
    // Only what a key is made of: nothing that somebody wrote beside it becomes part of the question.
    let key = query.with_untracked(|query| query.get("key").unwrap_or_default());
    let key: String = key
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    let link = Load::<SetupLink>::path(format!("/api/v1/setup?key={key}"));
    let content = move || {
        let key = key.clone();
        link.get().map(move |answer| match answer {
            Ok(link) => view! { <SetupForm link key/> },
            Err(error) if matches!(error.status, 400 | 410) => view! { <Gone/> },
            Err(error) => {
                let retry = Callback::new(move |()| link.refetch());
                view! { <ErrorNotice error stale=false retry/> }
            }
        })
    };
    let loading = move || view! { <p class="dim" role="status">{t!(i18n, setup.loading)}</p> };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, setup.title))/>
        <Transition fallback=loading>{live(content)}</Transition>
    }
}

/// The form of a link that is still good.
#[component]
fn SetupForm(link: SetupLink, key: String) -> impl IntoView {
    let i18n = use_i18n();
    let form = Submit::new();
    let known = link.name.map(|name| name.to_string());
    let fixed = known.clone();
    let (name, password) = (NodeRef::new(), NodeRef::new());
    let submit = on_submit(form, move || {
        let body = vec![("key", key.clone()), ("name", text(name)), ("password", text(password))];
        ("/api/v1/setup", body, "/".to_owned())
    });
    let (title, about) = match known {
        None => (t!(i18n, setup.title), t!(i18n, setup.text)),
        Some(name) => (t!(i18n, setup.again), t!(i18n, setup.again_text, name = name)),
    };
    view! {
        <form class="panel entry" method="post" action="/setup" aria-labelledby="setup-title" on:submit=submit>
            <h1 id="setup-title">{title}</h1>
            <p class="dim">{about}</p>
            <Failure form title=t!(i18n, setup.failed)/>
            <Field
                id="name"
                label=t!(i18n, setup.name)
                kind="text"
                autocomplete="username"
                input=name
                fixed
                form
            />
            <Field
                id="new-password"
                label=t!(i18n, setup.password)
                kind="password"
                autocomplete="new-password"
                input=password
                hint=t!(i18n, setup.hint)
                form
            />
            <button type="submit" class="button primary" disabled=move || form.is_waiting()>
                {move || {
                    if form.busy.get() {
                        t!(i18n, setup.busy)
                    } else {
                        t!(i18n, setup.submit)
                    }
                }}
            </button>
            <noscript><p class="flag">{t!(i18n, sign_in.scripts)}</p></noscript>
        </form>
    }
}

/// A link that is used up.
#[component]
fn Gone() -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="panel notice">
            <h1>{t!(i18n, setup.gone)}</h1>
            <p>{t!(i18n, setup.gone_text)}</p>
            <p><a class="button" href="/sign-in" rel="external">{t!(i18n, account.sign_in)}</a></p>
        </div>
    }
}
