//! Calibration, ranking and flips: what is reported and never decides.

use domain::judge::JudgedClass;
use domain::metrics::{ClassExtras, FlipRates, Metrics, ModelExtras, Reliability, RocPoint, Suggested};
use domain::report::Comparison;
use domain::scores::TopScores;

use crate::evaluate::curve::{Step, steps};
use crate::evaluate::{Scores, points};
use crate::head::real;

/// The most corners of a ROC curve that are kept.
const MOST_CORNERS: usize = 400;
/// What a suggested threshold's precision is to reach.
const PRECISION_TARGET: f64 = 0.95;

/// Answers and labels of a split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered<'a> {
    pub(super) scores: &'a Scores,
    pub(super) labels: &'a [usize],
}

/// A model's answers on the sealed and on the calibration photos.
pub(super) type Both<'a> = (Answered<'a>, Answered<'a>);

/// The metrics of a candidate and its baseline.
pub(super) fn metrics(
    classes: &[JudgedClass],
    candidate: Both<'_>,
    baseline: Option<Both<'_>>,
    comparison: Option<&Comparison>,
) -> Metrics {
    let n_old = baseline.map_or(0, |(sealed, _)| {
        let k = sealed.scores.n_classes;
        sealed.labels.iter().filter(|label| **label < k).count()
    });
    Metrics {
        format: 1,
        candidate: extras(classes, candidate),
        baseline: baseline.map(|both| extras(classes, both)),
        flips: comparison.map(|comparison| FlipRates::of(comparison, n_old as u64)),
    }
}

fn extras(classes: &[JudgedClass], (sealed, calibration): Both<'_>) -> ModelExtras {
    let n_classes = sealed.scores.n_classes;
    let of_class = |class_idx: usize| {
        let roc = roc(ranked(sealed, class_idx));
        let suggestions = points(ranked(calibration, class_idx));
        let suggested = |idx: usize| Suggested {
            threshold: suggestions[idx].threshold,
            precision: suggestions[idx].precision,
            recall: suggestions[idx].recall,
        };
        // The first of equals has the highest threshold.
        let best = |value: &dyn Fn(usize) -> Option<f64>| {
            let rated = (0..suggestions.len()).filter_map(|idx| value(idx).map(|value| (idx, value)));
            let best = rated.fold(None, |best: Option<(usize, f64)>, one| match best {
                Some(best) if best.1 >= one.1 => Some(best),
                _ => Some(one),
            });
            best.map(|(idx, _)| suggested(idx))
        };
        let f1 = |idx: usize| {
            let (p, r) = (suggestions[idx].precision, suggestions[idx].recall);
            Some(if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 })
        };
        let at_precision = |idx: usize| {
            let point = suggestions[idx];
            (point.precision >= PRECISION_TARGET).then_some(point.recall)
        };
        ClassExtras {
            class: classes[class_idx].name.clone(),
            auc: auc(&roc),
            roc: thinned(corners(&roc)),
            best_f1: best(&f1),
            at_precision: best(&at_precision),
        }
    };
    ModelExtras {
        reliability: reliability(&sealed.scores.top, sealed.labels, n_classes),
        classes: (0..n_classes).map(of_class).collect(),
    }
}

/// Each photo's probability of the class, and whether it is of the class.
fn ranked(answered: Answered<'_>, class_idx: usize) -> Vec<(f64, bool)> {
    let of_class = answered.labels.iter().map(|label| *label == class_idx);
    answered.scores.of_class(class_idx).zip(of_class).collect()
}

/// Images of the first `n_classes` classes, and how far their largest probabilities are from the truth.
pub(super) fn expected_calibration_error(top: &TopScores, labels: &[usize], n_classes: usize) -> (u64, Option<f64>) {
    let n = labels.iter().filter(|label| **label < n_classes).count();
    (n as u64, reliability(top, labels, n_classes).ece)
}

fn reliability(top: &TopScores, labels: &[usize], n_classes: usize) -> Reliability {
    let answers = top.classes.iter().zip(&top.probabilities).zip(labels);
    let known = answers.filter(|(_, label)| **label < n_classes);
    Reliability::of(known.map(|((class, p), label)| (*p, class == label)).collect())
}

/// The curve at every distinct probability, falling; empty where all photos are of the class or none is.
fn roc(ranked: Vec<(f64, bool)>) -> Vec<RocPoint> {
    let steps = steps(ranked);
    let (n_class, n_others) = steps.last().map_or((0, 0), |all| (all.right, all.wrong));
    if n_class == 0 || n_others == 0 {
        return Vec::new();
    }
    let point = |step: Step| RocPoint {
        threshold: step.threshold,
        false_positive_rate: real(step.wrong) / real(n_others),
        true_positive_rate: real(step.right) / real(n_class),
    };
    steps.into_iter().map(point).collect()
}

