//! A job from its rows to the files of a model: fetch → extract → train → evaluate → gate → package.
//!
//! Synchronous and without a clock of its own: time and cancellation come from the observer. The same input gives the
//! same bytes, whoever runs it and however often.

use bytes::Bytes;
use domain::dataset::{DatasetRow, Relabelled};
use domain::gate::policy::GatePolicy;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, JobId, ProjectId};
use domain::job::{Stage, StageTime, TrainConfig};
use domain::model::ModelManifest;
use domain::report::EvaluationReport;

/// Everything a job needs to know; frozen when it is queued.
#[derive(Clone, Debug)]
pub struct JobInput {
    /// The project whose images are read.
    pub project: ProjectId,
    /// The job.
    pub job: JobId,
    /// Rows of all dataset versions together, sorted by image (see `domain::dataset::merge_versions`).
    pub rows: Vec<DatasetRow>,
    /// Images whose label a later version changed.
    pub relabelled: Vec<Relabelled>,
    /// Digests of the dataset versions, in order.
    pub datasets: Vec<Digest>,
    /// The model it is cloned from; none for a cold fit.
    pub baseline: Option<Baseline>,
    /// How to train.
    pub config: TrainConfig,
    /// How to judge.
    pub policy: GatePolicy,
}

/// The model a job is cloned from.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Its manifest.
    pub manifest: ModelManifest,
    /// Digest of the bytes of its manifest.json.
    pub manifest_digest: Digest,
    /// The bytes of its head.safetensors.
    pub head: Bytes,
}

/// What a job made.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The manifest.
    pub manifest: ModelManifest,
    /// Digest of the bytes of manifest.json: the model's own digest.
    pub manifest_digest: Digest,
    /// What was measured.
    pub report: EvaluationReport,
    /// What the gate said.
    pub verdict: Verdict,
    /// The files of the package by name: head.safetensors, manifest.json, report.json, verdict.json.
    pub files: Vec<(String, Bytes)>,
    /// How long each stage took. The only thing here that differs from run to run.
    pub stage_times: Vec<StageTime>,
}

/// Why a job made no model.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The observer said stop.
    #[error("the job was cancelled")]
    Cancelled,
    /// There was not even time for a head that could be judged.
    #[error(
        "the deadline of {deadline_ms} ms came in stage {}: {n_read} of {n_images} images were read, too few to train and \
         judge; images that were read are kept, so run the job again, or give it more time",
        stage.as_str()
    )]
    DeadlineExceeded {
        /// The deadline.
        deadline_ms: u64,
        /// The stage it came in.
        stage: Stage,
        /// Images whose features were there.
        n_read: usize,
        /// Images of the job.
        n_images: usize,
    },
    /// The job cannot be done as it was asked for.
    #[error("{0}")]
    Input(String),
}
