//! Heads: the last linear layer of a model, how it is fitted, and how its offset is chosen.
//!
//! Owns: [`Head`] and its file, the cold fit of all classes ([`fit_cold`]), the append fit of new rows beside frozen old
//! ones ([`fit_append`]), the safety dial, the joint refit ([`fit_refit`]), the probes and the
//! choice of a feature recipe. Refuses to know: images, backbones, the sealed split. Everything works on
//! plain matrices of features.

mod append;
mod cholesky;
mod cold;
mod dial;
mod file;
mod joint;
mod lanes;
mod minimise;
mod passes;
mod path;
mod precondition;
mod probe;
mod product;
mod recipe;
#[cfg(test)]
mod reference;
mod refit;
mod rows;

pub use append::{AppendFit, AppendInput, Budget, fit_append};
pub use cold::{ColdInput, fit_cold};
pub use dial::{NewImage, OldImage, PlaceCounts, Places, PlacesInput, accept_offset, loss_offset};
pub use file::HeadFormatError;
pub use joint::JointFit;
pub use probe::{Probe, ProbeInput, probe};
pub use product::{Logits, logits};
pub use recipe::{N_FOLDS, RecipeScores, RecipesInput, compare_recipes};
pub use refit::{RefitInput, fit_refit};
pub use rows::{Matrix, Rows};

/// The smallest deviation a feature is divided by when it is standardised.
pub const STD_FLOOR: f64 = 1e-3;

/// L-BFGS ends at this norm of the gradient. An objective with L2 weight λ is no flatter than λ, so the point is within
/// norm/λ of the minimum: the smaller λ, the closer the end has to be.
#[must_use]
pub fn gradient_norm(l2: f64) -> f64 {
    (0.01 * l2).clamp(1e-8, 1e-6)
}

/// A linear classifier on features, temperature folded in, with the constants its features were standardised by.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Numbers per feature row.
    pub dim: usize,
    /// (classes, dim), row-major.
    pub weight: Vec<f32>,
    /// One per class.
    pub bias: Vec<f32>,
    /// Mean of each feature over the first model's train split.
    pub mean: Vec<f32>,
    /// Deviation of each feature there, at least [`STD_FLOOR`].
    pub std: Vec<f32>,
}

impl Head {
    /// Rows of the head.
    #[must_use]
    pub const fn n_classes(&self) -> usize {
        self.bias.len()
    }

    /// The weights of a class.
    #[must_use]
    pub fn row(&self, class_idx: usize) -> &[f32] {
        &self.weight[class_idx * self.dim..(class_idx + 1) * self.dim]
    }

    /// Weights and biases together.
    #[must_use]
    pub const fn n_parameters(&self) -> usize {
        self.weight.len() + self.bias.len()
    }

    /// Logits of these features, (rows, classes).
    ///
    /// # Errors
    /// The features are not as wide as the head.
    pub fn logits(&self, features: &Rows<'_>) -> Result<Logits, HeadError> {
        logits(features, self.dim, &self.weight, &self.bias)
    }

    /// The same, taken from `known` where it is there: the logits of every row of the matrix that these are rows of.
    ///
    /// # Errors
    /// As [`Self::logits`].
    pub fn logits_known(&self, known: Option<&Logits>, features: &Rows<'_>) -> Result<Logits, HeadError> {
        match known {
            Some(known) => Ok(Logits {
                n_classes: known.n_classes,
                data: features.index.iter().flat_map(|row| known.row(*row)).copied().collect(),
            }),
            None => self.logits(features),
        }
    }

    /// The first `n` classes, as a head of their own.
    #[must_use]
    pub fn rows_to(&self, n: usize) -> Self {
        Self {
            weight: self.weight[..n * self.dim].to_vec(),
            bias: self.bias[..n].to_vec(),
            ..self.clone()
        }
    }

    /// The same rows with the dial `by` logits further: the biases of the classes from `n_old` on move alike, and nothing else.
    #[must_use]
    pub fn turned(&self, n_old: usize, by: f64) -> Self {
        let mut turned = self.clone();
        for bias in turned.bias.iter_mut().skip(n_old) {
            *bias = narrow_down(f64::from(*bias) + by);
        }
        turned
    }

    /// The classes from `first` on, as a head of their own: their logits are their own product.
    #[must_use]
    pub fn rows_from(&self, first: usize) -> Self {
        Self {
            weight: self.weight[first * self.dim..].to_vec(),
            bias: self.bias[first..].to_vec(),
            ..self.clone()
        }
    }
}

/// Standardising constants, and what they do to rows.
#[derive(Clone, Debug)]
struct Standard {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Standard {
    /// Of these features; sums run in f64, in the order of the rows.
    fn of(features: &Rows<'_>) -> Self {
        let n = real(features.len());
        let mut mean = vec![0.0_f64; features.dim];
        features.for_each(|row| {
            for (sum, x) in mean.iter_mut().zip(row) {
                *sum += f64::from(*x);
            }
        });
        for sum in &mut mean {
            *sum /= n;
        }
        let mut square = vec![0.0_f64; features.dim];
        features.for_each(|row| {
            for ((sum, x), mean) in square.iter_mut().zip(row).zip(&mean) {
                let off = f64::from(*x) - mean;
                *sum += off * off;
            }
        });
        let std = square.iter().map(|sum| (sum / n).sqrt().max(STD_FLOOR));
        Self {
            std: std.map(narrow).collect(),
            mean: mean.iter().copied().map(narrow).collect(),
        }
    }

    /// Those that a head's features are standardised by.
    fn of_head(head: &Head) -> Self {
        Self {
            mean: head.mean.clone(),
            std: head.std.clone(),
        }
    }

