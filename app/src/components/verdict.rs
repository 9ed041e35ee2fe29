//! A verdict: a word and a colour, never the colour alone.

use domain::gate::verdict::VerdictState;
use leptos::prelude::*;

use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// The word, in its colour.
#[component]
pub(crate) fn VerdictTag(state: VerdictState) -> impl IntoView {
    let i18n = use_i18n();
    let word = move || match state {
        VerdictState::Pass => t!(i18n, verdict.pass),
        VerdictState::Fail => t!(i18n, verdict.fail),
        VerdictState::Unproven => t!(i18n, verdict.unproven),
    };
    view! { <span class=format!("tag {}", state.as_str())>{live(word)}</span> }
}
