//! All classes from nothing: multinomial logistic regression, class-balanced, L2 in standardised space, biases free; the
//! L2 weight and one temperature are chosen on `calibration`.

use crate::head::joint::{Grid, JointFit, check_images};
use crate::head::passes::{Features, Pass, Precision};
use crate::head::precondition::Preconditioner;
use crate::head::rows::Rows;
use crate::head::{HeadError, Standard, balanced, top};

/// What a cold fit learns from.
#[derive(Clone, Copy, Debug)]
pub struct ColdInput<'a> {
    /// Features of `train`.
    pub train: Rows<'a>,
    /// Their classes.
    pub train_labels: &'a [usize],
    /// Features of `calibration`.
    pub calibration: Rows<'a>,
    /// Their classes.
    pub calibration_labels: &'a [usize],
    /// How many classes there are.
    pub n_classes: usize,
    /// L2 weights to try.
    pub l2_grid: &'a [f64],
}

/// Fits all classes. Between two iterations `keep_going` is asked; where it says no the best so far is returned.
///
/// # Errors
/// A class without images in a split, or features that are not finite.
pub fn fit_cold(input: &ColdInput<'_>, keep_going: &dyn Fn() -> bool) -> Result<JointFit, HeadError> {
    if input.n_classes < 2 {
        return Err(HeadError::TooFewClasses { got: input.n_classes });
    }
    check_images(0..input.n_classes, input.train_labels, input.calibration_labels)?;
    let standard = Standard::of(&input.train);
    let objective = Cold::new(input, &standard);
    let grid = Grid {
        standard: &standard,
        calibration: input.calibration,
        calibration_labels: input.calibration_labels,
        n_classes: input.n_classes,
        l2_grid: input.l2_grid,
    };
    let start = vec![0.0; input.n_classes * (input.train.dim + 1)];
    let at = |point: &[f64], l2: f64, precision| objective.at(point, l2, precision);
    let curvature = |point: &[f64], l2: f64| objective.curvature(point, l2);
    grid.fit(&at, &curvature, start, objective.features.precision(), keep_going)
}

/// The grid from its largest value down, each with its place: a smaller weight starts well from a larger one's minimum.
pub(super) fn falling(grid: &[f64]) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> = grid.iter().copied().enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order
}

/// The regularised cross-entropy of a cold fit.
struct Cold<'a> {
    features: Features<'a>,
    labels: &'a [usize],
    weights: Vec<f64>,
    n_weights: usize,
}

impl<'a> Cold<'a> {
    fn new(input: &ColdInput<'a>, standard: &Standard) -> Self {
        Self {
            features: Features::new(input.train, standard),
            labels: input.train_labels,
            weights: balanced(input.train_labels, 1.0),
            n_weights: input.n_classes * input.train.dim,
        }
    }

    /// Value and gradient at `point`: (classes, dim) weights, then biases.
    fn at(&self, point: &[f64], l2: f64, precision: Precision) -> (f64, Vec<f64>) {
        let (rows, biases) = point.split_at(self.n_weights);
        let loss = |image: usize, z: &mut [f64]| {
            let (label, weight) = (self.labels[image], self.weights[image]);
            let own = z[label];
            let total = softmax(z, weight);
            z[label] -= weight;
            weight * (total - own)
        };
        regularised(self.features.pass(rows, biases, precision, &loss), rows, l2)
    }

    /// The inverse curvature at `point`.
    fn curvature(&self, point: &[f64], l2: f64) -> Option<Preconditioner> {
        let (rows, biases) = point.split_at(self.n_weights);
        let loss = |image: usize, z: &mut [f64]| {
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

/// Leaves probabilities times `weight` in the place of logits, and returns their log-sum-exp.
pub(super) fn softmax(z: &mut [f64], weight: f64) -> f64 {
    let (_, top) = top(z);
    let mut sum = 0.0;
    for z in z.iter_mut() {
        *z = (*z - top).exp();
        sum += *z;
    }
    let scale = weight / sum;
    for z in z.iter_mut() {
        *z *= scale;
    }
    top + sum.ln()
}

/// Adds λ/2 ‖V‖² to a loss; biases are free.
pub(super) fn regularised(pass: Pass, rows: &[f64], l2: f64) -> (f64, Vec<f64>) {
    let value = pass.value + 0.5 * l2 * rows.iter().map(|v| v * v).sum::<f64>();
    let mut gradient = pass.by_weight;
    for (g, v) in gradient.iter_mut().zip(rows) {
        *g += l2 * v;
    }
    gradient.extend(pass.by_bias);
    (value, gradient)
}

/// Value and gradient at one L2 weight, for a test of the gradient.
#[cfg(test)]
pub(super) fn objective<'a>(input: &ColdInput<'a>, l2: f64) -> impl Fn(&[f64]) -> (f64, Vec<f64>) + use<'a> {
    let objective = Cold::new(input, &Standard::of(&input.train));
    move |point: &[f64]| objective.at(point, l2, Precision::Double)
}
