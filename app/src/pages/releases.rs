//! The channels, what they point at, undoing the last move, the log of all of them, and where losses add up from.

use domain::api::people::{Me, ProjectRole};
use domain::api::{DEFAULT_PROJECT, NewAnchor, UndoRelease};
use domain::ids::ReleaseId;
use domain::people::Permission;
use domain::release::{Channel, Release, ReleaseAction, standing};
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
    me: Me,
}

impl Moves {
    /// Whether whoever looks may do that here.
    fn may(&self, permission: Permission) -> bool {
        let here = |project: &&ProjectRole| project.project.as_str() == DEFAULT_PROJECT;
        let mine = self.me.projects.iter().find(here);
        mine.is_some_and(|project| project.permissions.contains(&permission))
    }
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
    all.field("me", &backend.get("/api/v1/me".to_owned()).await?);
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
    let (may_publish, may_pin) = (moves.may(Permission::Publish), moves.may(Permission::Administer));
    let pinning = RwSignal::new(None::<Release>);
    let anchors: Vec<ReleaseId> = moves
        .channels
        .iter()
        .filter_map(|channel| channel.anchor.as_ref())
        .map(|anchor| anchor.id.clone())
        .collect();
    let log = &moves.log;
    let channels: Vec<_> = moves
        .channels
        .into_iter()
        .map(|channel| {
            // The first release of a channel has nothing to go back to.
            let mine = log.iter().filter(|release| release.channel == channel.name);
            let can_undo = may_publish && standing(mine).is_some();
            view! { <ChannelRow channel can_undo refused reload/> }
        })
        .collect();
    let rows: Vec<_> = moves
        .log
        .iter()
        .map(|release| {
            let since = release.anchors.as_ref();
            let since = since.and_then(|id| moves.log.iter().find(|other| other.id == *id));
            let n = since.map(|release| release.number);
            let is_anchor = anchors.contains(&release.id);
            view! { <LogRow release=release.clone() since=n is_anchor may_pin pinning/> }
        })
        .collect();
    let asking = move || {
        let close = Callback::new(move |()| pinning.set(None));
        pinning
            .get()
            .map(|release| view! { <Pin release refused reload close/> })
    };
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
                    Column::text(t!(i18n, releases.by)),
                    Column::text(t!(i18n, releases.note)),
                    Column::unseen(t!(i18n, releases.act)),
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
                {asking}
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
    let anchor = channel.anchor.map(|anchor| {
        let n = anchor.number;
        view! { <p class="dim">{t!(i18n, releases.anchor, n = n)}</p> }
    });
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
    view! { <li class="row"><h3>{name}</h3>{current} {anchor}</li> }
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
    let title = t!(i18n, releases.undo_title, n = n, channel = channel);
    asked(
        Asked {
            title,
            about: t!(i18n, releases.undo_about),
            send: t!(i18n, releases.undo_send),
            sending: t!(i18n, releases.undoing),
        },
        note,
        sending,
        Callback::new(move |()| send()),
        close,
    )
}

/// Asks once more: what was lost before the new anchor is not counted any more.
#[component]
fn Pin(
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
        let body = NewAnchor {
            project: None,
            release: release.id.clone(),
            note: note.get_untracked(),
        };
        sending.put(
            format!("/api/v1/channels/{}/anchor", segment(release.channel.as_str())),
            &body,
        );
    };
    let title = t!(i18n, releases.pin_title, n = n, channel = channel);
    asked(
        Asked {
            title,
            about: t!(i18n, releases.pin_about),
            send: t!(i18n, releases.pin_send),
            sending: t!(i18n, releases.pinning),
        },
        note,
        sending,
        Callback::new(move |()| send()),
        close,
    )
}

/// What a form says that asks once more.
struct Asked {
    title: AnyView,
    about: AnyView,
    send: AnyView,
    sending: AnyView,
}

fn asked(said: Asked, note: RwSignal<String>, sending: Sending, send: Callback<()>, close: Callback<()>) -> AnyView {
    let i18n = use_i18n();
    let is_sending = move || sending.pending();
    view! {
        <form
            class="form"
            on:submit=move |event| {
                event.prevent_default();
                send.run(());
            }
        >
            <p><b>{said.title}</b> " " {said.about}</p>
            <label class="field">
                <span>{t!(i18n, publish.note)}</span>
                <textarea rows="2" maxlength="2000" on:input=move |event| note.set(event_target_value(&event))></textarea>
            </label>
            <div class="form-actions">
                <button type="submit" class="button primary" disabled=is_sending>
                    <span hidden=is_sending>{said.send}</span>
                    <span hidden=move || !is_sending()>{said.sending}</span>
                </button>
                <button type="button" class="button" on:click=move |_| close.run(())>{t!(i18n, publish.cancel)}</button>
            </div>
        </form>
    }
}

#[component]
fn LogRow(
    release: Release,
    /// The number of the release that an anchor was moved to.
    since: Option<i64>,
    /// Losses add up from here.
    is_anchor: bool,
    may_pin: bool,
    pinning: RwSignal<Option<Release>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let model = release.model.to_string();
    let what = match release.action {
        ReleaseAction::Publish => t!(i18n, releases.publish),
        ReleaseAction::Undo => t!(i18n, releases.undone),
        ReleaseAction::Anchor => t!(i18n, releases.anchored),
    };
    let since = since.map(|n| t!(i18n, releases.since, n = n));
    let act = if is_anchor {
        Some(view! { <span class="dim">{t!(i18n, releases.pinned)}</span> })
    } else if may_pin && release.action != ReleaseAction::Anchor {
        let chosen = release.clone();
        Some(view! {
            <button type="button" class="button" on:click=move |_| pinning.set(Some(chosen.clone()))>
                {t!(i18n, releases.pin)}
            </button>
        })
    } else {
        None
    };
    let by = release.by.map(|by| by.to_string());
    let given_by = release.override_by;
    let reason = release.override_reason.map(|reason| {
        let title = match given_by {
            Some(name) => t!(i18n, releases.reason_by, name = name),
            None => t!(i18n, releases.reason),
        };
        view! { <p class="flag"><strong>{title}</strong> " " <q>{reason}</q></p> }
    });
    view! {
        <tr>
            <td class="wide-cell"><time>{utc(release.created_us)}</time></td>
            <td>{release.channel.to_string()} " " <span class="dim">{release.number}</span></td>
            <td>{what} " " {since} " " <VerdictTag state=release.verdict/></td>
            <td><a href=format!("/models/{model}")><code>{short(&model)}</code></a></td>
            <td>{by}</td>
            <td class="wide-cell">{release.note} {reason}</td>
            <td>{act}</td>
        </tr>
    }
}
