//! All classes from nothing: multinomial logistic regression, class-balanced, L2 in standardised space, biases free; the
//! L2 weight and one temperature are chosen on `calibration`.

use domain::report::Trial;

use crate::head::minimise::{Minimum, minimise};
use crate::head::passes::{Features, Pass};
use crate::head::product::Rows;
use crate::head::{Head, HeadError, Standard, balanced, gradient_norm, log_sum_exp, narrow};

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

/// A head and how it came to be.
#[derive(Clone, Debug)]
pub struct ColdFit {
    /// The head, temperature folded in.
    pub head: Head,
    /// The L2 weight chosen: the least log-loss on `calibration`, each at its own best temperature.
    pub l2: f64,
    /// The temperature.
    pub temperature: f64,
    /// One per L2 weight tried, in the grid's order.
    pub trials: Vec<Trial>,
}

/// Fits all classes. Between two iterations `keep_going` is asked; where it says no the best so far is returned.
///
/// # Errors
/// A class without images in a split, or features that are not finite.
pub fn fit_cold(input: &ColdInput<'_>, keep_going: &dyn Fn() -> bool) -> Result<ColdFit, HeadError> {
    check(input)?;
    let standard = Standard::of(&input.train);
    let (n_classes, dim) = (input.n_classes, input.train.dim);
    let objective = Cold::new(input, &standard)?;
    let calibration = Features::new(&input.calibration, &standard)?;
    let mut start = vec![0.0; n_classes * (dim + 1)];
    let mut tried = Vec::new();
    for (order, l2) in falling(input.l2_grid) {
        if !tried.is_empty() && !keep_going() {
            break;
        }
        let minimum = minimise(&|point| objective.at(point, l2), start, gradient_norm(l2), keep_going)?;
        let (rows, biases) = minimum.point.split_at(n_classes * dim);
        let logits = calibration.logits(rows, biases)?;
        let (temperature, loss) = temperature(&logits, n_classes, input.calibration_labels);
        start = minimum.point.clone();
        tried.push(Tried {
            order,
            l2,
            minimum,
            temperature,
            loss,
        });
    }
    tried.sort_by_key(|tried| tried.order);
    let best = tried
        .iter()
        .min_by(|a, b| a.loss.total_cmp(&b.loss))
        .ok_or(HeadError::NotFinite)?;
    Ok(ColdFit {
        head: best.head(&standard, n_classes),
        l2: best.l2,
        temperature: best.temperature,
        trials: tried.iter().map(Tried::trial).collect(),
    })
}

fn check(input: &ColdInput<'_>) -> Result<(), HeadError> {
    if input.n_classes < 2 {
        return Err(HeadError::TooFewClasses { got: input.n_classes });
    }
    let splits = [("train", input.train_labels), ("calibration", input.calibration_labels)];
    for (split, labels) in splits {
        let mut seen = vec![false; input.n_classes];
        for label in labels {
            seen[*label] = true;
        }
        if let Some(class_idx) = seen.iter().position(|seen| !seen) {
            return Err(HeadError::NoImages { class_idx, split });
        }
    }
    Ok(())
}

/// The grid from its largest value down, each with its place: a smaller weight starts well from a larger one's minimum.
pub(super) fn falling(grid: &[f64]) -> Vec<(usize, f64)> {
    let mut order: Vec<(usize, f64)> = grid.iter().copied().enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order
}

struct Tried {
    order: usize,
    l2: f64,
    minimum: Minimum,
    temperature: f64,
    loss: f64,
}

impl Tried {
    fn trial(&self) -> Trial {
        Trial {
            l2: self.l2,
            calibration_loss: self.loss,
            objective: self.minimum.value,
            gradient_norm: self.minimum.gradient_norm,
            n_iterations: self.minimum.n_iterations,
            converged: self.minimum.converged,
            b_need: None,
            b_safe: None,
        }
    }

