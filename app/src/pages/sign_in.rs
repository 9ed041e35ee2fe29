//! Signing in with a name and a password.

use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::components::form::{Failure, Field, Submit, on_submit, text};
use crate::components::view;
use crate::language::{t, use_i18n};

/// The form, and where it leads.
#[component]
pub(crate) fn SignInPage() -> impl IntoView {
    let i18n = use_i18n();
    let query = use_query_map();
    let form = Submit::new();
    let (name, password) = (NodeRef::new(), NodeRef::new());
    let submit = on_submit(form, move || {
        let body = vec![("name", text(name)), ("password", text(password))];
        let next = query.with_untracked(|query| next(query.get("next").as_deref()));
        ("/api/v1/session", body, next)
    });
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, sign_in.title))/>
        // Posted, never fetched with its values in an address, also where scripts have not come yet.
        <form class="panel entry" method="post" action="/sign-in" aria-labelledby="sign-in-title" on:submit=submit>
            <h1 id="sign-in-title">{t!(i18n, sign_in.title)}</h1>
            <p class="dim">{t!(i18n, sign_in.text)}</p>
            <Failure form title=t!(i18n, sign_in.failed)/>
            <Field
                id="name"
                label=t!(i18n, sign_in.name)
                kind="text"
                autocomplete="username"
                input=name
                form
            />
            <Field
                id="password"
                label=t!(i18n, sign_in.password)
                kind="password"
                autocomplete="current-password"
                input=password
                form
            />
            <button type="submit" class="button primary" disabled=move || form.is_waiting()>
                {move || {
                    if form.busy.get() {
                        t!(i18n, sign_in.busy)
                    } else {
                        t!(i18n, sign_in.submit)
                    }
                }}
            </button>
            <noscript><p class="flag">{t!(i18n, sign_in.scripts)}</p></noscript>
            <p class="dim">{t!(i18n, sign_in.help)}</p>
        </form>
    }
}

/// Where to go afterwards: an address of this server, whatever somebody wrote into the link.
fn next(wanted: Option<&str>) -> String {
    // A second slash, or what browsers take for one, would name another server.
    let is_ours = |wanted: &&str| {
        wanted.starts_with('/')
            && !wanted[1..].starts_with(['/', '\\'])
            && !wanted.chars().any(|c| c.is_control() || c == '\\')
            && !wanted.starts_with("/sign-in")
    };
    wanted.filter(is_ours).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn one_comes_back_to_this_server_only() {
        for ours in ["/", "/models/x?tau=0.8#flips", "/数据"] {
            assert_eq!(next(Some(ours)), ours);
        }
        for other in [
            "",
            "models",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n//evil.example",
            "javascript:alert(1)",
            "\\\\evil.example",
            "/sign-in?next=/",
        ] {
            assert_eq!(next(Some(other)), "/", "{other:?}");
        }
        assert_eq!(next(None), "/");
    }
}
