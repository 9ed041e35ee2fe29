//! The verdict in one sentence, what to do next, and doing it.

use domain::api::NewRelease;
use domain::gate::policy::CheckId;
use domain::gate::verdict::VerdictState;
use domain::names::ChannelName;
use domain::release::Channel;
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::{Candidate, Judgement};
use crate::backend::BackendError;
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::components::sending::{Sending, refreshed};
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
    let structural = candidate.model.verdict.structural_failure;
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
                {(!structural)
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="button primary"
                                aria-expanded=move || publishing.get().to_string()
                                aria-controls="publish"
                                on:click=move |_| publishing.update(|open| *open = !*open)
                            >
                                {t!(i18n, banner.publish)}
                            </button>
                        }
                    })}
            </div>
        </div>
        {move || {
            publishing
                .get()
                .then(|| view! { <Publish candidate=candidate.clone() note reason refused reload done close/> })
        }}
    }
}

/// Why the server will ask for a reason, if it will.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overrides {
    Nothing,
    Verdict,
    OtherBaseline,
}

fn overrides(candidate: &Candidate, channel: Option<&Channel>) -> Overrides {
    if candidate.model.verdict.state != VerdictState::Pass {
        return Overrides::Verdict;
    }
    let live = channel.and_then(|channel| channel.current.as_ref());
    match live {
        Some(live) if candidate.model.baseline.as_ref() != Some(&live.model) && live.model != candidate.model.id => {
            Overrides::OtherBaseline
        }
        _ => Overrides::Nothing,
    }
}

/// Channel, note and, where the verdict does not say pass, a reason.
#[component]
fn Publish(
    candidate: Candidate,
    note: RwSignal<String>,
    reason: RwSignal<String>,
    refused: RwSignal<Option<BackendError>>,
    reload: Callback<()>,
    done: Callback<()>,
    close: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let candidate = StoredValue::new(candidate);
    let names: Vec<String> = candidate.with_value(|candidate| {
        let channels = candidate.channels.iter();
        channels.map(|channel| channel.name.to_string()).collect()
    });
    let channel = RwSignal::new(names.first().cloned().unwrap_or_else(|| "production".to_owned()));
    let needs = Memo::new(move |_| {
        let name = channel.get();
        candidate.with_value(|candidate| {
            let found = candidate.channels.iter().find(|channel| channel.name.as_str() == name);
            overrides(candidate, found)
        })
    });
    let sending = Sending::then(done);
    refreshed(sending, refused, reload);
    let send = move || {
        let name = channel.get_untracked();
        let body = candidate.with_value(|candidate| {
            let found = candidate.channels.iter().find(|channel| channel.name.as_str() == name);
            NewRelease {
                project: None,
                model: candidate.model.id.clone(),
                expected: found
                    .and_then(|channel| channel.current.as_ref())
                    .map(|release| release.id.clone()),
                note: note.get_untracked(),
                override_reason: Some(reason.get_untracked()).filter(|reason| !reason.trim().is_empty()),
                request: candidate.job.request.clone(),
            }
        });
        sending.post(format!("/api/v1/channels/{}/releases", segment(&name)), &body);
    };
    let flag = |text: AnyView| Some(view! { <p class="flag"><strong>{text}</strong></p> });
    let why = move || match needs.get() {
        // The server may know of another cause, and has said so then.
        Overrides::Nothing => {
            let asked = refused.with(|refused| refused.as_ref().is_some_and(|error| error.status == 422));
            asked.then(|| ().into_any())
        }
        Overrides::Verdict => flag(t!(i18n, publish.why_verdict)),
        Overrides::OtherBaseline => flag(t!(i18n, publish.why_baseline)),
    };
    let options: Vec<_> = names
        .into_iter()
        .map(|name| view! { <option value=name.clone()>{name.clone()}</option> })
        .collect();
    let valid = move || ChannelName::new(channel.get()).is_ok();
    view! {
        <form
            id="publish"
            class="panel form"
            on:submit=move |event| {
                event.prevent_default();
                send();
            }
        >
            <h2>{t!(i18n, publish.title)}</h2>
            <label class="field">
                <span>{t!(i18n, publish.channel)}</span>
                <select prop:value=channel on:change=move |event| channel.set(event_target_value(&event))>{options}</select>
            </label>
            <label class="field">
                <span>{t!(i18n, publish.note)}</span>
                <textarea
                    rows="2"
                    maxlength="2000"
                    placeholder=move || t_string!(i18n, publish.note_hint)
                    prop:value=note
                    on:input=move |event| note.set(event_target_value(&event))
                ></textarea>
            </label>
            {move || {
                why()
                    .map(|why| {
                        view! {
                            {why}
                            <label class="field">
                                <span>{t!(i18n, publish.reason)}</span>
                                <textarea
                                    rows="2"
                                    minlength="10"
                                    maxlength="1000"
                                    required
                                    prop:value=reason
                                    on:input=move |event| reason.set(event_target_value(&event))
                                ></textarea>
                            </label>
                        }
                    })
            }}
            <Refusal error=refused/>
            <div class="form-actions">
                <button type="submit" class="button primary" disabled=move || sending.pending() || !valid()>
                    {move || {
                        if sending.pending() {
                            t!(i18n, publish.sending)
                        } else {
                            let name = channel.get();
                            t!(i18n, publish.send, channel = name)
                        }
                    }}
                </button>
                <button type="button" class="button" on:click=move |_| close.run(())>{t!(i18n, publish.cancel)}</button>
            </div>
        </form>
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
