//! The review as one page that needs no server: text, tables, curves as SVG, pictures inside.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::gate::verdict::{Check, VerdictState};
use domain::metrics::Reliability;
use domain::names::ClassName;
use domain::report::{Answer, ClassMetrics};

use super::Review;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1a;\
background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;width:100%;\
font-size:.9rem}th,td{text-align:left;padding:.35rem .7rem .35rem 0;border-top:1px solid #ddd;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.banner{padding:1rem 1.2rem;border-radius:8px}\
.pass{background:#e7f4ea}.fail{background:#fbe7e4}.unproven{background:#fdf3d9}.tag{padding:.1rem .5rem;border-radius:4px;\
font-weight:600}.dim{color:#6a6a66}svg{width:100%;max-width:34rem;height:auto}figure{display:inline-block;width:8rem;\
margin:0 .6rem .6rem 0;vertical-align:top;font-size:.75rem}figure img{width:8rem;height:8rem;object-fit:cover;\
border-radius:4px}@media(prefers-color-scheme:dark){body{background:#191918;color:#eee}th,td{border-color:#444}\
.dim{color:#b5b5b0}.pass{background:#1c3a24}.fail{background:#472320}.unproven{background:#413616}}";

/// The page.
pub(super) fn page(review: &Review, is_zh: bool) -> String {
    let say = |en: &'static str, zh: &'static str| if is_zh { zh } else { en };
    let verdict = &review.verdict;
    let told = |en: &str, zh: &str| escaped(if is_zh && !zh.is_empty() { zh } else { en });
    let new: Vec<&str> = review.model.new_classes.iter().map(ClassName::as_str).collect();
    let title = if review.model.baseline.is_some() {
        format!("{} {}", say("Adds", "新增"), new.join(", "))
    } else {
        say("First model", "首个模型").to_owned()
    };
    let mut out = String::new();
    let lang = if is_zh { "zh" } else { "en" };
    let _ = write!(
        out,
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{0} · Rehead</title><style>{STYLE}</style></head><body><p class=\"dim\">{1} \
         {2}</p><h1>{0}</h1><div class=\"banner {3}\"><p><span class=\"tag\">{4}</span></p><p>{5}</p></div>",
        escaped(&title),
        say("Model", "模型"),
        escaped(&review.model.id.to_string()),
        verdict.state.as_str(),
        word(verdict.state, is_zh),
        told(&verdict.sentence, &verdict.sentence_zh)
    );
    classes(&mut out, review, is_zh);
    let _ = write!(out, "<h2>{}</h2><table>", say("What the verdict rests on", "裁决依据"));
    let mut checks: Vec<&Check> = verdict.checks.iter().collect();
    checks.sort_by_key(|check| match check.verdict {
        VerdictState::Fail => 0,
        VerdictState::Unproven => 1,
        VerdictState::Pass => 2,
    });
    for check in checks {
        let _ = write!(
            out,
            "<tr><td><span class=\"tag {0}\">{1}</span></td><td>{2}</td><td>{3}</td></tr>",
            check.verdict.as_str(),
            word(check.verdict, is_zh),
            check.id.as_str(),
            told(&check.sentence, &check.sentence_zh)
        );
    }
    out += "</table>";
    curves(&mut out, review, is_zh);
    reliability(&mut out, review, is_zh);
    flips(&mut out, review, is_zh);
    let _ = write!(out, "<h2>{}</h2><table>", say("Structure", "结构"));
    for fact in &review.report.structural.facts {
        let mark = if fact.holds { "✓" } else { "✗" };
        let _ = write!(
            out,
            "<tr><td>{mark} {}</td><td>{}</td></tr>",
            escaped(&fact.id),
            escaped(&fact.evidence)
        );
    }
    let _ = write!(
        out,
        "</table><p class=\"dim\">{} {} · α′ = {}</p></body></html>",
        say("Policy", "策略"),
        verdict.policy,
        verdict.alpha_per_look
    );
    out
}

const fn word(state: VerdictState, is_zh: bool) -> &'static str {
    match (state, is_zh) {
        (VerdictState::Pass, false) => "pass",
        (VerdictState::Fail, false) => "fail",
        (VerdictState::Unproven, false) => "unproven",
        (VerdictState::Pass, true) => "通过",
        (VerdictState::Fail, true) => "未通过",
        (VerdictState::Unproven, true) => "未证实",
    }
}

fn classes(out: &mut String, review: &Review, is_zh: bool) {
    let say = |en: &'static str, zh: &'static str| if is_zh { zh } else { en };
    let report = &review.report;
    let _ = write!(
        out,
        "<h2>{}</h2><table><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">{}</th><th scope=\"col\" class=\"n\">{}</th><th scope=\"col\" class=\"n\">{}</th><th \
         class=\"n\">{}</th><th scope=\"col\" class=\"n\">AP</th></tr>",
        say("Classes", "类别"),
        say("Class", "类别"),
        say("before, %", "之前，%"),
        say("now, %", "现在，%"),
        say("lost", "丢失"),
        say("precision, %", "精确率，%")
    );
    for (class, now) in report.classes.iter().zip(&report.candidate.per_class) {
        let baseline = report.baseline.iter().flat_map(|baseline| &baseline.per_class);
        let before = baseline.clone().find(|other| other.class == class.name);
        let losses = report.comparison.iter().flat_map(|comparison| &comparison.old_classes);
        let loss = losses.clone().find(|loss| loss.class == class.name);
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td \
             class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(class.name.as_str()),
            percent(before.and_then(|before| before.recall)),
            percent(now.recall),
            loss.map_or_else(
                || "–".to_owned(),
                |loss| format!("{} / {}", loss.images.x, loss.images.n)
            ),
            percent(now.precision),
            now.average_precision
                .map_or_else(|| "–".to_owned(), |ap| format!("{ap:.3}"))
        );
    }
    *out += "</table>";
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1}", share * 100.0))
}

const SIDE: f64 = 400.0;

fn curves(out: &mut String, review: &Review, is_zh: bool) {
    let title = if is_zh {
        "精确率–召回率"
    } else {
        "Precision–recall, candidate solid and baseline dashed"
    };
    let _ = write!(out, "<h2>{title}</h2>");
    for (idx, class) in review.report.candidate.per_class.iter().enumerate() {
        let before = review
            .report
            .baseline
            .as_ref()
            .and_then(|baseline| baseline.per_class.get(idx));
        let points = |class: &ClassMetrics| -> Vec<(f64, f64)> {
            class
                .curve
                .iter()
                .map(|point| (point.recall, point.precision))
                .collect()
        };
        let name = escaped(class.class.as_str());
        let _ = write!(
            out,
            "<details{}><summary>{name}</summary>",
            if idx == 0 { " open" } else { "" }
        );
        chart(out, &name, &points(class), before.map(points).as_deref());
        *out += "</details>";
    }
}

fn reliability(out: &mut String, review: &Review, is_zh: bool) {
    let Some(metrics) = &review.metrics else { return };
    let title = if is_zh {
        "概率可信吗？"
    } else {
        "Are the probabilities true?"
    };
    let points = |reliability: &Reliability| -> Vec<(f64, f64)> {
        reliability
            .bins
            .iter()
            .map(|bin| (bin.confidence, bin.accuracy))
            .collect()
    };
    let _ = write!(out, "<h2>{title}</h2>");
    let before = metrics.baseline.as_ref().map(|baseline| points(&baseline.reliability));
    chart(out, title, &points(&metrics.candidate.reliability), before.as_deref());
    let _ = write!(
        out,
        "<p class=\"dim\">ECE {}</p>",
        percent(metrics.candidate.reliability.ece)
    );
}

/// Two lines over the unit square.
fn chart(out: &mut String, title: &str, now: &[(f64, f64)], before: Option<&[(f64, f64)]>) {
    let path = |points: &[(f64, f64)]| {
        let mut path = String::new();
        for (idx, (x, y)) in points.iter().enumerate() {
            let step = if idx == 0 { 'M' } else { 'L' };
            let _ = write!(
                path,
                "{step}{:.1} {:.1}",
                30.0 + x * SIDE,
                10.0 + (1.0 - y) * SIDE / 2.0
            );
        }
        path
    };
    let (bottom, right) = (10.0 + SIDE / 2.0, 30.0 + SIDE);
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 440 235\" role=\"img\" aria-label=\"{title}\"><path d=\"M30 10V{bottom}H{right}\" fill=\"none\" \
         stroke=\"#999\"/><text x=\"26\" y=\"16\" font-size=\"11\" text-anchor=\"end\" fill=\"#888\">1</text><text x=\"26\" \
         y=\"{bottom}\" font-size=\"11\" text-anchor=\"end\" fill=\"#888\">0</text><text x=\"{right}\" y=\"226\" \
         font-size=\"11\" text-anchor=\"end\" fill=\"#888\">1</text>"
    );
    if let Some(before) = before {
        let _ = write!(
            out,
            "<path d=\"{}\" fill=\"none\" stroke=\"#888\" stroke-dasharray=\"5 4\"/>",
            path(before)
        );
    }
    let _ = write!(
        out,
        "<path d=\"{}\" fill=\"none\" stroke=\"#2f6fdb\" stroke-width=\"2\"/></svg>",
        path(now)
    );
}

