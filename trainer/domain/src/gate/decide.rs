//! Report and policy in, verdict out; nothing else.
//!
//! The unit of every binomial check is the near-duplicate group. *pass* iff the bound at α′ is within the limit; *fail*
//! iff the opposite bound is beyond it, at α′/K over the K checks of one kind, since a fail is a union of chances; else
//! *unproven*. For one head fixed beforehand a requirement over several classes is an intersection–union test, so passing
//! needs no correction over classes.

use crate::gate::policy::{CheckId, GatePolicy, PolicyCheck};
use crate::gate::verdict::{Check, Verdict, VerdictState};
use crate::model::ClassRole;
use crate::names::ClassName;
use crate::report::{ClassMetrics, EvaluationReport};
use crate::stats::{least_n, lower_bound, upper_bound};

/// The verdict of `policy` on what `report` measured.
#[must_use]
pub fn decide(report: &EvaluationReport, policy: &GatePolicy) -> Verdict {
    let alpha = policy.alpha_per_look();
    let checks: Vec<Check> = policy
        .checks
        .iter()
        .flat_map(|check| run(report, check, alpha))
        .collect();
    let state = if checks.iter().any(|check| check.verdict == VerdictState::Fail) {
        VerdictState::Fail
    } else if checks.is_empty() || checks.iter().any(|check| check.verdict == VerdictState::Unproven) {
        VerdictState::Unproven
    } else {
        VerdictState::Pass
    };
    let sentence = sentence(report, &checks, state);
    Verdict {
        state,
        sentence,
        policy: policy.digest(),
        alpha_per_look: alpha,
        checks,
    }
}

fn run(report: &EvaluationReport, check: &PolicyCheck, alpha: f64) -> Vec<Check> {
    match check.id {
        CheckId::Structural => vec![structural(report)],
        CheckId::Coverage => vec![coverage(report)],
        CheckId::OldClassLoss => old_class_loss(report, check, alpha),
        CheckId::NewRecall => new_recall(report, check, alpha),
        CheckId::FalseNew => vec![false_new(report, check, alpha)],
        CheckId::ClassRecall => class_floor(report, check, alpha, recall_counts),
        CheckId::ClassPrecision => class_floor(report, check, alpha, precision_counts),
    }
}

fn structural(report: &EvaluationReport) -> Check {
    let facts = &report.structural.facts;
    let broken: Vec<&str> = facts
        .iter()
        .filter(|fact| !fact.holds)
        .map(|fact| fact.evidence.as_str())
        .collect();
    let verdict = match (facts.is_empty(), broken.is_empty()) {
        (true, _) => VerdictState::Unproven,
        (false, true) => VerdictState::Pass,
        (false, false) => VerdictState::Fail,
    };
    let sentence = match verdict {
        VerdictState::Pass => format!("All {} structural facts hold.", facts.len()),
        VerdictState::Fail => format!("The structure is not what it must be: {}.", broken.join("; ")),
        VerdictState::Unproven => "No structural fact was measured.".to_owned(),
    };
    let (x, n) = (broken.len() as u64, facts.len() as u64);
    plain(CheckId::Structural, x, n, verdict, sentence)
}

fn coverage(report: &EvaluationReport) -> Check {
    let (judged, expected) = (report.sealed.n_images, report.sealed.n_expected);
    let (verdict, sentence) = if judged == 0 {
        (VerdictState::Unproven, "No sealed image was judged.".to_owned())
    } else if judged < expected {
        let sentence = format!(
            "Only {judged} of {expected} sealed images were judged before the deadline or could be read; run the job \
             again to judge the rest."
        );
        (VerdictState::Unproven, sentence)
    } else {
        (VerdictState::Pass, format!("All {expected} sealed images were judged."))
    };
    plain(CheckId::Coverage, judged, expected, verdict, sentence)
}

fn plain(id: CheckId, x: u64, n: u64, verdict: VerdictState, sentence: String) -> Check {
    Check {
        id,
        class: None,
        value: None,
        lower: None,
        upper: None,
        limit: 0.0,
        x,
        n,
        verdict,
        groups_needed: None,
        sentence,
    }
}

