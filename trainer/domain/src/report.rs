//! What was measured of a candidate and its baseline on the same sealed images: the only thing the gate reads.
//!
//! No times and no identifiers, so that the same job gives the same bytes. *Right* means accepted as its own class, for a
//! class with role `reject` too; *harm* to a reject class is only a move to a real class.

use serde::{Deserialize, Serialize};

use crate::change::{CalibrationChange, Footprint, LookCount, RecallChange};
use crate::dataset::Relabelled;
use crate::ids::Digest;
use crate::job::HeadMode;
use crate::model::ClassRole;
use crate::names::ClassName;

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationReport {
    /// Version of this format: 1.
    pub format: u32,
    /// Candidate's classes in the order of its rows: the baseline's first, unchanged, then the new ones.
    pub classes: Vec<ReportClass>,
    /// The images behind every number.
    pub sealed: SealedSet,
    /// How the head was fitted and its offset chosen.
    pub training: TrainingReport,
    /// The candidate alone.
    pub candidate: ModelMetrics,
    /// The baseline alone, on the same images.
    pub baseline: Option<ModelMetrics>,
    /// Candidate against baseline.
    pub comparison: Option<Comparison>,
    /// Facts that are true or false.
    pub structural: StructuralFacts,
    /// Calibration on old classes, before and after; none without a baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationChange>,
    /// Which of the heads judged on this sealed set this one is; none where nobody counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks: Option<LookCount>,
    /// What was measured on a device, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footprint: Option<Footprint>,
}

/// A class as the report counts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportClass {
    /// Name.
    pub name: ClassName,
    /// Role.
    pub role: ClassRole,
    /// Acceptance threshold.
    pub tau: f64,
    /// Not in the baseline.
    pub is_new: bool,
    /// Sealed images of this class.
    pub n_images: u64,
    /// Their near-duplicate groups.
    pub n_groups: u64,
}

/// The sealed images that were judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SealedSet {
    /// Digest of the sealed rows that were judged.
    pub digest: Digest,
    /// Images judged.
    pub n_images: u64,
    /// Images that the dataset versions hold; larger where the deadline cut extraction short or images were damaged.
    pub n_expected: u64,
    /// Near-duplicate groups judged.
    pub n_groups: u64,
    /// Images whose label the newer dataset versions changed; they left their old class's n.
    pub relabelled: Vec<Relabelled>,
}

/// How the head was fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrainingReport {
    /// Cold, append or refit.
    pub mode: HeadMode,
    /// Training images used.
    pub n_train: u64,
    /// Training images that the dataset versions hold.
    pub n_train_expected: u64,
    /// Calibration images used.
    pub n_calibration: u64,
    /// How the feature recipe was chosen (cold, where it was not fixed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipes: Option<RecipeChoice>,
    /// One fit per L2 weight tried, in the order tried.
    pub trials: Vec<Trial>,
    /// The L2 weight that was chosen.
    pub l2: f64,
    /// Temperature fitted on `calibration` (cold; 1 for append).
    pub temperature: f64,
    /// The dial (append).
    pub dial: Option<Dial>,
    /// The deadline cut training or extraction short: this is the best head there was time for.
    pub cut_short: bool,
    /// Digest of the model whose dial was turned: its rows bit by bit, and everything here says how those were fitted; none
    /// where this job fitted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned_from: Option<Digest>,
}

/// Feature recipes compared by cross-validation on `train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecipeChoice {
    /// The one that was taken.
    pub chosen: String,
    /// In the order of the backbone's recipes, its usual one first; none where there were too few photos or too little time
    /// to compare, and the usual one was taken.
    pub trials: Vec<RecipeTrial>,
    /// Folds.
    pub n_folds: u64,
    /// Train images that were answered.
    pub n_images: u64,
    /// Their groups.
    pub n_groups: u64,
    /// Their classes.
    pub n_classes: u64,
}

/// What one recipe came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecipeTrial {
    /// Its name.
    pub recipe: String,
    /// Numbers per image.
    pub dim: u32,
    /// Recall of held-out images, mean over classes.
    pub accuracy: f64,
    /// What that is above the usual recipe's.
    pub gain: f64,
    /// Standard error of the gain, over groups.
    pub gain_error: f64,
}

/// One fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trial {
    /// L2 weight.
    pub l2: f64,
    /// Mean log-loss on `calibration`, nats.
    pub calibration_loss: f64,
    /// Objective at the end.
    pub objective: f64,
    /// Norm of its gradient at the end.
    pub gradient_norm: f64,
    /// Iterations of L-BFGS.
    pub n_iterations: u64,
    /// The gradient norm was reached.
    pub converged: bool,
    /// Smallest offset at which each new class reaches its recall target (append); none where no offset does.
    pub b_need: Option<f64>,
    /// Largest offset that keeps every old class within its budget on `calibration` (append); none where unbounded.
    pub b_safe: Option<f64>,
}

/// The safety dial: what was chosen, and why that was safe on `calibration`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dial {
    /// The offset on all new logits, after alignment.
    pub offset: f64,
    /// Lower end of the interval.
    pub b_need: Option<f64>,
    /// Upper end of the interval.
    pub b_safe: Option<f64>,
    /// Both ends exist and `b_need ≤ b_safe`, or one of them is unbounded.
    pub feasible: bool,
    /// Bias added to each new class so that all reach their target at the same offset, in the order of the new classes.
    pub alignment: Vec<f64>,
    /// Old classes without an accepted calibration image: they do not bound the offset.
    pub unbounded_classes: Vec<ClassName>,
}

