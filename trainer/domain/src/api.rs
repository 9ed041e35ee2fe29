//! Bodies of `/api/v1` that are not already a resource of their own.

pub mod compare;
pub mod dial;
pub mod people;

use serde::{Deserialize, Serialize};

use crate::dataset::Split;
use crate::event::JobEvent;
use crate::gate::policy::{GatePolicy, PolicyCheck};
use crate::ids::{DatasetVersionId, Digest, ModelId, ReleaseId, RequestId};
use crate::job::{Job, TrainConfig};
use crate::names::{ClassName, DatasetName, ProjectName};
use crate::release::Channel;

/// An error, as RFC 9457 has it (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A stable word for programs, as a relative reference: `/problems/not-an-image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in a few words, equal for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What failed, on what, and what to do.
    pub detail: String,
    /// Names this request in the server's log.
    pub request_id: String,
}

/// A new project.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Its name, unique on the server.
    pub name: ProjectName,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Project {
    /// Identifier.
    pub id: crate::ids::ProjectId,
    /// Name.
    pub name: ProjectName,
    /// When it was made, microseconds since 1970, UTC.
    pub created_us: i64,
}

/// The project that every call without one means.
pub const DEFAULT_PROJECT: &str = "main";

/// A new rapid response.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRequest {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// What is needed, 1 to 200 characters.
    pub title: String,
    /// Minutes until it is due; 60 where absent.
    #[serde(default)]
    pub due_in_minutes: Option<u32>,
}

/// A new, empty dataset.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDataset {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// Its name, unique in the project.
    pub name: DatasetName,
    /// The rapid response it belongs to.
    #[serde(default)]
    pub request: Option<RequestId>,
}

/// Which of these images must still be sent?
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MissingImages {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// Digests of the images one has; at most 10,000 a call. The answer has the same form with the missing ones.
    pub images: Vec<Digest>,
}

/// A stored image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredImage {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Bytes.
    pub size_bytes: i64,
    /// Pixels across, after EXIF orientation.
    pub width: i64,
    /// Pixels down.
    pub height: i64,
}

/// A new version of a dataset: the latest version and these images.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDatasetVersion {
    /// Images to add, already stored; at most 200,000.
    pub items: Vec<NewItem>,
    /// Everything goes to `sealed`: what an *unproven* verdict asks for.
    #[serde(default)]
    pub proof_only: bool,
    /// Files that the client left out, for the findings.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// An image to add.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewItem {
    /// Digest of its bytes.
    pub image: Digest,
    /// Its label.
    pub class: ClassName,
    /// The split of the folder it came in.
    #[serde(default)]
    pub split: Option<Split>,
    /// The file's name, for people.
    #[serde(default)]
    pub name: String,
}

/// A file that was not uploaded, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The file's name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A new job: a draft, unless `start`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// The model to clone: a channel's name or a model's id. Absent: a cold fit of all classes.
    #[serde(default)]
    pub baseline: Option<String>,
    /// Datasets by name or id (their latest versions), or version ids; added to the baseline's own.
    #[serde(default)]
    pub datasets: Vec<String>,
    /// The rapid response it answers.
    #[serde(default)]
    pub request: Option<RequestId>,
    /// A policy of the project's own or a shipped one, by name; absent: the baseline's job's policy for a clone of a clone, else `default`, and `root`
    /// without a baseline.
    #[serde(default)]
    pub policy: Option<String>,
    /// Classes that mean "none of the others" (cold).
    #[serde(default)]
    pub reject_classes: Vec<ClassName>,
    /// The feature recipe by name, as `GET /backbones` lists them; absent or `auto`: chosen by cross-validation (cold).
    #[serde(default)]
    pub recipe: Option<String>,
    /// Acceptance threshold.
    #[serde(default)]
    pub tau: Option<f64>,
    /// Recall target of new classes on `calibration`.
    #[serde(default)]
    pub recall_target: Option<f64>,
    /// Seed.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Deadline in seconds, at most 900.
    #[serde(default)]
    pub deadline_s: Option<f64>,
    /// Queue it at once.
    #[serde(default)]
    pub start: bool,
}

/// A change of a draft; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct JobPatch {
    /// The whole configuration.
    #[serde(default)]
    pub config: Option<TrainConfig>,
    /// Acceptance threshold: of new classes, in a clone.
    #[serde(default)]
    pub tau: Option<f64>,
    /// Recall target of new classes on `calibration`.
    #[serde(default)]
    pub recall_target: Option<f64>,
    /// Deadline in milliseconds.
    #[serde(default)]
    pub deadline_ms: Option<u64>,
    /// Classes that mean "none of the others" (cold).
    #[serde(default)]
    pub reject_classes: Option<Vec<ClassName>>,
    /// The feature recipe by name, or `auto` (cold).
    #[serde(default)]
    pub recipe: Option<String>,
    /// The whole policy.
    #[serde(default)]
    pub policy: Option<GatePolicy>,
    /// The dataset versions, in order.
    #[serde(default)]
    pub dataset_versions: Option<Vec<DatasetVersionId>>,
}

/// A move of a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRelease {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// The model to publish.
    pub model: ModelId,
    /// The release that the channel points at now, as the publisher saw it; compare-and-swap. Absent: none yet.
    #[serde(default)]
    pub expected: Option<ReleaseId>,
    /// A note for the log.
    #[serde(default)]
    pub note: String,
    /// Publish although a reviewer's word is missing, giving it in the same call, for this reason.
    #[serde(default)]
    pub override_reason: Option<String>,
    /// The rapid response it answers.
    #[serde(default)]
    pub request: Option<RequestId>,
}

/// Pin the release that a channel's losses add up from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAnchor {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// One of the channel's releases.
    pub release: ReleaseId,
    /// A note for the log.
    #[serde(default)]
    pub note: String,
}

/// A project's own policy, or a new version of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// α, between 0 and 0.5.
    pub alpha: f64,
    /// How many heads may be judged on one sealed set.
    pub looks: u32,
    /// The checks that run, in order.
    pub checks: Vec<PolicyCheck>,
}

/// Put the previous model back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UndoRelease {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// The release to take back: the one that the channel points at now; compare-and-swap.
    pub expected: ReleaseId,
    /// A note for the log.
    #[serde(default)]
    pub note: String,
}

/// The front page in one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Overview {
    /// The project.
    pub project: Project,
    /// What is live on each channel.
    pub channels: Vec<LiveChannel>,
    /// Jobs that are queued or running.
    pub running: Vec<Job>,
    /// Jobs that made a model that no channel has pointed at yet, newest first, at most 20.
    pub to_review: Vec<Job>,
    /// Open rapid responses.
    pub requests: Vec<crate::request::Request>,
    /// The server's clock, microseconds since 1970, UTC: countdowns start from it.
    pub now_us: i64,
}

/// A channel and the classes of what it points at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveChannel {
    /// The channel.
    pub channel: Channel,
    /// Classes of the live model.
    pub classes: Vec<ClassName>,
}

/// A page of events, for those who poll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Events {
    /// In order.
    pub events: Vec<JobEvent>,
}

/// What a job made, as `jobs watch --json` and `GET /jobs/{id}/result` tell it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobResult {
    /// The job.
    pub job: Job,
    /// The verdict with its evidence, once there is one.
    pub verdict: Option<crate::gate::verdict::Verdict>,
}