fn old_class_loss(report: &EvaluationReport, check: &PolicyCheck, alpha: f64) -> Vec<Check> {
    let Some(comparison) = &report.comparison else {
        return vec![undefined(
            check,
            "There is no baseline to compare with, so no loss could be measured.",
        )];
    };
    let old_classes = &comparison.old_classes;
    let judge = |loss: &crate::report::OldClassLoss| {
        let class = &loss.class;
        let words = Words {
            subject: format!(
                "{} of {} groups of {class} that were right are lost",
                loss.groups.x, loss.groups.n
            ),
            nothing: format!("The baseline accepts no sealed image of {class}, so its loss cannot be measured."),
            noun: format!("accepted groups of {class}"),
        };
        at_most(
            check,
            Some(class),
            loss.groups.x,
            loss.groups.n,
            alpha,
            old_classes.len(),
            &words,
        )
    };
    old_classes.iter().map(judge).collect()
}

fn false_new(report: &EvaluationReport, check: &PolicyCheck, alpha: f64) -> Check {
    let Some(comparison) = &report.comparison else {
        return undefined(
            check,
            "There is no baseline, so no class is new and nothing can be falsely new.",
        );
    };
    let count = comparison.false_new;
    let words = Words {
        subject: format!("{} of {} old groups are accepted as a new class", count.x, count.n),
        nothing: "There is no sealed image of an old class, so false alarms cannot be measured.".to_owned(),
        noun: "old groups".to_owned(),
    };
    at_most(check, None, count.x, count.n, alpha, 1, &words)
}

fn new_recall(report: &EvaluationReport, check: &PolicyCheck, alpha: f64) -> Vec<Check> {
    let new: Vec<&ClassName> = report
        .classes
        .iter()
        .filter(|class| class.is_new)
        .map(|class| &class.name)
        .collect();
    if new.is_empty() {
        return vec![undefined(
            check,
            "The candidate has no new class, so there is no recall to measure.",
        )];
    }
    let judge = |class: &&ClassName| {
        let counts = report
            .candidate
            .per_class
            .iter()
            .find(|metrics| metrics.class == **class)
            .map(recall_counts);
        floor(
            check,
            class,
            counts.unwrap_or_default(),
            alpha,
            new.len(),
            "are recognised",
        )
    };
    new.iter().map(judge).collect()
}

fn recall_counts(metrics: &ClassMetrics) -> (u64, u64) {
    (metrics.groups_recalled, metrics.n_groups)
}

fn precision_counts(metrics: &ClassMetrics) -> (u64, u64) {
    (metrics.groups_accepted_right, metrics.groups_accepted)
}

/// One floor per class with role `accept`: a reject class answers *unknown*, which is no promise to keep.
fn class_floor(
    report: &EvaluationReport,
    check: &PolicyCheck,
    alpha: f64,
    counts: fn(&ClassMetrics) -> (u64, u64),
) -> Vec<Check> {
    let classes: Vec<&ClassName> = report
        .classes
        .iter()
        .filter(|class| class.role == ClassRole::Accept)
        .map(|class| &class.name)
        .collect();
    let what = if check.id == CheckId::ClassPrecision {
        "accepted as it are right"
    } else {
        "are recognised"
    };
    let judge = |class: &&ClassName| {
        let metrics = report
            .candidate
            .per_class
            .iter()
            .find(|metrics| metrics.class == **class);
        floor(
            check,
            class,
            metrics.map(counts).unwrap_or_default(),
            alpha,
            classes.len(),
            what,
        )
    };
    classes.iter().map(judge).collect()
}

fn undefined(check: &PolicyCheck, sentence: &str) -> Check {
    Check {
        limit: check.limit,
        ..plain(check.id, 0, 0, VerdictState::Unproven, sentence.to_owned())
    }
}

/// The words of a check: what was seen, what to say where n = 0, and of what more would be needed.
struct Words {
    subject: String,
    nothing: String,
    noun: String,
}

