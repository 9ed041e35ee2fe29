//! Checks that are no proportion of groups: structure, coverage, bootstrap, calibration, footprint, looks.

use crate::gate::decide::bounds::{needed, per_check};
use crate::gate::policy::{CheckId, PolicyCheck};
use crate::gate::verdict::{Check, VerdictState};
use crate::gate::words::{self, Sentence};
use crate::names::ClassName;
use crate::report::{EvaluationReport, StructuralFacts};
use crate::stats::{lower_bound, upper_bound};

pub(super) fn structural(report: &EvaluationReport) -> Check {
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
    let verdict = match (broken.is_empty(), missing.is_empty()) {
        (false, _) => VerdictState::Fail,
        (true, false) => VerdictState::Unproven,
        (true, true) => VerdictState::Pass,
    };
    let (x, n) = (broken.len() as u64, (facts.len() + missing.len()) as u64);
    let sentence = words::structural(facts.len(), &broken, &missing);
    plain(CheckId::Structural, x, n, verdict, sentence)
}

pub(super) fn coverage(report: &EvaluationReport) -> Check {
    let (judged, expected) = (report.sealed.n_images, report.sealed.n_expected);
    let is_whole = judged > 0 && judged == expected;
    let sentence = words::coverage(words::Counted { judged, expected });
    plain(CheckId::Coverage, judged, expected, proven(is_whole), sentence)
}

/// One check an old class; `old` are their names.
pub(super) fn recall_change(report: &EvaluationReport, check: &PolicyCheck, alpha: f64) -> Vec<Check> {
    let old: Vec<&ClassName> = report
        .classes
        .iter()
        .filter(|class| !class.is_new)
        .map(|class| &class.name)
        .collect();
    let Some(comparison) = report.comparison.as_ref().filter(|_| !old.is_empty()) else {
        return vec![undefined(check, None)];
    };
    // Bounds at another level say nothing at this one.
    let fits = |a: f64| (a - alpha).abs() <= 1e-12;
    let one = |class: &&ClassName| {
        let mut changes = comparison.recall_changes.iter();
        let found = changes.rfind(|change| change.class == **class && fits(change.alpha));
        let measured = found.and_then(|change| Some((change, change.value?, change.lower?, change.upper?)));
        let Some((change, value, lower, upper)) = measured.filter(|(change, ..)| change.n > 0) else {
            return Check {
                class: Some((*class).clone()),
                ..undefined(check, Some(class))
            };
        };
        let limit = check.limit_for(class);
        // A bootstrap of few groups, or of groups none of which changed, is surer of itself than it may be: neither harm
        // nor its absence is shown before the exact bound on groups that lost shows it too.
        let harm = lower_bound(change.x, change.n, per_check(alpha, old.len()));
        let verdict = if upper < -limit && harm > limit {
            VerdictState::Fail
        } else {
            proven(lower >= -limit && upper_bound(change.x, change.n, alpha) <= limit)
        };
        let is_few = verdict == VerdictState::Unproven && upper_bound(change.x, change.n, alpha) > limit;
        let groups_needed = is_few.then(|| needed(change.x, change.n, limit, alpha)).flatten();
        let sentence = words::recall_change(&words::Changed {
            class,
            n: change.n,
            value,
            lower,
            upper,
            limit,
            groups_needed,
            verdict,
        });
        Check {
            class: Some((*class).clone()),
            value: Some(value),
            lower: Some(lower),
            upper: Some(upper),
            limit,
            groups_needed,
            ..plain(CheckId::RecallChange, change.x, change.n, verdict, sentence)
        }
    };
    old.iter().map(one).collect()
}

pub(super) fn calibration(report: &EvaluationReport, check: &PolicyCheck) -> Check {
    let measured = report
        .calibration
        .and_then(|change| Some((change, change.before?, change.after?)));
    let sentence = words::calibration(measured, check.limit);
    let Some((change, before, after)) = measured else {
        return Check {
            limit: check.limit,
            ..plain(check.id, 0, 0, VerdictState::Unproven, sentence)
        };
    };
    let rise = after - before;
    let verdict = if rise <= check.limit {
        VerdictState::Pass
    } else {
        VerdictState::Fail
    };
    Check {
        value: Some(rise),
        limit: check.limit,
        ..plain(check.id, 0, change.n, verdict, sentence)
    }
}

/// Milliseconds or bytes on a device.
pub(super) fn measure(report: &EvaluationReport, check: &PolicyCheck) -> Check {
    let measured = report.footprint.as_ref().and_then(|footprint| {
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        let value = match check.id {
            CheckId::Latency => footprint.latency_ms,
            _ => footprint.size_bytes.map(|bytes| bytes as f64),
        };
        Some((footprint.device.as_str(), value?))
    });
    let verdict = match measured {
        None => VerdictState::Unproven,
        Some((_, value)) if value <= check.limit => VerdictState::Pass,
        Some(_) => VerdictState::Fail,
    };
    Check {
        value: measured.map(|(_, value)| value),
        limit: check.limit,
        ..plain(
            check.id,
            0,
            u64::from(measured.is_some()),
            verdict,
            words::measure(check.id, measured, check.limit),
        )
    }
}

/// A set that was looked at more often than the policy allows proves nothing more.
pub(super) fn looks(report: &EvaluationReport, allowed: u32, alpha: f64) -> Check {
    let count = report.looks.as_ref();
    let ordinal = count.map_or(0, |count| count.ordinal);
    let verdict = proven(count.is_some_and(|count| count.is_allowed(allowed, alpha)));
    let missing = count.filter(|_| verdict == VerdictState::Unproven);
    Check {
        limit: f64::from(allowed),
        groups_needed: missing.map(|count| count.n_groups_missing),
        ..plain(
            CheckId::Looks,
            u64::from(ordinal),
            u64::from(allowed),
            verdict,
            words::looks(count, allowed, alpha),
        )
    }
}

const fn proven(holds: bool) -> VerdictState {
    if holds {
        VerdictState::Pass
    } else {
        VerdictState::Unproven
    }
}

fn plain(id: CheckId, x: u64, n: u64, verdict: VerdictState, sentence: Sentence) -> Check {
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
        sentence: sentence.en,
        sentence_zh: sentence.zh,
    }
}

/// What a policy lists and a report does not hold.
pub(super) fn undefined(check: &PolicyCheck, class: Option<&ClassName>) -> Check {
    let sentence = class.map_or_else(|| words::not_compared(check.id), words::not_measured);
    Check {
        limit: class.map_or(check.limit, |class| check.limit_for(class)),
        ..plain(check.id, 0, 0, VerdictState::Unproven, sentence)
    }
}
