//! A confusion matrix as a real table whose cells open what they count.

use leptos::prelude::*;
use leptos_i18n::t_string;

use crate::components::{live, view};
use crate::language::{filled, t, use_i18n};

/// Steps of shade, from nothing to the whole row.
const SHADES: u64 = 10;

/// Rows and columns with counts; the columns are the rows' classes where they have the same index, then *unknown*.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts {
    /// True classes.
    pub(crate) rows: Vec<String>,
    /// Answers, the last of them *unknown*.
    pub(crate) columns: Vec<String>,
    /// (rows, columns).
    pub(crate) counts: Vec<Vec<u64>>,
}

/// The table; a press on a cell puts its row and column into `chosen`, a second press takes them out.
#[component]
pub(crate) fn Matrix(#[prop(into)] counts: Signal<Counts>, chosen: RwSignal<Option<(usize, usize)>>) -> impl IntoView {
    let i18n = use_i18n();
    // Shares of each row in place of counts.
    let normal = RwSignal::new(false);
    let head = move || {
        let columns = counts.get().columns;
        columns
            .into_iter()
            .map(|name| view! { <th scope="col"><span title=name.clone()>{name.clone()}</span></th> })
            .collect::<Vec<_>>()
    };
    let body = move || {
        let counts = counts.get();
        let unknown = counts.columns.len().saturating_sub(1);
        counts
            .rows
            .iter()
            .enumerate()
            .map(|(row, name)| {
                let line = counts.counts.get(row).cloned().unwrap_or_default();
                let total: u64 = line.iter().sum();
                let cells: Vec<_> = line
                    .into_iter()
                    .enumerate()
                    .map(|(column, count)| {
                        let kind = match column {
                            column if column == row => "right",
                            column if column == unknown => "unknown",
                            _ => "wrong",
                        };
                        let answer = counts.columns[column].clone();
                        cell(
                            name.clone(),
                            answer,
                            (row, column),
                            (count, total),
                            (kind, normal.get()),
                            chosen,
                        )
                    })
                    .collect();
                view! { <tr><th scope="row"><span title=name.clone()>{name.clone()}</span></th>{cells}</tr> }
            })
            .collect::<Vec<_>>()
    };
    view! {
        <label class="check">
            <input type="checkbox" on:change=move |_| normal.update(|normal| *normal = !*normal)/>
            <span>{t!(i18n, matrix.normalise)}</span>
        </label>
        <div class="matrix-scroll" tabindex="0" role="region" aria-label=move || t_string!(i18n, matrix.label)>
            <table class="matrix">
                <caption class="unseen">{t!(i18n, matrix.caption)}</caption>
                <thead><tr><td></td>{live(head)}</tr></thead>
                <tbody>{live(body)}</tbody>
            </table>
        </div>
    }
}

fn cell(
    row: String,
    column: String,
    at: (usize, usize),
    (count, total): (u64, u64),
    (kind, is_share): (&'static str, bool),
    chosen: RwSignal<Option<(usize, usize)>>,
) -> AnyView {
    let i18n = use_i18n();
    if count == 0 {
        return view! { <td class="cell zero"><span aria-label="0">"·"</span></td> };
    }
    let shade = (count * SHADES).div_ceil(total.max(1)).min(SHADES);
    let label = move || {
        let n = count.to_string();
        filled(
            t_string!(i18n, matrix.cell),
            &[("n", &n), ("row", &row), ("column", &column)],
        )
    };
    let text = if is_share {
        let percent = (count * 200 + total) / (2 * total.max(1));
        if percent == 0 {
            "<1".to_owned()
        } else {
            percent.to_string()
        }
    } else {
        count.to_string()
    };
    let press = move |_| chosen.update(|chosen| *chosen = (*chosen != Some(at)).then_some(at));
    view! {
        <td class=format!("cell {kind} shade-{shade}")>
            <button
                type="button"
                aria-label=label
                aria-pressed=move || (chosen.get() == Some(at)).to_string()
                on:click=press
            >
                {text}
            </button>
        </td>
    }
}
