//! Photos with what is said of them.

use domain::api::DEFAULT_PROJECT;
use domain::ids::Digest;
use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::html::Dialog;
use leptos::prelude::*;
use leptos_i18n::t_string;

use crate::components::{live, view};
use crate::language::{filled, t, use_i18n};

/// A photo and its words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Photo {
    pub(crate) image: Digest,
    /// Its class.
    pub(crate) title: String,
    /// What a model says of it.
    pub(crate) caption: String,
    /// What the baseline and the candidate say, where both were asked.
    pub(crate) answers: Option<[String; 2]>,
    /// Something is wrong with it.
    pub(crate) marked: bool,
}

/// Where the bytes of an image are.
pub(crate) fn source(image: &Digest) -> String {
    format!("/api/v1/images/{image}?project={DEFAULT_PROJECT}")
}

/// A grid of them; each opens the whole photo, over the page, with what both models say.
#[component]
pub(crate) fn Photos(photos: Vec<Photo>) -> impl IntoView {
    let i18n = use_i18n();
    let shown = RwSignal::<Option<usize>>::new(None);
    let dialog = NodeRef::<Dialog>::new();
    let items: Vec<_> = photos
        .iter()
        .cloned()
        .enumerate()
        .map(|(idx, photo)| {
            let (address, whole) = (source(&photo.image), source(&photo.image));
            let alt = filled(t_string!(i18n, photo.alt), &[("class", &photo.title)]);
            let open = move |event: MouseEvent| {
                let Some(dialog) = dialog.get_untracked() else { return };
                shown.set(Some(idx));
                if dialog.show_modal().is_ok() {
                    event.prevent_default();
                }
            };
            view! {
                <li class=if photo.marked { "photo marked" } else { "photo" }>
                    <a href=whole rel="external" target="_blank" on:click=open>
                        <img src=address alt=alt loading="lazy" decoding="async" width="112" height="112"/>
                    </a>
                    <p><b>{photo.title}</b> " " <span>{photo.caption}</span></p>
                </li>
            }
        })
        .collect();
    let n = photos.len();
    let photos = StoredValue::new(photos);
    let go = move |by: usize| {
        shown.update(|shown| {
            if let Some(at) = shown {
                *at = (*at + by) % n;
            }
        });
    };
    let keys = move |event: KeyboardEvent| match event.key().as_str() {
        "ArrowRight" => go(1),
        "ArrowLeft" => go(n.saturating_sub(1)),
        _ => {}
    };
    let close = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let whole = move || {
        let at = shown.get()?;
        let photo = photos.with_value(|photos| photos.get(at).cloned())?;
        let alt = filled(t_string!(i18n, photo.alt), &[("class", &photo.title)]);
        let answers = photo.answers.map(|[before, now]| {
            view! {
                <dl class="answers">
                    <div><dt>{t!(i18n, curves.baseline)}</dt> <dd>{before}</dd></div>
                    <div><dt>{t!(i18n, curves.candidate)}</dt> <dd>{now}</dd></div>
                </dl>
            }
        });
        Some(view! {
            <img src=source(&photo.image) alt=alt/>
            <p><b>{photo.title}</b> " " <span class="dim">{format!("{} / {n}", at + 1)}</span></p>
            {answers.unwrap_or_else(|| view! { <p class="dim">{photo.caption}</p> })}
        })
    };
    view! {
        <ul class="photos">{items}</ul>
        <dialog class="lightbox" node_ref=dialog aria-label=move || t_string!(i18n, photo.whole) on:close=move |_| shown.set(None) on:keydown=keys>
            {live(whole)}
            <div class="form-actions">
                <button type="button" class="button" on:click=move |_| go(n.saturating_sub(1))>{t!(i18n, photo.before)}</button>
                <button type="button" class="button" on:click=move |_| go(1)>{t!(i18n, photo.next)}</button>
                <button type="button" class="button" on:click=close>{t!(i18n, photo.close)}</button>
            </div>
        </dialog>
    }
}
