//! New rows beside frozen old ones: only the new weights and biases are learned, with the old logits as constants.
//!
//! Half of the weight lies on old images and half on new ones, equal per class within each half. Whatever the new rows
//! are, an old class keeps `p / (1 + exp(LSE_N − LSE_O))`, so nothing can move between old classes. The offset on all new
//! logits, the new classes' alignment and the L2 weight are chosen on `calibration` alone.

use domain::report::Trial;

use crate::head::cold::{falling, regularised};
use crate::head::dial::{Interval, Limits, NewImage, OldImage, Table, interval};
use crate::head::joint::check_images;
use crate::head::minimise::{Minimum, minimise};
use crate::head::passes::{Features, Precision};
use crate::head::path::Path;
use crate::head::precondition::Preconditioner;
use crate::head::product::{Logits, logits};
use crate::head::rows::Rows;
use crate::head::{Head, HeadError, Standard, balanced, gradient_norm, log_sum_exp, narrow, narrow_down, real, top};

/// What an append fit learns from. Classes are counted through: the baseline's, then the new ones.
#[derive(Clone, Copy, Debug)]
pub struct AppendInput<'a> {
    /// The frozen rows, and the constants features are standardised by.
    pub baseline: &'a Head,
    /// Its logits on every row of the matrix that `train` and `calibration` are rows of, where they are known.
    pub baseline_logits: Option<&'a Logits>,
    /// Features of `train`, old and new classes.
    pub train: Rows<'a>,
    /// Their classes.
    pub train_labels: &'a [usize],
    /// Features of `calibration`, old and new classes.
    pub calibration: Rows<'a>,
    /// Their classes.
    pub calibration_labels: &'a [usize],
    /// Acceptance threshold of every class.
    pub taus: &'a [f64],
    /// Per old class: accepting it is the same answer as *unknown*.
    pub rejects: &'a [bool],
    /// L2 weights to try.
    pub l2_grid: &'a [f64],
    /// The recall each new class is to reach on `calibration`.
    pub recall_target: f64,
    /// What may be lost there.
    pub budget: &'a Budget,
    /// Where the dial is to stand; none: where the rules put it.
    pub offset: Option<f64>,
}

/// What may be lost on `calibration`, as proportions.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Per old class, of its accepted-right images.
    pub loss: Vec<f64>,
    /// Of all images of old classes: accepted as new.
    pub false_new: f64,
}

/// A head with new rows, and how it came to be.
#[derive(Clone, Debug)]
pub struct AppendFit {
    /// Old rows bit by bit, then the new ones with alignment and offset in their biases.
    pub head: Head,
    /// The L2 weight chosen.
    pub l2: f64,
    /// One per L2 weight tried, in the grid's order.
    pub trials: Vec<Trial>,
    /// The offset on all new logits.
    pub offset: f64,
    /// Lower end of the interval; none where no offset reaches every target.
    pub b_need: Option<f64>,
    /// Upper end of the interval; none where nothing bounds it.
    pub b_safe: Option<f64>,
    /// The interval is not empty.
    pub feasible: bool,
    /// Bias added to each new class.
    pub alignment: Vec<f64>,
    /// Old classes without an accepted calibration image.
    pub unbounded: Vec<usize>,
}

/// Fits the new rows. Between two iterations `keep_going` is asked; where it says no the best so far is returned.
///
/// # Errors
/// A new class without images in a split, features of another width, or features that are not finite.
pub fn fit_append(input: &AppendInput<'_>, keep_going: &dyn Fn() -> bool) -> Result<AppendFit, HeadError> {
    let n_old = input.baseline.n_classes();
    let n_new = input.taus.len() - n_old;
    check_images(n_old..input.taus.len(), input.train_labels, input.calibration_labels)?;
    let standard = Standard::of_head(input.baseline);
    let calibration = Calibration::new(input)?;
    let objective = Append::new(input, &standard, n_old)?;
    let mut path = Path::from(objective.start());
    let mut tried = Vec::new();
    for (order, l2) in falling(input.l2_grid) {
        if !tried.is_empty() && !keep_going() {
            break;
        }
        let at = |point: &[f64], precision| Ok(objective.at(point, l2, precision));
        let precision = objective.features.precision();
        let curvature = |point: &[f64]| objective.curvature(point, l2);
        let start = path.start(l2, &at, precision)?;
        let minimum = minimise(&at, &curvature, start, gradient_norm(l2), precision, keep_going)?;
        path.push(l2, minimum.point.clone());
        tried.push(Tried::new(order, l2, minimum, input, &standard, &calibration)?);
    }
    tried.sort_by_key(|tried| tried.order);
    // The widest interval leaves the most room on both sides of its middle. The least log-loss, which one would take
    // first, prefers stronger weights, whose narrower intervals lost three times as many old images on sealed ones.
    let by_loss = |a: &&Tried, b: &&Tried| a.loss.total_cmp(&b.loss);
    let by_room = |a: &&Tried, b: &&Tried| {
        let room = |tried: &Tried| tried.interval.width();
        room(b).total_cmp(&room(a)).then_with(|| by_loss(a, b))
    };
    let feasible = tried.iter().filter(|tried| tried.interval.feasible()).min_by(by_room);
    let best = feasible
        .or_else(|| tried.iter().min_by(by_loss))
        .ok_or(HeadError::TooFewClasses { got: n_new })?;
    let offset = input.offset.unwrap_or_else(|| best.interval.offset());
    Ok(AppendFit {
        head: best.head(input.baseline, offset),
        l2: best.l2,
        trials: tried.iter().map(Tried::trial).collect(),
        offset,
        b_need: best.interval.b_need,
        b_safe: best.interval.b_safe,
        feasible: best.interval.feasible(),
        alignment: best.interval.alignment.clone(),
        unbounded: calibration.unbounded(n_old),
    })
}

