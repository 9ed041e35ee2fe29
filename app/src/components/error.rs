//! What went wrong, in the server's words, and what to do.

use leptos::prelude::*;

use crate::backend::BackendError;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// An answer that did not come: its sentence, its request id, and another try.
#[component]
pub(crate) fn ErrorNotice(
    error: BackendError,
    /// Older figures stand below.
    stale: bool,
    retry: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let title = move || {
        if stale {
            t!(i18n, error.stale)
        } else {
            t!(i18n, error.title)
        }
    };
    let request_id = error.request_id().map(ToOwned::to_owned);
    let status = error.status;
    let sentence = error.problem.map_or(error.message, |problem| problem.detail);
    view! {
        <div class="banner fail" role="alert">
            <div class="banner-text">
                <p class="banner-title">{live(title)}</p>
                <p lang="en">{sentence}</p>
                {sign_in(status)}
                {request_id
                    .map(|id| view! { <p class="dim">{t!(i18n, error.request_id)} " " <code>{id}</code></p> })}
            </div>
            <div class="banner-actions">
                <button type="button" class="button" on:click=move |_| retry.run(())>
                    {t!(i18n, error.retry)}
                </button>
            </div>
        </div>
    }
}

/// What the server refused to do, beside the button that asked for it.
#[component]
pub(crate) fn Refusal(#[prop(into)] error: Signal<Option<BackendError>>) -> impl IntoView {
    let i18n = use_i18n();
    live(move || {
        error.get().map(|error| {
            let request_id = error.request_id().map(ToOwned::to_owned);
            let sentence = error.sentence().to_owned();
            view! {
                <div class="refusal" role="alert">
                    <p lang="en">{sentence}</p>
                    {sign_in(error.status)}
                    {request_id
                        .map(|id| view! { <p class="dim">{t!(i18n, error.request_id)} " " <code>{id}</code></p> })}
                </div>
            }
        })
    })
}

/// The session has ended: where to begin another.
fn sign_in(status: u16) -> Option<AnyView> {
    let i18n = use_i18n();
    (status == 401).then(|| view! { <p><a href="/sign-in" rel="external">{t!(i18n, account.sign_in)}</a></p> })
}
