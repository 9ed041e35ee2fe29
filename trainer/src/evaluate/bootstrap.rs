//! Paired bootstrap of near-duplicate groups: how sure a change of recall is
//! (Efron, Tibshirani 1993, *An Introduction to the Bootstrap*, chapter 13: the percentile interval).
//!
//! A draw takes as many groups as there are, with repetition. Groups with equal counts are exchangeable, so a draw is a
//! multinomial over the few kinds of groups there are, taken as a chain of binomials: the same distribution as drawing one
//! group after the other, at a cost that does not grow with their number.

use std::collections::BTreeMap;

use domain::change::RecallChange;
use domain::judge::JudgedClass;
use domain::model::ClassRole;
use domain::scores::Decision;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rand_distr::{Binomial, Distribution as _};
use rayon::prelude::*;

use crate::head::{real, real_u64};

/// How bounds are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Bootstrap {
    /// Seed of the draws.
    pub seed: u64,
    /// Level of the lower bounds; the upper ones are made at a share of it for each class.
    pub alpha: f64,
    /// Draws.
    pub n_draws: u32,
}

/// Draws of every report.
pub const N_DRAWS: u32 = 10_000;

/// What both models said of the same images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paired<'a> {
    pub(super) labels: &'a [usize],
    pub(super) groups: &'a [usize],
    pub(super) before: &'a [Decision],
    pub(super) after: &'a [Decision],
}

/// A kind of group: images of the class, and how many of them were right before and after.
type Kind = (u32, u32, u32);

/// The change of recall of each of the first `n_old` classes.
pub(super) fn recall_changes(
    classes: &[JudgedClass],
    n_old: usize,
    paired: Paired<'_>,
    bootstrap: Bootstrap,
) -> Vec<RecallChange> {
    let mut groups: Vec<BTreeMap<usize, Kind>> = vec![BTreeMap::new(); n_old];
    for (image, label) in paired.labels.iter().enumerate().filter(|(_, label)| **label < n_old) {
        let right = |decision: &Decision| u32::from(is_right(classes, *label, decision));
        let kind = groups[*label].entry(paired.groups[image]).or_default();
        kind.0 += 1;
        kind.1 += right(&paired.before[image]);
        kind.2 += right(&paired.after[image]);
    }
    let change = |(class_idx, groups): (usize, &BTreeMap<usize, Kind>)| {
        let bounds = bounds(class_idx, groups, n_old, bootstrap);
        RecallChange {
            class: classes[class_idx].name.clone(),
            n: groups.len() as u64,
            x: groups.values().filter(|(_, before, after)| after < before).count() as u64,
            value: bounds.map(|bounds| bounds.0),
            lower: bounds.map(|bounds| bounds.1),
            upper: bounds.map(|bounds| bounds.2),
            alpha: bootstrap.alpha,
            n_draws: bootstrap.n_draws,
        }
    };
    groups.par_iter().enumerate().map(change).collect()
}

/// Accepted as its class; for a reject class any answer but a real class, since *unknown* is the same answer.
fn is_right(classes: &[JudgedClass], label: usize, decision: &Decision) -> bool {
    match classes[label].role {
        ClassRole::Accept => decision.is(label),
        ClassRole::Reject => !(decision.accepted && classes[decision.class_idx].role == ClassRole::Accept),
    }
}

