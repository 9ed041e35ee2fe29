//! What clients get now, on each channel.

use domain::api::LiveChannel;
use domain::names::ClassName;
use domain::release::{Release, ReleaseAction};
use leptos::prelude::*;

use crate::components::panel::{Empty, Panel};
use crate::components::short;
use crate::components::time::Ago;
use crate::components::verdict::VerdictTag;
use crate::components::view;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Live(channels: Vec<LiveChannel>, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let rows: Vec<_> = channels
        .into_iter()
        .map(|live| view! { <ChannelRow live now/> })
        .collect();
    view! {
        <Panel
            id="live"
            title=t!(i18n, live.title)
            about=t!(i18n, live.about)
        >
            <ul class="rows">{rows}</ul>
        </Panel>
    }
}

#[component]
fn ChannelRow(live: LiveChannel, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let name = live.channel.name.to_string();
    let classes = live.classes;
    let content = if let Some(release) = live.channel.current {
        view! { <Current release classes now/> }
    } else {
        let command = format!("rehead releases publish latest --channel {}", quoted(&name));
        view! { <Empty text=t!(i18n, live.empty) command/> }
    };
    view! {
        <li class="row">
            <h3>{name}</h3>
            {content}
        </li>
    }
}

#[component]
fn Current(release: Release, classes: Vec<ClassName>, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let n_classes = classes.len();
    let chips: Vec<_> = classes
        .into_iter()
        .map(|class| view! { <li class="chip">{class.to_string()}</li> })
        .collect();
    let model = release.model.to_string();
    let undo = release.action == ReleaseAction::Undo;
    let note = Some(release.note).filter(|note| !note.trim().is_empty());
    view! {
        <p class="facts">
            <VerdictTag state=release.verdict/>
            <span>{t!(i18n, live.model)} " " <code title=model.clone()>{short(&model)}</code></span>
            <span>{t!(i18n, live.release, n = release.number)}</span>
            <Ago at_us=release.created_us now/>
            {undo.then(|| view! { <span>{t!(i18n, live.undo)}</span> })}
        </p>
        {release
            .override_reason
            .map(|reason| {
                view! {
                    <p class="flag">
                        <strong>{t!(i18n, live.overridden)}</strong>
                        " "
                        {t!(i18n, live.reason)}
                        " "
                        <q>{reason}</q>
                    </p>
                }
            })}
        {note.map(|note| view! { <blockquote class="note">{note}</blockquote> })}
        <p class="label">
            {t!(i18n, live.classes)} " " <span class="dim">{t!(i18n, live.n_classes, n = n_classes)}</span>
        </p>
        <ul class="chips">{chips}</ul>
    }
}

/// A word for a shell, in quotes where it needs them. Names hold no quotes and no control characters.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}
