//! Precision–recall points at every distinct score, and the few of them that a page needs.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use domain::report::CurvePoint;

/// The most points that are kept.
const MOST_POINTS: usize = 400;
/// The vertical error that is allowed.
const TOLERANCE: f64 = 0.002;

/// Precision and recall at every distinct score, thresholds falling. `scores` holds each image's score and whether it is
/// of the class; empty where none is.
#[must_use]
pub fn points(scores: Vec<(f64, bool)>) -> Vec<CurvePoint> {
    let steps = steps(scores);
    let n_class = steps.last().map_or(0, |step| step.right);
    if n_class == 0 {
        return Vec::new();
    }
    let point = |step: Step| CurvePoint {
        threshold: step.threshold,
        precision: ratio(step.right, step.right + step.wrong),
        recall: ratio(step.right, n_class),
    };
    steps.into_iter().map(point).collect()
}

/// What is accepted from a threshold on: images of the class and others.
pub(super) struct Step {
    pub(super) threshold: f64,
    pub(super) right: usize,
    pub(super) wrong: usize,
}

/// One for every distinct score, falling; the last accepts everything.
pub(super) fn steps(mut scores: Vec<(f64, bool)>) -> Vec<Step> {
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut steps = Vec::new();
    let (mut right, mut wrong) = (0, 0);
    for (idx, (threshold, of_class)) in scores.iter().enumerate() {
        if *of_class {
            right += 1;
        } else {
            wrong += 1;
        }
        if scores.get(idx + 1).is_none_or(|next| next.0 < *threshold) {
            steps.push(Step {
                threshold: *threshold,
                right,
                wrong,
            });
        }
    }
    steps
}

/// AP = Σ (`R_i` − `R_{i−1}`) `P_i` over all points: no interpolation, as scikit-learn's `average_precision_score`.
#[must_use]
pub fn average_precision(points: &[CurvePoint]) -> Option<f64> {
    let mut before = 0.0;
    let area = points.iter().map(|point| {
        let step = (point.recall - before) * point.precision;
        before = point.recall;
        step
    });
    (!points.is_empty()).then(|| area.sum())
}

/// At most 400 of the points, the first and last among them, such that the line through them is nowhere 0.002 or more above
/// or below one that was left out.
#[must_use]
pub fn curve(points: &[CurvePoint]) -> Vec<CurvePoint> {
    if points.len() <= 2 {
        return points.to_vec();
    }
    let mut keep = vec![0, points.len() - 1];
    let mut spans = BinaryHeap::from([Span::between(points, 0, points.len() - 1)]);
    while let Some(span) = spans.pop() {
        if span.error < TOLERANCE || keep.len() == MOST_POINTS {
            break;
        }
        keep.push(span.worst);
        spans.push(Span::between(points, span.first, span.worst));
        spans.push(Span::between(points, span.worst, span.last));
    }
    keep.sort_unstable();
    keep.into_iter().map(|idx| points[idx]).collect()
}

/// Two kept points with nothing kept between them, and the point between that the line misses most.
#[derive(PartialEq)]
struct Span {
    error: f64,
    worst: usize,
    first: usize,
    last: usize,
}

impl Span {
    fn between(points: &[CurvePoint], first: usize, last: usize) -> Self {
        let (a, b) = (points[first], points[last]);
        let miss = |point: &CurvePoint| {
            if b.recall > a.recall {
                let along = (point.recall - a.recall) / (b.recall - a.recall);
                (point.precision - a.precision - along * (b.precision - a.precision)).abs()
            } else {
                // A plumb line: precision only falls along it, so nothing between lies off it.
                0.0
            }
        };
        let mut span = Self {
            error: 0.0,
            worst: first,
            first,
            last,
        };
        for (idx, point) in points.iter().enumerate().take(last).skip(first + 1) {
            let error = miss(point);
            if error > span.error {
                (span.error, span.worst) = (error, idx);
            }
        }
        span
    }
}

impl Eq for Span {}

impl Ord for Span {
    fn cmp(&self, other: &Self) -> Ordering {
        self.error
            .total_cmp(&other.error)
            .then_with(|| other.first.cmp(&self.first))
    }
}

impl PartialOrd for Span {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reproducible scores, positives higher on the whole.
    fn sample(n: usize, seed: u64) -> Vec<(f64, bool)> {
        let mut state = seed;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / 9_007_199_254_740_992.0
        };
        let draw = |_| {
            let of_class = next() < 0.2;
            let score = if of_class { next().sqrt() } else { next() * next() };
            ((score * 1e4).round() / 1e4, of_class)
        };
        (0..n).map(draw).collect()
    }

    #[test]
    fn equals_scikit_learn() {
        // sklearn 1.9: y = [1,0,1,1,0,0,1]; s = [.9,.8,.8,.7,.3,.2,.2]; average_precision_score(y, s) and
        // precision_recall_curve(y, s), reversed and without its last point.
        let of_class = [true, false, true, true, false, false, true];
        let scores = [0.9, 0.8, 0.8, 0.7, 0.3, 0.2, 0.2];
        let points = points(scores.into_iter().zip(of_class).collect());
        let got: Vec<_> = points.iter().map(|p| (p.threshold, p.precision, p.recall)).collect();
        let expected = [
            (0.9, 1.0, 0.25),
            (0.8, 2.0 / 3.0, 0.5),
            (0.7, 0.75, 0.75),
            (0.3, 0.6, 0.75),
            (0.2, 4.0 / 7.0, 1.0),
        ];
        assert_eq!(got, expected);
        let ap = average_precision(&points).unwrap();
        assert!((ap - 0.747_023_809_523_809_5).abs() < 1e-15, "{ap}");
    }

    #[test]
    fn no_image_of_the_class_gives_no_curve() {
        assert!(points(vec![(0.3, false)]).is_empty());
        assert_eq!(average_precision(&[]), None);
        assert!(curve(&[]).is_empty());
    }

    #[test]
    fn thinning_keeps_the_line() {
        for (n, seed) in [(3, 1), (50, 2), (1_000, 3), (10_000, 4), (40_000, 5)] {
            let all = points(sample(n, seed));
            let thin = curve(&all);
            assert!(thin.len() <= MOST_POINTS, "{n}: {}", thin.len());
            assert_eq!((thin.first(), thin.last()), (all.first(), all.last()));
            let mut worst = 0.0_f64;
            for pair in thin.windows(2) {
                let between = all
                    .iter()
                    .filter(|p| p.threshold < pair[0].threshold && p.threshold > pair[1].threshold);
                for point in between {
                    let width = pair[1].recall - pair[0].recall;
                    let error = if width > 0.0 {
                        let along = (point.recall - pair[0].recall) / width;
                        point.precision - pair[0].precision - along * (pair[1].precision - pair[0].precision)
                    } else {
                        0.0
                    };
                    worst = worst.max(error.abs());
                }
            }
            assert!(worst < TOLERANCE, "{n}: {worst}");
        }
    }
}