/// A proportion that must stay at or below its limit.
fn at_most(
    check: &PolicyCheck,
    class: Option<&ClassName>,
    x: u64,
    n: u64,
    alpha: f64,
    n_checks: usize,
    words: &Words,
) -> Check {
    let limit = class.map_or(check.limit, |class| check.limit_for(class));
    let bad = |x, n| upper_bound(x, n, alpha) <= limit;
    let harm = lower_bound(x, n, per_check(alpha, n_checks)) > limit;
    let verdict = judge(n, bad(x, n), harm);
    let groups_needed = (verdict == VerdictState::Unproven)
        .then(|| needed(x, n, limit, alpha))
        .flatten();
    let bound = upper_bound(x, n, alpha);
    let sentence = match verdict {
        _ if n == 0 => words.nothing.clone(),
        VerdictState::Pass => format!(
            "{}: the loss is at most {}, within the limit of {}.",
            words.subject,
            percent(bound),
            percent(limit)
        ),
        VerdictState::Fail => format!(
            "{}: at least {}, beyond the limit of {}.",
            words.subject,
            percent(lower_bound(x, n, per_check(alpha, n_checks))),
            percent(limit)
        ),
        VerdictState::Unproven => format!(
            "{}: the share could be up to {}, over the limit of {}; {}.",
            words.subject,
            percent(bound),
            percent(limit),
            more(groups_needed, &words.noun)
        ),
    };
    let sentence = if check.id == CheckId::OldClassLoss {
        sentence
    } else {
        sentence.replace("the loss", "the share")
    };
    bounded(check, class, (x, n), alpha, limit, verdict, groups_needed, sentence)
}

/// A proportion of right answers that must reach its floor.
fn floor(check: &PolicyCheck, class: &ClassName, (x, n): (u64, u64), alpha: f64, n_checks: usize, what: &str) -> Check {
    let limit = check.limit_for(class);
    let good = lower_bound(x, n, alpha) >= limit && n > 0;
    let shown_below = n > 0 && upper_bound(x, n, per_check(alpha, n_checks)) < limit;
    let verdict = judge(n, good, shown_below);
    // A recall of at least r is a miss rate of at most 1 − r: the same search for n.
    let groups_needed = (verdict == VerdictState::Unproven)
        .then(|| needed(n - x, n, 1.0 - limit, alpha))
        .flatten();
    let subject = format!("{x} of {n} groups of {class} {what}");
    let sentence = match verdict {
        _ if n == 0 => format!(
            "No sealed group of {class} to count: {} cannot be measured.",
            measure(check.id)
        ),
        VerdictState::Pass => format!(
            "{subject}: at least {}, over the floor of {}.",
            percent_down(lower_bound(x, n, alpha)),
            percent(limit)
        ),
        VerdictState::Fail => format!(
            "{subject}: at most {}, under the floor of {}.",
            percent(upper_bound(x, n, per_check(alpha, n_checks))),
            percent(limit)
        ),
        VerdictState::Unproven => format!(
            "{subject}: it could be as little as {}, under the floor of {}; {}.",
            percent_down(lower_bound(x, n, alpha)),
            percent(limit),
            more(groups_needed, &format!("groups of {class}"))
        ),
    };
    bounded(
        check,
        Some(class),
        (x, n),
        alpha,
        limit,
        verdict,
        groups_needed,
        sentence,
    )
}

