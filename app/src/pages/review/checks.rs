//! Every check that the verdict rests on, what is not passed first.

use domain::gate::verdict::{Check, Verdict, VerdictState};
use leptos::prelude::*;

use super::classes::severity;
use crate::components::check::check_name;
use crate::components::panel::Panel;
use crate::components::verdict::VerdictTag;
use crate::components::view;
use crate::language::{I18n, said, t, use_i18n};

#[component]
pub(super) fn Checks(
    verdict: Verdict,
    /// Another panel stands beside it.
    beside: bool,
) -> impl IntoView {
    let i18n = use_i18n();
    let mut checks = verdict.checks;
    checks.sort_by_key(|check| std::cmp::Reverse(severity(check.verdict)));
    let n_open = checks
        .iter()
        .filter(|check| check.verdict != VerdictState::Pass)
        .count();
    let passed: Vec<_> = checks
        .split_off(n_open)
        .into_iter()
        .map(|check| row(i18n, check))
        .collect();
    let open: Vec<_> = checks.into_iter().map(|check| row(i18n, check)).collect();
    let n = passed.len();
    let none = (n_open == 0).then(|| view! { <p class="sentence">{t!(i18n, checks.all, n = n)}</p> });
    view! {
        <Panel id="checks" wide=beside full=!beside title=t!(i18n, checks.title) about=t!(i18n, checks.about)>
            {none}
            <ul class="rows">{open}</ul>
            <details class="data">
                <summary>{t!(i18n, checks.passed, n = n)}</summary>
                <ul class="rows">{passed}</ul>
            </details>
        </Panel>
    }
}

fn row(i18n: I18n, check: Check) -> AnyView {
    let class = check
        .class
        .map(|class| view! { " " <span class="dim">{class.to_string()}</span> });
    view! {
        <li class="row">
            <p class="sentence"><VerdictTag state=check.verdict/> " " <b>{check_name(i18n, check.id)}</b>{class}</p>
            <p>{said(i18n, check.sentence, check.sentence_zh)}</p>
        </li>
    }
}
