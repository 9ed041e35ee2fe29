//! Precision–recall of candidate and baseline, of one class or all, and the threshold that moves every number on the page:
//! that of the shown class alone, or of all.

use domain::judge;
use domain::report::{ClassMetrics, CurvePoint, EvaluationReport, ModelMetrics};
use domain::scores::SealedScores;
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::Judgement;
use super::what_if::Moved;
use crate::components::charts::line::{Axis, LineChart, Lines, Marker, Series, Size, Third};
use crate::components::number::{percent, share};
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
    moved: RwSignal<Moved>,
    scores: RwSignal<Option<SealedScores>>,
) -> impl IntoView {
    let i18n = use_i18n();
    // None: all of them. What is new is what one came to see.
    let first = report
        .classes
        .iter()
        .position(|class| class.is_new && report.comparison.is_some());
    let chosen = RwSignal::new(Some(first.unwrap_or(0)));
    let n_classes = report.classes.len();
    let chip = |of: Option<usize>, name: AnyView| {
        view! {
            <button
                type="button"
                class="chip"
                aria-pressed=move || (chosen.get() == of).to_string()
                on:click=move |_| chosen.set(of)
            >
                {name}
            </button>
        }
    };
    let names = report.classes.iter().map(|class| class.name.to_string().into_any());
    let mut chips: Vec<_> = names.enumerate().map(|(idx, name)| chip(Some(idx), name)).collect();
    chips.push(chip(None, t!(i18n, curves.all)));
    let mark = move |place: fn(&EvaluationReport, Option<usize>) -> Option<Place>, text: bool| {
        let of = chosen.get();
        judged.with(|judged| {
            let place = place(&judged.report, of)?;
            let tau = tau_of(&judged.report, of);
            let (recall, precision) = (percent(place.recall), percent(place.precision));
            let said = [("tau", tau.as_str()), ("recall", &recall), ("precision", &precision)];
            let text = if text {
                filled(t_string!(i18n, curves.marker), &said)
            } else {
                String::new()
            };
            Some(Marker {
                x: place.recall * 100.0,
                y: place.precision * 100.0,
                text,
            })
        })
    };
    let chart = {
        let report = report.clone();
        move || {
            let of = chosen.get();
            let (x, y) = (
                t_string!(i18n, curves.recall).to_string(),
                t_string!(i18n, curves.precision).to_string(),
            );
            let names = (
                t_string!(i18n, curves.candidate).to_string(),
                t_string!(i18n, curves.baseline).to_string(),
            );
            let class = of.map_or_else(
                || t_string!(i18n, curves.all).to_string(),
                |idx| report.classes[idx].name.to_string(),
            );
            let title = filled(t_string!(i18n, curves.chart), &[("class", &class)]);
            // Only the curve of all classes is made of the answers, which come after the page.
            let together = of
                .is_none()
                .then(|| scores.with(|scores| scores.as_ref().map(together)))
                .flatten();
            let (lines, third) = lines(&report, of, together, title, (x, y), names);
            let marker = Signal::derive(move || mark(now, true));
            let other = Signal::derive(move || mark(before, false));
            view! { <LineChart lines marker other third/> }
        }
    };
    let told = move || {
        let of = chosen.get();
        judged.with(|judged| {
            let said = |place: Option<Place>| {
                place.map_or_else(
                    || ["–".to_owned(), "–".to_owned()],
                    |place| [percent(place.recall), percent(place.precision)],
                )
            };
            let [recall, precision] = said(now(&judged.report, of));
            let tau = tau_of(&judged.report, of);
            let Some(was) = before(&judged.report, of) else {
                return t!(
                    i18n,
                    curves.told_alone,
                    tau = tau,
                    recall = recall,
                    precision = precision
                );
            };
            let [recall_before, precision_before] = said(Some(was));
            t!(
                i18n,
                curves.told,
                tau = tau,
                recall = recall,
                precision = precision,
                recall_before = recall_before,
                precision_before = precision_before
            )
        })
    };
    let average = {
        let report = report.clone();
        move || {
            let text = |class: Option<&ClassMetrics>| {
                class
                    .and_then(|class| class.average_precision)
                    .map_or_else(|| "–".to_owned(), |ap| format!("{ap:.3}"))
            };
            let of = chosen.get()?;
            let now = text(report.candidate.per_class.get(of));
            let baseline = report.baseline.as_ref();
            Some(match baseline.and_then(|baseline| baseline.per_class.get(of)) {
                Some(was) => t!(i18n, curves.average, now = now, before = text(Some(was))),
                None => t!(i18n, curves.average_alone, now = now),
            })
        }
    };
    let at = move || {
        let of = chosen.get().unwrap_or(0);
        judged.with(|judged| judged.report.classes.get(of).map_or(LEAST, |class| class.tau))
    };
    let shown = move || judged.with(|judged| tau_of(&judged.report, chosen.get()));
    let is_moved = move || judged.with(|judged| judged.is_moved);
    let own = tau_of(&report, None);
    let whose = move || match chosen.get() {
        Some(idx) => judged
            .with(|judged| judged.report.classes.get(idx).map(|class| class.name.to_string()))
            .into_any(),
        None => t!(i18n, curves.all),
    };
    view! {
        <Panel
            id="curves"
            wide=true
            title=t!(i18n, curves.title)
            about=t!(i18n, curves.about)
        >
            <div class="chips" role="group" aria-label=move || t_string!(i18n, classes.class)>{chips}</div>
            {live(chart)}
            <p class="dim">{live(told)}</p>
            <p class="dim">{live(average)}</p>
            <div class="slider">
                <label for="tau">{t!(i18n, curves.threshold)} " " {live(whose)}</label>
                <input
                    id="tau"
                    type="range"
                    min=LEAST
                    max=MOST
                    step="0.001"
                    prop:value=at
                    value=at
                    disabled=move || scores.read().is_none()
                    aria-valuetext=shown
                    on:input=move |event| {
                        if let Ok(value) = event_target_value(&event).parse::<f64>() {
                            moved.update(|moved| moved.set(chosen.get_untracked(), value, n_classes));
                        }
                    }
                />
                <output for="tau">{shown}</output>
                <button type="button" class="button" disabled=move || !is_moved() on:click=move |_| moved.set(Moved::default())>
                    {t!(i18n, curves.reset)}
                </button>
            </div>
            <p class="dim">{t!(i18n, curves.own, tau = own)}</p>
        </Panel>
    }
}

