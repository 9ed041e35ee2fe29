//! Precision–recall of candidate and baseline, one class or all, and the threshold that moves every number on the page.

use domain::report::{ClassMetrics, CurvePoint, EvaluationReport};
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::{Judgement, own_taus};
use crate::components::charts::line::{Axis, LineChart, Lines, Marker, Series, Size};
use crate::components::number::percent;
use crate::components::panel::Panel;
use crate::components::{live, view};
use crate::language::{filled, t, use_i18n};

/// Where the slider may stand: below a half, more than one class could be accepted.
pub(super) const LEAST: f64 = 0.5;
pub(super) const MOST: f64 = 0.999;

#[component]
pub(super) fn Curves(
    report: EvaluationReport,
    judged: Memo<Judgement>,
    /// The threshold of all classes; none where each has its own.
    tau: RwSignal<Option<f64>>,
    /// The scores are there: the slider may move.
    ready: Signal<bool>,
) -> impl IntoView {
    let i18n = use_i18n();
    // What is new is what one came to see; else the class that lost most.
    let first = report
        .classes
        .iter()
        .position(|class| class.is_new && report.comparison.is_some())
        .unwrap_or(0);
    let chosen = RwSignal::new(first);
    let names: Vec<String> = report.classes.iter().map(|class| class.name.to_string()).collect();
    let chips: Vec<_> = names
        .iter()
        .cloned()
        .enumerate()
        .map(|(idx, name)| {
            view! {
                <button
                    type="button"
                    class="chip"
                    aria-pressed=move || (chosen.get() == idx).to_string()
                    on:click=move |_| chosen.set(idx)
                >
                    {name}
                </button>
            }
        })
        .collect();
    let chart = {
        let report = report.clone();
        move || {
            let idx = chosen.get();
            let (x, y) = (
                t_string!(i18n, curves.recall).to_string(),
                t_string!(i18n, curves.precision).to_string(),
            );
            let names = (
                t_string!(i18n, curves.candidate).to_string(),
                t_string!(i18n, curves.baseline).to_string(),
            );
            let class = report.classes[idx].name.to_string();
            let title = filled(t_string!(i18n, curves.chart), &[("class", &class)]);
            let lines = lines(&report, idx, title, (x, y), names);
            let marker = Signal::derive(move || {
                judged.with(|judged| {
                    let class = &judged.report.candidate.per_class[idx];
                    let tau = judged.moved_to.unwrap_or(judged.report.classes[idx].tau);
                    let (recall, precision) = (class.recall?, class.precision?);
                    Some(Marker {
                        x: recall * 100.0,
                        y: precision * 100.0,
                        text: filled(
                            t_string!(i18n, curves.marker),
                            &[
                                ("tau", &format!("{tau:.3}")),
                                ("recall", &percent(recall)),
                                ("precision", &percent(precision)),
                            ],
                        ),
                    })
                })
            });
            view! { <LineChart lines marker/> }
        }
    };
    let average = {
        let report = report.clone();
        move || {
            let idx = chosen.get();
            let text = |class: Option<&ClassMetrics>| {
                class
                    .and_then(|class| class.average_precision)
                    .map_or_else(|| "–".to_owned(), |ap| format!("{ap:.3}"))
            };
            let now = text(report.candidate.per_class.get(idx));
            let before = text(
                report
                    .baseline
                    .as_ref()
                    .and_then(|baseline| baseline.per_class.get(idx)),
            );
            t!(i18n, curves.average, now = now, before = before)
        }
    };
    let own = own_taus(&report);
    let start = own.first().copied().unwrap_or(LEAST);
    let own: Vec<String> = own.iter().map(|tau| format!("{tau:.2}")).collect();
    let own = own.join(", ");
    let at = move || tau.get().unwrap_or(start);
    let moved = move || judged.with(|judged| judged.moved_to.is_some());
    view! {
        <Panel
            id="curves"
            wide=true
            title=t!(i18n, curves.title)
            about=t!(i18n, curves.about)
        >
            <div class="chips" role="group" aria-label=move || t_string!(i18n, classes.class)>{chips}</div>
            {live(chart)}
            <p class="dim">{live(average)}</p>
            <div class="slider">
                <label for="tau">{t!(i18n, curves.threshold)}</label>
                <input
                    id="tau"
                    type="range"
                    min=LEAST
                    max=MOST
                    step="0.001"
                    prop:value=at
                    value=start
                    disabled=move || !ready.get()
                    aria-valuetext=move || format!("{:.3}", at())
                    on:input=move |event| {
                        if let Ok(value) = event_target_value(&event).parse::<f64>() {
                            tau.set(Some(value));
                        }
                    }
                />
                <output for="tau">{move || format!("{:.3}", at())}</output>
                <button type="button" class="button" disabled=move || !moved() on:click=move |_| tau.set(None)>
                    {t!(i18n, curves.reset)}
                </button>
            </div>
            <p class="dim" role="status">
                {move || {
                    if moved() { Some(t!(i18n, curves.moved, tau = own)) } else { None }
                }}
            </p>
        </Panel>
    }
}

/// The chosen class of both models in front, the candidate's other classes behind.
fn lines(
    report: &EvaluationReport,
    idx: usize,
    title: String,
    (x, y): (String, String),
    (candidate, baseline): (String, String),
) -> Lines {
    let mut series = Vec::new();
    let mut lowest = 1.0_f64;
    let mut push = |curve: &[CurvePoint], name: String, style: &str| {
        if curve.is_empty() {
            return;
        }
        // Once everything is found precision only falls, down to the share of the class: that tail says nothing.
        let most = curve.iter().map(|point| point.recall).fold(0.0, f64::max);
        let found = curve.iter().position(|point| point.recall >= most).unwrap_or_default();
        lowest = curve
            .iter()
            .take(found + 1)
            .map(|point| point.precision)
            .fold(lowest, f64::min);
        series.push(Series {
            name,
            style: style.to_owned(),
            points: curve
                .iter()
                .map(|point| (point.recall * 100.0, point.precision * 100.0))
                .collect(),
        });
    };
    if let Some(class) = report.candidate.per_class.get(idx) {
        push(&class.curve, candidate, "candidate");
    }
    let before = report
        .baseline
        .as_ref()
        .and_then(|baseline| baseline.per_class.get(idx));
    if let Some(class) = before {
        push(&class.curve, baseline, "baseline");
    }
    for (other, class) in report.candidate.per_class.iter().enumerate() {
        if other != idx {
            push(&class.curve, class.class.to_string(), "ghost");
        }
    }
    // The frame goes down to the lowest point, in whole tens, so that a steep fall stays inside it.
    let floor = ((lowest * 10.0 - 1e-9).floor() * 10.0).clamp(0.0, 80.0);
    let step = if floor < 50.0 { 20.0 } else { 10.0 };
    Lines {
        title,
        x: Axis::new(x, 0.0, 100.0, 20.0),
        y: Axis::new(y, if floor < 50.0 { 0.0 } else { floor }, 100.0, step),
        series,
        bands: Vec::new(),
        size: Size::LARGE,
    }
}
