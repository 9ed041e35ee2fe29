//! Logits into probabilities and answers, in f64.

use crate::head::{Logits, log_sum_exp};

/// What a model says of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The class with the largest probability; the first of equals.
    pub class_idx: usize,
    /// That probability.
    pub probability: f64,
    /// It reached the class's threshold; else the answer is *unknown*.
    pub accepted: bool,
}

impl Decision {
    /// The class where it is accepted, `unknown` else.
    pub(super) const fn answer(&self, unknown: usize) -> usize {
        if self.accepted { self.class_idx } else { unknown }
    }

    /// Whether it is accepted as this class.
    pub(super) const fn is(&self, class_idx: usize) -> bool {
        self.accepted && self.class_idx == class_idx
    }
}

/// Probabilities, (images, classes), row-major, and the answers that follow from them.
#[derive(Clone, Debug)]
pub struct Scores {
    /// Columns.
    pub n_classes: usize,
    /// All values.
    pub probabilities: Vec<f64>,
    /// One per image.
    pub decisions: Vec<Decision>,
}

impl Scores {
    /// The softmax of these logits.
    #[must_use]
    pub fn of(logits: &Logits, taus: &[f64]) -> Self {
        let mut scores = Self::empty(logits.n_classes, logits.len());
        for z in logits.iter() {
            let total = log_sum_exp(z);
            let p = z.iter().map(|z| (z - total).exp());
            scores.push(p, top(z).0, taus);
        }
        scores
    }

    /// A candidate whose old logits are the baseline's: `p'_o = p_o / (1 + exp(LSE_N − LSE_O))`. The factor is at most 1
    /// and the same for all old classes, so no old probability rises and none overtakes another, whatever the rounding.
    #[must_use]
    pub fn appended(old: &Logits, new: &Logits, taus: &[f64]) -> Self {
        if new.n_classes == 0 {
            return Self::of(old, taus);
        }
        let mut scores = Self::empty(old.n_classes + new.n_classes, old.len());
        for (old, new) in old.iter().zip(new.iter()) {
            let (lse_old, lse_new) = (log_sum_exp(old), log_sum_exp(new));
            let keeps = 1.0 / (1.0 + (lse_new - lse_old).exp());
            let takes = 1.0 / (1.0 + (lse_old - lse_new).exp());
            let p_old = old.iter().map(|z| (z - lse_old).exp() * keeps);
            let p_new = new.iter().map(|z| (z - lse_new).exp() * takes);
            let ((old_idx, top_old), (new_idx, top_new)) = (top(old), top(new));
            let class_idx = if top_new > top_old {
                old.len() + new_idx
            } else {
                old_idx
            };
            scores.push(p_old.chain(p_new), class_idx, taus);
        }
        scores
    }

    /// The probability of one class for every image.
    pub fn of_class(&self, class_idx: usize) -> impl Iterator<Item = f64> {
        self.probabilities
            .iter()
            .skip(class_idx)
            .step_by(self.n_classes)
            .copied()
    }

    fn empty(n_classes: usize, n_images: usize) -> Self {
        Self {
            n_classes,
            probabilities: Vec::with_capacity(n_classes * n_images),
            decisions: Vec::with_capacity(n_images),
        }
    }

    fn push(&mut self, p: impl Iterator<Item = f64>, class_idx: usize, taus: &[f64]) {
        let start = self.probabilities.len();
        self.probabilities.extend(p);
        let probability = self.probabilities[start + class_idx];
        self.decisions.push(Decision {
            class_idx,
            probability,
            accepted: probability >= taus[class_idx],
        });
    }
}

/// The largest logit and its place; the first of equals.
fn top(z: &[f64]) -> (usize, f64) {
    z.iter().copied().enumerate().fold(
        (0, f64::NEG_INFINITY),
        |best, (idx, z)| if z > best.1 { (idx, z) } else { best },
    )
}