/// One model alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelMetrics {
    /// Digest of its head file.
    pub head: Digest,
    /// Its classes, in the order of its rows.
    pub classes: Vec<ClassName>,
    /// Share of images whose largest probability is their own class's, thresholds aside. Images of classes that the
    /// model does not have are left out.
    pub top1: f64,
    /// Images that `top1` is a share of.
    pub n_known: u64,
    /// Images accepted as their own class.
    pub n_accepted_right: u64,
    /// Images accepted as another class.
    pub n_accepted_wrong: u64,
    /// Images that no class accepted.
    pub n_unknown: u64,
    /// Per class of this model.
    pub per_class: Vec<ClassMetrics>,
    /// Row: true class, in the order of [`EvaluationReport::classes`]; column: the answer, in the order of this model's
    /// classes, then unknown. Images.
    pub confusion: Vec<Vec<u64>>,
}

/// One class of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClassMetrics {
    /// The class.
    pub class: ClassName,
    /// Sealed images of the class.
    pub n: u64,
    /// Accepted as the class, rightly.
    pub true_accepts: u64,
    /// Accepted as the class, wrongly.
    pub false_accepts: u64,
    /// `true_accepts / n`; none where n = 0.
    pub recall: Option<f64>,
    /// `true_accepts / (true_accepts + false_accepts)`; none where nothing was accepted.
    pub precision: Option<f64>,
    /// Groups of the class.
    pub n_groups: u64,
    /// Groups of the class all of whose images were accepted as it.
    pub groups_recalled: u64,
    /// Groups (of any class) with an image accepted as this class.
    pub groups_accepted: u64,
    /// Of those, groups without a wrongly accepted image.
    pub groups_accepted_right: u64,
    /// AP = Σ (R_i − R_{i−1}) P_i over the probability of the class; none where n = 0.
    pub average_precision: Option<f64>,
    /// Precision–recall points with their thresholds, falling; at most 400, vertical error below 0.002.
    pub curve: Vec<CurvePoint>,
}

/// A point of a precision–recall curve: accepting every image whose probability is at least `threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurvePoint {
    /// Probability.
    pub threshold: f64,
    /// Precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
}

/// Candidate against baseline on the same sealed images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Comparison {
    /// One per old class, in order.
    pub old_classes: Vec<OldClassLoss>,
    /// Old and negative images accepted as new.
    pub false_new: GroupCount,
    /// Groups of old classes with an image that the baseline had right, and of those the ones with a negative flip.
    #[serde(default)]
    pub flipped: GroupCount,
    /// How recall changed, one per old class; empty where thresholds other than the models' own were counted at.
    #[serde(default)]
    pub recall_changes: Vec<RecallChange>,
    /// What the classes of the channel's anchor release lost since then; none where it could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_losses: Option<Vec<OldClassLoss>>,
    /// Images of old classes that the baseline had right.
    pub n_right: u64,
    /// Of those, the ones the candidate has wrong.
    pub negative_flips: Vec<Flip>,
    /// Images of old classes that the baseline had wrong and the candidate has right.
    pub n_positive_flips: u64,
    /// Row: the baseline's answer (its classes, then unknown); column: the candidate's (its classes, then unknown).
    pub transitions: Vec<Vec<u64>>,
    /// Images off the diagonal of `transitions` outside the new and unknown columns: impossible for append.
    pub n_forbidden: u64,
}

/// What an old class lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OldClassLoss {
    /// The class.
    pub class: ClassName,
    /// Images that the baseline accepted rightly, and of those the lost.
    pub images: GroupCount,
    /// Groups with such an image, and of those the groups with a lost one.
    pub groups: GroupCount,
}

/// `x` of `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupCount {
    /// All.
    pub n: u64,
    /// The ones with the event.
    pub x: u64,
}

/// An image that was right and now is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flip {
    /// The image.
    pub image: Digest,
    /// Its label.
    pub class: ClassName,
    /// The baseline's answer.
    pub before: Answer,
    /// The candidate's answer.
    pub after: Answer,
}

/// What a model says of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Answer {
    /// The class with the largest probability.
    pub class: ClassName,
    /// That probability.
    pub probability: f64,
    /// It reached its threshold; else the answer is *unknown*.
    pub accepted: bool,
}

/// Facts that are true or false; one that is false fails the gate, one that is missing leaves it unproven, and nobody can
/// override either.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StructuralFacts {
    /// The facts, in a fixed order.
    pub facts: Vec<Fact>,
}

impl StructuralFacts {
    /// The facts that every report of a fit has.
    #[must_use]
    pub const fn expected(mode: HeadMode) -> &'static [&'static str] {
        const FACTS: [&str; 6] = [
            "backbone_unchanged",
            "head_shape",
            "size_as_predicted",
            "old_classes_kept",
            "old_rows_bit_equal",
            "growth_only_allowed",
        ];
        match mode {
            HeadMode::Append => &FACTS,
            HeadMode::Refit => FACTS.split_at(4).0,
            HeadMode::Cold => FACTS.split_at(3).0,
        }
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fact {
    /// A stable identifier: `backbone_unchanged`, `head_shape`, `old_rows_bit_equal`, `growth_only_allowed`, …
    pub id: String,
    /// Whether it holds.
    pub holds: bool,
    /// One sentence with the evidence.
    pub evidence: String,
}
