//! Photos with what is said of them.

use domain::api::DEFAULT_PROJECT;
use domain::ids::Digest;
use leptos::prelude::*;
use leptos_i18n::t_string;

use crate::components::view;
use crate::language::{filled, use_i18n};

/// A photo and its words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Photo {
    pub(crate) image: Digest,
    /// Its class.
    pub(crate) title: String,
    /// What a model says of it.
    pub(crate) caption: String,
    /// Something is wrong with it.
    pub(crate) marked: bool,
}

/// Where the bytes of an image are.
pub(crate) fn source(image: &Digest) -> String {
    format!("/api/v1/images/{image}?project={DEFAULT_PROJECT}")
}

/// A grid of them; each opens the whole photo.
#[component]
pub(crate) fn Photos(photos: Vec<Photo>) -> impl IntoView {
    let i18n = use_i18n();
    let items: Vec<_> = photos
        .into_iter()
        .map(|photo| {
            let (address, whole) = (source(&photo.image), source(&photo.image));
            let alt = filled(t_string!(i18n, photo.alt), &[("class", &photo.title)]);
            view! {
                <li class=if photo.marked { "photo marked" } else { "photo" }>
                    <a href=whole rel="external" target="_blank">
                        <img src=address alt=alt loading="lazy" decoding="async" width="112" height="112"/>
                    </a>
                    <p><b>{photo.title}</b> " " <span>{photo.caption}</span></p>
                </li>
            }
        })
        .collect();
    view! { <ul class="photos">{items}</ul> }
}
