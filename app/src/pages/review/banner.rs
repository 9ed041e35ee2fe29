//! The verdict in one sentence, what to do next, and doing it.

use domain::api::NewRelease;
use domain::gate::policy::CheckId;
use domain::gate::verdict::VerdictState;
use domain::names::ChannelName;
use domain::release::{Channel, Release};
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::{Candidate, Judgement};
use crate::backend::{post_json, use_backend};
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Banner(candidate: Candidate, judged: Memo<Judgement>, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let publishing = RwSignal::new(false);
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
    let title = move || {
        let (passed, all) = proven();
        match (state(), all) {
            (VerdictState::Pass, 0) => t!(i18n, banner.pass_first).into_any(),
            (VerdictState::Pass, _) => t!(i18n, banner.pass, n = all).into_any(),
            (VerdictState::Unproven, 0) => t!(i18n, banner.unproven_first).into_any(),
            (VerdictState::Unproven, _) => t!(i18n, banner.unproven, passed = passed, n = all).into_any(),
            (VerdictState::Fail, _) => t!(i18n, banner.fail).into_any(),
        }
    };
    let moved = move || {
        judged.with(|judged| {
            let tau = judged.moved_to?;
            Some(t!(i18n, banner.moved, tau = format!("{tau:.3}")).into_any())
        })
    };
    let live: Vec<_> = candidate
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
    let more_photos = format!("/datasets?for={}", candidate.model.id);
    view! {
        <div class=class role="status">
            <div class="banner-text">
                <p class="banner-title">{title}</p>
                <p lang="en">{move || judged.with(|judged| judged.verdict.sentence.clone())}</p>
                <p class="dim">{live} {moved}</p>
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
                .then(|| view! { <Publish candidate=candidate.clone() done=reload close=Callback::new(move |()| publishing.set(false))/> })
        }}
    }
    .into_any()
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
fn Publish(candidate: Candidate, done: Callback<()>, close: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let candidate = StoredValue::new(candidate);
    let names: Vec<String> = candidate.with_value(|candidate| {
        let channels = candidate.channels.iter();
        channels.map(|channel| channel.name.to_string()).collect()
    });
    let channel = RwSignal::new(names.first().cloned().unwrap_or_else(|| "production".to_owned()));
    let (note, reason) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let needs = Memo::new(move |_| {
        let name = channel.get();
        candidate.with_value(|candidate| {
            let found = candidate.channels.iter().find(|channel| channel.name.as_str() == name);
            overrides(candidate, found)
        })
    });
    let send = Action::new(move |(): &()| {
        let backend = backend.clone();
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
        async move {
            let path = format!("/api/v1/channels/{}/releases", segment(&name));
            post_json::<Release>(backend, &path, &body).await
        }
    });
    let published = move || send.value().get().and_then(Result::ok);
    Effect::new(move |_| {
        if published().is_some() {
            done.run(());
        }
    });
    let why = move || match needs.get() {
        Overrides::Nothing => None,
        Overrides::Verdict => Some(t!(i18n, publish.why_verdict).into_any()),
        Overrides::OtherBaseline => Some(t!(i18n, publish.why_baseline).into_any()),
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
                send.dispatch(());
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
                    on:input=move |event| note.set(event_target_value(&event))
                ></textarea>
            </label>
            {move || {
                why()
                    .map(|why| {
                        view! {
                            <div class="flag"><strong>{why}</strong></div>
                            <label class="field">
                                <span>{t!(i18n, publish.reason)}</span>
                                <textarea
                                    rows="2"
                                    minlength="10"
                                    maxlength="1000"
                                    required
                                    on:input=move |event| reason.set(event_target_value(&event))
                                ></textarea>
                            </label>
                        }
                    })
            }}
            <Refusal error=Signal::derive(move || send.value().get().and_then(Result::err))/>
            <div class="form-actions">
                <button type="submit" class="button primary" disabled=move || send.pending().get() || !valid()>
                    {move || {
                        if send.pending().get() {
                            t!(i18n, publish.sending).into_any()
                        } else {
                            let name = channel.get();
                            t!(i18n, publish.send, channel = name).into_any()
                        }
                    }}
                </button>
                <button type="button" class="button" on:click=move |_| close.run(())>{t!(i18n, publish.cancel)}</button>
            </div>
        </form>
    }
    .into_any()
}
