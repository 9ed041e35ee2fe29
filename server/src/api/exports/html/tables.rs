//! Classes, checks, confusion and structure as tables.

use std::cmp::Reverse;
use std::fmt::Write as _;

use domain::gate::policy::CheckId;
use domain::gate::verdict::{Check, Verdict, VerdictState};
use domain::names::ClassName;
use domain::report::ModelMetrics;

use super::super::Review;
use super::super::words::Language;
use super::{escaped, percent};

/// One row a class, with the check that says most of it.
pub(super) fn classes(out: &mut String, review: &Review, language: Language) {
    let say = |en, zh| language.say(en, zh);
    let report = &review.report;
    let heads = [
        say("before, %", "之前，%"),
        say("now, %", "现在，%"),
        say("lost", "丢失"),
        say("precision before, %", "之前精确率，%"),
        say("precision now, %", "现在精确率，%"),
        "AP",
        say("threshold", "阈值"),
        say("bound, %", "界，%"),
        say("limit, %", "限值，%"),
    ];
    let _ = write!(
        out,
        "<h2>{}</h2><div class=\"scroll\"><table><thead><tr><th scope=\"col\">{}</th>",
        say("Classes", "各类别"),
        say("class", "类别")
    );
    for head in heads {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{head}</th>");
    }
    let _ = write!(out, "<th scope=\"col\">{}</th></tr></thead>", say("verdict", "结论"));
    for (class, now) in report.classes.iter().zip(&report.candidate.per_class) {
        let baseline = report.baseline.iter().flat_map(|baseline| &baseline.per_class);
        let before = baseline.clone().find(|other| other.class == class.name);
        let mut losses = report.comparison.iter().flat_map(|comparison| &comparison.old_classes);
        let loss = losses.find(|loss| loss.class == class.name);
        let lost = loss.map_or_else(
            || "–".to_owned(),
            |loss| format!("{} / {}", loss.images.x, loss.images.n),
        );
        let is_new = class.is_new && report.comparison.is_some();
        let kind = if is_new { say(" new", " 新") } else { "" };
        let deciding = deciding(&review.verdict, &class.name);
        let cells = [
            percent(before.and_then(|before| before.recall)),
            percent(now.recall),
            lost,
            percent(before.and_then(|before| before.precision)),
            percent(now.precision),
            now.average_precision
                .map_or_else(|| "–".to_owned(), |ap| format!("{ap:.3}")),
            class.tau.to_string(),
            deciding.map_or_else(|| "–".to_owned(), bound),
            deciding.map_or_else(|| "–".to_owned(), limit),
        ];
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}<span class=\"dim\">{kind}</span></th>",
            escaped(class.name.as_str())
        );
        for cell in cells {
            let _ = write!(out, "<td class=\"n\">{cell}</td>");
        }
        let _ = write!(
            out,
            "<td>{}</td></tr>",
            deciding.map_or_else(String::new, |check| tag(check, language))
        );
    }
    *out += "</table></div>";
}

/// Of a class's checks the one that is furthest from passing; the first of equals.
fn deciding<'a>(verdict: &'a Verdict, class: &ClassName) -> Option<&'a Check> {
    let mine = verdict
        .checks
        .iter()
        .filter(|check| check.class.as_ref() == Some(class));
    mine.min_by_key(|check| Reverse(severity(check.verdict)))
}

const fn severity(state: VerdictState) -> u8 {
    match state {
        VerdictState::Fail => 2,
        VerdictState::Unproven => 1,
        VerdictState::Pass => 0,
    }
}

/// Whether a check is passed from a limit on, not up to it.
const fn is_floor(id: CheckId) -> bool {
    matches!(
        id,
        CheckId::NewRecall | CheckId::NewPrecision | CheckId::ClassRecall | CheckId::ClassPrecision
    )
}

/// Checks whose numbers are no proportions.
const fn is_share(id: CheckId) -> bool {
    !matches!(
        id,
        CheckId::Structural | CheckId::Coverage | CheckId::Latency | CheckId::Size | CheckId::Looks
    )
}

