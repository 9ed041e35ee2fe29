//! The channels, what they point at, undoing the last move, and the log of all of them.

use domain::api::{DEFAULT_PROJECT, UndoRelease};
use domain::release::{Channel, Release, ReleaseAction};
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use serde::Deserialize;

use crate::backend::{BackendError, SharedBackend};
use crate::components::error::Refusal;
use crate::components::loaded::{Gathered, Load, Loaded, segment};
use crate::components::panel::Panel;
use crate::components::sending::{Sending, refreshed};
use crate::components::short;
use crate::components::table::{Column, DataTable};
use crate::components::time::utc;
use crate::components::verdict::VerdictTag;
use crate::components::view;
use crate::language::{t, use_i18n};

#[derive(Debug, Deserialize)]
struct Moves {
    channels: Vec<Channel>,
    log: Vec<Release>,
}

/// JSON text of [`Moves`].
async fn load(backend: SharedBackend) -> Result<String, BackendError> {
    let mut all = Gathered::default();
    let channels = backend
        .get(format!("/api/v1/channels?project={DEFAULT_PROJECT}"))
        .await?;
    all.field("channels", &channels);
    let log = backend
        .get(format!("/api/v1/releases?project={DEFAULT_PROJECT}"))
        .await?;
    all.field("log", &log);
    Ok(all.finish())
}

/// The page.
#[component]
pub(crate) fn ReleasesPage() -> impl IntoView {
    let i18n = use_i18n();
    let load = Load::new(Signal::stored(String::new()), |backend, _| load(backend));
    let reload = Callback::new(move |()| load.refetch());
    let refused = RwSignal::new(None);
    let show = move |moves: Moves| view! { <Shown moves refused reload/> };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, releases.title))/>
        <div class="page-head">
            <h1>{t!(i18n, releases.title)}</h1>
            <div class="page-actions"><a class="button" href="/policies">{t!(i18n, policies.title)}</a></div>
        </div>
        <Refusal error=refused/>
        <Loaded load show/>
    }
}

#[component]
fn Shown(moves: Moves, refused: RwSignal<Option<BackendError>>, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let log = moves.log.clone();
    let channels: Vec<_> = moves
        .channels
        .into_iter()
        .map(|channel| {
            // The first release of a channel has nothing to go back to.
            let can_undo = log.iter().filter(|release| release.channel == channel.name).count() > 1;
            view! { <ChannelRow channel can_undo refused reload/> }
        })
        .collect();
    let rows: Vec<_> = moves
        .log
        .into_iter()
        .map(|release| view! { <LogRow release/> })
        .collect();
    let content = if rows.is_empty() {
        view! { <p class="empty">{t!(i18n, releases.empty)}</p> }
    } else {
        view! {
            <DataTable
                labelled_by="release-log-title"
                columns=vec![
                    Column::text(t!(i18n, releases.when)),
                    Column::text(t!(i18n, releases.channel)),
                    Column::text(t!(i18n, releases.what)),
                    Column::text(t!(i18n, model.word)),
                    Column::text(t!(i18n, releases.note)),
                ]
                rows=rows.into_any()
                folds=true
            />
        }
    };
    view! {
        <div class="stack">
            <Panel id="channels" title=t!(i18n, releases.channels) about=t!(i18n, live.about)>
                <ul class="rows">{channels}</ul>
            </Panel>
            <Panel id="release-log" title=t!(i18n, releases.log) about=t!(i18n, releases.log_about)>
                {content}
            </Panel>
        </div>
    }
}

#[component]
fn ChannelRow(
    channel: Channel,
    can_undo: bool,
    refused: RwSignal<Option<BackendError>>,
    reload: Callback<()>,
) -> impl IntoView {
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
                        .then(|| view! { <Undo release=release.clone() refused reload close=Callback::new(move |()| asking.set(false))/> })
                }}
            }
        }
        None => view! { <p class="empty">{t!(i18n, live.none)}</p> },
    };
    view! { <li class="row"><h3>{name}</h3>{current}</li> }
}

/// Asks once more: an undo is a move like any other.
#[component]
fn Undo(
    release: Release,
    refused: RwSignal<Option<BackendError>>,
    reload: Callback<()>,
    close: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let note = RwSignal::new(String::new());
    let (n, channel) = (release.number, release.channel.to_string());
    let sending = Sending::then(reload);
    refreshed(sending, refused, reload);
    let send = move || {
        refused.set(None);
        let body = UndoRelease {
            project: None,
            expected: release.id.clone(),
            note: note.get_untracked(),
        };
        sending.post(
            format!("/api/v1/channels/{}/undo", segment(release.channel.as_str())),
            &body,
        );
    };
    view! {
        <form
            class="form"
            on:submit=move |event| {
                event.prevent_default();
                send();
            }
        >
            <p><b>{t!(i18n, releases.undo_title, n = n, channel = channel)}</b> " " {t!(i18n, releases.undo_about)}</p>
            <label class="field">
                <span>{t!(i18n, publish.note)}</span>
                <textarea rows="2" maxlength="2000" on:input=move |event| note.set(event_target_value(&event))></textarea>
            </label>
            <div class="form-actions">
                <button type="submit" class="button primary" disabled=move || sending.pending()>
                    {move || {
                        if sending.pending() {
                            t!(i18n, releases.undoing)
                        } else {
                            t!(i18n, releases.undo_send)
                        }
                    }}
                </button>
                <button type="button" class="button" on:click=move |_| close.run(())>{t!(i18n, publish.cancel)}</button>
            </div>
        </form>
    }
}

#[component]
fn LogRow(release: Release) -> impl IntoView {
    let i18n = use_i18n();
    let model = release.model.to_string();
    let what = match release.action {
        ReleaseAction::Publish => t!(i18n, releases.publish),
        ReleaseAction::Undo => t!(i18n, releases.undone),
    };
    let reason = release
        .override_reason
        .map(|reason| view! { <p class="flag"><strong>{t!(i18n, releases.reason)}</strong> " " <q>{reason}</q></p> });
    view! {
        <tr>
            <td class="wide-cell"><time>{utc(release.created_us)}</time></td>
            <td>{release.channel.to_string()} " " <span class="dim">{release.number}</span></td>
            <td>{what} " " <VerdictTag state=release.verdict/></td>
            <td><a href=format!("/models/{model}")><code>{short(&model)}</code></a></td>
            <td class="wide-cell">{release.note} {reason}</td>
        </tr>
    }
}
