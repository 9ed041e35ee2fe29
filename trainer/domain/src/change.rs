//! What changed between two models beside counts: bootstrap bounds, calibration, looks at a sealed set, footprints.
//!
//! Measured where random draws and devices are; the gate only reads it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::dataset::DatasetRow;
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LookCount {
    /// 1 for the first. The same head judged again, or with its dial elsewhere, keeps its number.
    pub ordinal: u32,
    /// The levels of this look and of those before it, added up: the chance that they had of passing a harmful head.
    pub spent: f64,
    /// Groups that the set still has to grow by, over all classes, before the count begins anew.
    pub n_groups_missing: u64,
}

/// A head is judged on a sealed set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Names the head wherever its dial stands: digest of its weights and the alignment of its new classes.
    pub head: Digest,
    /// The classes that its baseline does not have: heads with one in common compete for the same change.
    pub new_classes: Vec<ClassName>,
    /// Some near-duplicate groups of those, see [`Look::photos`]: heads with one in common compete as well, under whatever
    /// name they learned it.
    pub photos: Vec<Digest>,
    /// The sealed groups of each class that is proven unharmed, whatever a model answers; in a first model of each class.
    pub groups: BTreeMap<ClassName, u64>,
    /// α′, the level that it is judged at.
    pub alpha: f64,
}

impl Look {
    /// The groups with the smallest digests of each of `classes`: of two uploads of about the same photos these are about
    /// the same (Broder 1997, <https://doi.org/10.1109/SEQUEN.1997.666900>: the bottom of a set is a sample of it).
    #[must_use]
    pub fn photos(rows: &[DatasetRow], classes: &[ClassName]) -> Vec<Digest> {
        const MOST_OF_A_CLASS: usize = 16;
        let mut photos = BTreeSet::new();
        for class in classes {
            let mine: BTreeSet<Digest> = (rows.iter().filter(|row| row.class == *class))
                .map(|row| row.group)
                .collect();
            photos.extend(mine.into_iter().take(MOST_OF_A_CLASS));
        }
        photos.into_iter().collect()
    }

    /// Both learn the same change, by name or by photos.
    fn competes(&self, other: &Self) -> bool {
        let same_class = self.new_classes.iter().any(|class| other.new_classes.contains(class));
        same_class || self.photos.iter().any(|photo| other.photos.contains(photo))
    }
}

impl LookCount {
    /// Which look `look` is, by the project's log of looks, oldest first. What is written behind the last look at this head
    /// does not count; where the head is not in the log it is the next one.
    ///
    /// The count begins anew once every class of the set has grown by a half, for those who are judged on the grown set:
    /// more photos of other classes are no news of this one, and a smaller set was looked at as often as before.
    ///
    /// Heads for other changes are no looks: each release is a claim of its own, and the level holds for each.
    #[must_use]
    pub fn of(look: &Look, log: &[Look]) -> Self {
        let rivals = |other: &&Look| other.competes(look);
        let until = log
            .iter()
            .rposition(|other| other == look)
            .map_or(log.len(), |last| last + 1);
        let mut first: Option<&BTreeMap<ClassName, u64>> = None;
        let mut heads: Vec<(Digest, f64)> = Vec::new();
        for other in log[..until].iter().filter(rivals).chain([look]) {
            let begins = first.is_none_or(|first| has_grown(first, &other.groups) && has_grown(first, &look.groups));
            if begins {
                first = Some(&other.groups);
                heads.clear();
            }
            match heads.iter_mut().find(|(head, _)| *head == other.head) {
                Some((_, alpha)) => *alpha = alpha.max(other.alpha),
                None => heads.push((other.head, other.alpha)),
            }
        }
        let place = heads.iter().position(|(head, _)| *head == look.head);
        let place = place.unwrap_or_else(|| heads.len().saturating_sub(1));
        let first = first.unwrap_or(&look.groups);
        let missing = |(class, before): (&ClassName, &u64)| {
            let now = look.groups.get(class).copied().unwrap_or_default();
            (before + before.div_ceil(2)).saturating_sub(now)
        };
        Self {
            ordinal: u32::try_from(place + 1).unwrap_or(u32::MAX),
            spent: heads.iter().take(place + 1).map(|(_, alpha)| alpha).sum(),
            n_groups_missing: first.iter().map(missing).sum(),
        }
    }

    /// Whether a policy with so many looks, and this chance for all together, still believes what it sees.
    #[must_use]
    pub fn is_allowed(&self, looks: u32, alpha: f64) -> bool {
        (1..=looks).contains(&self.ordinal) && self.spent <= alpha * (1.0 + 1e-9)
    }
}