/// The area by trapezoids from (0, 0): ties count a half, as scikit-learn's `roc_auc_score`.
fn auc(roc: &[RocPoint]) -> Option<f64> {
    let mut before = (0.0, 0.0);
    let area = roc.iter().map(|point| {
        let now = (point.false_positive_rate, point.true_positive_rate);
        let step = (now.0 - before.0) * f64::midpoint(now.1, before.1);
        before = now;
        step
    });
    (!roc.is_empty()).then(|| area.sum())
}

/// Without the points inside of a straight stretch.
fn corners(roc: &[RocPoint]) -> Vec<RocPoint> {
    let straight = |a: &RocPoint, b: &RocPoint, c: &RocPoint| {
        let upright = a.false_positive_rate == b.false_positive_rate && b.false_positive_rate == c.false_positive_rate;
        let level = a.true_positive_rate == b.true_positive_rate && b.true_positive_rate == c.true_positive_rate;
        upright || level
    };
    let is_corner = |idx: usize| {
        let ends = idx == 0 || idx + 1 == roc.len();
        ends || !straight(&roc[idx - 1], &roc[idx], &roc[idx + 1])
    };
    (0..roc.len())
        .filter(|idx| is_corner(*idx))
        .map(|idx| roc[idx])
        .collect()
}

/// At most [`MOST_CORNERS`], the first and the last among them, in even steps.
fn thinned(roc: Vec<RocPoint>) -> Vec<RocPoint> {
    if roc.len() <= MOST_CORNERS {
        return roc;
    }
    let last = roc.len() - 1;
    (0..MOST_CORNERS)
        .map(|step| roc[step * last / (MOST_CORNERS - 1)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_scikit_learns() {
        // roc_auc_score; 0.5 where all scores are tied; undefined where only one kind is there.
        let mixed = [(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        assert_eq!(auc(&roc(mixed.to_vec())), Some(0.75));
        assert_eq!(auc(&roc(vec![(0.5, true), (0.5, false), (0.5, false)])), Some(0.5));
        assert_eq!(auc(&roc(vec![(0.2, false), (0.9, true)])), Some(1.0));
        assert_eq!(auc(&roc(vec![(0.9, false), (0.2, true)])), Some(0.0));
        for one_kind in [vec![(0.3, true)], vec![(0.3, false); 4], Vec::new()] {
            assert_eq!(auc(&roc(one_kind)), None);
        }
    }

    #[test]
    fn straight_stretches_keep_their_ends_and_long_curves_their_first_and_last() {
        let perfect: Vec<(f64, bool)> = (0..6).map(|i| (f64::from(i) / 10.0, i >= 3)).collect();
        let kept = corners(&roc(perfect));
        let rates: Vec<(f64, f64)> = kept
            .iter()
            .map(|point| (point.false_positive_rate, point.true_positive_rate))
            .collect();
        assert_eq!(rates, [(0.0, 1.0 / 3.0), (0.0, 1.0), (1.0, 1.0)]);
        let long: Vec<(f64, bool)> = (0..4_000).map(|i| (f64::from(i), i % 2 == 0)).collect();
        let all = corners(&roc(long));
        let few = thinned(all.clone());
        assert!(all.len() > 3_000 && few.len() == MOST_CORNERS);
        assert_eq!((few.first(), few.last()), (all.first(), all.last()));
    }

    #[test]
    fn bins_have_equal_mass_and_nothing_has_none() {
        let top = TopScores {
            classes: vec![0; 32],
            probabilities: (0..32).map(|i| f64::from(i) / 31.0).collect(),
        };
        // The last two are of a class that the model does not have.
        let labels: Vec<usize> = (0..32).map(|i| if i < 30 { i % 2 } else { 2 }).collect();
        let got = reliability(&top, &labels, 2);
        assert_eq!(got.bins.len(), 15);
        assert!(got.bins.iter().all(|bin| bin.n == 2 && bin.accuracy == 0.5));
        // Bin b holds 2b/31 and (2b + 1)/31: the mean of |0.5 − (4b + 1)/62| over 15 bins.
        let expected: f64 = (0..15).map(|b| (0.5 - f64::from(4 * b + 1) / 62.0).abs()).sum::<f64>() / 15.0;
        assert!((got.ece.unwrap() - expected).abs() < 1e-12);
        let nothing = reliability(&TopScores::default(), &[], 2);
        assert_eq!((nothing.ece, nothing.bins.len()), (None, 0));
    }
}
