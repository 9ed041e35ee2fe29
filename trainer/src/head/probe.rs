//! Can the backbone tell these classes apart at all? Two quick answers on cached features, before or beside any real fit.
//!
//! *Nearest mean*: the class whose mean of standardised features is nearest (Rocchio's classifier; Mensink et al. 2013,
//! <https://doi.org/10.1109/TPAMI.2013.83>, without its metric). *Joint*: the cold fit of all classes at one L2 weight, cut
//! after a few iterations. Both learn on `train` and answer on `calibration`, which share no near-duplicates.

use std::cell::Cell;

use crate::head::passes::Features;
use crate::head::rows::Rows;
use crate::head::{ColdInput, HeadError, Standard, fit_cold, real, top};

/// What a probe learns from and answers on.
#[derive(Clone, Copy, Debug)]
pub struct ProbeInput<'a> {
    /// Features of `train`.
    pub train: Rows<'a>,
    /// Their classes.
    pub train_labels: &'a [usize],
    /// Features of `calibration`.
    pub calibration: Rows<'a>,
    /// Their classes.
    pub calibration_labels: &'a [usize],
    /// How many classes there are; each has images in both splits.
    pub n_classes: usize,
}

/// Answers on `calibration`. Row: the class; column: the answer. Images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Of the nearest mean.
    pub nearest_mean: Vec<Vec<u64>>,
    /// Of the joint fit.
    pub joint: Vec<Vec<u64>>,
}

/// Strong enough that few iterations do.
const L2: f64 = 1e-3;
const ITERATIONS: u32 = 50;

/// Probes.
///
/// # Errors
/// A class without images in a split, or features that are not finite.
pub fn probe(input: &ProbeInput<'_>) -> Result<Probe, HeadError> {
    let left = Cell::new(ITERATIONS);
    let keep_going = || {
        left.set(left.get().saturating_sub(1));
        left.get() > 0
    };
    let cold = ColdInput {
        train: input.train,
        train_labels: input.train_labels,
        calibration: input.calibration,
        calibration_labels: input.calibration_labels,
        n_classes: input.n_classes,
        l2_grid: &[L2],
    };
    let head = fit_cold(&cold, &keep_going)?.head;
    let joint = head.logits(&input.calibration)?;
    Ok(Probe {
        nearest_mean: confusion(input, nearest_mean(input).chunks_exact(input.n_classes)),
        joint: confusion(input, joint.iter()),
    })
}

/// Half of the squared distance to each mean is `|x|²/2 − (m·x − |m|²/2)`, and `|x|` is the same for all classes.
fn nearest_mean(input: &ProbeInput<'_>) -> Vec<f64> {
    let (k, dim) = (input.n_classes, input.train.dim);
    let standard = Standard::of(&input.train);
    let mut means = vec![0.0; k * dim];
    let mut counts = vec![0_usize; k];
    let mut labels = input.train_labels.iter();
    input.train.for_each(|row| {
        let Some(label) = labels.next() else { return };
        counts[*label] += 1;
        let sums = &mut means[label * dim..(label + 1) * dim];
        for ((sum, x), (mean, std)) in sums.iter_mut().zip(row).zip(standard.mean.iter().zip(&standard.std)) {
            *sum += (f64::from(*x) - f64::from(*mean)) / f64::from(*std);
        }
    });
    for (mean, count) in means.chunks_exact_mut(dim).zip(&counts) {
        for m in mean {
            *m /= real(*count);
        }
    }
    let bias: Vec<f64> = means
        .chunks_exact(dim)
        .map(|mean| -0.5 * mean.iter().map(|m| m * m).sum::<f64>())
        .collect();
    Features::new(input.calibration, &standard).logits(&means, &bias)
}

fn confusion<'z>(input: &ProbeInput<'_>, scores: impl Iterator<Item = &'z [f64]>) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; input.n_classes]; input.n_classes];
    for (z, label) in scores.zip(input.calibration_labels) {
        counts[*label][top(z).0] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

    use super::*;
    use crate::head::Matrix;

    #[test]
    fn classes_apart_are_told_apart_and_one_class_under_two_names_is_not() {
        const DIM: usize = 12;
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut noise = || {
            (0..6)
                .map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX) - 0.5)
                .sum::<f64>() as f32
        };
        // Classes 0 and 1 stand on axes of their own; 2 is drawn where 1 is.
        let axes = [0, 1, 1];
        let (mut data, mut labels) = (Vec::new(), Vec::new());
        for image in 0..240 {
            let label = image % 3;
            let mut row: Vec<f32> = (0..DIM).map(|_| noise()).collect();
            row[axes[label]] += 4.0;
            data.extend(row);
            labels.push(label);
        }
        let (train, calibration): (Vec<usize>, Vec<usize>) = (0..240).partition(|image| image % 2 == 0);
        let of = |index: &[usize]| -> Vec<usize> { index.iter().map(|image| labels[*image]).collect() };
        let rows = |index| Rows {
            data: Matrix::Whole(&data),
            dim: DIM,
            index,
        };
        let (train_labels, calibration_labels) = (of(&train), of(&calibration));
        let found = probe(&ProbeInput {
            train: rows(&train),
            train_labels: &train_labels,
            calibration: rows(&calibration),
            calibration_labels: &calibration_labels,
            n_classes: 3,
        })
        .unwrap();
        for answers in [&found.nearest_mean, &found.joint] {
            assert_eq!(answers.iter().flatten().sum::<u64>(), 120);
            assert!(answers[0][0] >= 38, "{answers:?}");
            let mixed = answers[1][2] + answers[2][1];
            assert!((25..=55).contains(&mixed), "{answers:?}");
        }
    }
}
