//! The safety dial: which offset b on all new logits loses which old image, accepts which new one, and what to choose.
//!
//! All of it follows from cached logits: with `LSE_S` the log-sum-exp over the old (O) or new (N) classes and `s_n` the
//! share of n within N, an old image accepted at p ≥ τ is lost iff `b > LSE_O + ln(p/τ − 1) − LSE_N`, and an image is
//! accepted as new class n iff n is the argmax and `s_n · σ(b + LSE_N − LSE_O) ≥ τ_n`.

mod places;

use crate::head::{log_sum_exp, real};

pub use places::{PlaceCounts, Places, PlacesInput};

/// A calibration image of an old class, as the baseline sees it.
#[derive(Clone, Debug)]
pub struct OldImage {
    /// Its class.
    pub class_idx: usize,
    /// LSE over the old logits.
    pub lse_old: f64,
    /// The largest old logit.
    pub top: f64,
    /// The logit of its own class, where the baseline accepts it rightly.
    pub right: Option<f64>,
}

/// A calibration image of a new class.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// Its class, counted from the first new one.
    pub new_idx: usize,
    /// LSE over the old logits.
    pub lse_old: f64,
    /// The largest old logit.
    pub top: f64,
}

/// The largest offset at which an old image, accepted with logit `own` at threshold `tau`, is still accepted; `new` are its
/// new logits at offset 0. Never so low that the offset would not matter in f64 anyway, so always finite.
#[must_use]
pub fn loss_offset(own: f64, lse_old: f64, tau: f64, new: &[f64]) -> f64 {
    /// exp underflows to 0 below this, and with it all that the new classes take away.
    const NOTHING: f64 = -745.0;
    let lse_new = log_sum_exp(new);
    let slack = ((own - lse_old).exp() / tau - 1.0).max(0.0);
    let by_probability = lse_old + slack.ln() - lse_new;
    let top_new = new.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // From τ = 1/2 on an image that reaches its threshold is the argmax too.
    let by_argmax = if tau < 0.5 { own - top_new } else { f64::INFINITY };
    by_probability.min(by_argmax).max(lse_old - lse_new + NOTHING)
}

/// The smallest offset at which an image is accepted as the new class `new_idx`; none where no offset does it.
#[must_use]
pub fn accept_offset(new_idx: usize, tau: f64, lse_old: f64, top_old: f64, new: &[f64]) -> Option<f64> {
    let own = new[new_idx];
    let is_top = new
        .iter()
        .enumerate()
        .all(|(other, z)| *z < own || (*z == own && other >= new_idx));
    let lse_new = log_sum_exp(new);
    let share = (own - lse_new).exp();
    if !is_top || share <= tau {
        return None;
    }
    // s σ(x) ≥ τ  ⇔  x ≥ ln(τ / (s − τ)).
    let by_probability = (tau / (share - tau)).ln() + lse_old - lse_new;
    // Old classes win ties.
    let by_argmax = if tau < 0.5 {
        (top_old - own).next_up()
    } else {
        f64::NEG_INFINITY
    };
    Some(by_probability.max(by_argmax))
}

/// What the dial is held to.
pub(super) struct Limits<'a> {
    /// τ of all classes, old ones first.
    pub(super) taus: &'a [f64],
    /// Per old class: accepting it is the same answer as *unknown*.
    pub(super) rejects: &'a [bool],
    /// Per old class: the share of accepted-right calibration images that may be lost.
    pub(super) loss: &'a [f64],
    /// The share of old calibration images that may be accepted as new.
    pub(super) false_new: f64,
    /// The recall each new class is to reach.
    pub(super) recall: f64,
}

impl Limits<'_> {
    const fn n_old(&self) -> usize {
        self.rejects.len()
    }

    fn new_taus(&self) -> &[f64] {
        &self.taus[self.n_old()..]
    }
}

/// The calibration split as the dial sees it; new logits are (images, new classes) at offset 0.
pub(super) struct Table<'a> {
    pub(super) old: &'a [OldImage],
    pub(super) old_logits: Vec<Vec<f64>>,
    pub(super) new: &'a [NewImage],
    pub(super) new_logits: Vec<Vec<f64>>,
}

/// Where the dial may stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval {
    /// Bias added to each new class.
    pub(super) alignment: Vec<f64>,
    /// None where no offset reaches every target.
    pub(super) b_need: Option<f64>,
    /// None where nothing bounds it.
    pub(super) b_safe: Option<f64>,
}

impl Interval {
    /// An offset that reaches every target keeps every budget too.
    pub(super) fn feasible(&self) -> bool {
        match (self.b_need, self.b_safe) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(need), Some(safe)) => need <= safe,
        }
    }

    /// From one end to the other, logits.
    pub(super) fn width(&self) -> f64 {
        match (self.b_need, self.b_safe) {
            (Some(need), Some(safe)) => safe - need,
            _ => f64::INFINITY,
        }
    }

    /// The middle, an unbounded end standing one logit beyond the other; `b_safe` where the interval is empty.
    pub(super) fn offset(&self) -> f64 {
        match (self.b_need, self.b_safe) {
            (Some(need), None) => need + 0.5,
            (Some(need), Some(safe)) if need <= safe => f64::midpoint(need, safe),
            (_, Some(safe)) => safe,
            // Nothing to lose and no way to reach the target: the biases as they were fitted.
            (None, None) => 0.0,
        }
    }
}

