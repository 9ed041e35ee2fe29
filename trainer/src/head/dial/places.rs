//! What each place of the dial costs and brings: exact counts at any offset, from one pass over cached logits.

use domain::report::GroupCount;

use super::{accept_offset, loss_offset};
use crate::head::{Logits, log_sum_exp, top};

/// The images that the dial is chosen on, and what the candidate says of them.
#[derive(Clone, Copy, Debug)]
pub struct PlacesInput<'a> {
    /// Logits of the old classes, (images, old).
    pub old: &'a Logits,
    /// Logits of the new classes at the head's own offset, (images, new).
    pub new: &'a Logits,
    /// Per image: its class, the old ones counted first.
    pub labels: &'a [usize],
    /// Acceptance threshold of every class.
    pub taus: &'a [f64],
    /// Per old class: accepting it is the same answer as *unknown*.
    pub rejects: &'a [bool],
}

/// The offsets at which something changes, sorted; all relative to the head's own offset.
#[derive(Clone, Debug)]
pub struct Places {
    /// Per old class, per image that the baseline accepts rightly: the last offset that keeps it.
    kept_until: Vec<Vec<f64>>,
    /// Per image of an old class that some offset accepts as new: the first that does.
    new_from: Vec<f64>,
    n_old_images: usize,
    /// Per new class, per image of it that some offset accepts as it: the first that does.
    recalled_from: Vec<Vec<f64>>,
    /// Per new class: its images.
    n_new: Vec<usize>,
}

/// What is true at one offset. Images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceCounts {
    /// Per old class: what the baseline accepts rightly, and of that the lost.
    pub lost: Vec<GroupCount>,
    /// Images of old classes, and of these the ones accepted as new.
    pub false_new: GroupCount,
    /// Per new class: its images, and of these the ones accepted as it.
    pub recalled: Vec<GroupCount>,
}

impl Places {
    /// # Panics
    /// The parts are of different numbers of images or classes.
    #[must_use]
    pub fn of(input: &PlacesInput<'_>) -> Self {
        let (n_old, n_new) = (input.old.n_classes, input.new.n_classes);
        let new_taus = &input.taus[n_old..];
        let mut places = Self {
            kept_until: vec![Vec::new(); n_old],
            new_from: Vec::new(),
            n_old_images: 0,
            recalled_from: vec![Vec::new(); n_new],
            n_new: vec![0; n_new],
        };
        for ((old, new), label) in input.old.iter().zip(input.new.iter()).zip(input.labels) {
            let lse_old = log_sum_exp(old);
            let (top_idx, top) = top(old);
            let accepted_from = |n: usize| accept_offset(n, new_taus[n], lse_old, top, new);
            if let Some(n) = label.checked_sub(n_old) {
                places.n_new[n] += 1;
                places.recalled_from[n].extend(accepted_from(n));
                continue;
            }
            places.n_old_images += 1;
            let first_new = (0..n_new).filter_map(accepted_from).min_by(f64::total_cmp);
            places.new_from.extend(first_new);
            let is_right = top_idx == *label && (top - lse_old).exp() >= input.taus[*label];
            if is_right {
                // Leaving a reject class for *unknown* harms nobody.
                places.kept_until[*label].push(if input.rejects[*label] {
                    first_new.map_or(f64::INFINITY, f64::next_down)
                } else {
                    loss_offset(top, lse_old, input.taus[*label], new)
                });
            }
        }
        let sorted = places.kept_until.iter_mut().chain(&mut places.recalled_from);
        for offsets in sorted.chain([&mut places.new_from]) {
            offsets.sort_unstable_by(f64::total_cmp);
        }
        places
    }

    /// The counts with all new logits `shift` higher than at the head's own offset.
    #[must_use]
    pub fn at(&self, shift: f64) -> PlaceCounts {
        let reached = |offsets: &[f64]| offsets.partition_point(|offset| *offset <= shift);
        let of = |n: usize, x: usize| GroupCount {
            n: n as u64,
            x: x as u64,
        };
        let lost = |offsets: &Vec<f64>| of(offsets.len(), offsets.partition_point(|last| *last < shift));
        let recalled = self.recalled_from.iter().zip(&self.n_new);
        PlaceCounts {
            lost: self.kept_until.iter().map(lost).collect(),
            false_new: of(self.n_old_images, reached(&self.new_from)),
            recalled: recalled.map(|(offsets, n)| of(*n, reached(offsets))).collect(),
        }
    }
}
