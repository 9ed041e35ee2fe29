//! The panels: figures of all models, classes by model, curves over one another, and one model at a time.

use domain::api::compare::{ComparedModel, ModelComparison};
use domain::job::HeadMode;
use domain::names::ClassName;
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::Choice;
use crate::components::charts::line::{Axis, LineChart, Lines, Series, Size};
use crate::components::charts::matrix::{Counts, Matrix};
use crate::components::number::{percent, percent_up};
use crate::components::panel::Panel;
use crate::components::short;
use crate::components::table::{Column, DataTable};
use crate::components::verdict::VerdictTag;
use crate::components::{live, view};
use crate::language::{filled, t, use_i18n};
use crate::pages::review::reliability;

/// A model's number, its line and the end of its name: the same in every panel.
fn name(number: usize, id: &str) -> AnyView {
    view! {
        <svg class="key" viewBox="0 0 28 8" width="28" height="8" aria-hidden="true">
            <path class=format!("chart-line line-{number}") d="M0 4H28"/>
        </svg>
        " "
        {number}
        " "
        <code>{short(id)}</code>
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// All classes together, one row a model.
#[component]
pub(super) fn Overall(shown: RwSignal<ModelComparison>) -> impl IntoView {
    let i18n = use_i18n();
    let rows = move || {
        shown.with(|shown| {
            let is_counted = shown.common.n_images > 0;
            let rows = shown.models.iter().zip(1..);
            rows.map(|(model, number)| overall(model, number, is_counted, model.id == shown.reference))
                .collect::<Vec<_>>()
        })
    };
    view! {
        <Panel id="overall" full=true title=t!(i18n, compare.overall) about=t!(i18n, compare.overall_about)>
            <DataTable
                labelled_by="overall-title"
                columns=vec![
                    Column::text(t!(i18n, compare.model)),
                    Column::text(t!(i18n, compare.gate)),
                    Column::number(t!(i18n, compare.top1)),
                    Column::number(t!(i18n, facts.right)),
                    Column::number(t!(i18n, facts.wrong)),
                    Column::number(t!(i18n, matrix.unknown)),
                    Column::number(t!(i18n, compare.lost)),
                    Column::number(t!(i18n, compare.worst)),
                ]
                rows=live(rows)
                folds=true
            />
        </Panel>
    }
}

fn overall(model: &ComparedModel, number: usize, is_counted: bool, is_reference: bool) -> AnyView {
    let i18n = use_i18n();
    let metrics = &model.counted.metrics;
    let lost = model.counted.lost.iter();
    let (x, n) = lost.fold((0, 0), |(x, n), loss| (x + loss.images.x, n + loss.images.n));
    let bounds = model.counted.lost.iter().filter_map(|loss| loss.upper);
    let worst = bounds
        .max_by(f64::total_cmp)
        .map(|upper| format!("≤ {}", percent_up(upper)));
    let cells = [
        (t_string!(i18n, compare.top1), percent(metrics.top1)),
        (t_string!(i18n, facts.right), metrics.n_accepted_right.to_string()),
        (t_string!(i18n, facts.wrong), metrics.n_accepted_wrong.to_string()),
        (t_string!(i18n, matrix.unknown), metrics.n_unknown.to_string()),
        (
            t_string!(i18n, compare.lost),
            if is_reference {
                t_string!(i18n, compare.is_reference).to_string()
            } else {
                format!("{x} / {n}")
            },
        ),
        (t_string!(i18n, compare.worst), or_dash(worst)),
    ];
    let cells: Vec<_> = cells
        .into_iter()
        .map(|(head, text)| {
            let text = if is_counted { text } else { "–".to_owned() };
            view! { <td class="n" data-head=head>{text}</td> }
        })
        .collect();
    let id = model.id.to_string();
    let new: Vec<&str> = model.new_classes.iter().map(ClassName::as_str).collect();
    let how = match model.mode {
        HeadMode::Cold => t!(i18n, model.first),
        _ => {
            let names = new.join(", ");
            t!(i18n, model.adds, names = names)
        }
    };
    let refit = (model.mode == HeadMode::Refit).then(|| view! { " · " {t!(i18n, compare.refit)} });
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/models/{id}") title=id.clone()>{name(number, &id)}</a>
                " "
                <span class="dim">{how}{refit}</span>
            </th>
            <td class="wide-cell"><VerdictTag state=model.verdict.state/></td>
            {cells}
        </tr>
    }
}

/// What the table of classes shows of each model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Recall,
    Precision,
    Lost,
    Bound,
}