/// The change, its lower and its upper bound; none without a group.
fn bounds(
    class_idx: usize,
    groups: &BTreeMap<usize, Kind>,
    n_old: usize,
    bootstrap: Bootstrap,
) -> Option<(f64, f64, f64)> {
    let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
    for kind in groups.values() {
        *kinds.entry(*kind).or_default() += 1;
    }
    // The most frequent first: then little is left for the others to be drawn from.
    let mut kinds: Vec<(Kind, u64)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if kinds.is_empty() {
        return None;
    }
    let own: Vec<u64> = kinds.iter().map(|(_, count)| *count).collect();
    let value = change(&kinds, &own);
    if kinds.iter().all(|((_, before, after), _)| before == after) {
        // Every draw of groups that did not change says that nothing changed.
        return Some((0.0, 0.0, 0.0));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(bootstrap.seed);
    rng.set_stream(class_idx as u64);
    let mut drawn = vec![0_u64; kinds.len()];
    let mut changes: Vec<f64> = (0..bootstrap.n_draws)
        .map(|_| {
            draw(&kinds, groups.len() as u64, &mut rng, &mut drawn);
            change(&kinds, &drawn)
        })
        .collect();
    changes.sort_unstable_by(f64::total_cmp);
    let n = changes.len();
    let below = |share: f64| whole(share * real(n)).clamp(1, n);
    let lower = changes[below(bootstrap.alpha) - 1];
    let upper = changes[n - below(bootstrap.alpha / real(n_old.max(1)))];
    Some((value, lower, upper))
}

/// One multinomial draw of `n` groups over the kinds.
fn draw(kinds: &[(Kind, u64)], n: u64, rng: &mut ChaCha8Rng, drawn: &mut [u64]) {
    let (mut left, mut of) = (n, n);
    for ((_, count), drawn) in kinds.iter().zip(drawn) {
        *drawn = if of == *count {
            left
        } else {
            let share = real_u64(*count) / real_u64(of);
            let binomial = Binomial::new(left, share).expect("a share lies between 0 and 1");
            binomial.sample(rng)
        };
        left -= *drawn;
        of -= count;
    }
}

fn change(kinds: &[(Kind, u64)], counts: &[u64]) -> f64 {
    let (mut images, mut gained) = (0_i64, 0_i64);
    for (((n, before, after), _), count) in kinds.iter().zip(counts) {
        let count = i64::try_from(*count).expect("counts of groups are small");
        images += count * i64::from(*n);
        gained += count * (i64::from(*after) - i64::from(*before));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
    let share = gained as f64 / images as f64;
    share
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count, rounded up"
)]
fn whole(value: f64) -> usize {
    (value - 1e-9).ceil() as usize
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::RngCore as _;

    use super::*;

    fn classes(n: usize) -> Vec<JudgedClass> {
        (0..n)
            .map(|class| JudgedClass {
                name: format!("c{class}").parse().unwrap(),
                role: if class == 1 {
                    ClassRole::Reject
                } else {
                    ClassRole::Accept
                },
                tau: 0.9,
            })
            .collect()
    }

    fn answer(class_idx: usize) -> Decision {
        Decision {
            class_idx,
            probability: 0.95,
            accepted: true,
        }
    }

    const UNKNOWN: Decision = Decision {
        class_idx: 0,
        probability: 0.4,
        accepted: false,
    };

    fn groups(kinds: &[(Kind, usize)]) -> BTreeMap<usize, Kind> {
        let all = kinds
            .iter()
            .flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        all.enumerate().collect()
    }

    const DRAWS: Bootstrap = Bootstrap {
        seed: 7,
        alpha: 0.01,
        n_draws: N_DRAWS,
    };

    #[test]
    fn bounds_are_those_of_drawing_group_by_group() {
        let kinds = [((1, 1, 1), 200), ((3, 3, 1), 6), ((2, 1, 2), 4), ((1, 0, 0), 40)];
        let groups = groups(&kinds);
        let (value, lower, upper) = bounds(0, &groups, 2, DRAWS).unwrap();
        assert!((value + 8.0 / 266.0).abs() < 1e-15);
        // The twin draws one group after the other.
        let members: Vec<Kind> = groups.values().copied().collect();
        let mut rng = ChaCha8Rng::seed_from_u64(99);
        let mut changes: Vec<f64> = (0..40_000)
            .map(|_| {
                let (mut images, mut gained) = (0.0, 0.0);
                for _ in 0..members.len() {
                    let place = rng.next_u64() as usize % members.len();
                    let (n, before, after) = members[place];
                    images += f64::from(n);
                    gained += f64::from(after) - f64::from(before);
                }
                gained / images
            })
            .collect();
        changes.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| changes[(share * 40_000.0) as usize];
        // A quantile at 1 % of 10,000 draws is as far off as those at 0.8 % and 1.2 % about once in twenty.
        assert!(
            at(0.007) <= lower && lower <= at(0.013),
            "{lower} {} {}",
            at(0.007),
            at(0.013)
        );
        assert!(
            at(0.993) <= upper && upper <= at(0.997),
            "{upper} {} {}",
            at(0.993),
            at(0.997)
        );
    }

    #[test]
    fn what_did_not_change_has_no_width_and_the_same_seed_gives_the_same_bounds() {
        assert_eq!(
            bounds(0, &groups(&[((2, 1, 1), 9), ((1, 1, 1), 3)]), 1, DRAWS),
            Some((0.0, 0.0, 0.0))
        );
        assert_eq!(bounds(0, &BTreeMap::new(), 1, DRAWS), None);
        let mixed = groups(&[((1, 1, 1), 50), ((1, 1, 0), 5)]);
        assert_eq!(bounds(3, &mixed, 4, DRAWS), bounds(3, &mixed, 4, DRAWS));
        let all_lost = groups(&[((1, 1, 0), 20)]);
        assert_eq!(bounds(0, &all_lost, 1, DRAWS), Some((-1.0, -1.0, -1.0)));
    }

    #[test]
    fn a_reject_class_is_right_as_long_as_no_real_class_takes_it() {
        let before = [answer(0), answer(1), UNKNOWN, answer(1)];
        let after = [UNKNOWN, UNKNOWN, answer(1), answer(2)];
        let paired = Paired {
            labels: &[0, 1, 1, 1],
            groups: &[0, 1, 2, 2],
            before: &before,
            after: &after,
        };
        let changes = recall_changes(&classes(3), 2, paired, DRAWS);
        assert_eq!((changes[0].n, changes[0].x, changes[0].value), (1, 1, Some(-1.0)));
        let reject = &changes[1];
        assert_eq!((reject.n, reject.x), (2, 1));
        assert!((reject.value.unwrap() + 1.0 / 3.0).abs() < 1e-15);
    }
}