fn flips(out: &mut String, review: &Review, is_zh: bool) {
    let Some(comparison) = &review.report.comparison else {
        return;
    };
    let title = if is_zh {
        "变错的照片"
    } else {
        "What was right and is not any more"
    };
    let _ = write!(
        out,
        "<h2>{title}</h2><p>{} / {}</p>",
        comparison.negative_flips.len(),
        comparison.n_right
    );
    let answer = |answer: &Answer| {
        let name = if answer.accepted { answer.class.as_str() } else { "?" };
        format!("{} {:.3}", escaped(name), answer.probability)
    };
    for flip in &comparison.negative_flips {
        let class = escaped(flip.class.as_str());
        let (before, after) = (answer(&flip.before), answer(&flip.after));
        // Too large, or one too many, for a file to hand on: its answers are told all the same.
        let picture = review.pictures.get(&flip.image).map_or_else(String::new, |bytes| {
            let media_type = if bytes.starts_with(&[0x89, b'P']) {
                "image/png"
            } else {
                "image/jpeg"
            };
            format!(
                "<img alt=\"{class}\" src=\"data:{media_type};base64,{}\">",
                STANDARD.encode(bytes)
            )
        });
        let _ = write!(
            out,
            "<figure>{picture}<figcaption><b>{class}</b> {before} → {after} <code>{}</code></figcaption></figure>",
            flip.image.short()
        );
    }
}

/// As text inside of an element or of a quoted attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text() {
        assert_eq!(escaped("<b>\"&'"), "&lt;b&gt;&quot;&amp;'");
    }
}
