//! What so many sealed groups can prove at best.

use serde::{Deserialize, Serialize};

use crate::gate::policy::{CheckId, GatePolicy};
use crate::names::ClassName;
use crate::stats::{least_n, lower_bound, upper_bound};

/// The best case of a class: nothing lost, everything recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// The class.
    pub class: ClassName,
    /// The check that needs most.
    pub check: CheckId,
    /// Sealed groups that would count: for an old class those that the baseline accepts rightly.
    pub n: u64,
    /// The smallest loss, or the largest recall or precision, that so many groups can show.
    pub bound: f64,
    /// What the policy asks for.
    pub limit: f64,
    /// The bound is within the limit.
    pub can_pass: bool,
    /// Further groups with which it could pass; none where no number would.
    pub groups_needed: Option<u64>,
}

impl Certificate {
    /// Of `n` groups of an old class that the baseline accepts rightly: the smallest loss they certify, against the
    /// strictest limit that the policy sets for the class. (Losses since an anchor are counted on about the same groups.)
    #[must_use]
    pub fn of_old(class: &ClassName, n: u64, policy: &GatePolicy) -> Option<Self> {
        let alpha = policy.alpha_per_look();
        let limits_loss =
            |id: CheckId| matches!(id, CheckId::OldClassLoss | CheckId::RecallChange | CheckId::AnchorLoss);
        let limits = policy.checks.iter().filter(|check| limits_loss(check.id));
        let check = limits.min_by(|a, b| a.limit_for(class).total_cmp(&b.limit_for(class)))?;
        let limit = check.limit_for(class);
        Some(Self {
            class: class.clone(),
            check: check.id,
            n,
            bound: upper_bound(0, n, alpha),
            limit,
            can_pass: n > 0 && upper_bound(0, n, alpha) <= limit,
            groups_needed: (limit > 0.0).then(|| least_n(limit, alpha).saturating_sub(n)),
        })
    }

    /// Of `n` groups of a class with floors: the floor that needs most.
    #[must_use]
    pub fn of_new(class: &ClassName, n: u64, policy: &GatePolicy) -> Option<Self> {
        let alpha = policy.alpha_per_look();
        let is_floor = |id: CheckId| {
            matches!(
                id,
                CheckId::NewRecall | CheckId::NewPrecision | CheckId::ClassRecall | CheckId::ClassPrecision
            )
        };
        let floors = policy.checks.iter().filter(|check| is_floor(check.id));
        let check = floors.max_by(|a, b| a.limit_for(class).total_cmp(&b.limit_for(class)))?;
        let limit = check.limit_for(class);
        let bound = lower_bound(n, n, alpha);
        Some(Self {
            class: class.clone(),
            check: check.id,
            n,
            bound,
            limit,
            can_pass: n > 0 && bound >= limit,
            // All of n right is a miss rate of at most 1 − limit.
            groups_needed: (limit < 1.0).then(|| least_n(1.0 - limit, alpha).saturating_sub(n)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_say_the_best_case() {
        let (class, pilot) = ("fu".parse().unwrap(), GatePolicy::pilot());
        let few = Certificate::of_old(&class, 40, &pilot).unwrap();
        assert_eq!((few.can_pass, few.groups_needed), (false, Some(4)));
        let enough = Certificate::of_old(&class, 44, &pilot).unwrap();
        assert_eq!((enough.can_pass, enough.groups_needed), (true, Some(0)));
        // A class whose own loss may be larger is still held to what recall may fall by.
        let mut lax = GatePolicy::default_policy();
        let loss = lax.checks.iter_mut().find(|check| check.id == CheckId::OldClassLoss);
        loss.unwrap().per_class.insert("fu".parse().unwrap(), 0.10);
        let held = Certificate::of_old(&class, 88, &lax).unwrap();
        assert_eq!(
            (held.check, held.can_pass, held.groups_needed),
            (CheckId::RecallChange, false, Some(440))
        );
        // A precision of 0.90 asks for more than a recall of 0.80.
        let new = Certificate::of_new(&class, 30, &pilot).unwrap();
        assert_eq!(
            (new.check, new.can_pass, new.groups_needed),
            (CheckId::NewPrecision, false, Some(14))
        );
        let root = Certificate::of_new(&class, 30, &GatePolicy::root()).unwrap();
        assert_eq!((root.check, root.can_pass), (CheckId::ClassPrecision, true));
    }
}
