//! Candidate against baseline, image by image.

use super::{Anchor, Judged};
use crate::ids::Digest;
use crate::model::ClassRole;
use crate::report::{Answer, Comparison, Flip, GroupCount, OldClassLoss};
use crate::scores::Decision;

impl Judged<'_> {
    /// Compares two models of which the baseline's classes are the candidate's first `n_old`.
    pub(super) fn compare(&self, n_old: usize, before: &[Decision], after: &[Decision], anchor: &Anchor) -> Comparison {
        let n_all = self.classes.len();
        let pairs = self.pairs(before, after);
        let is_old = |pair: &&Pair<'_>| pair.label < n_old;
        let right = |pair: &Pair<'_>| pair.before.is(pair.label);

        let mut transitions = vec![vec![0_u64; n_all + 1]; n_old + 1];
        for pair in &pairs {
            transitions[pair.before.answer(n_old)][pair.after.answer(n_all)] += 1;
        }
        let forbidden = transitions.iter().enumerate().flat_map(|(row, counts)| {
            let columns = counts.iter().take(n_old).enumerate();
            columns
                .filter(move |(column, _)| *column != row)
                .map(|(_, count)| *count)
        });
        let n_forbidden = forbidden.sum();

        let old_classes = self.losses(0..n_old, &pairs);
        let anchor_losses = match anchor {
            Anchor::Baseline => Some(old_classes.clone()),
            Anchor::Other { classes, decisions } => {
                Some(self.losses(classes.iter().copied(), &self.pairs(decisions, after)))
            }
            Anchor::Unmeasured => None,
        };
        let flipped = pairs
            .iter()
            .enumerate()
            .filter(|(_, pair)| pair.label < n_old && right(pair))
            .map(|(image, pair)| (image, self.is_harmed(pair)));
        let falsely_new = pairs
            .iter()
            .enumerate()
            .filter(|(_, pair)| pair.label < n_old)
            .map(|(image, pair)| (image, pair.after.accepted && pair.after.class_idx >= n_old));
        let flips = pairs
            .iter()
            .zip(self.images)
            .filter(|(pair, _)| is_old(pair) && right(pair) && self.is_harmed(pair));
        Comparison {
            old_classes,
            flipped: self.groups.count(flipped),
            recall_changes: Vec::new(),
            anchor_losses,
            false_new: self.groups.count(falsely_new),
            n_right: pairs.iter().filter(is_old).filter(|pair| right(pair)).count() as u64,
            negative_flips: flips.map(|(pair, image)| self.flip(pair, *image)).collect(),
            n_positive_flips: pairs
                .iter()
                .filter(is_old)
                .filter(|pair| !right(pair) && pair.after.is(pair.label))
                .count() as u64,
            transitions,
            n_forbidden,
        }
    }

    pub(super) fn pairs<'p>(&'p self, before: &'p [Decision], after: &'p [Decision]) -> Vec<Pair<'p>> {
        let answers = before.iter().zip(after).zip(self.labels);
        answers
            .map(|((before, after), label)| Pair {
                before,
                after,
                label: *label,
            })
            .collect()
    }

    /// Per class what was accepted rightly before, and what of that is lost.
    pub(super) fn losses(&self, classes: impl Iterator<Item = usize>, pairs: &[Pair<'_>]) -> Vec<OldClassLoss> {
        let loss = |class_idx: usize| {
            let members = || {
                let mine = pairs.iter().enumerate();
                mine.filter(move |(_, pair)| pair.label == class_idx && pair.before.is(class_idx))
                    .map(|(image, pair)| (image, self.is_harmed(pair)))
            };
            OldClassLoss {
                class: self.classes[class_idx].name.clone(),
                images: GroupCount {
                    n: members().count() as u64,
                    x: members().filter(|(_, lost)| *lost).count() as u64,
                },
                groups: self.groups.count(members()),
            }
        };
        classes.map(loss).collect()
    }

    /// Whether an image that was right is lost. A reject class is harmed only by a move to a real class: *unknown* is the
    /// same answer.
    fn is_harmed(&self, pair: &Pair<'_>) -> bool {
        match self.classes[pair.label].role {
            ClassRole::Accept => !pair.after.is(pair.label),
            ClassRole::Reject => pair.after.accepted && self.classes[pair.after.class_idx].role == ClassRole::Accept,
        }
    }

    fn flip(&self, pair: &Pair<'_>, image: Digest) -> Flip {
        let answer = |decision: &Decision| Answer {
            class: self.classes[decision.class_idx].name.clone(),
            probability: decision.probability,
            accepted: decision.accepted,
        };
        Flip {
            image,
            class: self.classes[pair.label].name.clone(),
            before: answer(pair.before),
            after: answer(pair.after),
        }
    }
}

/// What both models say of an image.
pub(super) struct Pair<'a> {
    before: &'a Decision,
    after: &'a Decision,
    label: usize,
}
