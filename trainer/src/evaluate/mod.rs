//! Baseline and candidate measured on the same sealed images.
//!
//! Owns: probabilities and curves; the counts are `domain::judge`'s. Refuses to know: limits and verdicts; that is
//! `domain::gate`. Both models are computed from the same feature rows and, for an append, from the same old logits, so
//! that what cannot happen mathematically cannot appear through rounding either.

mod bootstrap;
mod curve;
mod elsewhere;
mod metrics;
mod scores;
mod structure;

use std::collections::BTreeMap;

use domain::change::CalibrationChange;
use domain::dataset::DatasetRow;
use domain::ids::Digest;
use domain::judge::{self, Anchor, Counts, JudgedClass};
use domain::metrics::Metrics;
use domain::report::ModelMetrics;
use domain::scores::SealedScores;

use crate::evaluate::bootstrap::{Paired, recall_changes};
use crate::evaluate::metrics::{Answered, expected_calibration_error};
use crate::head::{Head, HeadError, Logits, Rows};

pub use bootstrap::{Bootstrap, N_DRAWS};
pub use curve::{average_precision, curve, points};
pub use elsewhere::Answers;
pub use scores::Scores;
pub use structure::{StructureInput, structure};

/// A head and the digest of its file.
#[derive(Clone, Copy, Debug)]
pub struct JudgedHead<'a> {
    /// The head.
    pub head: &'a Head,
    /// Digest of its file.
    pub digest: Digest,
}

/// The release that a channel's losses add up from.
#[derive(Clone, Copy, Debug)]
pub enum AnchorHead<'a> {
    /// The baseline itself.
    Baseline,
    /// An older model on the same backbone, with its own classes and thresholds.
    Other {
        /// Its head.
        head: &'a Head,
        /// Its classes.
        classes: &'a [JudgedClass],
    },
    /// It cannot be had.
    Unmeasured,
}

/// What is judged, and on what.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationInput<'a> {
    /// Sealed images, sorted by digest.
    pub images: &'a [&'a DatasetRow],
    /// Their features, in the same order.
    pub features: Rows<'a>,
    /// Features of the calibration images, which suggest thresholds.
    pub calibration: Rows<'a>,
    /// Their classes, as indices into `classes`.
    pub calibration_labels: &'a [usize],
    /// The candidate's classes: the baseline's first.
    pub classes: &'a [JudgedClass],
    /// The candidate.
    pub candidate: JudgedHead<'a>,
    /// The candidate's first rows are the baseline's, bit by bit.
    pub is_appended: bool,
    /// The model it was cloned from.
    pub baseline: Option<JudgedHead<'a>>,
    /// Its logits on every row of the matrix that the features are rows of, where they are known.
    pub baseline_logits: Option<&'a Logits>,
    /// What losses add up from.
    pub anchor: AnchorHead<'a>,
    /// How bounds on changes are drawn.
    pub bootstrap: Bootstrap,
}

/// The measured part of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Every count, curves included.
    pub counts: Counts,
    /// Calibration on old classes, before and after.
    pub calibration: Option<CalibrationChange>,
    /// What they were made of.
    pub scores: SealedScores,
    /// What is reported beside them.
    pub metrics: Metrics,
}

