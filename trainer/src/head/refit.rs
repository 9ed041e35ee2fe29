//! All rows anew, from where the old ones stand: multinomial logistic regression on all cached features, balanced over
//! classes, L2, with or without distillation. No guarantee: any old answer may move.
//!
//! Balance is by logit adjustment (Menon et al. 2021, <https://arxiv.org/abs/2007.07314>): the loss sees logits raised by the
//! logarithm of the class's share of the images, so that the plain logits are those of a balanced world. Or by weights, as in
//! the cold fit. Distillation keeps the old classes' shares among themselves near the baseline's on old images
//! (Li, Hoiem 2016, <https://arxiv.org/abs/1606.09282>).

use domain::job::{Balance, RefitConfig};

use crate::head::cold::{regularised, softmax};
use crate::head::joint::{Grid, JointFit, check_images};
use crate::head::passes::{Features, Precision};
use crate::head::precondition::Preconditioner;
use crate::head::rows::Rows;
use crate::head::{Head, HeadError, Logits, Standard, balanced, log_sum_exp, real};

/// What a refit learns from. Classes are counted through: the baseline's, then the new ones.
#[derive(Clone, Copy, Debug)]
pub struct RefitInput<'a> {
    /// Where the old rows start, and the constants features are standardised by.
    pub baseline: &'a Head,
    /// Its logits on every row of the matrix that `train` is rows of, where they are known.
    pub baseline_logits: Option<&'a Logits>,
    /// Features of `train`, old and new classes.
    pub train: Rows<'a>,
    /// Their classes.
    pub train_labels: &'a [usize],
    /// Features of `calibration`, old and new classes.
    pub calibration: Rows<'a>,
    /// Their classes.
    pub calibration_labels: &'a [usize],
    /// All classes.
    pub n_classes: usize,
    /// L2 weights to try.
    pub l2_grid: &'a [f64],
    /// Balance and distillation.
    pub config: RefitConfig,
}

/// Fits all rows. Between two iterations `keep_going` is asked; where it says no the best so far is returned.
///
/// # Errors
/// A class without images in a split, features of another width, or features that are not finite.
pub fn fit_refit(input: &RefitInput<'_>, keep_going: &dyn Fn() -> bool) -> Result<JointFit, HeadError> {
    if input.train.dim != input.baseline.dim {
        return Err(HeadError::Dim {
            expected: input.baseline.dim,
            got: input.train.dim,
        });
    }
    check_images(0..input.n_classes, input.train_labels, input.calibration_labels)?;
    let standard = Standard::of_head(input.baseline);
    let objective = Refit::new(input, &standard)?;
    let grid = Grid {
        standard: &standard,
        calibration: input.calibration,
        calibration_labels: input.calibration_labels,
        n_classes: input.n_classes,
        l2_grid: input.l2_grid,
    };
    let start = warm(input, &standard);
    let at = |point: &[f64], l2: f64, precision| objective.at(point, l2, precision);
    let curvature = |point: &[f64], l2: f64| objective.curvature(point, l2);
    grid.fit(&at, &curvature, start, objective.features.precision(), keep_going)
}

/// The old rows in standardised space, and nothing for new ones: their biases make them as likely as the least likely old one.
fn warm(input: &RefitInput<'_>, standard: &Standard) -> Vec<f64> {
    let (dim, n_old) = (input.baseline.dim, input.baseline.n_classes());
    let mut rows = Vec::with_capacity(input.n_classes * (dim + 1));
    let mut biases = Vec::with_capacity(input.n_classes);
    for class in 0..n_old {
        let (row, bias) = standard.unfold(input.baseline.row(class), input.baseline.bias[class]);
        rows.extend(row);
        biases.push(bias);
    }
    let least = biases.iter().copied().fold(f64::INFINITY, f64::min);
    rows.resize(input.n_classes * dim, 0.0);
    biases.resize(input.n_classes, if least.is_finite() { least } else { 0.0 });
    rows.extend(biases);
    rows
}

/// The regularised cross-entropy of all rows, and what distillation adds.
struct Refit<'a> {
    features: Features<'a>,
    labels: &'a [usize],
    weights: Vec<f64>,
    /// Logarithm of each class's share of the images; zeros without logit adjustment.
    adjustment: Vec<f64>,
    /// (images, old classes): the baseline's probabilities; empty without distillation.
    taught: Vec<f64>,
    /// Weight of distillation of an image of an old class.
    teaching: f64,
    n_old: usize,
    n_weights: usize,
}

