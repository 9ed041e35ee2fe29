//! A rapid response: somebody needs a class within the hour.

use serde::{Deserialize, Serialize};

use crate::ids::{DatasetId, JobId, ProjectId, ReleaseId, RequestId};

/// How long a response has unless told otherwise: one hour, in microseconds.
pub const DEFAULT_DUE_US: i64 = 3_600_000_000;

/// A rapid response and what was made for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Request {
    /// Identifier.
    pub id: RequestId,
    /// Project.
    pub project: ProjectId,
    /// What is needed, in a few words.
    pub title: String,
    /// When it was opened, microseconds since 1970, UTC.
    pub opened_us: i64,
    /// When it is due.
    pub due_us: i64,
    /// When it was closed.
    pub closed_us: Option<i64>,
    /// Datasets made for it.
    pub datasets: Vec<DatasetId>,
    /// Jobs run for it.
    pub jobs: Vec<JobId>,
    /// Releases that answered it.
    pub releases: Vec<ReleaseId>,
}