/// What is certain, rounded away from what it would excuse.
fn bound(check: &Check) -> String {
    if is_floor(check.id) || check.id == CheckId::RecallChange {
        let down = |lower: f64| format!("≥ {:.1}", (lower * 1000.0 + 1e-9).floor() / 10.0);
        check.lower.map_or_else(|| "–".to_owned(), down)
    } else {
        let up = |upper: f64| format!("≤ {:.1}", (upper * 1000.0 - 1e-9).ceil() / 10.0);
        check.upper.map_or_else(|| "–".to_owned(), up)
    }
}

fn limit(check: &Check) -> String {
    let sign = match check.id {
        CheckId::RecallChange => "≥ −",
        id if is_floor(id) => "≥ ",
        _ => "≤ ",
    };
    format!("{sign}{}", trimmed(check.limit * 100.0))
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn tag(check: &Check, language: Language) -> String {
    format!(
        "<span class=\"tag {}\">{}</span>",
        check.verdict.as_str(),
        language.state(check.verdict)
    )
}

/// Every check, what is not passed first.
pub(super) fn checks(out: &mut String, review: &Review, language: Language) {
    let say = |en, zh| language.say(en, zh);
    let _ = write!(
        out,
        "<h2>{}</h2><div class=\"scroll\"><table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\">{}</th>\
         <th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">x / n</th><th scope=\"col\" class=\"n\">{}</th>\
         <th scope=\"col\" class=\"n\">{}</th><th scope=\"col\">{}</th></tr></thead>",
        say("What the verdict rests on", "结论依据"),
        say("verdict", "结论"),
        say("check", "检查"),
        say("class", "类别"),
        say("bound, %", "界，%"),
        say("limit, %", "限值，%"),
        say("in words", "说明")
    );
    let mut checks: Vec<&Check> = review.verdict.checks.iter().collect();
    checks.sort_by_key(|check| Reverse(severity(check.verdict)));
    for check in checks {
        let class = check.class.as_ref().map_or("", ClassName::as_str);
        let (counted, bound, limit) = if is_share(check.id) {
            (format!("{} / {}", check.x, check.n), bound(check), limit(check))
        } else {
            (String::new(), String::new(), String::new())
        };
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{counted}</td><td class=\"n\">{bound}</td>\
             <td class=\"n\">{limit}</td><td>{}</td></tr>",
            tag(check, language),
            language.check(check.id),
            escaped(class),
            escaped(language.told(&check.sentence, &check.sentence_zh))
        );
    }
    *out += "</table></div>";
}

/// Candidate's and baseline's answers by true class.
pub(super) fn confusion(out: &mut String, review: &Review, language: Language) {
    let title = language.say("What is answered for what, photos", "各类照片得到的答案，张");
    let _ = write!(out, "<h2>{title}</h2>");
    matrix(out, review, &review.report.candidate, language);
    if let Some(baseline) = &review.report.baseline {
        let summary = language.say("The baseline's", "基线模型的");
        let _ = write!(out, "<details><summary>{summary}</summary>");
        matrix(out, review, baseline, language);
        *out += "</details>";
    }
}

fn matrix(out: &mut String, review: &Review, model: &ModelMetrics, language: Language) {
    let _ = write!(
        out,
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">{}</th>",
        language.say("true class ↓ answer →", "真实类别 ↓ 答案 →")
    );
    for class in &model.classes {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{}</th>", escaped(class.as_str()));
    }
    let _ = write!(
        out,
        "<th scope=\"col\" class=\"n\">{}</th></tr></thead>",
        language.say("unknown", "未知")
    );
    for (class, row) in review.report.classes.iter().zip(&model.confusion) {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escaped(class.name.as_str()));
        let own = model.classes.iter().position(|known| *known == class.name);
        for (column, n) in row.iter().enumerate() {
            let mark = if own == Some(column) { " own" } else { "" };
            let _ = write!(out, "<td class=\"n{mark}\">{n}</td>");
        }
        *out += "</tr>";
    }
    *out += "</table></div>";
}

/// Facts that are true or false.
pub(super) fn structure(out: &mut String, review: &Review, language: Language) {
    let _ = write!(out, "<h2>{}</h2><table>", language.say("Structure", "结构"));
    for fact in &review.report.structural.facts {
        let mark = if fact.holds { "✓" } else { "✗" };
        let _ = write!(
            out,
            "<tr><td>{mark} {}</td><td>{}</td></tr>",
            escaped(&fact.id),
            escaped(&fact.evidence)
        );
    }
    *out += "</table>";
}
