//! What is reported of a model beside the report that the gate reads: the package's `metrics.json`. Nothing here decides.

use serde::{Deserialize, Serialize};

use crate::names::ClassName;
use crate::report::Comparison;
use crate::stats::mcnemar_exact;

/// Calibration, ranking and flips of a candidate and its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Version of this format: 1.
    pub format: u32,
    /// The candidate.
    pub candidate: ModelExtras,
    /// The baseline, on the same photos.
    pub baseline: Option<ModelExtras>,
    /// One against the other.
    pub flips: Option<FlipRates>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelExtras {
    /// How far its probabilities are true, over sealed photos of its own classes.
    pub reliability: Reliability,
    /// One per class of this model.
    pub classes: Vec<ClassExtras>,
}

/// Bins of a reliability diagram.
const BINS: usize = 15;

/// Largest probabilities against how often they are right (Guo et al. 2017, <https://arxiv.org/abs/1706.04599>).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reliability {
    /// Σ n/N · |share right − mean probability| over the bins; none without photos.
    pub ece: Option<f64>,
    /// At most 15 of as equal mass as can be, by rising probability.
    pub bins: Vec<ReliabilityBin>,
}

impl Reliability {
    /// Of photos with their largest probability each, and whether that is their own class's.
    #[must_use]
    pub fn of(mut photos: Vec<(f64, bool)>) -> Self {
        photos.sort_by(|a, b| a.0.total_cmp(&b.0));
        let n = photos.len();
        let n_bins = BINS.min(n);
        let mut rest = photos.as_slice();
        let mut bins = Vec::with_capacity(n_bins);
        for bin in 0..n_bins {
            let size = n / n_bins + usize::from(bin < n % n_bins);
            let (mine, others) = rest.split_at(size);
            rest = others;
            bins.push(ReliabilityBin {
                n: size,
                confidence: mine.iter().map(|(p, _)| p).sum::<f64>() / real(size),
                accuracy: real(mine.iter().filter(|(_, right)| *right).count()) / real(size),
            });
        }
        let gaps = bins
            .iter()
            .map(|bin| real(bin.n) / real(n) * (bin.accuracy - bin.confidence).abs());
        Self {
            ece: (n > 0).then(|| gaps.sum()),
            bins,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
const fn real(count: usize) -> f64 {
    count as f64
}

/// Photos with like probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReliabilityBin {
    /// Photos.
    pub n: usize,
    /// Mean of their largest probabilities.
    pub confidence: f64,
    /// Share whose largest probability is their own class's.
    pub accuracy: f64,
}

/// One class of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassExtras {
    /// The class.
    pub class: ClassName,
    /// Area under the ROC curve on sealed photos; none where all are of the class or none is.
    pub auc: Option<f64>,
    /// Its corners, at most 400, thresholds falling.
    pub roc: Vec<RocPoint>,
    /// The threshold with the largest F1 on calibration photos.
    pub best_f1: Option<Suggested>,
    /// The threshold with the largest recall at a precision of 0.95 or more on calibration photos; none where none has it.
    pub at_precision: Option<Suggested>,
}

/// Accepting every photo whose probability of the class is at least `threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Probability.
    pub threshold: f64,
    /// Share of the photos of other classes that is accepted.
    pub false_positive_rate: f64,
    /// Share of the photos of the class that is accepted.
    pub true_positive_rate: f64,
}

/// A threshold that calibration photos suggest. The model keeps its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggested {
    /// Probability.
    pub threshold: f64,
    /// On calibration photos.
    pub precision: f64,
    /// On calibration photos.
    pub recall: f64,
}

/// Sealed photos of old classes that changed between right and wrong
/// (Yan et al. 2021, positive-congruent training, <https://arxiv.org/abs/2011.09161>).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlipRates {
    /// Lost, of all photos of old classes.
    pub negative_flip_rate: Option<f64>,
    /// Lost, of those that the baseline had right.
    pub conditional_negative_flip_rate: Option<f64>,
    /// McNemar's exact two-sided p over lost and won photos.
    pub mcnemar_p: f64,
}

impl FlipRates {
    /// Of a comparison over `n_old` photos of old classes.
    #[must_use]
    pub fn of(comparison: &Comparison, n_old: u64) -> Self {
        let lost = comparison.negative_flips.len() as u64;
        #[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
        let share = |n: u64| (n > 0).then(|| lost as f64 / n as f64);
        Self {
            negative_flip_rate: share(n_old),
            conditional_negative_flip_rate: share(comparison.n_right),
            mcnemar_p: mcnemar_exact(comparison.n_positive_flips, lost),
        }
    }
}
