//! What fits of all rows at once share: the L2 weight is tried from the largest down, each from the last one's minimum, and
//! chosen with one temperature on `calibration`.

use domain::report::Trial;

use crate::head::cold::falling;
use crate::head::minimise::{Minimum, minimise};
use crate::head::passes::{Features, Precision};
use crate::head::path::Path;
use crate::head::precondition::Preconditioner;
use crate::head::rows::Rows;
use crate::head::{Head, HeadError, Standard, gradient_norm, log_sum_exp, narrow, real};

/// A head and how it came to be.
#[derive(Clone, Debug)]
pub struct JointFit {
    /// The head, temperature folded in.
    pub head: Head,
    /// The L2 weight chosen: the least log-loss on `calibration`, each at its own best temperature.
    pub l2: f64,
    /// The temperature.
    pub temperature: f64,
    /// One per L2 weight tried, in the grid's order.
    pub trials: Vec<Trial>,
}

/// On what L2 weights are tried and chosen.
pub(super) struct Grid<'a> {
    pub(super) standard: &'a Standard,
    pub(super) calibration: Rows<'a>,
    pub(super) calibration_labels: &'a [usize],
    pub(super) n_classes: usize,
    pub(super) l2_grid: &'a [f64],
}

/// Value and gradient at a point, (classes, dim) weights then biases in standardised space, and an L2 weight.
pub(super) type Objective<'a> = dyn Fn(&[f64], f64, Precision) -> (f64, Vec<f64>) + 'a;

/// The inverse curvature at such a point.
pub(super) type Curvature<'a> = dyn Fn(&[f64], f64) -> Option<Preconditioner> + 'a;

impl Grid<'_> {
    /// Goes down from `start`. Between two iterations `keep_going` is asked; where it says no the best so far is returned.
    pub(super) fn fit(
        &self,
        objective: &Objective<'_>,
        curvature: &Curvature<'_>,
        start: Vec<f64>,
        precision: Precision,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<JointFit, HeadError> {
        let calibration = Features::new(self.calibration, self.standard);
        let mut path = Path::from(start);
        let mut tried = Vec::new();
        for (order, l2) in falling(self.l2_grid) {
            if !tried.is_empty() && !keep_going() {
                break;
            }
            let at = |point: &[f64], precision| Ok(objective(point, l2, precision));
            let bent = |point: &[f64]| curvature(point, l2);
            let start = path.start(l2, &at, precision)?;
            let minimum = minimise(&at, &bent, start, gradient_norm(l2), precision, keep_going)?;
            let (rows, biases) = minimum.point.split_at(self.n_classes * calibration.dim());
            let logits = calibration.logits(rows, biases);
            let (temperature, loss) = temperature(&logits, self.n_classes, self.calibration_labels);
            path.push(l2, minimum.point.clone());
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
        Ok(JointFit {
            head: best.head(self.standard, self.n_classes),
            l2: best.l2,
            temperature: best.temperature,
            trials: tried.iter().map(Tried::trial).collect(),
        })
    }
}

/// Each of these classes has an image in both splits.
///
/// # Errors
/// Names the first that has none.
pub(super) fn check_images(
    classes: std::ops::Range<usize>,
    train_labels: &[usize],
    calibration_labels: &[usize],
) -> Result<(), HeadError> {
    for (split, labels) in [("train", train_labels), ("calibration", calibration_labels)] {
        if let Some(class_idx) = classes.clone().find(|class| !labels.contains(class)) {
            return Err(HeadError::NoImages { class_idx, split });
        }
    }
    Ok(())
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

/// The temperatures that are fitted. Where `calibration` is separated without an error its log-loss falls for ever as T
/// goes to 0, and a head so cold leaves nothing between accepting and refusing: a clone's dial would have no room.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.5..=1e3;

/// The temperature in [`TEMPERATURES`] with the least mean log-loss, and that loss. The loss is convex in 1/T, so its slope
/// is bisected.
fn temperature(logits: &[f64], n_classes: usize, labels: &[usize]) -> (f64, f64) {
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
fn mean_loss(logits: &[f64], n_classes: usize, labels: &[usize], inverse: f64) -> f64 {
    let rows = logits.chunks_exact(n_classes).zip(labels);
    let losses = rows.map(|(row, label)| {
        let scaled: Vec<f64> = row.iter().map(|z| z * inverse).collect();
        log_sum_exp(&scaled) - scaled[*label]
    });
    losses.sum::<f64>() / real(labels.len())
}