    fn head(&self, standard: &Standard, n_classes: usize) -> Head {
        let dim = standard.mean.len();
        let (rows, biases) = self.minimum.point.split_at(n_classes * dim);
        let mut head = Head {
            dim,
            weight: Vec::with_capacity(rows.len()),
            bias: Vec::with_capacity(n_classes),
            mean: standard.mean.clone(),
            std: standard.std.clone(),
        };
        for (row, bias) in rows.chunks_exact(dim).zip(biases) {
            let (weight, bias) = standard.fold(row, *bias);
            head.weight.extend(weight.iter().map(|w| narrow(w / self.temperature)));
            head.bias.push(narrow(bias / self.temperature));
        }
        head
    }
}

/// The regularised cross-entropy of a cold fit.
struct Cold<'a> {
    features: Features,
    labels: &'a [usize],
    weights: Vec<f64>,
    n_weights: usize,
}

impl<'a> Cold<'a> {
    fn new(input: &ColdInput<'a>, standard: &Standard) -> Result<Self, HeadError> {
        Ok(Self {
            features: Features::new(&input.train, standard)?,
            labels: input.train_labels,
            weights: balanced(input.train_labels, 1.0),
            n_weights: input.n_classes * input.train.dim,
        })
    }

    /// Value and gradient at `point`: (classes, dim) weights, then biases.
    fn at(&self, point: &[f64], l2: f64) -> Result<(f64, Vec<f64>), HeadError> {
        let (rows, biases) = point.split_at(self.n_weights);
        let loss = |image: usize, z: &mut [f64]| {
            let (label, weight) = (self.labels[image], self.weights[image]);
            let total = log_sum_exp(z);
            let value = weight * (total - z[label]);
            for z in z.iter_mut() {
                *z = weight * (*z - total).exp();
            }
            z[label] -= weight;
            value
        };
        let pass = self.features.pass(rows, biases, &loss)?;
        Ok(regularised(pass, rows, l2))
    }
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

/// The temperatures that are fitted. Where `calibration` is separated without an error its log-loss falls for ever as T
/// goes to 0, and a head so cold leaves nothing between accepting and refusing: a clone's dial would have no room.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.5..=1e3;

/// The temperature in [`TEMPERATURES`] with the least mean log-loss, and that loss. The loss is convex in 1/T, so its slope
/// is bisected.
pub(super) fn temperature(logits: &[f64], n_classes: usize, labels: &[usize]) -> (f64, f64) {
    let slope = |inverse: f64| -> f64 {
        let rows = logits.chunks_exact(n_classes).zip(labels);
        rows.map(|(row, label)| {
            let scaled: Vec<f64> = row.iter().map(|z| z * inverse).collect();
            let total = log_sum_exp(&scaled);
            let mean: f64 = scaled.iter().zip(row).map(|(s, z)| (s - total).exp() * z).sum();
            mean - row[*label]
        })
        .sum()
    };
    let (mut low, mut high) = (-TEMPERATURES.end().ln(), -TEMPERATURES.start().ln());
    for _ in 0..60 {
        let mid = f64::midpoint(low, high);
        if slope(mid.exp()) > 0.0 {
            high = mid;
        } else {
            low = mid;
        }
    }
    let temperature = (-f64::midpoint(low, high)).exp();
    (temperature, mean_loss(logits, n_classes, labels, 1.0 / temperature))
}

/// Mean log-loss in nats, logits times `inverse`.
pub(super) fn mean_loss(logits: &[f64], n_classes: usize, labels: &[usize], inverse: f64) -> f64 {
    let rows = logits.chunks_exact(n_classes).zip(labels);
    let losses = rows.map(|(row, label)| {
        let scaled: Vec<f64> = row.iter().map(|z| z * inverse).collect();
        log_sum_exp(&scaled) - scaled[*label]
    });
    losses.sum::<f64>() / super::real(labels.len())
}

/// Value and gradient at one L2 weight, for a test of the gradient.
#[cfg(test)]
pub(super) fn objective<'a>(
    input: &ColdInput<'a>,
    l2: f64,
) -> Result<impl Fn(&[f64]) -> (f64, Vec<f64>) + use<'a>, HeadError> {
    let objective = Cold::new(input, &Standard::of(&input.train))?;
    Ok(move |point: &[f64]| objective.at(point, l2).expect("finite"))
}
