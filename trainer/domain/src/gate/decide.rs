//! Report and policy in, verdict out; nothing else.
//!
//! The unit of every binomial check is the near-duplicate group. *pass* iff the bound at α′ is within the limit; *fail*
//! iff the opposite bound is beyond it, at α′/K over the K checks of one kind, since a fail is a union of chances; else
//! *unproven*. For one head fixed beforehand a requirement over several classes is an intersection–union test, so passing
//! needs no correction over classes.
//!
//! What the policy lists and the report does not hold is *unproven*, never a pass: an empty list, an absent class, counts
//! that cannot be.

use crate::gate::policy::{CheckId, GatePolicy, PolicyCheck};
use crate::gate::verdict::{Check, Verdict, VerdictState};
use crate::gate::words;
use crate::model::ClassRole;
use crate::names::ClassName;
use crate::report::{ClassMetrics, EvaluationReport, GroupCount, ReportClass, StructuralFacts};
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
    let state = together(&checks);
    Verdict {
        state,
        sentence: words::verdict(report, &checks, state),
        policy: policy.digest(),
        alpha_per_look: alpha,
        checks,
    }
}

/// The verdict on what old classes lost alone, for models of which nothing else is known: what `policy` lists besides
/// `old_class_loss` is left out. One check a class, in this order.
#[must_use]
pub fn judge_losses(losses: &[(&ClassName, GroupCount)], policy: &GatePolicy) -> Verdict {
    let alpha = policy.alpha_per_look();
    let listed = policy.checks.iter().filter(|check| check.id == CheckId::OldClassLoss);
    let checks: Vec<Check> = listed.flat_map(|check| bounded_losses(losses, check, alpha)).collect();
    let state = together(&checks);
    Verdict {
        state,
        sentence: words::losses(&checks, state),
        policy: policy.digest(),
        alpha_per_look: alpha,
        checks,
    }
}

/// No check at all proves nothing.
fn together(checks: &[Check]) -> VerdictState {
    if checks.iter().any(|check| check.verdict == VerdictState::Fail) {
        VerdictState::Fail
    } else if checks.is_empty() || checks.iter().any(|check| check.verdict == VerdictState::Unproven) {
        VerdictState::Unproven
    } else {
        VerdictState::Pass
    }
}

/// At least one check for everything that a policy lists.
fn run(report: &EvaluationReport, check: &PolicyCheck, alpha: f64) -> Vec<Check> {
    match check.id {
        CheckId::Structural => vec![structural(report)],
        CheckId::Coverage => vec![coverage(report)],
        CheckId::OldClassLoss => old_class_loss(report, check, alpha),
        CheckId::NewRecall => floors(report, check, alpha, |class| class.is_new, recall_counts),
        CheckId::FalseNew => vec![false_new(report, check, alpha)],
        CheckId::ClassRecall => floors(report, check, alpha, accepts, recall_counts),
        CheckId::ClassPrecision => floors(report, check, alpha, accepts, precision_counts),
    }
}

fn structural(report: &EvaluationReport) -> Check {
    let facts = &report.structural.facts;
    let broken: Vec<&str> = facts
        .iter()
        .filter(|fact| !fact.holds)
        .map(|fact| fact.evidence.as_str())
        .collect();
    let missing: Vec<&str> = StructuralFacts::expected(report.training.mode)
        .iter()
        .copied()
        .filter(|id| facts.iter().all(|fact| fact.id != *id))
        .collect();
    let (verdict, sentence) = if !broken.is_empty() {
        let sentence = format!("The structure is not what it must be: {}.", broken.join("; "));
        (VerdictState::Fail, sentence)
    } else if !missing.is_empty() {
        let sentence = format!("The structure was not fully measured: {} missing.", missing.join(", "));
        (VerdictState::Unproven, sentence)
    } else {
        (
            VerdictState::Pass,
            format!("All {} structural facts hold.", facts.len()),
        )
    };
    let (x, n) = (broken.len() as u64, (facts.len() + missing.len()) as u64);
    plain(CheckId::Structural, x, n, verdict, sentence)
}

