//! The channels, what they point at, undoing the last move, and the log of all of them.

use domain::api::{DEFAULT_PROJECT, UndoRelease};
use domain::release::{Channel, Release, ReleaseAction};
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use serde::{Deserialize, Serialize};

use crate::backend::{BackendError, SharedBackend, get_json, post_json, use_backend};
use crate::components::error::Refusal;
use crate::components::loaded::{Loaded, segment};
use crate::components::panel::Panel;
use crate::components::short;
use crate::components::time::utc;
use crate::components::verdict::VerdictTag;
use crate::language::{t, use_i18n};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Moves {
    channels: Vec<Channel>,
    log: Vec<Release>,
}

async fn load(backend: SharedBackend) -> Result<Moves, BackendError> {
    Ok(Moves {
        channels: get_json(backend.clone(), &format!("/api/v1/channels?project={DEFAULT_PROJECT}")).await?,
        log: get_json(backend, &format!("/api/v1/releases?project={DEFAULT_PROJECT}")).await?,
    })
}

/// The page.
#[component]
pub(crate) fn ReleasesPage() -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let resource = Resource::new(|| (), move |()| load(backend.clone()));
    let reload = Callback::new(move |()| resource.refetch());
    let show = move |moves: Moves| view! { <Shown moves reload/> }.into_any();
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, releases.title))/>
        <div class="page-head"><h1>{t!(i18n, releases.title)}</h1></div>
        <Loaded resource show/>
    }
    .into_any()
}

#[component]
fn Shown(moves: Moves, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let log = moves.log.clone();
    let channels: Vec<_> = moves
        .channels
        .into_iter()
        .map(|channel| {
            // The first release of a channel has nothing to go back to.
            let can_undo = log.iter().filter(|release| release.channel == channel.name).count() > 1;
            view! { <ChannelRow channel can_undo reload/> }
        })
        .collect();
    let rows: Vec<_> = moves
        .log
        .into_iter()
        .map(|release| view! { <LogRow release/> })
        .collect();
    let content = if rows.is_empty() {
        view! { <p class="empty">{t!(i18n, releases.empty)}</p> }.into_any()
    } else {
        view! {
            <div class="data-scroll" tabindex="0" role="region" aria-labelledby="release-log-title">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">{t!(i18n, releases.when)}</th>
                            <th scope="col">{t!(i18n, releases.channel)}</th>
                            <th scope="col">{t!(i18n, releases.what)}</th>
                            <th scope="col">{t!(i18n, model.word)}</th>
                            <th scope="col">{t!(i18n, releases.note)}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <div class="stack">
            <Panel id="channels" title=t!(i18n, releases.channels).into_any() about=t!(i18n, live.about).into_any()>
                <ul class="rows">{channels}</ul>
            </Panel>
            <Panel id="release-log" title=t!(i18n, releases.log).into_any() about=t!(i18n, releases.log_about).into_any()>
                {content}
            </Panel>
        </div>
    }
    .into_any()
}

#[component]
fn ChannelRow(channel: Channel, can_undo: bool, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let asking = RwSignal::new(false);
    let name = channel.name.to_string();
    let current = match channel.current {
        Some(release) => {
            let model = release.model.to_string();
            let n = release.number;
            view! {
                <div class="split">
                    <p class="facts">
                        <VerdictTag state=release.verdict/>
                        <a href=format!("/models/{model}")><code>{short(&model)}</code></a>
                        <span>{t!(i18n, live.release, n = n)}</span>
                        <time>{utc(release.created_us)}</time>
                    </p>
                    {can_undo
                        .then(|| {
                            view! {
                                <button
                                    type="button"
                                    class="button"
                                    aria-expanded=move || asking.get().to_string()
                                    on:click=move |_| asking.update(|asking| *asking = !*asking)
                                >
                                    {t!(i18n, releases.undo)}
                                </button>
                            }
                        })}
                </div>
                {move || {
                    asking
                        .get()
                        .then(|| view! { <Undo release=release.clone() reload close=Callback::new(move |()| asking.set(false))/> })
                }}
            }
            .into_any()
        }
        None => view! { <p class="empty">{t!(i18n, live.none)}</p> }.into_any(),
    };
    view! { <li class="row"><h3>{name}</h3>{current}</li> }.into_any()
}

/// Asks once more: an undo is a move like any other.
#[component]
fn Undo(release: Release, reload: Callback<()>, close: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let backend = use_backend();
    let note = RwSignal::new(String::new());
    let (n, channel) = (release.number, release.channel.to_string());
    let send = Action::new(move |(): &()| {
        let backend = backend.clone();
        let path = format!("/api/v1/channels/{}/undo", segment(release.channel.as_str()));
        let body = UndoRelease {
            project: None,
            expected: release.id.clone(),
            note: note.get_untracked(),
        };
        async move { post_json::<Release>(backend, &path, &body).await }
    });
    Effect::new(move |_| {
        if send.value().get().is_some_and(|answer| answer.is_ok()) {
            reload.run(());
        }
    });
    view! {
        <form
            class="form"
            on:submit=move |event| {
                event.prevent_default();
                send.dispatch(());
            }
        >
            <p><b>{t!(i18n, releases.undo_title, n = n, channel = channel)}</b> " " {t!(i18n, releases.undo_about)}</p>
            <label class="field">
                <span>{t!(i18n, publish.note)}</span>
                <textarea rows="2" maxlength="2000" on:input=move |event| note.set(event_target_value(&event))></textarea>
            </label>
            <Refusal error=Signal::derive(move || send.value().get().and_then(Result::err))/>
            <div class="form-actions">
                <button type="submit" class="button primary" disabled=move || send.pending().get()>
                    {move || {
                        if send.pending().get() {
                            t!(i18n, releases.undoing).into_any()
                        } else {
                            t!(i18n, releases.undo_send).into_any()
                        }
                    }}
                </button>
                <button type="button" class="button" on:click=move |_| close.run(())>{t!(i18n, publish.cancel)}</button>
            </div>
        </form>
    }
    .into_any()
}

#[component]
fn LogRow(release: Release) -> impl IntoView {
    let i18n = use_i18n();
    let model = release.model.to_string();
    let what = match release.action {
        ReleaseAction::Publish => t!(i18n, releases.publish).into_any(),
        ReleaseAction::Undo => t!(i18n, releases.undone).into_any(),
    };
    let reason = release
        .override_reason
        .map(|reason| view! { <p class="flag"><strong>{t!(i18n, releases.reason)}</strong> " " <q>{reason}</q></p> });
    view! {
        <tr>
            <td><time>{utc(release.created_us)}</time></td>
            <td>{release.channel.to_string()} " " <span class="dim">{release.number}</span></td>
            <td>{what} " " <VerdictTag state=release.verdict/></td>
            <td><a href=format!("/models/{model}")><code>{short(&model)}</code></a></td>
            <td>{release.note} {reason}</td>
        </tr>
    }
    .into_any()
}
