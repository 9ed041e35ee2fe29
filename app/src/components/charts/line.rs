//! Lines over two axes, with bands, a marker that moves, and the nearest point under the pointer.

use leptos::ev::PointerEvent;
use leptos::html::Div;
use leptos::prelude::*;

use crate::components::{live, view};
use crate::language::{t, use_i18n};

const LEFT: f64 = 40.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Rows of the table behind the chart: more would not be read.
const MOST_ROWS: usize = 50;
/// Rows of a line in it, however many lines there are: enough to see which way it goes.
const LEAST_ROWS: usize = 5;

/// A linear axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// What it measures, with its unit.
    pub(crate) label: String,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Where lines and numbers stand.
    pub(crate) ticks: Vec<f64>,
}

impl Axis {
    /// From `min` to `max` with a tick every `step`.
    pub(crate) fn new(label: String, min: f64, max: f64, step: f64) -> Self {
        let mut ticks = Vec::new();
        let mut tick = min;
        while tick <= max + step * 1e-6 {
            ticks.push(tick);
            tick += step;
        }
        Self { label, min, max, ticks }
    }

    fn share(&self, value: f64) -> f64 {
        ((value - self.min) / (self.max - self.min)).clamp(0.0, 1.0)
    }
}

/// The drawing's measures; letters are as large on a small one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    width: f64,
    height: f64,
}

impl Size {
    /// A chart of its own.
    pub(crate) const LARGE: Self = Self {
        width: 560.0,
        height: 280.0,
    };
    /// One of two above each other.
    pub(crate) const WIDE: Self = Self {
        width: 560.0,
        height: 180.0,
    };
    /// One of many.
    pub(crate) const SMALL: Self = Self {
        width: 280.0,
        height: 170.0,
    };
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// Its name in the legend and the table.
    pub(crate) name: String,
    /// Class of the style: `candidate` (solid), `baseline` (dashed), `ghost`, `line-1` … `line-10`, and on the dial
    /// `budget`, `stands`, `end`.
    pub(crate) style: String,
    /// In order.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A stretch of the x axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// A point that stands for a choice, and what to say there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Marker {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) text: String,
}

/// A third number of every point, said beside the two that are drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Third {
    /// What it is.
    pub(crate) label: String,
    /// Of each line the numbers of its points; shorter where some have none.
    pub(crate) values: Vec<Vec<f64>>,
}

impl Third {
    fn of(&self, series: usize, point: usize) -> Option<String> {
        let value = self.values.get(series)?.get(point)?;
        Some(format!("{value:.3}"))
    }
}

/// Everything that does not move.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lines {
    /// The chart in one sentence, for those who do not see it.
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Drawn in order, the first on top.
    pub(crate) series: Vec<Series>,
    pub(crate) bands: Vec<Band>,
    pub(crate) size: Size,
}

impl Lines {
    fn x_of(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (self.size.width - LEFT - RIGHT)
    }

    fn y_of(&self, value: f64) -> f64 {
        self.bottom() - self.y.share(value) * (self.bottom() - TOP)
    }

    fn right(&self) -> f64 {
        self.size.width - RIGHT
    }

    fn bottom(&self) -> f64 {
        self.size.height - BOTTOM
    }
}

/// The chart.
#[component]
pub(crate) fn LineChart(
    lines: Lines,
    #[prop(into)] marker: Signal<Option<Marker>>,
    /// Where another line stands at the same choice.
    #[prop(optional)]
    other: Option<Signal<Option<Marker>>>,
    #[prop(optional)] third: Option<Third>,
) -> impl IntoView {
    let under = RwSignal::<Option<(usize, usize)>>::new(None);
    let frame = NodeRef::<Div>::new();
    let drawn = StoredValue::new(lines.clone());
    let thirds = StoredValue::new(third.clone());
    let point_at = move |event: PointerEvent| {
        let Some(frame) = frame.get_untracked() else { return };
        let rect = frame.get_bounding_client_rect();
        if rect.width() > 0.0 {
            let scale = drawn.with_value(|lines| lines.size.width) / rect.width();
            let x = (f64::from(event.client_x()) - rect.left()) * scale;
            let y = (f64::from(event.client_y()) - rect.top()) * scale;
            under.set(drawn.with_value(|lines| nearest(lines, x, y)));
        }
    };
    let tip = move || {
        let (series, point) = under.get()?;
        let more = thirds.with_value(|third| {
            let third = third.as_ref()?;
            Some(format!(" · {} {}", third.label, third.of(series, point)?))
        });
        drawn.with_value(|lines| {
            let series = lines.series.get(series)?;
            let (x, y) = *series.points.get(point)?;
            let (x_text, y_text, more) = (number(x), number(y), more.unwrap_or_default());
            let text = format!("{}: {x_text} · {y_text}{more}", series.name);
            Some(flag(lines, "tip", x, y, text))
        })
    };
    let mark_at = move |class: &'static str, marker: Option<Marker>| {
        let marker = marker?;
        drawn.with_value(|lines| Some(flag(lines, class, marker.x, marker.y, marker.text)))
    };
    let mark = move || {
        let beneath = mark_at("marker other", other.and_then(|other| other.get()));
        view! { {beneath} {mark_at("marker", marker.get())} }
    };
    let bottom = lines.bottom();
    let bands: Vec<_> = lines
        .bands
        .iter()
        .map(|band| {
            let (from, to) = (lines.x_of(band.from), lines.x_of(band.to));
            view! { <rect class="chart-band" x=from y=TOP width=(to - from).max(0.0) height=bottom - TOP/> }
        })
        .collect();
    let paths: Vec<_> = lines
        .series
        .iter()
        .rev()
        .map(|series| view! { <path class=format!("chart-line {}", series.style) d=path(&lines, series)/> })
        .collect();
    view! {
        <figure class="chart">
            <div
                class="chart-frame"
                node_ref=frame
                on:pointermove=point_at
                on:pointerleave=move |_| under.set(None)
            >
                <svg viewBox=format!("0 0 {} {}", lines.size.width, lines.size.height) role="img" aria-label=lines.title.clone()>
                    {bands}
                    {grid(&lines)}
                    {paths}
                    {live(mark)}
                    {live(tip)}
                </svg>
            </div>
            <Behind lines=lines.clone() third/>
        </figure>
    }
}

