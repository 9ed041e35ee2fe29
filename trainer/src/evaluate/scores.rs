//! Logits into probabilities and answers, in f64.

use domain::scores::TopScores;

use crate::head::{Logits, log_sum_exp, top};

/// Probabilities, (images, classes), row-major, and the class on top of each image.
#[derive(Clone, Debug)]
pub struct Scores {
    /// Columns.
    pub n_classes: usize,
    /// All values.
    pub probabilities: Vec<f64>,
    /// The class with the largest probability; the first of equals.
    pub top: TopScores,
}

impl Scores {
    /// The softmax of these logits.
    #[must_use]
    pub fn of(logits: &Logits) -> Self {
        let mut scores = Self::empty(logits.n_classes, logits.len());
        for z in logits.iter() {
            let total = log_sum_exp(z);
            let p = z.iter().map(|z| (z - total).exp());
            scores.push(p, top(z).0);
        }
        scores
    }

    /// A candidate whose old logits are the baseline's: `p'_o = p_o / (1 + exp(LSE_N − LSE_O))`. The factor is at most 1
    /// and the same for all old classes, so no old probability rises and none overtakes another, whatever the rounding.
    #[must_use]
    pub fn appended(old: &Logits, new: &Logits) -> Self {
        if new.n_classes == 0 {
            return Self::of(old);
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
            scores.push(p_old.chain(p_new), class_idx);
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
            top: TopScores::default(),
        }
    }

    fn push(&mut self, p: impl Iterator<Item = f64>, class_idx: usize) {
        let start = self.probabilities.len();
        self.probabilities.extend(p);
        self.top.classes.push(class_idx);
        self.top.probabilities.push(self.probabilities[start + class_idx]);
    }
}
