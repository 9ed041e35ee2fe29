//! Baseline and candidate measured on the same sealed images.
//!
//! Owns: every number of the evaluation report but how the head was fitted. Refuses to know: limits and verdicts; that is
//! `domain::gate`. Both models are computed from the same feature rows and, for an append, from the same old logits, so
//! that what cannot happen mathematically cannot appear through rounding either.

mod compare;
mod curve;
mod groups;
mod metrics;
mod scores;
mod structure;

use domain::dataset::DatasetRow;
use domain::ids::Digest;
use domain::model::ClassRole;
use domain::names::ClassName;
use domain::report::{Comparison, ModelMetrics, ReportClass};

use crate::evaluate::groups::Groups;
use crate::evaluate::metrics::Judged;
use crate::head::{Head, HeadError, Rows};

pub use curve::{average_precision, curve, points};
pub use scores::{Decision, Scores};
pub use structure::{StructureInput, structure};

/// A class as it is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedClass {
    /// Name.
    pub name: ClassName,
    /// Role.
    pub role: ClassRole,
    /// Acceptance threshold.
    pub tau: f64,
}

/// A head and the digest of its file.
#[derive(Clone, Copy, Debug)]
pub struct JudgedHead<'a> {
    /// The head.
    pub head: &'a Head,
    /// Digest of its file.
    pub digest: Digest,
}

/// What is judged, and on what.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationInput<'a> {
    /// Sealed images, sorted by digest.
    pub images: &'a [&'a DatasetRow],
    /// Their features, in the same order.
    pub features: Rows<'a>,
    /// The candidate's classes: the baseline's first.
    pub classes: &'a [JudgedClass],
    /// The candidate.
    pub candidate: JudgedHead<'a>,
    /// The model it was appended to: its rows are the candidate's first.
    pub baseline: Option<JudgedHead<'a>>,
}

/// The measured part of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The classes with their counts.
    pub classes: Vec<ReportClass>,
    /// Near-duplicate groups judged.
    pub n_groups: u64,
    /// The candidate alone.
    pub candidate: ModelMetrics,
    /// The baseline alone.
    pub baseline: Option<ModelMetrics>,
    /// The two against each other.
    pub comparison: Option<Comparison>,
}

/// Measures candidate and baseline.
///
/// # Errors
/// Features and heads do not fit together.
///
/// # Panics
/// Never for images whose class is one of `classes`.
pub fn evaluate(input: &EvaluationInput<'_>) -> Result<Measured, HeadError> {
    let label = |row: &&DatasetRow| {
        let found = input.classes.iter().position(|class| class.name == row.class);
        found.expect("the caller's classes are those of its rows")
    };
    let labels: Vec<usize> = input.images.iter().map(label).collect();
    let groups = Groups::of(input.images);
    let n_old = input.baseline.map_or(0, |baseline| baseline.head.n_classes());
    let taus: Vec<f64> = input.classes.iter().map(|class| class.tau).collect();

    let (before, after) = match input.baseline {
        Some(baseline) => {
            let old = baseline.head.logits(&input.features)?;
            let new = input.candidate.head.rows_from(n_old).logits(&input.features)?;
            (
                Some(Scores::of(&old, &taus[..n_old])),
                Scores::appended(&old, &new, &taus),
            )
        }
        None => (None, Scores::of(&input.candidate.head.logits(&input.features)?, &taus)),
    };
    let judged = Judged {
        classes: input.classes,
        labels: &labels,
        groups: &groups,
    };
    let comparison = before
        .as_ref()
        .map(|before| compare::compare(&judged, input.images, before, &after));
    let baseline = input.baseline.zip(before.as_ref());
    Ok(Measured {
        classes: report_classes(input.classes, n_old, &labels, &groups),
        n_groups: groups.len() as u64,
        candidate: judged.metrics(input.candidate.digest, &after),
        baseline: baseline.map(|(baseline, before)| judged.metrics(baseline.digest, before)),
        comparison,
    })
}

fn report_classes(classes: &[JudgedClass], n_old: usize, labels: &[usize], groups: &Groups) -> Vec<ReportClass> {
    let count = |(idx, class): (usize, &JudgedClass)| {
        let members = || labels.iter().enumerate().filter(move |(_, label)| **label == idx);
        ReportClass {
            name: class.name.clone(),
            role: class.role,
            tau: class.tau,
            is_new: idx >= n_old,
            n_images: members().count() as u64,
            n_groups: groups.count(members().map(|(image, _)| (image, false))).n,
        }
    };
    classes.iter().enumerate().map(count).collect()
}

#[cfg(test)]
mod tests;
