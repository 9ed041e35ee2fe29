//! What both models said of every sealed image: with this, every count can be made again at any threshold, without a
//! model and without an image.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::names::ClassName;

/// The answers of candidate and baseline on the sealed images, column by column; the package's `scores.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SealedScores {
    /// Version of this format: 1.
    pub format: u32,
    /// The candidate's classes in the order of its rows; the baseline's are the first `n_old` of them.
    pub classes: Vec<ClassName>,
    /// Classes of the baseline; 0 where there is none.
    pub n_old: usize,
    /// Sealed images, sorted.
    pub images: Vec<Digest>,
    /// Per image: its label, as an index into `classes`.
    pub labels: Vec<usize>,
    /// Per image: its near-duplicate group, counted from 0.
    pub groups: Vec<usize>,
    /// What the candidate says.
    pub candidate: TopScores,
    /// What the baseline says.
    pub baseline: Option<TopScores>,
}

/// The class with the largest probability of every image, and that probability.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopScores {
    /// Per image: index of the class; the first of equals.
    pub classes: Vec<usize>,
    /// Per image: its probability.
    pub probabilities: Vec<f64>,
}

/// What a model says of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The class with the largest probability.
    pub class_idx: usize,
    /// That probability.
    pub probability: f64,
    /// It reached the class's threshold; else the answer is *unknown*.
    pub accepted: bool,
}

impl Decision {
    /// The class where it is accepted, `unknown` else.
    #[must_use]
    pub const fn answer(&self, unknown: usize) -> usize {
        if self.accepted { self.class_idx } else { unknown }
    }

    /// Whether it is accepted as this class.
    #[must_use]
    pub const fn is(&self, class_idx: usize) -> bool {
        self.accepted && self.class_idx == class_idx
    }
}

impl TopScores {
    /// The answers at these thresholds, one per class.
    ///
    /// # Panics
    /// A class has no threshold; [`SealedScores::check`] excludes it.
    #[must_use]
    pub fn decisions(&self, taus: &[f64]) -> Vec<Decision> {
        let pairs = self.classes.iter().zip(&self.probabilities);
        let decide = |(class_idx, probability): (&usize, &f64)| Decision {
            class_idx: *class_idx,
            probability: *probability,
            accepted: *probability >= taus[*class_idx],
        };
        pairs.map(decide).collect()
    }

    fn check(&self, n_images: usize, n_classes: usize) -> Result<(), String> {
        let fits = self.classes.len() == n_images && self.probabilities.len() == n_images;
        if !fits || self.classes.iter().any(|class| *class >= n_classes) {
            return Err(format!(
                "a model's answers are not those of {n_images} images and {n_classes} classes"
            ));
        }
        Ok(())
    }
}

impl SealedScores {
    /// Whether all columns fit together; what was read from a file or a wire is checked before it is used.
    ///
    /// # Errors
    /// One sentence that names what does not fit.
    pub fn check(&self) -> Result<(), String> {
        let (n_images, n_classes) = (self.images.len(), self.classes.len());
        if self.labels.len() != n_images || self.groups.len() != n_images {
            return Err(format!("labels and groups are not those of {n_images} images"));
        }
        if self.labels.iter().any(|label| *label >= n_classes) || self.n_old > n_classes {
            return Err(format!("a label is none of {n_classes} classes"));
        }
        if self.groups.iter().any(|group| *group >= n_images) {
            return Err("a group is counted from 0 and there are not more than images".to_owned());
        }
        self.candidate.check(n_images, n_classes)?;
        match &self.baseline {
            Some(baseline) => baseline.check(n_images, self.n_old),
            None => Ok(()),
        }
    }
}