impl<'a> Refit<'a> {
    fn new(input: &RefitInput<'a>, standard: &Standard) -> Result<Self, HeadError> {
        let n = real(input.train_labels.len());
        let n_old = input.baseline.n_classes();
        let share = |class: usize| real(input.train_labels.iter().filter(|label| **label == class).count()) / n;
        let (weights, adjustment) = match input.config.balance {
            Balance::None => (vec![1.0 / n; input.train_labels.len()], vec![0.0; input.n_classes]),
            Balance::Weights => (balanced(input.train_labels, 1.0), vec![0.0; input.n_classes]),
            Balance::LogitAdjustment => (
                vec![1.0 / n; input.train_labels.len()],
                (0..input.n_classes).map(|class| share(class).ln()).collect(),
            ),
        };
        let teaching = input.config.distillation;
        let mut taught = Vec::new();
        if teaching > 0.0 {
            for z in input.baseline.logits_known(input.baseline_logits, &input.train)?.iter() {
                let total = log_sum_exp(z);
                taught.extend(z.iter().map(|z| (z - total).exp()));
            }
        }
        Ok(Self {
            features: Features::new(input.train, standard),
            labels: input.train_labels,
            weights,
            adjustment,
            taught,
            teaching,
            n_old,
            n_weights: input.n_classes * input.train.dim,
        })
    }

    /// Value and gradient at `point`: (classes, dim) weights, then biases.
    fn at(&self, point: &[f64], l2: f64, precision: Precision) -> (f64, Vec<f64>) {
        let (rows, biases) = point.split_at(self.n_weights);
        let loss = |image: usize, z: &mut [f64]| {
            let (label, weight) = (self.labels[image], self.weights[image]);
            let old = self.taught.get(image * self.n_old..(image + 1) * self.n_old);
            let taught = old.filter(|_| label < self.n_old);
            // KL of the old classes' shares among themselves; what does not depend on the rows is left out.
            let (distilled, shares) = taught.map_or((0.0, Vec::new()), |taught| {
                let total = log_sum_exp(&z[..self.n_old]);
                let cross: f64 = taught.iter().zip(&*z).map(|(q, z)| q * (total - z)).sum();
                let shares = z[..self.n_old].iter().zip(taught).map(|(z, q)| (z - total).exp() - q);
                (cross, shares.collect())
            });
            for (z, shift) in z.iter_mut().zip(&self.adjustment) {
                *z += shift;
            }
            let own = z[label];
            let total = softmax(z, weight);
            let value = weight * (total - own + self.teaching * distilled);
            z[label] -= weight;
            for (g, share) in z.iter_mut().zip(&shares) {
                *g += weight * self.teaching * share;
            }
            value
        };
        regularised(self.features.pass(rows, biases, precision, &loss), rows, l2)
    }

