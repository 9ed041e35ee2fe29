//! Counts of a report from the answers of both models, at any thresholds: pure, so that a page counts as the job did.
//!
//! Owns: confusion, recall, precision, losses, flips. Refuses to know: how probabilities come about, curves, limits.

mod compare;
mod curve;
mod groups;
mod metrics;
pub mod several;
#[cfg(test)]
mod tests;

pub use curve::of_all;
use groups::Groups;

use crate::ids::Digest;
use crate::model::ClassRole;
use crate::names::ClassName;
use crate::report::{Comparison, EvaluationReport, ModelMetrics, ReportClass};
use crate::scores::{Decision, SealedScores};

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

/// Everything that is counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// The classes with their counts.
    pub classes: Vec<ReportClass>,
    /// Near-duplicate groups judged.
    pub n_groups: u64,
    /// The candidate alone, without curves.
    pub candidate: ModelMetrics,
    /// The baseline alone, without curves.
    pub baseline: Option<ModelMetrics>,
    /// The two against each other.
    pub comparison: Option<Comparison>,
}

/// The release that a channel's losses add up from.
#[derive(Clone, Debug)]
pub enum Anchor {
    /// The baseline itself.
    Baseline,
    /// An older model: which of the candidate's classes it has, and its answers in the candidate's numbering.
    Other {
        /// Its classes.
        classes: Vec<usize>,
        /// Its answers, one per image.
        decisions: Vec<Decision>,
    },
    /// Its answers are not there.
    Unmeasured,
}

/// What the counts are made of.
struct Judged<'a> {
    classes: &'a [JudgedClass],
    images: &'a [Digest],
    labels: &'a [usize],
    groups: Groups<'a>,
}

/// Counts what `scores` say at the thresholds of `classes`, which are the candidate's; `heads` are the digests of the
/// candidate's and the baseline's head file. Bootstrap bounds need random draws and stay empty.
///
/// # Panics
/// `scores` do not pass [`SealedScores::check`], or have other classes.
#[must_use]
pub fn count(
    classes: &[JudgedClass],
    scores: &SealedScores,
    heads: (Digest, Option<Digest>),
    anchor: &Anchor,
) -> Counts {
    let judged = Judged {
        classes,
        images: &scores.images,
        labels: &scores.labels,
        groups: Groups::new(&scores.groups),
    };
    let taus: Vec<f64> = classes.iter().map(|class| class.tau).collect();
    let n_old = scores.n_old;
    let after = scores.candidate.decisions(&taus);
    let before = scores
        .baseline
        .as_ref()
        .map(|baseline| baseline.decisions(&taus[..n_old]));
    Counts {
        classes: judged.report_classes(n_old),
        n_groups: judged.groups.len() as u64,
        candidate: judged.metrics(heads.0, classes.len(), &after),
        baseline: heads
            .1
            .zip(before.as_ref())
            .map(|(head, before)| judged.metrics(head, n_old, before)),
        comparison: before.map(|before| judged.compare(n_old, &before, &after, anchor)),
    }
}

/// `report` as it would be with every class at the threshold `tau`: see [`at_thresholds`].
///
/// # Errors
/// The scores are not those of this report.
pub fn at_threshold(report: &EvaluationReport, scores: &SealedScores, tau: f64) -> Result<EvaluationReport, String> {
    at_thresholds(report, scores, &vec![tau; report.classes.len()])
}

/// `report` as it would be with its classes at the thresholds `taus`, one per class: the counts are made again, curves and
/// the fit stay.
///
/// # Errors
/// The scores are not those of this report, or there are not as many thresholds as classes.
pub fn at_thresholds(
    report: &EvaluationReport,
    scores: &SealedScores,
    taus: &[f64],
) -> Result<EvaluationReport, String> {
    let (got, expected) = (taus.len(), report.classes.len());
    if got != expected {
        return Err(format!("{got} thresholds for {expected} classes"));
    }
    scores.check()?;
    let same = report.classes.iter().map(|class| &class.name).eq(&scores.classes);
    if !same || report.baseline.is_some() != scores.baseline.is_some() {
        return Err("the scores are not those of this report".to_owned());
    }
    let classes: Vec<JudgedClass> = report
        .classes
        .iter()
        .zip(taus)
        .map(|(class, tau)| JudgedClass {
            name: class.name.clone(),
            role: class.role,
            tau: *tau,
        })
        .collect();
    let heads = (
        report.candidate.head,
        report.baseline.as_ref().map(|baseline| baseline.head),
    );
    let counts = count(&classes, scores, heads, &Anchor::Unmeasured);
    let with_curves = |mut counted: ModelMetrics, measured: &ModelMetrics| {
        for (class, measured) in counted.per_class.iter_mut().zip(&measured.per_class) {
            class.average_precision = measured.average_precision;
            class.curve.clone_from(&measured.curve);
        }
        counted
    };
    Ok(EvaluationReport {
        classes: counts.classes,
        candidate: with_curves(counts.candidate, &report.candidate),
        baseline: counts
            .baseline
            .zip(report.baseline.as_ref())
            .map(|(counted, measured)| with_curves(counted, measured)),
        comparison: counts.comparison,
        ..report.clone()
    })
}

impl Judged<'_> {
    fn report_classes(&self, n_old: usize) -> Vec<ReportClass> {
        let count = |(idx, class): (usize, &JudgedClass)| {
            let members = || self.labels.iter().enumerate().filter(move |(_, label)| **label == idx);
            ReportClass {
                name: class.name.clone(),
                role: class.role,
                tau: class.tau,
                is_new: idx >= n_old,
                n_images: members().count() as u64,
                n_groups: self.groups.count(members().map(|(image, _)| (image, false))).n,
            }
        };
        self.classes.iter().enumerate().map(count).collect()
    }
}
