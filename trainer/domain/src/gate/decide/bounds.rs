//! Binomial checks: exact bounds at the level of a look, and how many more groups would settle what they leave open.

use crate::gate::policy::PolicyCheck;
use crate::gate::verdict::{Check, VerdictState};
use crate::gate::words;
use crate::names::ClassName;
use crate::report::GroupCount;
use crate::stats::{least_n, lower_bound, upper_bound};

/// A proportion that must stay at or below its limit.
pub(super) fn at_most(
    check: &PolicyCheck,
    class: Option<&ClassName>,
    groups: GroupCount,
    alpha: f64,
    n_checks: usize,
) -> Check {
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
    bounded(&said, (harm, upper), words::at_most(&said))
}

/// A proportion of right answers that must reach its floor.
pub(super) fn floor(check: &PolicyCheck, class: &ClassName, groups: GroupCount, alpha: f64, n_checks: usize) -> Check {
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
    bounded(&said, (lower, best), words::floor(&said))
}

/// The level of one check among those of its kind, where harm is to be shown: a fail is a union of chances.
#[expect(clippy::cast_precision_loss, reason = "counts of checks and groups are small")]
pub(in crate::gate) fn per_check(alpha: f64, n_checks: usize) -> f64 {
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

/// `interval` holds the bounds that the verdict was made of: one of them passes a check at α′, the other fails it at α′/K.
/// Of nothing they are 0 and 1, and nothing is observed.
fn bounded(said: &words::Said<'_>, interval: (f64, f64), sentence: words::Sentence) -> Check {
    let GroupCount { x, n } = said.groups;
    let measured = measured(said.groups);
    #[expect(clippy::cast_precision_loss, reason = "counts of groups are far below 2^53")]
    let value = measured.then(|| x as f64 / n as f64);
    Check {
        id: said.id,
        class: said.class.cloned(),
        value,
        lower: Some(if measured { interval.0 } else { 0.0 }),
        upper: Some(if measured { interval.1 } else { 1.0 }),
        limit: said.limit,
        x,
        n,
        verdict: said.verdict,
        groups_needed: said.groups_needed,
        sentence: sentence.en,
        sentence_zh: sentence.zh,
    }
}

/// Further groups after which `x/n`, continued at the same rate, would be shown to be at most `limit`; none where the
/// rate itself is over the limit, or where a million groups would not do.
pub(super) fn needed(x: u64, n: u64, limit: f64, alpha: f64) -> Option<u64> {
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