const fn measure(id: CheckId) -> &'static str {
    match id {
        CheckId::ClassPrecision => "precision",
        _ => "recall",
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of checks and groups are small")]
fn per_check(alpha: f64, n_checks: usize) -> f64 {
    alpha / n_checks.max(1) as f64
}

fn judge(n: u64, good: bool, bad: bool) -> VerdictState {
    if n == 0 {
        VerdictState::Unproven
    } else if bad {
        VerdictState::Fail
    } else if good {
        VerdictState::Pass
    } else {
        VerdictState::Unproven
    }
}

#[expect(clippy::too_many_arguments, reason = "the fields of one record, in one place")]
fn bounded(
    check: &PolicyCheck,
    class: Option<&ClassName>,
    (x, n): (u64, u64),
    alpha: f64,
    limit: f64,
    verdict: VerdictState,
    groups_needed: Option<u64>,
    sentence: String,
) -> Check {
    let measured = n > 0;
    #[expect(clippy::cast_precision_loss, reason = "counts of groups are far below 2^53")]
    let value = measured.then(|| x as f64 / n as f64);
    Check {
        id: check.id,
        class: class.cloned(),
        value,
        lower: measured.then(|| lower_bound(x, n, alpha)),
        upper: measured.then(|| upper_bound(x, n, alpha)),
        limit,
        x,
        n,
        verdict,
        groups_needed,
        sentence,
    }
}

/// Further groups after which `x/n`, continued at the same rate, would be shown to be at most `limit`; none where the
/// rate itself is over the limit, or where a million groups would not do.
fn needed(x: u64, n: u64, limit: f64, alpha: f64) -> Option<u64> {
    const MOST: u64 = 1_000_000;
    if limit <= 0.0 {
        return None;
    }
    if n == 0 {
        return Some(least_n(limit, alpha));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of groups are far below 2^53")]
    let rate = x as f64 / n as f64;
    if rate >= limit {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rate in [0, 1] of at most a million groups"
    )]
    let settled = |total: u64| upper_bound((rate * total as f64).ceil() as u64, total, alpha) <= limit;
    // Rounding the expected count up makes the condition only nearly monotone; a bisection to the first settled total
    // whose predecessor is not is close enough for advice.
    let mut high = n.max(1);
    while !settled(high) {
        high *= 2;
        if high > MOST {
            return None;
        }
    }
    let mut low = n;
    while low + 1 < high {
        let mid = low.midpoint(high);
        if settled(mid) {
            high = mid;
        } else {
            low = mid;
        }
    }
    Some(high.saturating_sub(n).max(1))
}

fn more(groups: Option<u64>, noun: &str) -> String {
    match groups {
        Some(groups) => format!("{groups} more sealed {noun} at this rate would settle it"),
        None => "more images would not clear it".to_owned(),
    }
}

/// Rounded up in the first decimal: a bound is never printed smaller than it is.
fn percent(share: f64) -> String {
    let tenths = (share * 1000.0 - 1e-9).ceil().max(0.0) / 10.0;
    format!("{} %", trimmed(tenths))
}

/// Rounded down in the first decimal, for lower bounds.
fn percent_down(share: f64) -> String {
    format!("{} %", trimmed((share * 1000.0 + 1e-9).floor() / 10.0))
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), ToOwned::to_owned)
}

/// One sentence for a product manager.
fn sentence(report: &EvaluationReport, checks: &[Check], state: VerdictState) -> String {
    let new: Vec<&str> = report
        .classes
        .iter()
        .filter(|class| class.is_new)
        .map(|class| class.name.as_str())
        .collect();
    let n_old = report
        .comparison
        .as_ref()
        .map_or(0, |comparison| comparison.old_classes.len());
    match state {
        VerdictState::Pass if n_old == 0 => {
            format!(
                "All {} classes reach their floors; nothing was live before that could be harmed.",
                new.len()
            )
        }
        VerdictState::Pass => {
            format!(
                "Adds {}; all {n_old} old classes are proven unharmed within their limits.",
                new.join(", ")
            )
        }
        VerdictState::Fail | VerdictState::Unproven => {
            let concerned: Vec<&Check> = checks.iter().filter(|check| check.verdict == state).collect();
            let first = concerned
                .first()
                .map_or("No check ran.", |check| check.sentence.as_str());
            let rest = concerned.len().saturating_sub(1);
            let tail = match rest {
                0 => String::new(),
                1 => " One more check says the same.".to_owned(),
                n => format!(" {n} more checks say the same."),
            };
            let tail = tail
                .replace("says the same", "is not passed")
                .replace("say the same", "are not passed");
            format!("{first}{tail}")
        }
    }
}