/// A point of a curve, as shares.
struct Place {
    recall: f64,
    precision: f64,
}

/// Where the candidate stands.
fn now(report: &EvaluationReport, of: Option<usize>) -> Option<Place> {
    place(&report.candidate, of)
}

/// Where the baseline stands at the same thresholds.
fn before(report: &EvaluationReport, of: Option<usize>) -> Option<Place> {
    place(report.baseline.as_ref()?, of)
}

fn place(model: &ModelMetrics, of: Option<usize>) -> Option<Place> {
    let Some(class) = of else {
        let right = model.n_accepted_right;
        return Some(Place {
            recall: share(right, model.n_known)?,
            precision: share(right, right + model.n_accepted_wrong)?,
        });
    };
    let class = model.per_class.get(class)?;
    Some(Place {
        recall: class.recall?,
        precision: class.precision?,
    })
}

/// The threshold of a class; of all the lowest and the highest, where they differ.
fn tau_of(report: &EvaluationReport, of: Option<usize>) -> String {
    if let Some(class) = of.and_then(|of| report.classes.get(of)) {
        return format!("{:.3}", class.tau);
    }
    let taus = || report.classes.iter().map(|class| class.tau);
    let (low, high) = (taus().fold(f64::MAX, f64::min), taus().fold(0.0, f64::max));
    if low < high {
        format!("{low:.2}–{high:.2}")
    } else {
        format!("{high:.3}")
    }
}

/// The curves of candidate and baseline over all their classes.
fn together(scores: &SealedScores) -> [Vec<CurvePoint>; 2] {
    let baseline = scores.baseline.as_ref();
    [
        judge::of_all(scores, &scores.candidate, scores.classes.len()),
        baseline
            .map(|baseline| judge::of_all(scores, baseline, scores.n_old))
            .unwrap_or_default(),
    ]
}

/// What is chosen of both models in front, the candidate's other classes behind; and the thresholds of their points.
fn lines(
    report: &EvaluationReport,
    of: Option<usize>,
    together: Option<[Vec<CurvePoint>; 2]>,
    title: String,
    (x, y): (String, String),
    (candidate, baseline): (String, String),
) -> (Lines, Third) {
    let mut series = Vec::new();
    let mut thresholds = Vec::new();
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
        thresholds.push(curve.iter().map(|point| point.threshold).collect());
        series.push(Series {
            name,
            style: style.to_owned(),
            points: curve
                .iter()
                .map(|point| (point.recall * 100.0, point.precision * 100.0))
                .collect(),
        });
    };
    let before = report.baseline.as_ref();
    match (of, &together) {
        (Some(of), _) => {
            if let Some(class) = report.candidate.per_class.get(of) {
                push(&class.curve, candidate, "candidate");
            }
            if let Some(class) = before.and_then(|before| before.per_class.get(of)) {
                push(&class.curve, baseline, "baseline");
            }
        }
        (None, Some([now, before])) => {
            push(now, candidate, "candidate");
            push(before, baseline, "baseline");
        }
        (None, None) => {}
    }
    for (other, class) in report.candidate.per_class.iter().enumerate() {
        if of != Some(other) {
            push(&class.curve, class.class.to_string(), "ghost");
        }
    }
    // The frame goes down to the lowest point, in whole tens, so that a steep fall stays inside it.
    let floor = ((lowest * 10.0 - 1e-9).floor() * 10.0).clamp(0.0, 80.0);
    let step = if floor < 50.0 { 20.0 } else { 10.0 };
    let lines = Lines {
        title,
        x: Axis::new(x, 0.0, 100.0, 20.0),
        y: Axis::new(y, if floor < 50.0 { 0.0 } else { floor }, 100.0, step),
        series,
        bands: Vec::new(),
        size: Size::LARGE,
    };
    let third = Third {
        label: "τ".to_owned(),
        values: thresholds,
    };
    (lines, third)
}
