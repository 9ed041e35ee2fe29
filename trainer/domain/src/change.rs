//! What changed between two models beside counts: bootstrap bounds, calibration, looks at a sealed set, footprints.
//!
//! Measured where random draws and devices are; the gate only reads it.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::names::ClassName;

/// How the recall of an old class changed: paired bootstrap over near-duplicate groups
/// (Efron, Tibshirani 1993, chapter 13, percentile interval).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecallChange {
    /// The class.
    pub class: ClassName,
    /// Its groups.
    pub n: u64,
    /// Groups with fewer images right than before.
    pub x: u64,
    /// Recall of the candidate minus recall of the baseline, images; none where n = 0.
    pub value: Option<f64>,
    /// The change is above this in all but a share `alpha` of the draws.
    pub lower: Option<f64>,
    /// The change is below this in all but a share `alpha / K` of the draws, for K old classes.
    pub upper: Option<f64>,
    /// The level of the bounds: the policy's α′.
    pub alpha: f64,
    /// Draws of groups.
    pub n_draws: u32,
}

/// How far probabilities are true, before and after, on the sealed images of old classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CalibrationChange {
    /// Images.
    pub n: u64,
    /// The baseline's expected calibration error, 15 equal-mass bins; none where n = 0.
    pub before: Option<f64>,
    /// The candidate's.
    pub after: Option<f64>,
}

/// What was measured of a model on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Footprint {
    /// The device, for people.
    pub device: String,
    /// Milliseconds an image, median.
    pub latency_ms: Option<f64>,
    /// Bytes of everything that the device loads.
    pub size_bytes: Option<u64>,
}

/// Which of the heads judged on a sealed set this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LookCount {
    /// 1 for the first. The same head judged again, or with its dial elsewhere, keeps its number.
    pub ordinal: u32,
    /// Groups of old classes in the sealed set (all groups where no class is old).
    pub n_groups: u64,
    /// Groups in the set when the count began; it begins anew once the set has grown by a half.
    pub n_groups_at_first: u64,
}

/// A head is judged on a sealed set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Names the head wherever its dial stands: digest of its weights and the alignment of its new classes.
    pub head: Digest,
    /// The classes that its baseline does not have: heads with one in common compete for the same change.
    pub new_classes: Vec<ClassName>,
    /// As in [`LookCount`].
    pub n_groups: u64,
}

impl LookCount {
    /// Which look `look` is, by the project's log of looks, oldest first. What is written behind the last look at this head
    /// does not count; where the head is not in the log it is the next one.
    ///
    /// Heads for other changes are no looks: each release is a claim of its own, and the level holds for each.
    #[must_use]
    pub fn of(look: &Look, log: &[Look]) -> Self {
        let rivals = |other: &&Look| other.new_classes.iter().any(|class| look.new_classes.contains(class));
        let until = log
            .iter()
            .rposition(|other| other == look)
            .map_or(log.len(), |last| last + 1);
        let mut first = None;
        let mut heads: Vec<Digest> = Vec::new();
        for other in log[..until].iter().filter(rivals).chain([look]) {
            if first.is_none_or(|first| has_grown_by_half(first, other.n_groups)) {
                first = Some(other.n_groups);
                heads.clear();
            }
            if !heads.contains(&other.head) {
                heads.push(other.head);
            }
        }
        let place = heads.iter().position(|head| *head == look.head).unwrap_or(heads.len());
        Self {
            ordinal: u32::try_from(place + 1).unwrap_or(u32::MAX),
            n_groups: look.n_groups,
            n_groups_at_first: first.unwrap_or(look.n_groups),
        }
    }

    /// Groups that the set still has to grow by before the count begins anew.
    #[must_use]
    pub const fn n_groups_missing(&self) -> u64 {
        (self.n_groups_at_first + self.n_groups_at_first.div_ceil(2)).saturating_sub(self.n_groups)
    }
}

const fn has_grown_by_half(before: u64, now: u64) -> bool {
    now * 2 >= before * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(head: &str, class: &str, n_groups: u64) -> Look {
        Look {
            head: Digest::of(head.as_bytes()),
            new_classes: class.split('+').map(|class| class.parse().unwrap()).collect(),
            n_groups,
        }
    }

    fn ordinal(look: &Look, log: &[Look]) -> u32 {
        LookCount::of(look, log).ordinal
    }

    #[test]
    fn heads_count_and_the_same_head_counts_once() {
        let (a, b, c) = (look("a", "n", 100), look("b", "n", 100), look("c", "n", 101));
        assert_eq!(ordinal(&a, &[]), 1);
        assert_eq!(ordinal(&b, std::slice::from_ref(&a)), 2);
        let log = [a.clone(), b.clone(), a.clone(), c.clone()];
        assert_eq!(
            [&a, &b, &c].map(|look| ordinal(look, &log)),
            [1, 2, 3],
            "as often as one asks"
        );
        // Of two at once, each sees itself and whoever came before.
        assert_eq!(ordinal(&b, &log), ordinal(&b, &log[..2]));
    }

    #[test]
    fn other_changes_are_other_claims() {
        let log = [look("a", "m", 100), look("b", "m+n", 100)];
        assert_eq!(ordinal(&look("c", "n", 100), &log), 2);
        assert_eq!(ordinal(&look("c", "o", 100), &log), 1);
    }

    #[test]
    fn half_as_much_again_begins_anew() {
        let log = [look("a", "n", 100), look("b", "n", 100), look("c", "n", 120)];
        assert_eq!(
            ordinal(&look("d", "n", 149), &log),
            4,
            "from the first look, not from the last"
        );
        let count = LookCount::of(&look("d", "n", 149), &log);
        assert_eq!((count.n_groups_at_first, count.n_groups_missing()), (100, 1));
        assert_eq!(ordinal(&look("d", "n", 150), &log), 1);
        assert_eq!(
            ordinal(&look("a", "n", 150), &log),
            1,
            "an old head is new to a new set"
        );
        assert_eq!(ordinal(&look("d", "n", 50), &log), 4, "a smaller set is no new one");
        assert_eq!(LookCount::of(&look("z", "q", 3), &[]).n_groups_missing(), 2);
    }
}
