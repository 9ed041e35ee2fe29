//! Letting a model out: a reviewer's word where one is needed, and the move of a channel. What whoever looks may do is the
//! server's to say, before anything is typed.

use domain::api::NewRelease;
use domain::names::ChannelName;
use domain::overrides::{GroundKind, NewOverride, Outlook};
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::Candidate;
use crate::backend::BackendError;
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::components::sending::{Sending, refreshed};
use crate::components::view;
use crate::language::{I18n, t, use_i18n};

/// The button that opens the form; none for those who may do nothing here.
pub(super) fn button(
    i18n: I18n,
    outlook: &Outlook,
    open: RwSignal<bool>,
    // The page shows numbers that are not the model's.
    is_moved: Memo<bool>,
) -> Option<AnyView> {
    if outlook.structural_failure {
        return None;
    }
    let text = if outlook.may_publish {
        t!(i18n, banner.publish)
    } else if outlook.may_override && !outlook.is_own_job && !grounds(outlook, None).is_empty() {
        t!(i18n, publish.override_open)
    } else {
        return None;
    };
    Some(view! {
        <button
            type="button"
            class="button primary"
            aria-expanded=move || open.get().to_string()
            aria-controls="publish"
            disabled=move || is_moved.get()
            title=move || is_moved.get().then(|| t_string!(i18n, what_if.verdict))
            on:click=move |_| open.update(|open| *open = !*open)
        >
            {text}
        </button>
    })
}

/// The words that were given on the model, and to those whose own it is, why theirs does not count.
pub(super) fn words(i18n: I18n, outlook: &Outlook) -> AnyView {
    let given: Vec<_> = outlook
        .overrides
        .iter()
        .map(|word| {
            let (name, reason) = (word.by.to_string(), word.reason.clone());
            view! { <p class="flag"><strong>{t!(i18n, publish.overridden, name = name)}</strong> " " <q>{reason}</q></p> }
        })
        .collect();
    let waits = outlook.is_own_job && !outlook.structural_failure && !outlook.elsewhere.is_empty();
    let own = waits.then(|| view! { <p class="flag">{t!(i18n, publish.own)}</p> });
    view! { {given} {own} }
}

/// What a channel still asks for, or what all of them do.
fn grounds(outlook: &Outlook, channel: Option<&str>) -> Vec<GroundKind> {
    let Some(channel) = channel else {
        let all = outlook.channels.iter().flat_map(|channel| &channel.grounds);
        let mut kinds = Vec::new();
        for ground in outlook.elsewhere.iter().chain(all) {
            if !kinds.contains(&ground.kind) {
                kinds.push(ground.kind);
            }
        }
        return kinds;
    };
    let known = outlook.channels.iter().find(|known| known.channel.as_str() == channel);
    let asked = known.map_or(&outlook.elsewhere, |known| &known.grounds);
    asked.iter().map(|ground| ground.kind).collect()
}

