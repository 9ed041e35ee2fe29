//! Curves as SVG, each with its numbers as a table.

use std::fmt::Write as _;

use domain::api::dial::{DialCount, DialPlace};
use domain::metrics::{Reliability, Suggested};
use domain::report::{ClassMetrics, CurvePoint};

use super::super::Review;
use super::super::words::Language;
use super::{escaped, percent};

/// Rows of a table beside a curve, at most.
const MOST_ROWS: usize = 12;

/// Precision over recall, a class at a time, with the thresholds that the points stand for.
pub(super) fn curves(out: &mut String, review: &Review, language: Language) {
    let title = language.say(
        "Precision over recall: candidate solid, baseline dashed, ring = the model's threshold",
        "精确率–召回率：实线为候选，虚线为基线，圆圈为模型阈值",
    );
    let _ = write!(out, "<h2>{title}</h2>");
    let report = &review.report;
    for (idx, (class, now)) in report.classes.iter().zip(&report.candidate.per_class).enumerate() {
        let baseline = report.baseline.as_ref();
        let before = baseline.and_then(|baseline| baseline.per_class.iter().find(|other| other.class == class.name));
        let points = |class: &ClassMetrics| -> Vec<(f64, f64)> {
            let curve = class.curve.iter();
            curve.map(|point| (point.recall, point.precision)).collect()
        };
        let name = escaped(class.name.as_str());
        let open = if idx == 0 { " open" } else { "" };
        let _ = write!(out, "<details{open}><summary>{name}</summary>");
        let mut lines = vec![Line::now(points(now))];
        lines.extend(before.map(|before| Line::before(points(before))));
        chart(out, &name, (0.0, 1.0), &lines, now.recall.zip(now.precision));
        let _ = write!(
            out,
            "<p>τ = {}: {} {} %, {} {} %.",
            class.tau,
            language.say("recall", "召回率"),
            percent(now.recall),
            language.say("precision", "精确率"),
            percent(now.precision)
        );
        let extras = review.metrics.iter().flat_map(|metrics| &metrics.candidate.classes);
        if let Some(extras) = extras.clone().find(|extras| extras.class == class.name) {
            suggested(
                out,
                language.say("Largest F1", "F1 最大"),
                extras.best_f1.as_ref(),
                language,
            );
            suggested(
                out,
                language.say("Precision 95 %", "精确率 95 %"),
                extras.at_precision.as_ref(),
                language,
            );
        }
        *out += "</p>";
        thresholds(out, &now.curve, language);
        *out += "</details>";
    }
}

fn suggested(out: &mut String, title: &str, found: Option<&Suggested>, language: Language) {
    let Some(found) = found else { return };
    let _ = write!(
        out,
        " <span class=\"dim\">{title}: τ = {:.4}, {} {} %, {} {} % ({}).</span>",
        found.threshold,
        language.say("recall", "召回率"),
        percent(Some(found.recall)),
        language.say("precision", "精确率"),
        percent(Some(found.precision)),
        language.say("on calibration photos", "基于校准照片")
    );
}

fn thresholds(out: &mut String, curve: &[CurvePoint], language: Language) {
    let _ = write!(
        out,
        "<table><thead><tr><th scope=\"col\" class=\"n\">{}</th><th scope=\"col\" class=\"n\">{}</th>\
         <th scope=\"col\" class=\"n\">{}</th></tr></thead>",
        language.say("threshold", "阈值"),
        language.say("recall, %", "召回率，%"),
        language.say("precision, %", "精确率，%")
    );
    for point in spread(curve) {
        let _ = write!(
            out,
            "<tr><td class=\"n\">{:.4}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            point.threshold,
            percent(Some(point.recall)),
            percent(Some(point.precision))
        );
    }
    *out += "</table>";
}

/// A few of many, evenly, both ends among them.
fn spread<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let last = all.len().saturating_sub(1);
    let n = all.len().min(MOST_ROWS);
    (0..n).filter_map(move |row| all.get(if n > 1 { row * last / (n - 1) } else { 0 }))
}

