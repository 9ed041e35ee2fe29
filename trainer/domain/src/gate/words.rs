//! What the gate says, in sentences for a product manager. Bounds are rounded away from what they would excuse: an upper
//! bound is never printed smaller than it is, a lower bound never larger.

use crate::gate::policy::CheckId;
use crate::gate::verdict::{Check, VerdictState};
use crate::names::ClassName;
use crate::report::{EvaluationReport, GroupCount};

/// A binomial check and what came of it.
pub(super) struct Said<'a> {
    pub(super) id: CheckId,
    pub(super) class: Option<&'a ClassName>,
    pub(super) groups: GroupCount,
    pub(super) verdict: VerdictState,
    /// The bound that the verdict rests on.
    pub(super) bound: f64,
    pub(super) limit: f64,
    pub(super) groups_needed: Option<u64>,
}

/// Of a proportion that must stay at or below its limit.
pub(super) fn at_most(said: &Said<'_>) -> String {
    let GroupCount { x, n } = said.groups;
    let (subject, measure, noun, nothing) = match said.class {
        Some(class) => (
            format!("{x} of {n} groups of {class} that were right are lost"),
            "loss",
            format!("accepted groups of {class}"),
            format!("The baseline accepts no sealed image of {class}, so its loss cannot be measured."),
        ),
        None => (
            format!("{x} of {n} old groups are accepted as a new class"),
            "share",
            "old groups".to_owned(),
            "There is no sealed image of an old class, so false alarms cannot be measured.".to_owned(),
        ),
    };
    if n == 0 {
        return nothing;
    }
    if x > n {
        return impossible(&subject);
    }
    let limit = exact(said.limit);
    match said.verdict {
        VerdictState::Pass => format!(
            "{subject}: the {measure} is at most {}, within the limit of {limit}.",
            up(said.bound, said.limit)
        ),
        VerdictState::Fail => format!(
            "{subject}: the {measure} is at least {}, beyond the limit of {limit}.",
            down(said.bound, said.limit)
        ),
        VerdictState::Unproven => format!(
            "{subject}: the {measure} could be up to {}, over the limit of {limit}; {}.",
            up(said.bound, said.limit),
            more(said.groups_needed, &noun)
        ),
    }
}

/// Of a proportion of right answers that must reach its floor.
pub(super) fn floor(said: &Said<'_>) -> String {
    let GroupCount { x, n } = said.groups;
    let class = said.class.map_or("", ClassName::as_str);
    let (measure, subject) = match said.id {
        CheckId::ClassPrecision => ("precision", format!("{x} of {n} groups accepted as {class} are right")),
        _ => ("recall", format!("{x} of {n} groups of {class} are recognised")),
    };
    if n == 0 {
        return format!("No sealed group of {class} to count: {measure} cannot be measured.");
    }
    if x > n {
        return impossible(&subject);
    }
    let limit = exact(said.limit);
    match said.verdict {
        VerdictState::Pass => format!(
            "{subject}: the {measure} is at least {}, over the floor of {limit}.",
            down(said.bound, said.limit)
        ),
        VerdictState::Fail => format!(
            "{subject}: the {measure} is at most {}, under the floor of {limit}.",
            up(said.bound, said.limit)
        ),
        VerdictState::Unproven => format!(
            "{subject}: the {measure} could be as little as {}, under the floor of {limit}; {}.",
            down(said.bound, said.limit),
            more(said.groups_needed, &format!("groups of {class}"))
        ),
    }
}

/// Where a floor per class finds no class.
pub(super) const fn no_class(id: CheckId) -> &'static str {
    match id {
        CheckId::NewRecall => "The candidate has no new class, so there is no recall to measure.",
        CheckId::ClassPrecision => "The candidate has no class that accepts, so there is no precision to measure.",
        _ => "The candidate has no class that accepts, so there is no recall to measure.",
    }
}

fn impossible(subject: &str) -> String {
    format!("{subject}: these counts cannot be, so nothing was measured.")
}

fn more(groups: Option<u64>, noun: &str) -> String {
    match groups {
        Some(groups) => format!("{groups} more sealed {noun} at this rate would settle it"),
        None => "more images would not clear it".to_owned(),
    }
}

/// Of what old classes lost, where nothing else was judged.
pub(super) fn losses(checks: &[Check], state: VerdictState) -> String {
    match (state, checks.len()) {
        (VerdictState::Pass, 1) => "The old class is proven unharmed within its limit.".to_owned(),
        (VerdictState::Pass, n) => format!("All {n} old classes are proven unharmed within their limits."),
        _ => concerned(checks, state),
    }
}

/// Of all checks together.
pub(super) fn verdict(report: &EvaluationReport, checks: &[Check], state: VerdictState) -> String {
    match state {
        VerdictState::Pass => passed(report, checks),
        VerdictState::Fail | VerdictState::Unproven => concerned(checks, state),
    }
}

/// The first check that made the verdict what it is, and how many more there are.
fn concerned(checks: &[Check], state: VerdictState) -> String {
    let mut concerned = checks.iter().filter(|check| check.verdict == state);
    let first = concerned
        .next()
        .map_or("No check ran.", |check| check.sentence.as_str());
    match concerned.count() {
        0 => first.to_owned(),
        1 => format!("{first} One more check is not passed."),
        n => format!("{first} {n} more checks are not passed."),
    }
}

/// Claims no more than the checks that ran have shown.
fn passed(report: &EvaluationReport, checks: &[Check]) -> String {
    let count = |id: CheckId| checks.iter().filter(|check| check.id == id).count();
    let new: Vec<&str> = report
        .classes
        .iter()
        .filter(|class| class.is_new)
        .map(|class| class.name.as_str())
        .collect();
    if report.comparison.is_none() {
        let n_classes = count(CheckId::ClassRecall).max(count(CheckId::ClassPrecision));
        return if n_classes > 0 {
            format!("All {n_classes} classes reach their floors; nothing was live before that could be harmed.")
        } else {
            format!(
                "All {} listed checks pass; none of them is about a class.",
                checks.len()
            )
        };
    }
    let adds = if new.is_empty() {
        "Adds no class".to_owned()
    } else {
        format!("Adds {}", new.join(", "))
    };
    match count(CheckId::OldClassLoss) {
        0 => format!("{adds}; the policy lists no check of what old classes lose."),
        1 => format!("{adds}; the old class is proven unharmed within its limit."),
        n => format!("{adds}; all {n} old classes are proven unharmed within their limits."),
    }
}

/// A share in percent, never smaller than it is; with as many decimals as tell it from the limit.
fn up(share: f64, limit: f64) -> String {
    told_apart(share, limit, |scaled| (scaled - 1e-9).ceil())
}

/// A share in percent, never larger than it is; with as many decimals as tell it from the limit.
fn down(share: f64, limit: f64) -> String {
    told_apart(share, limit, |scaled| (scaled + 1e-9).floor())
}

fn told_apart(share: f64, limit: f64, round: impl Fn(f64) -> f64) -> String {
    let mut text = String::new();
    for decimals in 1..=4 {
        let scale = 10_f64.powi(decimals);
        text = percent(round(share * 100.0 * scale).max(0.0) / scale);
        if share.total_cmp(&limit).is_eq() || text != exact(limit) {
            break;
        }
    }
    text
}

/// A limit as the policy has it.
fn exact(share: f64) -> String {
    percent(share * 100.0)
}

fn percent(hundredths: f64) -> String {
    let text = format!("{hundredths:.4}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
