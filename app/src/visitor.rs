//! Who looks at the page: the server says so with the page itself, and the frame shows it with a way out.

use leptos::prelude::*;
use leptos_i18n::t_string;
use serde::{Deserialize, Serialize};

use crate::backend::{SharedBackend, use_backend};
use crate::components::view;
use crate::language::{t, use_i18n};

/// Who looks at the page, as the server gives it by context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visitor {
    /// The name; none where nobody is signed in.
    pub name: Option<String>,
}

/// Who is signed in and the button to sign out; or the way to sign in.
#[component]
pub(crate) fn Account() -> impl IntoView {
    let i18n = use_i18n();
    // Sent along with the page, so that the browser begins with what the server rendered.
    let visitor = SharedValue::new(|| use_context::<Visitor>().unwrap_or_default()).into_inner();
    let Some(name) = visitor.name else {
        return view! {
            <div class="account">
                <a class="account-link" href="/sign-in" rel="external">{t!(i18n, account.sign_in)}</a>
            </div>
        };
    };
    let (backend, failed) = (use_backend(), RwSignal::new(false));
    view! {
        <div class="account" role="group" aria-label=move || t_string!(i18n, account.label)>
            <p class="account-name"><span class="dim">{t!(i18n, account.signed_in)}</span> " " <b>{name}</b></p>
            <button type="button" class="choice" on:click=move |_| sign_out(&backend, failed)>
                {t!(i18n, account.sign_out)}
            </button>
            {move || {
                let said = t!(i18n, account.failed);
                failed.get().then(|| view! { <p class="account-failed" role="alert">{said}</p> })
            }}
        </div>
    }
}

/// Ends the session and leaves for the page that asks who is there.
#[cfg(feature = "hydrate")]
fn sign_out(backend: &SharedBackend, failed: RwSignal<bool>) {
    let answer = backend.delete("/api/v1/session".to_owned());
    leptos::task::spawn_local(async move {
        match answer.await {
            Ok(_) => crate::browser::go_to("/sign-in"),
            // It ended before, or on another page.
            Err(error) if error.status == 401 => crate::browser::go_to("/sign-in"),
            Err(_) => failed.set(true),
        }
    });
}

/// Nothing is pressed on the server.
#[cfg(not(feature = "hydrate"))]
fn sign_out(_backend: &SharedBackend, _failed: RwSignal<bool>) {}