/// Every class that counted has half as many groups again; of nothing, anything is more.
fn has_grown(before: &BTreeMap<ClassName, u64>, now: &BTreeMap<ClassName, u64>) -> bool {
    let counted = before.iter().filter(|(_, n)| **n > 0);
    let grown = |(class, n): (&ClassName, &u64)| now.get(class).copied().unwrap_or_default() * 2 >= n * 3;
    before != now && { counted }.all(grown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(head: &str, class: &str, n_groups: u64) -> Look {
        Look {
            head: Digest::of(head.as_bytes()),
            new_classes: class.split('+').map(|class| class.parse().unwrap()).collect(),
            photos: vec![Digest::of(class.as_bytes())],
            groups: [("a".parse().unwrap(), n_groups), ("b".parse().unwrap(), 2 * n_groups)].into(),
            alpha: 0.01,
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
    fn another_name_for_the_same_photos_is_the_same_change() {
        let log = [look("a", "n", 100), look("b", "n", 100)];
        let renamed = Look {
            photos: log[0].photos.clone(),
            ..look("c", "o", 100)
        };
        assert_eq!(ordinal(&renamed, &log), 3);
        // An empty set was no set.
        let nothing = look("a", "n", 0);
        assert_eq!(ordinal(&look("b", "n", 10), std::slice::from_ref(&nothing)), 1);
        assert_eq!(ordinal(&look("b", "n", 0), std::slice::from_ref(&nothing)), 2);
    }

    #[test]
    fn the_sample_of_a_class_stays_when_photos_come() {
        let row = |n: u32, class: &str| DatasetRow {
            image: Digest::of(&n.to_be_bytes()),
            class: class.parse().unwrap(),
            split: crate::dataset::Split::Train,
            group: Digest::of(&n.to_be_bytes()),
        };
        let classes: Vec<ClassName> = vec!["n".parse().unwrap()];
        let few: Vec<DatasetRow> = (0..100).map(|n| row(n, "n")).chain([row(500, "o")]).collect();
        let more: Vec<DatasetRow> = (0..130).map(|n| row(n, "n")).collect();
        let (few, more) = (Look::photos(&few, &classes), Look::photos(&more, &classes));
        assert_eq!((few.len(), more.len()), (16, 16));
        assert!(few.iter().filter(|photo| more.contains(photo)).count() >= 8);
    }

    #[test]
    fn half_as_much_again_of_every_class_begins_anew() {
        let log = [look("a", "n", 100), look("b", "n", 100), look("c", "n", 120)];
        assert_eq!(
            ordinal(&look("d", "n", 149), &log),
            4,
            "from the first look, not from the last"
        );
        assert_eq!(LookCount::of(&look("d", "n", 149), &log).n_groups_missing, 3);
        assert_eq!(ordinal(&look("d", "n", 150), &log), 1);
        assert_eq!(
            ordinal(&look("a", "n", 150), &log),
            1,
            "an old head is new to a new set"
        );
        assert_eq!(ordinal(&look("d", "n", 50), &log), 4, "a smaller set is no new one");
        let mut lopsided = look("d", "n", 100);
        lopsided.groups.insert("b".parse().unwrap(), 900);
        assert_eq!(
            ordinal(&lopsided, &log),
            4,
            "photos of one class are no news of the other"
        );
        // Once somebody was judged on a grown set, the small one is no fresher than before.
        let grown = [log.as_slice(), &[look("e", "n", 150)]].concat();
        assert_eq!(ordinal(&look("f", "n", 100), &grown), 5);
        assert_eq!(ordinal(&look("f", "n", 150), &grown), 2);
    }

    #[test]
    fn levels_add_up_whatever_policy_each_was_judged_by() {
        let at = |head: &str, alpha| Look {
            alpha,
            ..look(head, "n", 100)
        };
        let log = [at("a", 0.05)];
        let second = LookCount::of(&at("b", 0.025), &log);
        assert_eq!(second.ordinal, 2);
        assert!(!second.is_allowed(2, 0.05), "{second:?}");
        let five: Vec<Look> = ["a", "b", "c", "d"].map(|head| at(head, 0.01)).into();
        assert!(LookCount::of(&at("e", 0.01), &five).is_allowed(5, 0.05));
        assert!(!LookCount::of(&at("e", 0.01), &five).is_allowed(4, 0.05));
    }
}
