//! Report and policy in, verdict out; nothing else.
//!
//! The unit of every binomial check is the near-duplicate group. *pass* iff the bound at α′ is within the limit; *fail*
//! iff the opposite bound is beyond it, at α′/K over the K checks of one kind, since a fail is a union of chances; else
//! *unproven*. For one head fixed beforehand a requirement over several classes is an intersection–union test, so passing
//! needs no correction over classes.
//!
//! What the policy lists and the report does not hold is *unproven*, never a pass: an empty list, an absent class, counts
//! that cannot be.

mod bounds;
mod others;

pub(super) use bounds::per_check;

use crate::gate::decide::bounds::{at_most, floor};
use crate::gate::decide::others::undefined;
use crate::gate::policy::{CheckId, GatePolicy, PolicyCheck};
use crate::gate::verdict::{Check, Verdict, VerdictState};
use crate::gate::words;
use crate::model::ClassRole;
use crate::names::ClassName;
use crate::report::{ClassMetrics, Comparison, EvaluationReport, GroupCount, OldClassLoss, ReportClass};

/// The verdict of `policy` on what `report` measured.
#[must_use]
pub fn decide(report: &EvaluationReport, policy: &GatePolicy) -> Verdict {
    let alpha = policy.alpha_per_look();
    let listed = policy.checks.iter().flat_map(|check| run(report, check, alpha));
    // No check, no claim that too many looks could weaken.
    let counted = (!policy.checks.is_empty()).then(|| others::looks(report, policy.looks, policy.alpha));
    let checks: Vec<Check> = listed.chain(counted).collect();
    let state = together(&checks);
    let sentence = words::verdict(report, &checks, state);
    Verdict {
        state,
        sentence: sentence.en,
        sentence_zh: sentence.zh,
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
    let sentence = words::losses(&checks, state);
    Verdict {
        state,
        sentence: sentence.en,
        sentence_zh: sentence.zh,
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
    let of_baseline = |comparison: &Comparison| Some(comparison.old_classes.clone());
    match check.id {
        CheckId::Structural => vec![others::structural(report)],
        CheckId::Coverage => vec![others::coverage(report)],
        CheckId::OldClassLoss => losses(report, check, alpha, of_baseline),
        CheckId::RecallChange => others::recall_change(report, check, alpha),
        CheckId::NegativeFlips => vec![at_most_all(report, check, alpha, |comparison| comparison.flipped)],
        CheckId::NewRecall => floors(report, check, alpha, |class| class.is_new, recall_counts),
        CheckId::NewPrecision => floors(report, check, alpha, |class| class.is_new, precision_counts),
        CheckId::FalseNew => vec![at_most_all(report, check, alpha, |comparison| comparison.false_new)],
        CheckId::Calibration => vec![others::calibration(report, check)],
        CheckId::AnchorLoss => losses(report, check, alpha, |comparison| comparison.anchor_losses.clone()),
        CheckId::ClassRecall => floors(report, check, alpha, accepts, recall_counts),
        CheckId::ClassPrecision => floors(report, check, alpha, accepts, precision_counts),
        CheckId::Latency | CheckId::Size => vec![others::measure(report, check)],
        CheckId::Looks => vec![others::looks(report, 0, 0.0)],
    }
}

/// One check for every class that the baseline (or the anchor) has, whether its loss was measured or not.
fn losses(
    report: &EvaluationReport,
    check: &PolicyCheck,
    alpha: f64,
    of: fn(&Comparison) -> Option<Vec<OldClassLoss>>,
) -> Vec<Check> {
    let Some(measured) = report.comparison.as_ref().and_then(of) else {
        return vec![undefined(check, None)];
    };
    // Each of the baseline's classes must be there; the anchor may be older than some of them.
    let names: Vec<&ClassName> = if check.id == CheckId::AnchorLoss {
        measured.iter().map(|loss| &loss.class).collect()
    } else {
        let old = report.classes.iter().filter(|class| !class.is_new);
        old.map(|class| &class.name).collect()
    };
    if names.is_empty() {
        return vec![undefined(check, None)];
    }
    let counts = |class: &ClassName| {
        let measured = measured.iter().find(|loss| loss.class == *class);
        measured.map_or(GroupCount { x: 0, n: 0 }, |loss| loss.groups)
    };
    let losses: Vec<_> = names.into_iter().map(|class| (class, counts(class))).collect();
    bounded_losses(&losses, check, alpha)
}

fn bounded_losses(losses: &[(&ClassName, GroupCount)], check: &PolicyCheck, alpha: f64) -> Vec<Check> {
    let one = |(class, groups): &(&ClassName, GroupCount)| at_most(check, Some(class), *groups, alpha, losses.len());
    losses.iter().map(one).collect()
}

/// One check over all classes together.
fn at_most_all(report: &EvaluationReport, check: &PolicyCheck, alpha: f64, of: fn(&Comparison) -> GroupCount) -> Check {
    match &report.comparison {
        Some(comparison) => at_most(check, None, of(comparison), alpha, 1),
        None => undefined(check, None),
    }
}

/// The class that most photos of a class are accepted as instead: how many, and of how many.
fn taken_for<'a>(report: &'a EvaluationReport, class: &ClassName) -> Option<(&'a ClassName, u64, u64)> {
    let own = report.classes.iter().position(|other| other.name == *class)?;
    let answers = report.candidate.confusion.get(own)?;
    let others = report.candidate.classes.iter().zip(answers).enumerate();
    let (_, (name, n)) = others
        .filter(|(answer, _)| *answer != own)
        .max_by_key(|(_, (_, n))| **n)?;
    (*n > 0).then(|| (name, *n, answers.iter().sum()))
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
        return vec![undefined(check, None)];
    }
    let one = |class: &&ClassName| {
        let metrics = report.candidate.per_class.iter();
        let measured = metrics.clone().find(|metrics| metrics.class == **class);
        let groups = measured.map_or(GroupCount { x: 0, n: 0 }, counts);
        let mut floor = floor(check, class, groups, alpha, classes.len());
        if check.id == CheckId::NewRecall && floor.verdict != VerdictState::Pass {
            words::add(&mut floor, taken_for(report, class));
        }
        floor
    };
    classes.iter().map(one).collect()
}

#[cfg(test)]
pub(super) mod tests;
