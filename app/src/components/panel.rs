//! A titled region of a page, and what it says while there is nothing in it.

use leptos::prelude::*;

use crate::components::view;

/// A region with a title and what it is about.
#[component]
pub(crate) fn Panel(
    /// Unique on the page: the title's element is `{id}-title`.
    id: &'static str,
    title: AnyView,
    about: AnyView,
    /// Takes the larger part of a row of the review's grid.
    #[prop(optional)]
    wide: bool,
    /// Takes a whole row of it.
    #[prop(optional)]
    full: bool,
    children: Children,
) -> impl IntoView {
    let class = match (wide, full) {
        (_, true) => "panel panel-full",
        (true, false) => "panel panel-wide",
        (false, false) => "panel",
    };
    let title_id = format!("{id}-title");
    let labelled_by = title_id.clone();
    view! {
        <section id=id class=class aria-labelledby=labelled_by>
            <div class="panel-head">
                <h2 id=title_id>{title}</h2>
                <p class="dim">{about}</p>
            </div>
            {children()}
        </section>
    }
}

/// Nothing here: why, and the command that would change it.
#[component]
pub(crate) fn Empty(text: AnyView, #[prop(optional, into)] command: Option<String>) -> impl IntoView {
    view! {
        <div class="empty">
            <p>{text}</p>
            {command.map(|command| view! { <code class="command" lang="en" tabindex="0">{command}</code> })}
        </div>
    }
}
