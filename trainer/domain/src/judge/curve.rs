//! Precision against recall over all classes at once, from the answers alone.

use crate::report::CurvePoint;
use crate::scores::{SealedScores, TopScores};

/// Points that cross over to a drawing at most.
const MOST: usize = 399;

/// The curve of a model whose classes are the first `n_classes`: at a threshold, every photo whose largest probability
/// reaches it is accepted as that class. Recall is of the photos of its classes, precision of what is accepted; photos of
/// classes that it does not have can only be accepted wrongly. Thresholds fall; one point for each, at most 400.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
pub fn of_all(scores: &SealedScores, answers: &TopScores, n_classes: usize) -> Vec<CurvePoint> {
    let n_known = scores.labels.iter().filter(|label| **label < n_classes).count();
    let answers = answers.classes.iter().zip(&answers.probabilities);
    let mut sorted: Vec<(f64, bool)> = answers
        .zip(&scores.labels)
        .map(|((class, probability), label)| (*probability, class == label))
        .collect();
    sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut points, mut n_right) = (Vec::new(), 0_usize);
    for (idx, (threshold, is_right)) in sorted.iter().enumerate() {
        n_right += usize::from(*is_right);
        // Photos of one probability are accepted together.
        let is_last = sorted.get(idx + 1).is_none_or(|next| next.0 < *threshold);
        if is_last && n_known > 0 {
            points.push(CurvePoint {
                threshold: *threshold,
                precision: n_right as f64 / (idx + 1) as f64,
                recall: n_right as f64 / n_known as f64,
            });
        }
    }
    let step = points.len().div_ceil(MOST).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.into_iter().enumerate();
    kept.filter(|(idx, _)| idx % step == 0 || *idx == last)
        .map(|(_, point)| point)
        .collect()
}