/// Aligns the new classes and finds both ends.
pub(super) fn interval(table: &mut Table<'_>, limits: &Limits<'_>) -> Interval {
    let alignment = align(table, limits);
    Interval {
        b_need: needs(table, limits)
            .into_iter()
            .try_fold(f64::NEG_INFINITY, |most, need| need.map(|b| most.max(b))),
        b_safe: safe(table, limits),
        alignment,
    }
}

/// Shifts each new class so that all reach their target at the same offset; the shifts sum to zero. Each shift moves the
/// others' shares a little, so it is repeated until nothing moves.
fn align(table: &mut Table<'_>, limits: &Limits<'_>) -> Vec<f64> {
    const ROUNDS: usize = 50;
    let n_new = limits.new_taus().len();
    let mut alignment = vec![0.0; n_new];
    if n_new < 2 {
        return alignment;
    }
    for round in 0..ROUNDS {
        // At first each class on its own, so that a start far off does not hide a class behind another.
        let needs: Option<Vec<f64>> = if round == 0 {
            (0..n_new).map(|n| alone(table, limits, n)).collect()
        } else {
            needs(table, limits).into_iter().collect()
        };
        let Some(needs) = needs else { break };
        let mean = needs.iter().sum::<f64>() / real(n_new);
        let shifts: Vec<f64> = needs.iter().map(|need| need - mean).collect();
        if shifts.iter().all(|shift| shift.abs() < 1e-9) {
            break;
        }
        for (total, shift) in alignment.iter_mut().zip(&shifts) {
            *total += shift;
        }
        for row in table.old_logits.iter_mut().chain(&mut table.new_logits) {
            for (z, shift) in row.iter_mut().zip(&shifts) {
                *z += shift;
            }
        }
    }
    alignment
}

/// The offset at which one new class reaches its target with no other new class beside it.
fn alone(table: &Table<'_>, limits: &Limits<'_>, n: usize) -> Option<f64> {
    let tau = limits.new_taus()[n];
    let images = table.new.iter().zip(&table.new_logits);
    let offsets = images
        .filter(|(image, _)| image.new_idx == n)
        .map(|(image, z)| accept_offset(0, tau, image.lse_old, image.top, &z[n..=n]));
    reached(offsets.collect(), limits.recall)
}

/// Per new class the smallest offset at which it reaches its target.
fn needs(table: &Table<'_>, limits: &Limits<'_>) -> Vec<Option<f64>> {
    let need = |(n, tau): (usize, &f64)| {
        let images = table.new.iter().zip(&table.new_logits);
        let offsets = images
            .filter(|(image, _)| image.new_idx == n)
            .map(|(image, z)| accept_offset(n, *tau, image.lse_old, image.top, z));
        reached(offsets.collect(), limits.recall)
    };
    limits.new_taus().iter().enumerate().map(need).collect()
}

/// The offset at which the share `recall` of the images is accepted.
fn reached(offsets: Vec<Option<f64>>, recall: f64) -> Option<f64> {
    let wanted = whole((recall * real(offsets.len()) - 1e-9).ceil()).max(1);
    let mut finite: Vec<f64> = offsets.into_iter().flatten().collect();
    finite.sort_by(f64::total_cmp);
    finite.get(wanted - 1).copied()
}

/// The largest offset within every budget; none where none is ever exceeded.
fn safe(table: &Table<'_>, limits: &Limits<'_>) -> Option<f64> {
    let n_old = limits.n_old();
    let mut losses: Vec<Vec<f64>> = vec![Vec::new(); n_old];
    let mut false_new = Vec::new();
    for (image, new) in table.old.iter().zip(&table.old_logits) {
        // Just below the offset that accepts it as new.
        let as_new = limits
            .new_taus()
            .iter()
            .enumerate()
            .filter_map(|(n, tau)| accept_offset(n, *tau, image.lse_old, image.top, new))
            .min_by(f64::total_cmp)
            .map_or(f64::INFINITY, f64::next_down);
        false_new.push(as_new);
        if let Some(own) = image.right {
            let tau = limits.taus[image.class_idx];
            // Leaving a reject class for *unknown* harms nobody.
            let harmless = limits.rejects[image.class_idx];
            let last = if harmless {
                as_new
            } else {
                loss_offset(own, image.lse_old, tau, new)
            };
            losses[image.class_idx].push(last);
        }
    }
    let per_class = losses
        .into_iter()
        .zip(limits.loss)
        .map(|(offsets, budget)| within(offsets, *budget));
    let bound = per_class
        .chain([within(false_new, limits.false_new)])
        .flatten()
        .min_by(f64::total_cmp);
    bound.filter(|bound| bound.is_finite())
}

/// The largest offset that at most ⌊budget · n⌋ of these are below.
fn within(mut last: Vec<f64>, budget: f64) -> Option<f64> {
    let allowed = whole((budget * real(last.len()) + 1e-9).floor());
    last.sort_by(f64::total_cmp);
    last.get(allowed).copied()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number between 0 and a count of images"
)]
const fn whole(value: f64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests;