/// What the dial needs of the calibration split, and does not change from one L2 weight to the next.
struct Calibration {
    /// Old logits of all its images.
    old_logits: Logits,
    old: Vec<OldImage>,
    new: Vec<NewImage>,
}

impl Calibration {
    fn new(input: &AppendInput<'_>) -> Result<Self, HeadError> {
        let n_old = input.baseline.n_classes();
        let old_logits = input.baseline.logits_known(input.baseline_logits, &input.calibration)?;
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for (z, label) in old_logits.iter().zip(input.calibration_labels) {
            let (top_idx, top) = top(z);
            let lse_old = log_sum_exp(z);
            if *label >= n_old {
                let new_idx = label - n_old;
                new.push(NewImage { new_idx, lse_old, top });
            } else {
                let accepted = top_idx == *label && (top - lse_old).exp() >= input.taus[*label];
                old.push(OldImage {
                    class_idx: *label,
                    lse_old,
                    top,
                    right: accepted.then_some(top),
                });
            }
        }
        Ok(Self { old_logits, old, new })
    }

    fn unbounded(&self, n_old: usize) -> Vec<usize> {
        let bounds = |class: &usize| {
            self.old
                .iter()
                .any(|image| image.class_idx == *class && image.right.is_some())
        };
        (0..n_old).filter(|class| !bounds(class)).collect()
    }
}

struct Tried {
    order: usize,
    l2: f64,
    minimum: Minimum,
    interval: Interval,
    loss: f64,
    /// The new rows on plain features, as stored.
    weight: Vec<f32>,
    /// Their biases before alignment and offset, as the interval was found with them.
    bias: Vec<f32>,
}

impl Tried {
    fn new(
        order: usize,
        l2: f64,
        minimum: Minimum,
        input: &AppendInput<'_>,
        standard: &Standard,
        calibration: &Calibration,
    ) -> Result<Self, HeadError> {
        let dim = input.baseline.dim;
        let n_old = input.baseline.n_classes();
        let n_new = input.taus.len() - n_old;
        let (mut weight, mut bias) = (Vec::with_capacity(n_new * dim), Vec::with_capacity(n_new));
        let (rows, biases) = minimum.point.split_at(n_new * dim);
        for (row, c) in rows.chunks_exact(dim).zip(biases) {
            let (folded, b) = standard.fold(row, *c);
            weight.extend(folded.into_iter().map(narrow));
            bias.push(narrow(b));
        }
        let new_logits = logits(&input.calibration, dim, &weight, &bias)?;
        let of = |old: bool| -> Vec<Vec<f64>> {
            let rows = new_logits.iter().zip(input.calibration_labels);
            rows.filter(|(_, label)| (**label < n_old) == old)
                .map(|(z, _)| z.to_vec())
                .collect()
        };
        let mut table = Table {
            old: &calibration.old,
            old_logits: of(true),
            new: &calibration.new,
            new_logits: of(false),
        };
        let limits = Limits {
            taus: input.taus,
            rejects: input.rejects,
            loss: &input.budget.loss,
            false_new: input.budget.false_new,
            recall: input.recall_target,
        };
        let interval = interval(&mut table, &limits);
        // Of the fit itself: where the dial then stands is a decision about risk and says nothing about the rows.
        let loss = loss(&calibration.old_logits, &new_logits, input.calibration_labels);
        Ok(Self {
            order,
            l2,
            minimum,
            interval,
            loss,
            weight,
            bias,
        })
    }

    fn trial(&self) -> Trial {
        Trial {
            l2: self.l2,
            calibration_loss: self.loss,
            objective: self.minimum.value,
            gradient_norm: self.minimum.gradient_norm,
            n_iterations: self.minimum.n_iterations,
            converged: self.minimum.converged,
            b_need: self.interval.b_need,
            b_safe: self.interval.b_safe,
        }
    }