    /// A row in standardised space as one on plain features: `v·(f − mean)/std + c = w·f + b`.
    fn fold(&self, row: &[f64], bias: f64) -> (Vec<f64>, f64) {
        let weight: Vec<f64> = row.iter().zip(&self.std).map(|(v, std)| v / f64::from(*std)).collect();
        let shift: f64 = weight
            .iter()
            .zip(&self.mean)
            .map(|(w, mean)| w * f64::from(*mean))
            .sum();
        (weight, bias - shift)
    }

    /// A row on plain features as one in standardised space: what [`Standard::fold`] undoes.
    fn unfold(&self, row: &[f32], bias: f32) -> (Vec<f64>, f64) {
        let rows = row.iter().zip(&self.std).zip(&self.mean);
        let shift: f64 = rows
            .clone()
            .map(|((w, _), mean)| f64::from(*w) * f64::from(*mean))
            .sum();
        let row = rows.map(|((w, std), _)| f64::from(*w) * f64::from(*std)).collect();
        (row, f64::from(bias) + shift)
    }
}

/// Why a head could not be fitted or used.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// Features and head do not fit together.
    #[error("features have {got} numbers a row, the head expects {expected}")]
    Dim {
        /// Of the head.
        expected: usize,
        /// Of the features.
        got: usize,
    },
    /// A class cannot be learned from nothing.
    #[error("class number {class_idx} has no image in {split}")]
    NoImages {
        /// Index of the class.
        class_idx: usize,
        /// The split that lacks it.
        split: &'static str,
    },
    /// Fewer than two classes.
    #[error("a head needs at least two classes, got {got}")]
    TooFewClasses {
        /// How many there were.
        got: usize,
    },
    /// A feature is not a number, or the fit ran off.
    #[error("the fit left the finite numbers; a feature may be damaged")]
    NotFinite,
}

/// log Σ exp, stable; −∞ for nothing.
#[must_use]
pub fn log_sum_exp(logits: &[f64]) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top.is_infinite() {
        return top;
    }
    top + logits.iter().map(|z| (z - top).exp()).sum::<f64>().ln()
}

/// The largest value and its place; the first of equals.
pub(crate) fn top(z: &[f64]) -> (usize, f64) {
    z.iter().copied().enumerate().fold(
        (0, f64::NEG_INFINITY),
        |best, (idx, z)| if z > best.1 { (idx, z) } else { best },
    )
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
pub(crate) const fn real(count: usize) -> f64 {
    count as f64
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
pub(crate) const fn real_u64(count: u64) -> f64 {
    count as f64
}

/// As stored.
#[expect(clippy::cast_possible_truncation, reason = "heads are stored in f32")]
const fn narrow(value: f64) -> f32 {
    value as f32
}

/// The largest f32 that is not above `value`: a dial that stands at the end of what its budget allows must not be rounded
/// beyond it. Less of a new class never loses more old images.
fn narrow_down(value: f64) -> f32 {
    let nearest = narrow(value);
    if f64::from(nearest) > value {
        nearest.next_down()
    } else {
        nearest
    }
}

/// One weight per image so that every class that occurs weighs the same, and all together `total`.
fn balanced(labels: &[usize], total: f64) -> Vec<f64> {
    let n_classes = labels.iter().max().map_or(0, |top| top + 1);
    let mut counts = vec![0_usize; n_classes];
    for label in labels {
        counts[*label] += 1;
    }
    let n_present = counts.iter().filter(|count| **count > 0).count();
    let share = total / real(n_present.max(1));
    labels.iter().map(|label| share / real(counts[*label])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_changes_no_logit() {
        let data: Vec<f32> = (0_i16..40).map(|i| f32::from(i * 7 % 11) * 0.25 - 1.0).collect();
        let index: Vec<usize> = (0..10).collect();
        let features = Rows {
            data: Matrix::Whole(&data),
            dim: 4,
            index: &index,
        };
        let standard = Standard::of(&features);
        let (row, bias) = ([0.5, -2.0, 1.0, 3.0], 0.75);
        let (weight, folded) = standard.fold(&row, bias);
        for plain in data.chunks_exact(4) {
            let scaled = plain.iter().zip(&standard.mean).zip(&standard.std);
            let scaled = scaled.map(|((x, mean), std)| (f64::from(*x) - f64::from(*mean)) / f64::from(*std));
            let before: f64 = scaled.zip(&row).map(|(x, v)| x * v).sum::<f64>() + bias;
            let after: f64 = plain.iter().zip(&weight).map(|(x, w)| f64::from(*x) * w).sum::<f64>() + folded;
            assert!((before - after).abs() < 1e-12, "{before} {after}");
        }
    }

    #[test]
    fn constant_features_are_divided_by_the_floor() {
        let data = [1.0, 5.0, 3.0, 5.0];
        let standard = Standard::of(&Rows {
            data: Matrix::Whole(&data),
            dim: 2,
            index: &[0, 1],
        });
        assert_eq!(standard.mean, [2.0, 5.0]);
        assert_eq!(standard.std, [1.0, 1e-3]);
    }

    #[test]
    fn classes_weigh_the_same() {
        let weights = balanced(&[0, 0, 0, 2], 0.5);
        assert_eq!(weights, [0.25 / 3.0, 0.25 / 3.0, 0.25 / 3.0, 0.25]);
    }

    #[test]
    fn log_sum_exp_is_stable() {
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert!((log_sum_exp(&[1e4, 1e4]) - (1e4 + 2.0_f64.ln())).abs() < 1e-9);
        // numpy: scipy.special.logsumexp([0.3, -1.2, 2.5])
        assert!((log_sum_exp(&[0.3, -1.2, 2.5]) - 2.627_096_582_800_486).abs() < 1e-12);
    }
}
