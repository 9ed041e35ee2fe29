//! The one bound of a check that a reader is shown: the one that its verdict rests on.

use crate::gate::decide::per_check;
use crate::gate::policy::CheckId;
use crate::gate::verdict::{Check, Verdict, VerdictState};
use crate::stats::{lower_bound, upper_bound};

/// A bound on what a check limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Its place: a share. Of a change of recall, the fall.
    pub share: f64,
    /// What is bounded is at least this; else it is at most this.
    pub is_least: bool,
    /// The check is passed from its limit on, not up to it.
    pub is_floor: bool,
}

impl Verdict {
    /// The bound that the verdict of `check`, one of this verdict's, rests on, as its sentence says it: where harm is shown,
    /// the bound that shows it, at the level of one check among those of its kind. None where there is nothing of the kind.
    #[must_use]
    pub fn bound(&self, check: &Check) -> Option<Bound> {
        check.value?;
        let is_floor = match check.id {
            CheckId::NewRecall | CheckId::NewPrecision | CheckId::ClassRecall | CheckId::ClassPrecision => true,
            CheckId::OldClassLoss
            | CheckId::RecallChange
            | CheckId::NegativeFlips
            | CheckId::FalseNew
            | CheckId::AnchorLoss => false,
            _ => return None,
        };
        let is_failed = check.verdict == VerdictState::Fail;
        let n_alike = self.checks.iter().filter(|other| other.id == check.id).count();
        let shown = per_check(self.alpha_per_look, n_alike);
        let fall = |bound: f64| (-bound).max(0.0);
        let share = match (check.id, is_failed, is_floor) {
            (CheckId::RecallChange, true, _) => fall(check.upper?),
            (CheckId::RecallChange, false, _) => {
                let drawn = fall(check.lower?);
                if check.verdict == VerdictState::Pass {
                    drawn
                } else {
                    // Too few groups leave it open however near together the draws are.
                    drawn.max(upper_bound(check.x, check.n, self.alpha_per_look))
                }
            }
            (_, true, true) => upper_bound(check.x, check.n, shown),
            (_, true, false) => lower_bound(check.x, check.n, shown),
            (_, false, true) => check.lower?,
            (_, false, false) => check.upper?,
        };
        Some(Bound {
            share,
            is_least: is_floor != is_failed,
            is_floor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Digest;

    fn bound(id: CheckId, [x, n]: [u64; 2], [lower, upper]: [f64; 2], state: VerdictState) -> Bound {
        let check = Check {
            id,
            class: None,
            value: Some(0.0),
            lower: Some(lower),
            upper: Some(upper),
            limit: 0.1,
            x,
            n,
            verdict: state,
            groups_needed: None,
            sentence: String::new(),
            sentence_zh: String::new(),
        };
        let verdict = Verdict {
            state,
            sentence: String::new(),
            sentence_zh: String::new(),
            policy: Digest::of(b"policy"),
            alpha_per_look: 0.01,
            checks: vec![check.clone(), check.clone()],
        };
        verdict.bound(&check).unwrap()
    }

    #[test]
    fn the_bound_is_the_one_that_the_verdict_rests_on() {
        use CheckId::{NewRecall, OldClassLoss, RecallChange};
        use VerdictState::{Fail, Pass, Unproven};
        // scipy 1.17: beta.ppf(0.005, 20, 31) for harm among two classes at α′ = 0.01.
        let harm = lower_bound(20, 50, 0.005);
        let best = upper_bound(20, 50, 0.005);
        let few = upper_bound(0, 10, 0.01);
        let cases = [
            (OldClassLoss, [0, 50], [0.0, 0.08], Pass, (0.08, false, false)),
            (OldClassLoss, [20, 50], [0.25, 0.57], Fail, (harm, true, false)),
            (OldClassLoss, [2, 50], [0.0, 0.16], Unproven, (0.16, false, false)),
            (NewRecall, [50, 50], [0.91, 1.0], Pass, (0.91, true, true)),
            (NewRecall, [20, 50], [0.25, 0.57], Fail, (best, false, true)),
            (RecallChange, [1, 50], [-0.05, 0.0], Pass, (0.05, false, false)),
            (RecallChange, [20, 50], [-0.5, -0.3], Fail, (0.3, true, false)),
            (RecallChange, [0, 10], [0.0, 0.0], Unproven, (few, false, false)),
        ];
        for (id, counts, drawn, state, (share, is_least, is_floor)) in cases {
            let got = bound(id, counts, drawn, state);
            assert!((got.share - share).abs() < 1e-12, "{id:?} {state:?}: {got:?}");
            assert_eq!((got.is_least, got.is_floor), (is_least, is_floor), "{id:?} {state:?}");
        }
        assert!(harm < 0.25 && best > 0.57 && few > 0.1, "at the level of one of two");
    }
}