fn figure(model: &ComparedModel, class: &ClassName, which: Figure) -> Option<String> {
    let counted = &model.counted;
    let metrics = counted.metrics.per_class.iter().find(|metrics| metrics.class == *class);
    let loss = counted.lost.iter().find(|loss| loss.class == *class);
    match which {
        Figure::Recall => metrics?.recall.map(percent),
        Figure::Precision => metrics?.precision.map(percent),
        Figure::Lost => loss.map(|loss| format!("{} / {}", loss.images.x, loss.images.n)),
        Figure::Bound => loss?.upper.map(|upper| format!("≤ {}", percent_up(upper))),
    }
}

/// One figure of every class, one column a model.
#[component]
pub(super) fn Figures(shown: RwSignal<ModelComparison>) -> impl IntoView {
    let i18n = use_i18n();
    let chosen = RwSignal::new(Figure::Recall);
    let chip = |which: Figure, text: AnyView| {
        view! {
            <button
                type="button"
                class="chip"
                aria-pressed=move || (chosen.get() == which).to_string()
                on:click=move |_| chosen.set(which)
            >
                {text}
            </button>
        }
    };
    let chips = [
        chip(Figure::Recall, t!(i18n, compare.recall)),
        chip(Figure::Precision, t!(i18n, compare.precision)),
        chip(Figure::Lost, t!(i18n, compare.lost)),
        chip(Figure::Bound, t!(i18n, compare.bound)),
    ];
    let heads = move || {
        shown.with(|shown| {
            let ids = shown.models.iter().zip(1..);
            ids.map(|(model, number)| view! { <th scope="col" class="n">{name(number, &model.id.0)}</th> })
                .collect::<Vec<_>>()
        })
    };
    let rows = move || {
        let which = chosen.get();
        shown.with(|shown| {
            let row = |class: &ClassName| {
                let cells: Vec<_> = shown
                    .models
                    .iter()
                    .map(|model| view! { <td class="n">{or_dash(figure(model, class, which))}</td> })
                    .collect();
                view! { <tr><th scope="row">{class.to_string()}</th>{cells}</tr> }
            };
            shown.classes.iter().map(row).collect::<Vec<_>>()
        })
    };
    view! {
        <Panel id="figures" full=true title=t!(i18n, dataset.by_class) about=t!(i18n, compare.figures_about)>
            <div class="chips" role="group" aria-labelledby="figures-title">{chips.into_iter().collect::<Vec<_>>()}</div>
            <div class="data-scroll" tabindex="0" role="region" aria-labelledby="figures-title">
                <table class="table pinned">
                    <thead><tr><th scope="col">{t!(i18n, compare.class)}</th>{live(heads)}</tr></thead>
                    <tbody>{live(rows)}</tbody>
                </table>
            </div>
        </Panel>
    }
}

/// Precision and recall as the threshold falls, one line a model.
#[component]
pub(super) fn Curves(
    shown: RwSignal<ModelComparison>,
    chosen: RwSignal<Choice>,
    classes: Vec<String>,
) -> impl IntoView {
    let i18n = use_i18n();
    let options: Vec<_> = classes
        .into_iter()
        .map(|class| {
            let is_chosen = chosen.with_untracked(|choice| choice.class.as_ref() == Some(&class));
            view! { <option value=class.clone() selected=is_chosen>{class.clone()}</option> }
        })
        .collect();
    // The threshold changes no curve.
    let drawn = Memo::new(move |_| {
        shown.with(|shown| {
            let curves = shown.models.iter().map(|model| {
                let points = model.counted.curve.iter();
                let points = points.map(|point| (point.recall * 100.0, point.precision * 100.0));
                (model.id.to_string(), points.collect::<Vec<_>>())
            });
            (
                shown.class.as_ref().map(ToString::to_string),
                curves.collect::<Vec<_>>(),
            )
        })
    });
    let chart = move || {
        let (class, curves) = drawn.get();
        let all = t_string!(i18n, compare.all).to_string();
        let class = class.unwrap_or(all);
        let series = curves.into_iter().zip(1..).map(|((id, points), number)| Series {
            name: format!("{number} {}", short(&id)),
            style: format!("line-{number}"),
            points,
        });
        let series: Vec<Series> = series.filter(|series| !series.points.is_empty()).collect();
        if series.is_empty() {
            return view! { <p class="dim">{t!(i18n, compare.no_curve)}</p> };
        }
        let points = series.iter().flat_map(|series| &series.points);
        let lowest = points.map(|point| point.1).fold(100.0, f64::min);
        // The frame goes down to the lowest point, in whole tens: a hundred models' difference lies in the last percents.
        let floor = ((lowest - 1e-9) / 10.0).floor() * 10.0;
        let (floor, step) = if floor < 50.0 {
            (0.0, 20.0)
        } else {
            (floor.min(90.0), 10.0)
        };
        let lines = Lines {
            title: filled(t_string!(i18n, curves.chart), &[("class", &class)]),
            x: Axis::new(t_string!(i18n, curves.recall).to_string(), 0.0, 100.0, 20.0),
            y: Axis::new(t_string!(i18n, curves.precision).to_string(), floor, 100.0, step),
            series,
            bands: Vec::new(),
            size: Size::WIDE,
        };
        view! { <LineChart lines marker=Signal::stored(None)/> }
    };
    let legend = shown.with_untracked(|shown| {
        let keys = shown.models.iter().zip(1..);
        keys.map(|(model, number)| view! { <li>{name(number, &model.id.0)}</li> })
            .collect::<Vec<_>>()
    });
    view! {
        <Panel id="curves" full=true title=t!(i18n, curves.title) about=t!(i18n, compare.curves_about)>
            <div class="compare-set spaced">
                <label>
                    {t!(i18n, compare.class)}
                    <select on:change=move |event| {
                        let class = Some(event_target_value(&event)).filter(|class| !class.is_empty());
                        chosen.update(|choice| choice.class = class);
                    }>
                        <option value="">{t!(i18n, compare.all)}</option>
                        {options}
                    </select>
                </label>
            </div>
            <div class="dial">{live(chart)}</div>
            <ul class="legend">{legend}</ul>
        </Panel>
    }
}