/// Channel and note for those who publish, and a reason where a reviewer's word is needed and theirs counts.
#[component]
pub(super) fn Publish(
    candidate: Candidate,
    /// The page shows numbers that are not the model's.
    is_moved: Memo<bool>,
    note: RwSignal<String>,
    reason: RwSignal<String>,
    refused: RwSignal<Option<BackendError>>,
    reload: Callback<()>,
    done: Callback<()>,
    close: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let publishes = candidate.outlook.may_publish;
    let is_own = candidate.outlook.is_own_job;
    let candidate = StoredValue::new(candidate);
    let names: Vec<String> = candidate.with_value(|candidate| {
        let channels = candidate.channels.iter();
        channels.map(|channel| channel.name.to_string()).collect()
    });
    let channel = RwSignal::new(names.first().cloned().unwrap_or_else(|| "production".to_owned()));
    let asked = Memo::new(move |_| {
        let name = channel.get();
        candidate.with_value(|candidate| grounds(&candidate.outlook, publishes.then_some(&name)))
    });
    let barred = move || is_own && asked.with(|asked| !asked.is_empty());
    let sending = Sending::then(done);
    refreshed(sending, refused, reload);
    let send = move || {
        let given = Some(reason.get_untracked()).filter(|reason| !reason.trim().is_empty());
        if !publishes {
            let reason = given.unwrap_or_default();
            let path = candidate.with_value(|candidate| segment(&candidate.model.id.0));
            return sending.post(format!("/api/v1/models/{path}/override"), &NewOverride { reason });
        }
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
                override_reason: given.filter(|_| asked.with_untracked(|asked| !asked.is_empty())),
                request: candidate.job.request.clone(),
            }
        });
        sending.post(format!("/api/v1/channels/{}/releases", segment(&name)), &body);
    };
    let why = move || {
        let kinds = asked.get().into_iter();
        kinds
            .map(|kind| view! { <p class="flag"><strong>{told(i18n, kind)}</strong></p> })
            .collect::<Vec<_>>()
    };
    let options: Vec<_> = names
        .into_iter()
        .map(|name| view! { <option value=name.clone()>{name.clone()}</option> })
        .collect();
    let valid = move || !barred() && (!publishes || ChannelName::new(channel.get()).is_ok());
    let title = if publishes {
        t!(i18n, publish.title)
    } else {
        t!(i18n, publish.override_title)
    };
    let where_to = if publishes {
        view! {
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
        }
    } else {
        view! { <p class="dim">{t!(i18n, publish.override_about)}</p> }
    };
    view! {
        <form
            id="publish"
            class="panel form"
            on:submit=move |event| {
                event.prevent_default();
                send();
            }
        >
            <h2>{title}</h2>
            {where_to}
            {why}
            {move || {
                if barred() {
                    Some(view! { <p>{t!(i18n, publish.own)}</p> })
                } else {
                    asked
                        .with(|asked| !asked.is_empty())
                        .then(|| {
                            view! {
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
                }
            }}
            <Refusal error=refused/>
            <div class="form-actions">
                <button type="submit" class="button primary" disabled=move || sending.pending() || !valid() || is_moved.get()>
                    {move || {
                        if sending.pending() {
                            t!(i18n, publish.sending)
                        } else if publishes {
                            let name = channel.get();
                            t!(i18n, publish.send, channel = name)
                        } else {
                            t!(i18n, publish.override_send)
                        }
                    }}
                </button>
                <button type="button" class="button" on:click=move |_| close.run(())>{t!(i18n, publish.cancel)}</button>
            </div>
        </form>
    }
}

/// Why a reviewer's word is needed.
fn told(i18n: I18n, kind: GroundKind) -> AnyView {
    match kind {
        GroundKind::Verdict => t!(i18n, publish.why_verdict),
        GroundKind::OwnPolicy => t!(i18n, publish.why_policy),
        GroundKind::OtherBaseline => t!(i18n, publish.why_baseline),
        GroundKind::UncountedAnchor => t!(i18n, publish.why_anchor),
    }
}

#[cfg(test)]
mod tests {
    use domain::names::ChannelName;
    use domain::overrides::{ChannelOutlook, Ground};

    use super::*;

    #[test]
    fn a_channel_asks_for_its_own_and_a_reviewer_sees_all() {
        let ground = |kind| Ground {
            kind,
            channel: None,
            other: None,
            sentence: String::new(),
        };
        let (verdict, anchor) = (GroundKind::Verdict, GroundKind::UncountedAnchor);
        let channel = |name: &str, kinds: &[GroundKind]| ChannelOutlook {
            channel: ChannelName::new(name).unwrap(),
            grounds: kinds.iter().map(|kind| ground(*kind)).collect(),
        };
        let outlook = Outlook {
            overrides: Vec::new(),
            structural_failure: false,
            may_publish: false,
            may_override: true,
            is_own_job: false,
            channels: vec![channel("production", &[verdict, anchor]), channel("staging", &[])],
            elsewhere: vec![ground(verdict)],
        };
        assert_eq!(grounds(&outlook, Some("production")), [verdict, anchor]);
        assert_eq!(grounds(&outlook, Some("staging")), []);
        assert_eq!(grounds(&outlook, Some("new")), [verdict]);
        assert_eq!(grounds(&outlook, None), [verdict, anchor]);
    }
}
