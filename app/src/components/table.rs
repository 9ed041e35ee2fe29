//! Tables that scroll on their own where a screen is narrow.

use leptos::prelude::*;

use crate::components::view;

/// The head of a column.
pub(crate) struct Column {
    head: AnyView,
    class: Option<&'static str>,
    is_seen: bool,
    sorted: Option<Signal<Option<&'static str>>>,
}

impl Column {
    /// Of words.
    pub(crate) const fn text(head: AnyView) -> Self {
        Self {
            head,
            class: None,
            is_seen: true,
            sorted: None,
        }
    }

    /// Of numbers: set to the right, digits under digits.
    pub(crate) const fn number(head: AnyView) -> Self {
        Self {
            head,
            class: Some("n"),
            is_seen: true,
            sorted: None,
        }
    }

    /// Whose cells say what they are; the head is for those who hear the table.
    pub(crate) const fn unseen(head: AnyView) -> Self {
        Self {
            head,
            class: None,
            is_seen: false,
            sorted: None,
        }
    }

    /// The rows can stand in its order, and `sorted` says which way they do: `ascending` or `descending`.
    pub(crate) const fn sorted(mut self, sorted: Signal<Option<&'static str>>) -> Self {
        self.sorted = Some(sorted);
        self
    }
}

/// A table; `rows` are `<tr>`.
#[component]
pub(crate) fn DataTable(
    /// The element that is the table's title.
    #[prop(into)]
    labelled_by: String,
    columns: Vec<Column>,
    rows: AnyView,
    /// On a phone, a row becomes a block.
    #[prop(optional)]
    folds: bool,
) -> impl IntoView {
    let heads: Vec<_> = columns
        .into_iter()
        .map(|column| {
            let head = if column.is_seen {
                column.head
            } else {
                view! { <span class="unseen">{column.head}</span> }
            };
            let sorted = column.sorted;
            view! {
                <th scope="col" class=column.class aria-sort=move || sorted.and_then(|sorted| sorted.get())>
                    {head}
                </th>
            }
        })
        .collect();
    view! {
        <div class="data-scroll" tabindex="0" role="region" aria-labelledby=labelled_by>
            <table class=if folds { "table fold" } else { "table" }>
                <thead>
                    <tr>{heads}</tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