/// The confusion matrix and the reliability of one model.
#[component]
pub(super) fn One(shown: RwSignal<ModelComparison>, ids: Vec<String>) -> impl IntoView {
    let i18n = use_i18n();
    // The reference is what the others are seen against, so the first other one is shown.
    let first = shown.with_untracked(|shown| shown.models.iter().position(|model| model.id != shown.reference));
    let picked = RwSignal::new(first.unwrap_or(0));
    let options: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| {
            let is_picked = at == picked.get_untracked();
            view! { <option value=at selected=is_picked>{format!("{} · {}", at + 1, short(id))}</option> }
        })
        .collect();
    let cell = RwSignal::<Option<(usize, usize)>>::new(None);
    let counts = Signal::derive(move || {
        shown.with(|shown| {
            let rows: Vec<String> = shown.classes.iter().map(ToString::to_string).collect();
            let unknown = t_string!(i18n, matrix.unknown).to_string();
            let model = shown.models.get(picked.get());
            Counts {
                columns: rows.iter().cloned().chain([unknown]).collect(),
                rows,
                counts: model
                    .map(|model| model.counted.metrics.confusion.clone())
                    .unwrap_or_default(),
            }
        })
    });
    let opened = move || {
        let (row, column) = cell.get()?;
        let counts = counts.get();
        let n = *counts.counts.get(row)?.get(column)?;
        let (row, column) = (counts.rows.get(row)?.clone(), counts.columns.get(column)?.clone());
        let id = shown.with(|shown| shown.models.get(picked.get()).map(|model| model.id.to_string()))?;
        Some(view! {
            <p>
                {t!(i18n, matrix.cell, n = n, row = row, column = column)}
                " "
                <a href=format!("/models/{id}#confusion")>{t!(i18n, compare.photos)}</a>
            </p>
        })
    };
    let diagram = move || {
        shown.with(|shown| {
            let at = picked.get();
            let model = shown.models.get(at)?;
            let mut others = shown.models.iter().zip(1..);
            let before = others.find(|(other, _)| other.id == shown.reference && other.id != model.id);
            let before =
                before.map(|(other, number)| (format!("{number} {}", short(&other.id.0)), &other.counted.reliability));
            let (before_is, before) = before.unzip();
            let names = [
                format!("{} {}", at + 1, short(&model.id.0)),
                before_is.unwrap_or_default(),
            ];
            Some(reliability::drawn(names, &model.counted.reliability, before))
        })
    };
    view! {
        <Panel id="one" full=true title=t!(i18n, compare.one) about=t!(i18n, compare.one_about)>
            <div class="compare-set spaced">
                <label>
                    {t!(i18n, compare.model)}
                    <select on:change=move |event| {
                        if let Ok(at) = event_target_value(&event).parse::<usize>() {
                            cell.set(None);
                            picked.set(at);
                        }
                    }>{options}</select>
                </label>
            </div>
            <div class="multiples two">
                <div class="multiple">
                    <h3>{t!(i18n, matrix.title)}</h3>
                    <Matrix counts chosen=cell/>
                    <div class="opened" aria-live="polite">{live(opened)}</div>
                </div>
                <div class="multiple">
                    <h3>{t!(i18n, reliability.title)}</h3>
                    {live(diagram)}
                </div>
            </div>
        </Panel>
    }
}