/// Measures candidate and baseline.
///
/// # Errors
/// Features and heads do not fit together.
///
/// # Panics
/// Never for images whose class is one of `classes`.
pub fn evaluate(input: &EvaluationInput<'_>) -> Result<Measured, HeadError> {
    let n_old = input.baseline.map_or(0, |baseline| baseline.head.n_classes());
    let answers = |features: &Rows<'_>| -> Result<(Option<Scores>, Scores), HeadError> {
        Ok(match input.baseline {
            // Old rows that were refitted have logits of their own.
            Some(baseline) if !input.is_appended => {
                let old = baseline.head.logits_known(input.baseline_logits, features)?;
                let new = input.candidate.head.logits(features)?;
                (Some(Scores::of(&old)), Scores::of(&new))
            }
            Some(baseline) => {
                let old = baseline.head.logits_known(input.baseline_logits, features)?;
                let before = Scores::of(&old);
                let added = input.candidate.head.rows_from(n_old);
                // A product needs rows; where none was added, both say the same.
                let after = if added.n_classes() == 0 {
                    before.clone()
                } else {
                    Scores::appended(&old, &added.logits(features)?)
                };
                (Some(before), after)
            }
            None => (None, Scores::of(&input.candidate.head.logits(features)?)),
        })
    };
    let (before, after) = answers(&input.features)?;
    let (calibrated_before, calibrated) = answers(&input.calibration)?;
    let label = |row: &&DatasetRow| {
        let found = input.classes.iter().position(|class| class.name == row.class);
        found.expect("the caller's classes are those of its rows")
    };
    let scores = SealedScores {
        format: 1,
        classes: input.classes.iter().map(|class| class.name.clone()).collect(),
        n_old,
        images: input.images.iter().map(|row| row.image).collect(),
        labels: input.images.iter().map(label).collect(),
        groups: groups(input.images),
        candidate: after.top.clone(),
        baseline: before.as_ref().map(|before| before.top.clone()),
    };
    let heads = (input.candidate.digest, input.baseline.map(|baseline| baseline.digest));
    let anchor = anchor(input)?;
    let mut counts = judge::count(input.classes, &scores, heads, &anchor);
    let calibration = before.as_ref().map(|before| {
        let error = |answers: &Scores| expected_calibration_error(&answers.top, &scores.labels, n_old);
        let (n, before) = error(before);
        CalibrationChange {
            n,
            before,
            after: error(&after).1,
        }
    });
    if let (Some(comparison), Some(before)) = (&mut counts.comparison, &before) {
        let taus: Vec<f64> = input.classes.iter().map(|class| class.tau).collect();
        let paired = Paired {
            labels: &scores.labels,
            groups: &scores.groups,
            before: &before.top.decisions(&taus[..n_old]),
            after: &after.top.decisions(&taus),
        };
        comparison.recall_changes = recall_changes(input.classes, n_old, paired, input.bootstrap);
    }
    add_curves(&mut counts.candidate, &after, &scores.labels);
    if let (Some(metrics), Some(before)) = (&mut counts.baseline, &before) {
        add_curves(metrics, before, &scores.labels);
    }
    let both = |sealed, calibration| {
        let (labels, calibration_labels) = (scores.labels.as_slice(), input.calibration_labels);
        let calibration = Answered {
            scores: calibration,
            labels: calibration_labels,
        };
        (Answered { scores: sealed, labels }, calibration)
    };
    let metrics = metrics::metrics(
        input.classes,
        both(&after, &calibrated),
        before
            .as_ref()
            .zip(calibrated_before.as_ref())
            .map(|(sealed, calibration)| both(sealed, calibration)),
        counts.comparison.as_ref(),
    );
    Ok(Measured {
        counts,
        calibration,
        scores,
        metrics,
    })
}

/// The anchor's answers, in the candidate's numbering.
fn anchor(input: &EvaluationInput<'_>) -> Result<Anchor, HeadError> {
    let (head, own) = match input.anchor {
        AnchorHead::Baseline => return Ok(Anchor::Baseline),
        AnchorHead::Unmeasured => return Ok(Anchor::Unmeasured),
        AnchorHead::Other { head, classes } => (head, classes),
    };
    let place = |class: &JudgedClass| input.classes.iter().position(|other| other.name == class.name);
    // A class that the candidate does not have any more cannot be compared.
    let Some(classes) = own.iter().map(place).collect::<Option<Vec<usize>>>() else {
        return Ok(Anchor::Unmeasured);
    };
    let taus: Vec<f64> = own.iter().map(|class| class.tau).collect();
    let mut decisions = Scores::of(&head.logits(&input.features)?).top.decisions(&taus);
    for decision in &mut decisions {
        decision.class_idx = classes[decision.class_idx];
    }
    Ok(Anchor::Other { classes, decisions })
}

/// Per image the number of its near-duplicate group, counted in the order of the groups' digests.
fn groups(images: &[&DatasetRow]) -> Vec<usize> {
    let mut numbers: BTreeMap<Digest, usize> = images.iter().map(|row| (row.group, 0)).collect();
    for (idx, number) in numbers.values_mut().enumerate() {
        *number = idx;
    }
    images.iter().map(|row| numbers[&row.group]).collect()
}

fn add_curves(metrics: &mut ModelMetrics, scores: &Scores, labels: &[usize]) {
    for (class_idx, class) in metrics.per_class.iter_mut().enumerate() {
        let of_class = labels.iter().map(|label| *label == class_idx);
        let points = points(scores.of_class(class_idx).zip(of_class).collect());
        class.average_precision = average_precision(&points);
        class.curve = curve(&points);
    }
}

#[cfg(test)]
mod tests;
