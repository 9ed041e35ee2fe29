//! A model: backbone digest + head + class map + thresholds. Immutable once written.

use serde::{Deserialize, Serialize};

use crate::gate::verdict::{VerdictState, VerdictSummary};
use crate::ids::{Digest, JobId, ModelId, ProjectId};
use crate::job::HeadMode;
use crate::names::ClassName;

/// What accepting a class means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClassRole {
    /// Something to recognise.
    Accept,
    /// "None of these": accepting it is the same answer as *unknown*.
    Reject,
}

/// One class of a model, in the order of the head's rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelClass {
    /// Its name.
    pub name: ClassName,
    /// What accepting it means.
    pub role: ClassRole,
    /// Its acceptance threshold.
    pub tau: f64,
    /// Digest of its row: weights then bias, little-endian f32.
    pub row: Digest,
}

/// The manifest of a model's package, canonical JSON without times and ids: the same inputs give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelManifest {
    /// Version of this format: 1.
    pub format: u32,
    /// The frozen feature extractor.
    pub backbone: BackboneRef,
    /// Classes in the order of the head's rows.
    pub classes: Vec<ModelClass>,
    /// Softmax temperature, already folded into the rows; kept for the record.
    pub temperature: f64,
    /// How the head came to be.
    pub training: TrainingRecord,
    /// Digests of the other files of the package.
    pub files: Vec<PackageFile>,
    /// Digest of the gate policy.
    pub policy: Digest,
    /// What the gate said.
    pub verdict: VerdictState,
}

/// Names a backbone and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackboneRef {
    /// One digest over architecture, weights, recipe and preprocessing.
    pub digest: Digest,
    /// Architecture, for people: `efficientnet-lite0`.
    pub name: String,
    /// Where features are taken and how they are pooled, for people: `block10 grid trim1 4x4`.
    pub recipe: String,
    /// Numbers per image.
    pub dim: u32,
    /// Digest of the preprocessing alone.
    pub preprocessing: Digest,
    /// The numeric kernel that computed the features.
    pub kernel: String,
    /// Digest over every tensor, folded batch-norm biases included, in order of their names.
    pub tensors: Digest,
}

/// How a head came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrainingRecord {
    /// Cold or append.
    pub mode: HeadMode,
    /// Digests of the dataset versions, in order.
    pub datasets: Vec<Digest>,
    /// Digest of the baseline's manifest.
    pub baseline: Option<Digest>,
    /// Digest of the configuration.
    pub config: Digest,
    /// The L2 weight that was chosen.
    pub l2: f64,
    /// The offset on all new logits that was chosen (append).
    pub offset: Option<f64>,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackageFile {
    /// Name inside the package.
    pub name: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
}

/// A model as pages and scripts see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Model {
    /// Identifier.
    pub id: ModelId,
    /// Project.
    pub project: ProjectId,
    /// The job that made it.
    pub job: JobId,
    /// Digest of its manifest.
    pub digest: Digest,
    /// The model it was cloned from.
    pub baseline: Option<ModelId>,
    /// Its backbone.
    pub backbone: BackboneRef,
    /// Its classes.
    pub classes: Vec<ModelClass>,
    /// The classes that its baseline did not have.
    pub new_classes: Vec<ClassName>,
    /// What the gate said.
    pub verdict: VerdictSummary,
    /// The files of its package.
    pub files: Vec<PackageFile>,
    /// When it was made, microseconds since 1970, UTC.
    pub created_us: i64,
}
