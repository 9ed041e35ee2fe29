//! All classes from nothing: multinomial logistic regression, class-balanced, L2 in standardised space, biases free; the
//! L2 weight and one temperature are chosen on `calibration`.

use candle_core::{Device, Tensor};
use domain::report::Trial;

use crate::head::minimise::{Minimum, minimise};
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
    let calibration = Tensor::from_vec(
        standard.apply(&input.calibration),
        (input.calibration.len(), dim),
        &Device::Cpu,
    )?;
    let mut start = vec![0.0; n_classes * (dim + 1)];
    let mut tried = Vec::new();
    for (order, l2) in falling(input.l2_grid) {
        if !tried.is_empty() && !keep_going() {
            break;
        }
        let minimum = minimise(&|point| objective.at(point, l2), start, gradient_norm(l2), keep_going)?;
        let rows = Tensor::from_slice(&minimum.point[..n_classes * dim], (n_classes, dim), &Device::Cpu)?;
        let mut logits = calibration.matmul(&rows.t()?)?.flatten_all()?.to_vec1::<f64>()?;
        for row in logits.chunks_exact_mut(n_classes) {
            for (z, c) in row.iter_mut().zip(&minimum.point[n_classes * dim..]) {
                *z += c;
            }
        }
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
    /// Standardised, (images, dim).
    features: Tensor,
    labels: &'a [usize],
    weights: Vec<f64>,
    n_classes: usize,
    dim: usize,
}

impl<'a> Cold<'a> {
    fn new(input: &ColdInput<'a>, standard: &Standard) -> Result<Self, HeadError> {
        let dim = input.train.dim;
        Ok(Self {
            features: Tensor::from_vec(standard.apply(&input.train), (input.train.len(), dim), &Device::Cpu)?,
            labels: input.train_labels,
            weights: balanced(input.train_labels, 1.0),
            n_classes: input.n_classes,
            dim,
        })
    }

    /// Value and gradient at `point`: (classes, dim) weights, then biases.
    fn at(&self, point: &[f64], l2: f64) -> Result<(f64, Vec<f64>), HeadError> {
        let k = self.n_classes;
        let (rows, biases) = point.split_at(k * self.dim);
        let weight = Tensor::from_slice(rows, (k, self.dim), &Device::Cpu)?;
        let mut logits = self.features.matmul(&weight.t()?)?.flatten_all()?.to_vec1::<f64>()?;
        let mut value = 0.5 * l2 * rows.iter().map(|v| v * v).sum::<f64>();
        let mut bias_gradient = vec![0.0; k];
        // Each row of logits turns into the gradient by them.
        for ((row, label), weight) in logits.chunks_exact_mut(k).zip(self.labels).zip(&self.weights) {
            for (z, c) in row.iter_mut().zip(biases) {
                *z += c;
            }
            let total = log_sum_exp(row);
            value += weight * (total - row[*label]);
            for z in row.iter_mut() {
                *z = weight * (*z - total).exp();
            }
            row[*label] -= weight;
            for (sum, g) in bias_gradient.iter_mut().zip(row.iter()) {
                *sum += g;
            }
        }
        let by_logits = Tensor::from_vec(logits, (self.labels.len(), k), &Device::Cpu)?;
        let mut gradient = by_logits.t()?.matmul(&self.features)?.flatten_all()?.to_vec1::<f64>()?;
        for (g, v) in gradient.iter_mut().zip(rows) {
            *g += l2 * v;
        }
        gradient.extend(bias_gradient);
        Ok((value, gradient))
    }
}

/// The temperature with the least mean log-loss, and that loss. The loss is convex in 1/T, so its slope is bisected.
fn temperature(logits: &[f64], n_classes: usize, labels: &[usize]) -> (f64, f64) {
    const WIDEST: f64 = 1e3;
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
    let (mut low, mut high) = ((1.0 / WIDEST).ln(), WIDEST.ln());
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
fn mean_loss(logits: &[f64], n_classes: usize, labels: &[usize], inverse: f64) -> f64 {
    let rows = logits.chunks_exact(n_classes).zip(labels);
    let losses = rows.map(|(row, label)| {
        let scaled: Vec<f64> = row.iter().map(|z| z * inverse).collect();
        log_sum_exp(&scaled) - scaled[*label]
    });
    losses.sum::<f64>() / super::real(labels.len())
}