/// Lines, numbers and names of both axes.
fn grid(lines: &Lines) -> AnyView {
    let (right, bottom) = (lines.right(), lines.bottom());
    let rows: Vec<_> = lines
        .y
        .ticks
        .iter()
        .map(|tick| {
            let y = lines.y_of(*tick);
            view! {
                <line class="chart-grid" x1=LEFT x2=right y1=y y2=y/>
                <text class="chart-tick" x=LEFT - 8.0 y=y + 4.0 text-anchor="end">{number(*tick)}</text>
            }
        })
        .collect();
    let columns: Vec<_> = lines
        .x
        .ticks
        .iter()
        .map(|tick| {
            let x = lines.x_of(*tick);
            view! { <text class="chart-tick" x=x y=bottom + 16.0 text-anchor="middle">{number(*tick)}</text> }
        })
        .collect();
    view! {
        {rows}
        {columns}
        <text class="chart-axis" x=right y=lines.size.height - 3.0 text-anchor="end">{lines.x.label.clone()}</text>
        <text class="chart-axis" x=LEFT + 6.0 y=bottom - 6.0>{lines.y.label.clone()}</text>
    }
}

/// A point with its words, which stay inside the frame.
fn flag(lines: &Lines, class: &'static str, x: f64, y: f64, text: String) -> AnyView {
    let (x, y) = (lines.x_of(x), lines.y_of(y));
    let (anchor, dx) = if x > lines.size.width / 2.0 {
        ("end", -10.0)
    } else {
        ("start", 10.0)
    };
    let dy = if y < lines.size.height / 2.0 { 20.0 } else { -10.0 };
    let text = (!text.is_empty()).then(|| view! { <text x=x + dx y=y + dy text-anchor=anchor>{text}</text> });
    view! {
        <g class=format!("chart-{class}")>
            <circle cx=x cy=y r="5"/>
            {text}
        </g>
    }
}

fn path(lines: &Lines, series: &Series) -> String {
    let mut d = String::new();
    for (idx, (x, y)) in series.points.iter().enumerate() {
        let command = if idx == 0 { 'M' } else { 'L' };
        d.push_str(&format!("{command}{:.1},{:.1}", lines.x_of(*x), lines.y_of(*y)));
    }
    d
}

/// The point nearest to a place of the drawing, among lines that can be told apart.
fn nearest(lines: &Lines, x: f64, y: f64) -> Option<(usize, usize)> {
    let mut best: Option<(f64, (usize, usize))> = None;
    for (series_idx, series) in lines.series.iter().enumerate() {
        if series.style == "ghost" {
            continue;
        }
        for (idx, point) in series.points.iter().enumerate() {
            let (dx, dy) = (lines.x_of(point.0) - x, lines.y_of(point.1) - y);
            let distance = dx.hypot(dy);
            if best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, (series_idx, idx)));
            }
        }
    }
    best.map(|(_, at)| at)
}

/// The numbers behind the lines.
#[component]
fn Behind(lines: Lines, third: Option<Third>) -> impl IntoView {
    let i18n = use_i18n();
    let most = (MOST_ROWS / lines.series.len().max(1)).max(LEAST_ROWS);
    let rows: Vec<_> = lines
        .series
        .iter()
        .enumerate()
        .flat_map(|(at, series)| {
            let third = third.as_ref();
            let step = series.points.len().div_ceil(most).max(1);
            let last = series.points.len().saturating_sub(1);
            let name = series.name.clone();
            series
                .points
                .iter()
                .enumerate()
                .filter(move |(idx, _)| idx % step == 0 || *idx == last)
                .map(move |(idx, (x, y))| {
                    let third = third.map(|third| {
                        view! { <td class="n">{third.of(at, idx).unwrap_or_else(|| "–".to_owned())}</td> }
                    });
                    view! {
                        <tr>
                            <th scope="row">{name.clone()}</th>
                            <td class="n">{number(*x)}</td>
                            <td class="n">{number(*y)}</td>
                            {third}
                        </tr>
                    }
                })
        })
        .collect();
    view! {
        <details class="data">
            <summary>{t!(i18n, chart.table)}</summary>
            <div class="data-scroll" tabindex="0" role="region" aria-label=lines.title.clone()>
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">{t!(i18n, chart.line)}</th>
                            <th scope="col" class="n">{lines.x.label.clone()}</th>
                            <th scope="col" class="n">{lines.y.label.clone()}</th>
                            {third.map(|third| view! { <th scope="col" class="n">{third.label}</th> })}
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(ToOwned::to_owned).unwrap_or(text)
}