/// What the safety dial would cost and bring elsewhere.
pub(super) fn dial(out: &mut String, review: &Review, language: Language) {
    let Some(dial) = &review.dial else { return };
    let say = |en, zh| language.say(en, zh);
    let title = say("Safety dial, on calibration photos", "安全旋钮（校准照片）");
    let _ = write!(out, "<h2>{title}</h2>");
    let (Some(first), Some(last)) = (dial.places.first(), dial.places.last()) else {
        return;
    };
    let line = |share: fn(&DialPlace) -> Option<f64>, colour, dash| Line {
        points: dial
            .places
            .iter()
            .filter_map(|place| Some((place.offset, share(place)?)))
            .collect(),
        colour,
        dash,
    };
    let lost = |place: &DialPlace| summed(&place.old);
    let false_new = |place: &DialPlace| ratio(place.false_new.x, place.false_new.n);
    let recalled = |place: &DialPlace| summed(&place.new);
    let lines = [
        line(recalled, "#2f6fdb", ""),
        line(lost, "#b3261e", "6 3"),
        line(false_new, "#b07c10", "2 3"),
    ];
    let here = dial.places.iter().find(|place| place.offset == dial.offset);
    let here = here.and_then(|place| Some((place.offset, recalled(place)?)));
    chart(out, title, (first.offset, last.offset), &lines, here);
    let end = |end: Option<f64>| end.map_or_else(|| "–".to_owned(), |b| format!("{b:.2}"));
    let _ = write!(
        out,
        "<p class=\"dim\">{} {} {} {} b = {:.2}; {} {} … {}.</p>",
        say("Solid: new photos recognised.", "实线：识别出的新照片。"),
        say("Dashed: old photos lost.", "短划线：丢失的旧照片。"),
        say("Dotted: falsely new.", "点线：误报为新。"),
        say("The model stands at", "模型位于"),
        dial.offset,
        say("every target and budget is kept from", "全部目标与预算得到满足的区间："),
        end(dial.b_need),
        end(dial.b_safe)
    );
    let _ = write!(
        out,
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\" class=\"n\">b</th><th scope=\"col\" class=\"n\">{}</th>\
         <th scope=\"col\" class=\"n\">{}</th><th scope=\"col\" class=\"n\">{}</th></tr></thead>",
        say("old lost", "旧照片丢失"),
        say("falsely new", "误报为新"),
        say("new recognised", "新照片识别")
    );
    for place in spread(&dial.places) {
        let total = |counts: &[DialCount]| {
            let (x, n) = counts.iter().fold((0, 0), |(x, n), count| (x + count.x, n + count.n));
            format!("{x} / {n}")
        };
        let _ = write!(
            out,
            "<tr><td class=\"n\">{:.2}</td><td class=\"n\">{}</td><td class=\"n\">{} / {}</td><td class=\"n\">{}</td></tr>",
            place.offset,
            total(&place.old),
            place.false_new.x,
            place.false_new.n,
            total(&place.new)
        );
    }
    *out += "</table></div>";
}

fn summed(counts: &[DialCount]) -> Option<f64> {
    let (x, n) = counts.iter().fold((0, 0), |(x, n), count| (x + count.x, n + count.n));
    ratio(x, n)
}

#[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
fn ratio(x: u64, n: u64) -> Option<f64> {
    (n > 0).then(|| x as f64 / n as f64)
}

/// How far the probabilities are true.
pub(super) fn reliability(out: &mut String, review: &Review, language: Language) {
    let Some(metrics) = &review.metrics else { return };
    let title = language.say("Are the probabilities true?", "概率可信吗？");
    let points = |reliability: &Reliability| -> Vec<(f64, f64)> {
        let bins = reliability.bins.iter();
        bins.map(|bin| (bin.confidence, bin.accuracy)).collect()
    };
    let _ = write!(out, "<h2>{title}</h2>");
    let mut lines = vec![Line::now(points(&metrics.candidate.reliability))];
    let before = metrics.baseline.as_ref();
    lines.extend(before.map(|baseline| Line::before(points(&baseline.reliability))));
    chart(out, title, (0.0, 1.0), &lines, None);
    let _ = write!(
        out,
        "<p class=\"dim\">ECE {} % ({} {} %)</p>",
        percent(metrics.candidate.reliability.ece),
        language.say("baseline", "基线"),
        percent(before.and_then(|baseline| baseline.reliability.ece))
    );
}

struct Line {
    points: Vec<(f64, f64)>,
    colour: &'static str,
    dash: &'static str,
}

impl Line {
    const fn now(points: Vec<(f64, f64)>) -> Self {
        Self {
            points,
            colour: "#2f6fdb",
            dash: "",
        }
    }

    const fn before(points: Vec<(f64, f64)>) -> Self {
        Self {
            points,
            colour: "#888",
            dash: "5 4",
        }
    }
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 30.0;
const TOP: f64 = 10.0;

/// Lines between 0 and 1 over `range`; `title` is escaped already.
fn chart(out: &mut String, title: &str, range: (f64, f64), lines: &[Line], ring: Option<(f64, f64)>) {
    let width = (range.1 - range.0).max(f64::MIN_POSITIVE);
    let place = |(x, y): (f64, f64)| (LEFT + (x - range.0) / width * WIDTH, TOP + (1.0 - y) * HEIGHT);
    let (bottom, right) = (TOP + HEIGHT, LEFT + WIDTH);
    let end = |x: f64| {
        if x.fract() == 0.0 {
            format!("{x:.0}")
        } else {
            format!("{x:.1}")
        }
    };
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 440 235\" role=\"img\" aria-label=\"{title}\"><path d=\"M{LEFT} {TOP}V{bottom}H{right}\" \
         fill=\"none\" stroke=\"#999\"/><text x=\"26\" y=\"16\" text-anchor=\"end\">1</text><text x=\"26\" y=\"{bottom}\" \
         text-anchor=\"end\">0</text><text x=\"{LEFT}\" y=\"226\">{}</text><text x=\"{right}\" y=\"226\" \
         text-anchor=\"end\">{}</text>",
        end(range.0),
        end(range.1)
    );
    for line in lines.iter().rev() {
        let mut path = String::new();
        for (idx, point) in line.points.iter().enumerate() {
            let (x, y) = place(*point);
            let step = if idx == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{step}{x:.1} {y:.1}");
        }
        let _ = write!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>",
            line.colour, line.dash
        );
    }
    if let Some((x, y)) = ring.map(place) {
        let _ = write!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"none\" stroke=\"#2f6fdb\" stroke-width=\"2\"/>"
        );
    }
    *out += "</svg>";
}