    /// The inverse curvature at `point`, without what distillation adds.
    fn curvature(&self, point: &[f64], l2: f64) -> Option<Preconditioner> {
        let (rows, biases) = point.split_at(self.n_weights);
        let loss = |image: usize, z: &mut [f64]| {
            for (z, shift) in z.iter_mut().zip(&self.adjustment) {
                *z += shift;
            }
            softmax(z, 1.0);
            for p in z.iter_mut() {
                *p = self.weights[image] * *p * (1.0 - *p);
            }
            0.0
        };
        let curvature = self.features.by_logits(rows, biases, &loss);
        Some(Preconditioner::new(&self.features, &curvature, l2)?.of_softmax(l2))
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

    use super::*;
    use crate::head::{ColdInput, Matrix, fit_cold, top};

    const DIM: usize = 6;

    /// Images of three classes, the third one rare; the baseline knows two.
    struct Clusters {
        data: Vec<f32>,
        labels: Vec<usize>,
        baseline: Head,
    }

    fn clusters() -> Clusters {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut noise = || {
            (0..6)
                .map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX) - 0.5)
                .sum::<f64>() as f32
        };
        let (mut data, mut labels) = (Vec::new(), Vec::new());
        for image in 0..210 {
            let label = if image % 10 == 9 { 2 } else { image % 2 };
            let mut row: Vec<f32> = (0..DIM).map(|_| noise()).collect();
            row[label] += 1.2;
            data.extend(row);
            labels.push(label);
        }
        let index: Vec<usize> = (0..210).filter(|image| labels[*image] < 2).collect();
        let old: Vec<usize> = index.iter().map(|image| labels[*image]).collect();
        let rows = Rows {
            data: Matrix::Whole(&data),
            dim: DIM,
            index: &index,
        };
        let cold = ColdInput {
            train: rows,
            train_labels: &old,
            calibration: rows,
            calibration_labels: &old,
            n_classes: 2,
            l2_grid: &[1e-2],
        };
        let baseline = fit_cold(&cold, &|| true).unwrap().head;
        Clusters { data, labels, baseline }
    }

    fn with<T>(clusters: &Clusters, config: RefitConfig, use_it: impl FnOnce(&RefitInput<'_>) -> T) -> T {
        let index: Vec<usize> = (0..clusters.labels.len()).collect();
        let rows = Rows {
            data: Matrix::Whole(&clusters.data),
            dim: DIM,
            index: &index,
        };
        use_it(&RefitInput {
            baseline: &clusters.baseline,
            baseline_logits: None,
            train: rows,
            train_labels: &clusters.labels,
            calibration: rows,
            calibration_labels: &clusters.labels,
            n_classes: 3,
            l2_grid: &[1e-2],
            config,
        })
    }

    const PLAIN: RefitConfig = RefitConfig {
        balance: Balance::LogitAdjustment,
        distillation: 0.0,
    };

    #[test]
    fn the_gradient_is_the_slope() {
        let clusters = clusters();
        for config in [
            PLAIN,
            RefitConfig {
                balance: Balance::Weights,
                distillation: 0.7,
            },
            RefitConfig {
                balance: Balance::None,
                distillation: 2.0,
            },
        ] {
            with(&clusters, config, |input| {
                let standard = Standard::of_head(input.baseline);
                let objective = Refit::new(input, &standard).unwrap();
                let point: Vec<f64> = (0..3 * (DIM + 1)).map(|i| (i as f64 * 0.7).sin() * 0.3).collect();
                let at = |point: &[f64]| objective.at(point, 1e-2, Precision::Double);
                let (_, gradient) = at(&point);
                for (i, g) in gradient.iter().enumerate() {
                    let moved = |by: f64| {
                        let mut point = point.clone();
                        point[i] += by;
                        at(&point).0
                    };
                    let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    assert!((slope - g).abs() < 1e-7, "{config:?} {i}: {slope} {g}");
                }
            });
        }
    }

    #[test]
    fn a_warm_start_begins_with_the_baselines_answers() {
        let clusters = clusters();
        with(&clusters, PLAIN, |input| {
            let standard = Standard::of_head(input.baseline);
            let start = warm(input, &standard);
            let (rows, biases) = start.split_at(3 * DIM);
            let features = Features::new(input.train, &standard);
            let logits = features.logits(rows, biases);
            let before = input.baseline.logits(&input.train).unwrap();
            for (warm, old) in logits.chunks_exact(3).zip(before.iter()) {
                assert!((warm[0] - old[0]).abs() < 1e-5 && (warm[1] - old[1]).abs() < 1e-5);
            }
        });
    }

    #[test]
    fn balance_lifts_the_rare_class_and_distillation_holds_the_old_ones() {
        let clusters = clusters();
        let recall = |head: &Head, input: &RefitInput<'_>, class: usize| {
            let logits = head.logits(&input.train).unwrap();
            let of_class = logits
                .iter()
                .zip(&clusters.labels)
                .filter(|(_, label)| **label == class);
            let (n, right) = of_class.fold((0, 0), |(n, right), (z, _)| {
                (n + 1, right + usize::from(top(z).0 == class))
            });
            real(right) / real(n)
        };
        let rare = |balance| {
            let config = RefitConfig { balance, ..PLAIN };
            with(&clusters, config, |input| {
                recall(&fit_refit(input, &|| true).unwrap().head, input, 2)
            })
        };
        let (plain, adjusted, weighted) = (
            rare(Balance::None),
            rare(Balance::LogitAdjustment),
            rare(Balance::Weights),
        );
        assert!(
            adjusted > plain + 0.05 && weighted > plain + 0.05,
            "{plain} {adjusted} {weighted}"
        );
        // How far the old classes' shares among themselves move from the baseline's.
        let moved = |distillation| {
            let config = RefitConfig { distillation, ..PLAIN };
            with(&clusters, config, |input| {
                let head = fit_refit(input, &|| true).unwrap().head;
                let (old, new) = (
                    input.baseline.logits(&input.train).unwrap(),
                    head.logits(&input.train).unwrap(),
                );
                let gap = |(old, new): (&[f64], &[f64])| ((old[0] - old[1]) - (new[0] - new[1])).abs();
                old.iter().zip(new.iter()).map(gap).sum::<f64>()
            })
        };
        assert!(moved(20.0) < 0.6 * moved(0.0), "{} {}", moved(20.0), moved(0.0));
    }
}
