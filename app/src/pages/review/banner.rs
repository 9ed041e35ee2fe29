//! The verdict in one sentence, what to do next, and doing it.

use domain::gate::policy::CheckId;
use domain::gate::verdict::VerdictState;
use leptos::prelude::*;

use super::publish::{self, Publish};
use super::{Candidate, Judgement};
use crate::backend::BackendError;
use crate::components::loaded::segment;
use crate::components::{live, view};
use crate::language::{said, t, use_i18n};

#[component]
pub(super) fn Banner(
    candidate: Candidate,
    judged: Memo<Judgement>,
    refused: RwSignal<Option<BackendError>>,
    reload: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let publishing = RwSignal::new(refused.with_untracked(Option::is_some));
    let (note, reason) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    #[cfg(feature = "hydrate")]
    drafts::keep(&candidate.model.id.0, publishing, note, reason);
    let close = Callback::new(move |()| {
        publishing.set(false);
        refused.set(None);
        note.set(String::new());
        reason.set(String::new());
    });
    let done = Callback::new(move |()| {
        close.run(());
        reload.run(());
    });
    let state = move || judged.with(|judged| judged.verdict.state);
    let class = move || format!("banner {}", state().as_str());
    let proven = move || {
        judged.with(|judged| {
            let mine = judged
                .verdict
                .checks
                .iter()
                .filter(|check| check.id == CheckId::OldClassLoss);
            let (all, passed) = mine.fold((0, 0), |(all, passed), check| {
                (all + 1, passed + usize::from(check.verdict == VerdictState::Pass))
            });
            (passed, all)
        })
    };
    let harms = move || {
        judged.with(|judged| {
            judged.verdict.checks.iter().any(|check| {
                let harm = matches!(
                    check.id,
                    CheckId::OldClassLoss
                        | CheckId::RecallChange
                        | CheckId::NegativeFlips
                        | CheckId::AnchorLoss
                        | CheckId::FalseNew
                        | CheckId::Calibration
                        | CheckId::Structural
                );
                harm && check.verdict == VerdictState::Fail
            })
        })
    };
    let title = move || {
        let (passed, all) = proven();
        match (state(), all) {
            (VerdictState::Pass, 0) => t!(i18n, banner.pass_first),
            (VerdictState::Pass, _) => t!(i18n, banner.pass, n = all),
            (VerdictState::Unproven, 0) => t!(i18n, banner.unproven_first),
            (VerdictState::Unproven, _) => t!(i18n, banner.unproven, passed = passed, n = all),
            (VerdictState::Fail, _) if harms() => t!(i18n, banner.fail),
            (VerdictState::Fail, _) => t!(i18n, banner.fail_floor),
        }
    };
    let moved = move || {
        judged.with(|judged| {
            let tau = judged.moved_to?;
            Some(t!(i18n, banner.moved, tau = format!("{tau:.3}")))
        })
    };
    let sentence = move || {
        let (en, zh) = judged.with(|judged| (judged.verdict.sentence.clone(), judged.verdict.sentence_zh.clone()));
        said(i18n, en, zh)
    };
    let live_on: Vec<_> = candidate
        .channels
        .iter()
        .filter(|channel| {
            channel
                .current
                .as_ref()
                .is_some_and(|release| release.model == candidate.model.id)
        })
        .map(|channel| {
            let name = channel.name.to_string();
            view! { <span class="tag pass">{t!(i18n, banner.live, channel = name)}</span> " " }
        })
        .collect();
    let more_photos = format!("/datasets/{}", segment(candidate.source.dataset_name.as_str()));
    view! {
        <div class=class role="status">
            <div class="banner-text">
                <p class="banner-title">{live(title)}</p>
                <p>{live(sentence)}</p>
                <p class="dim">{live_on} {live(moved)}</p>
            </div>
            <div class="banner-actions">
                {move || {
                    (state() != VerdictState::Pass)
                        .then(|| view! { <a class="button" href=more_photos.clone()>{t!(i18n, banner.more)}</a> })
                }}
                {publish::button(i18n, &candidate.outlook, publishing)}
            </div>
        </div>
        {publish::words(i18n, &candidate.outlook)}
        {move || {
            publishing
                .get()
                .then(|| view! { <Publish candidate=candidate.clone() note reason refused reload done close/> })
        }}
    }
}

/// What was being written when a page was loaded anew.
#[cfg(feature = "hydrate")]
mod drafts {
    use leptos::prelude::*;

    use crate::browser::{keep_draft, kept_draft};

    /// Brings back what this tab kept for a model, and keeps what is written from now on.
    pub(super) fn keep(model: &str, publishing: RwSignal<bool>, note: RwSignal<String>, reason: RwSignal<String>) {
        for (name, text) in [("note", note), ("reason", reason)] {
            let name = format!("{name} {model}");
            Effect::new(move |before: Option<()>| {
                if before.is_some() {
                    keep_draft(&name, &text.get());
                } else if let Some(kept) = kept_draft(&name) {
                    text.set(kept);
                    publishing.set(true);
                }
                text.track();
            });
        }
    }
}