fn coverage(report: &EvaluationReport) -> Check {
    let (judged, expected) = (report.sealed.n_images, report.sealed.n_expected);
    let (verdict, sentence) = if judged == 0 {
        (VerdictState::Unproven, "No sealed image was judged.".to_owned())
    } else if judged == expected {
        (VerdictState::Pass, format!("All {expected} sealed images were judged."))
    } else {
        let sentence = format!(
            "Only {judged} of {expected} sealed images were judged before the deadline or could be read; run the job \
             again to judge the rest."
        );
        (VerdictState::Unproven, sentence)
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

fn undefined(check: &PolicyCheck, sentence: &str) -> Check {
    Check {
        limit: check.limit,
        ..plain(check.id, 0, 0, VerdictState::Unproven, sentence.to_owned())
    }
}

/// One check for every class that the baseline has, whether its loss was measured or not.
fn old_class_loss(report: &EvaluationReport, check: &PolicyCheck, alpha: f64) -> Vec<Check> {
    let Some(comparison) = &report.comparison else {
        return vec![undefined(
            check,
            "There is no baseline to compare with, so no loss could be measured.",
        )];
    };
    let old: Vec<&ClassName> = report
        .classes
        .iter()
        .filter(|class| !class.is_new)
        .map(|class| &class.name)
        .collect();
    if old.is_empty() {
        return vec![undefined(
            check,
            "The report names no old class, so no loss could be measured.",
        )];
    }
    let measured = |class: &ClassName| {
        let measured = comparison.old_classes.iter().find(|loss| loss.class == *class);
        measured.map_or(GroupCount { x: 0, n: 0 }, |loss| loss.groups)
    };
    let losses: Vec<_> = old.into_iter().map(|class| (class, measured(class))).collect();
    bounded_losses(&losses, check, alpha)
}

fn bounded_losses(losses: &[(&ClassName, GroupCount)], check: &PolicyCheck, alpha: f64) -> Vec<Check> {
    let one = |(class, groups): &(&ClassName, GroupCount)| at_most(check, Some(class), *groups, alpha, losses.len());
    losses.iter().map(one).collect()
}

fn false_new(report: &EvaluationReport, check: &PolicyCheck, alpha: f64) -> Check {
    match &report.comparison {
        Some(comparison) => at_most(check, None, comparison.false_new, alpha, 1),
        None => undefined(
            check,
            "There is no baseline, so no class is new and nothing can be falsely new.",
        ),
    }
}

/// A reject class answers *unknown*, which is no promise to keep.
fn accepts(class: &ReportClass) -> bool {
    class.role == ClassRole::Accept
}

const fn recall_counts(metrics: &ClassMetrics) -> GroupCount {
    GroupCount {
        x: metrics.groups_recalled,
        n: metrics.n_groups,
    }
}

const fn precision_counts(metrics: &ClassMetrics) -> GroupCount {
    GroupCount {
        x: metrics.groups_accepted_right,
        n: metrics.groups_accepted,
    }
}

/// One floor for every class of a kind, whether it was measured or not.
fn floors(
    report: &EvaluationReport,
    check: &PolicyCheck,
    alpha: f64,
    of: fn(&ReportClass) -> bool,
    counts: fn(&ClassMetrics) -> GroupCount,
) -> Vec<Check> {
    let classes: Vec<&ClassName> = report
        .classes
        .iter()
        .filter(|class| of(class))
        .map(|class| &class.name)
        .collect();
    if classes.is_empty() {
        return vec![undefined(check, words::no_class(check.id))];
    }
    let one = |class: &&ClassName| {
        let metrics = report.candidate.per_class.iter();
        let measured = metrics.clone().find(|metrics| metrics.class == **class);
        let groups = measured.map_or(GroupCount { x: 0, n: 0 }, counts);
        floor(check, class, groups, alpha, classes.len())
    };
    classes.iter().map(one).collect()
}

/// A proportion that must stay at or below its limit.
fn at_most(check: &PolicyCheck, class: Option<&ClassName>, groups: GroupCount, alpha: f64, n_checks: usize) -> Check {
    let GroupCount { x, n } = groups;
    let limit = class.map_or(check.limit, |class| check.limit_for(class));
    let (upper, harm) = (upper_bound(x, n, alpha), lower_bound(x, n, per_check(alpha, n_checks)));
    let verdict = judge(groups, upper <= limit, harm > limit);
    let groups_needed = (verdict == VerdictState::Unproven)
        .then(|| needed(x, n, limit, alpha))
        .flatten();
    let bound = if verdict == VerdictState::Fail { harm } else { upper };
    let said = words::Said {
        id: check.id,
        class,
        groups,
        verdict,
        bound,
        limit,
        groups_needed,
    };
    bounded(&said, alpha, words::at_most(&said))
}

/// A proportion of right answers that must reach its floor.
fn floor(check: &PolicyCheck, class: &ClassName, groups: GroupCount, alpha: f64, n_checks: usize) -> Check {
    let GroupCount { x, n } = groups;
    let limit = check.limit_for(class);
    let (lower, best) = (lower_bound(x, n, alpha), upper_bound(x, n, per_check(alpha, n_checks)));
    let verdict = judge(groups, lower >= limit, best < limit);
    // A recall of at least r is a miss rate of at most 1 − r: the same search for n.
    let groups_needed = (verdict == VerdictState::Unproven)
        .then(|| needed(n.saturating_sub(x), n, 1.0 - limit, alpha))
        .flatten();
    let bound = if verdict == VerdictState::Fail { best } else { lower };
    let said = words::Said {
        id: check.id,
        class: Some(class),
        groups,
        verdict,
        bound,
        limit,
        groups_needed,
    };
    bounded(&said, alpha, words::floor(&said))
}

#[expect(clippy::cast_precision_loss, reason = "counts of checks and groups are small")]
fn per_check(alpha: f64, n_checks: usize) -> f64 {
    alpha / n_checks.max(1) as f64
}

/// Nothing counted, or more events than groups: nothing is shown either way.
const fn measured(GroupCount { x, n }: GroupCount) -> bool {
    n > 0 && x <= n
}

const fn judge(groups: GroupCount, good: bool, bad: bool) -> VerdictState {
    if !measured(groups) {
        VerdictState::Unproven
    } else if bad {
        VerdictState::Fail
    } else if good {
        VerdictState::Pass
    } else {
        VerdictState::Unproven
    }
}

fn bounded(said: &words::Said<'_>, alpha: f64, sentence: String) -> Check {
    let GroupCount { x, n } = said.groups;
    let measured = measured(said.groups);
    #[expect(clippy::cast_precision_loss, reason = "counts of groups are far below 2^53")]
    let value = measured.then(|| x as f64 / n as f64);
    Check {
        id: said.id,
        class: said.class.cloned(),
        value,
        lower: measured.then(|| lower_bound(x, n, alpha)),
        upper: measured.then(|| upper_bound(x, n, alpha)),
        limit: said.limit,
        x,
        n,
        verdict: said.verdict,
        groups_needed: said.groups_needed,
        sentence,
    }
}

/// Further groups after which `x/n`, continued at the same rate, would be shown to be at most `limit`; none where the
/// rate itself is over the limit, or where a million groups would not do.
fn needed(x: u64, n: u64, limit: f64, alpha: f64) -> Option<u64> {
    const MOST: u64 = 1_000_000;
    if limit <= 0.0 || x > n {
        return None;
    }
    if n == 0 {
        return Some(least_n(limit, alpha)).filter(|n| *n <= MOST);
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

#[cfg(test)]
mod tests;