    fn head(&self, baseline: &Head, offset: f64) -> Head {
        let mut head = baseline.clone();
        head.weight.extend_from_slice(&self.weight);
        let biases = self.bias.iter().zip(&self.interval.alignment);
        head.bias
            .extend(biases.map(|(bias, aligned)| narrow_down(f64::from(*bias) + aligned + offset)));
        head
    }
}

/// Mean log-loss of the candidate in nats, at the biases as they were fitted.
fn loss(old: &Logits, new: &Logits, labels: &[usize]) -> f64 {
    let rows = old.iter().zip(new.iter()).zip(labels);
    let losses = rows.map(|((old, new), label)| {
        let all: Vec<f64> = old.iter().chain(new).copied().collect();
        log_sum_exp(&all) - all[*label]
    });
    losses.sum::<f64>() / real(labels.len())
}

/// The regularised cross-entropy of the new rows.
struct Append<'a> {
    features: Features<'a>,
    labels: &'a [usize],
    weights: Vec<f64>,
    /// Of the old logits of each image.
    lse_old: Vec<f64>,
    /// The old logit of its own class, for images of old classes.
    own: Vec<f64>,
    n_old: usize,
    n_new: usize,
    dim: usize,
}

impl<'a> Append<'a> {
    fn new(input: &AppendInput<'a>, standard: &Standard, n_old: usize) -> Result<Self, HeadError> {
        let old_logits = input.baseline.logits_known(input.baseline_logits, &input.train)?;
        let labels = input.train_labels;
        let is_new = |label: &usize| *label >= n_old;
        // Half on old images and half on new ones, within each half equal per class.
        let (new, old): (Vec<usize>, Vec<usize>) = labels.iter().copied().partition(is_new);
        let (mut new, mut old) = (balanced(&new, 0.5).into_iter(), balanced(&old, 0.5).into_iter());
        let weights = labels
            .iter()
            .filter_map(|label| if is_new(label) { new.next() } else { old.next() });
        let dim = input.train.dim;
        Ok(Self {
            features: Features::new(input.train, standard),
            labels,
            weights: weights.collect(),
            lse_old: old_logits.iter().map(log_sum_exp).collect(),
            own: old_logits
                .iter()
                .zip(labels)
                .map(|(z, label)| z.get(*label).copied().unwrap_or_default())
                .collect(),
            n_old,
            n_new: input.taus.len() - n_old,
            dim,
        })
    }

    /// No weights, and biases at which a new class is as likely as all old ones together.
    fn start(&self) -> Vec<f64> {
        let mean = self
            .lse_old
            .iter()
            .zip(&self.weights)
            .map(|(lse, weight)| lse * weight)
            .sum::<f64>();
        let mut start = vec![0.0; self.n_new * self.dim];
        start.resize(self.n_new * (self.dim + 1), mean);
        start
    }

    /// Value and gradient at `point`: (new classes, dim) weights, then biases.
    fn at(&self, point: &[f64], l2: f64, precision: Precision) -> (f64, Vec<f64>) {
        let (rows, biases) = point.split_at(self.n_new * self.dim);
        let loss = |image: usize, z: &mut [f64]| {
            let (label, weight) = (self.labels[image], self.weights[image]);
            let total = log_sum_exp(&[self.lse_old[image], log_sum_exp(z)]);
            let new = label.checked_sub(self.n_old);
            let value = weight * (total - new.map_or(self.own[image], |new| z[new]));
            for z in z.iter_mut() {
                *z = weight * (*z - total).exp();
            }
            if let Some(new) = new {
                z[new] -= weight;
            }
            value
        };
        regularised(self.features.pass(rows, biases, precision, &loss), rows, l2)
    }

    /// The inverse curvature at `point`.
    fn curvature(&self, point: &[f64], l2: f64) -> Option<Preconditioner> {
        let (rows, biases) = point.split_at(self.n_new * self.dim);
        let loss = |image: usize, z: &mut [f64]| {
            let total = log_sum_exp(&[self.lse_old[image], log_sum_exp(z)]);
            for z in z.iter_mut() {
                let p = (*z - total).exp();
                *z = self.weights[image] * p * (1.0 - p);
            }
            0.0
        };
        Preconditioner::new(&self.features, &self.features.by_logits(rows, biases, &loss), l2)
    }
}

/// Value and gradient at one L2 weight, for a test of the gradient.
#[cfg(test)]
pub(super) fn objective<'a>(
    input: &AppendInput<'a>,
    l2: f64,
) -> Result<impl Fn(&[f64]) -> (f64, Vec<f64>) + use<'a>, HeadError> {
    let standard = Standard::of_head(input.baseline);
    let objective = Append::new(input, &standard, input.baseline.n_classes())?;
    Ok(move |point: &[f64]| objective.at(point, l2, Precision::Double))
}
