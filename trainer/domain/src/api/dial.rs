//! Bodies of `/api/v1/models/{id}/dial`: what the safety dial would cost and bring elsewhere, and turning it.

use serde::{Deserialize, Serialize};

use crate::gate::policy::{CheckId, GatePolicy};
use crate::names::ClassName;
use crate::report::GroupCount;

/// The dial of a model, and what is true at some of its places. Counted on `calibration`: the sealed photos choose nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DialPlaces {
    /// Where the model stands: the offset on all new logits.
    pub offset: f64,
    /// The smallest offset at which each new class reaches its recall target; none where no offset does.
    pub b_need: Option<f64>,
    /// The largest offset that keeps every budget; none where nothing bounds it.
    pub b_safe: Option<f64>,
    /// Old classes without an accepted calibration photo: nothing bounds the dial for them.
    pub unbounded_classes: Vec<ClassName>,
    /// What the policy lets be lost on calibration.
    pub budget: DialBudget,
    /// Calibration photos counted.
    pub n_images: usize,
    /// In the order asked for.
    pub places: Vec<DialPlace>,
}

/// What the policy that the model was judged by lets be lost, as proportions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DialBudget {
    /// Per old class, of what the baseline accepts rightly.
    pub loss: Vec<f64>,
    /// Of all photos of old classes: accepted as new.
    pub false_new: f64,
}

impl DialBudget {
    /// Of these old classes; a check that the policy does not list lets nothing be lost.
    pub fn of<'a>(policy: &GatePolicy, old: impl Iterator<Item = &'a ClassName>) -> Self {
        let check = |id: CheckId| policy.checks.iter().find(|check| check.id == id);
        let loss = check(CheckId::OldClassLoss);
        Self {
            loss: old
                .map(|class| loss.map_or(0.0, |check| check.limit_for(class)))
                .collect(),
            false_new: check(CheckId::FalseNew).map_or(0.0, |check| check.limit),
        }
    }
}

/// The share of a budget that is used, 1 where all of it is: `x` of `n` where `limit` of `n` may be. Infinite where something is
/// lost and nothing may be.
#[must_use]
pub fn used(x: u64, n: u64, limit: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
    let share = if n == 0 { 0.0 } else { x as f64 / n as f64 };
    if share == 0.0 { 0.0 } else { share / limit }
}

impl DialPlace {
    /// The old class that uses most of its budget, where any loses something, and how much.
    #[must_use]
    pub fn worst(&self, budget: &DialBudget) -> Option<(&DialCount, f64)> {
        let classes = self.old.iter().zip(&budget.loss);
        let rated = classes.map(|(class, limit)| (class, used(class.x, class.n, *limit)));
        rated
            .filter(|(class, _)| class.x > 0)
            .fold(None, |worst: Option<(&DialCount, f64)>, one| match worst {
                Some(worst) if worst.1 >= one.1 => Some(worst),
                _ => Some(one),
            })
    }

    /// How much of the budget for false alarms is used.
    #[must_use]
    pub fn false_new_used(&self, budget: &DialBudget) -> f64 {
        used(self.false_new.x, self.false_new.n, budget.false_new)
    }

    /// The smallest recall of a new class; none where there is no photo of one.
    #[must_use]
    pub fn least_recall(&self) -> Option<f64> {
        let recalls = self.new.iter().filter(|class| class.n > 0);
        #[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
        recalls
            .map(|class| class.x as f64 / class.n as f64)
            .min_by(f64::total_cmp)
    }
}

/// What is true at one offset. Photos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DialPlace {
    /// The offset.
    pub offset: f64,
    /// Per old class, what the baseline accepts rightly, and of that the lost.
    pub old: Vec<DialCount>,
    /// Photos of old classes, and of these the ones accepted as new.
    pub false_new: GroupCount,
    /// Per new class, its photos, and of these the ones accepted as it.
    pub new: Vec<DialCount>,
}

/// `x` of `n` of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DialCount {
    /// The class.
    pub class: ClassName,
    /// All.
    pub n: u64,
    /// The ones meant.
    pub x: u64,
}

/// Turn the dial: a job that makes the same model with the dial elsewhere, judged like any other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDial {
    /// The offset on all new logits.
    pub offset: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_class_is_the_one_that_uses_most_of_its_own_budget() {
        let count = |class: &str, x, n| DialCount {
            class: class.parse().unwrap(),
            n,
            x,
        };
        let place = |old| DialPlace {
            offset: 0.0,
            old,
            false_new: GroupCount { n: 200, x: 1 },
            new: vec![count("n", 9, 10), count("m", 0, 0)],
        };
        let budget = DialBudget {
            loss: vec![0.005, 0.1, 0.0],
            false_new: 0.01,
        };
        let worst = |old| {
            let place = place(old);
            place
                .worst(&budget)
                .map(|(class, used)| (class.class.to_string(), used))
        };
        assert_eq!(
            worst(vec![count("a", 0, 100), count("b", 0, 100), count("c", 0, 0)]),
            None
        );
        let (class, used) = worst(vec![count("a", 1, 100), count("b", 5, 100), count("c", 0, 9)]).unwrap();
        assert!(class == "a" && (used - 2.0).abs() < 1e-12, "{class} {used}");
        let (class, used) = worst(vec![count("a", 1, 100), count("b", 5, 100), count("c", 1, 9)]).unwrap();
        assert!(class == "c" && used.is_infinite(), "nothing of it may be lost");
        let place = place(Vec::new());
        assert!((place.false_new_used(&budget) - 0.5).abs() < 1e-12);
        assert_eq!(place.least_recall(), Some(0.9));
    }
}
