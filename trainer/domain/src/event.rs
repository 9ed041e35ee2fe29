//! What happens to a job, in order: rows in the database, lines on the page, events on the wire.

use serde::{Deserialize, Serialize};

use crate::dataset::Finding;
use crate::gate::verdict::VerdictState;
use crate::ids::JobId;
use crate::job::{JobState, Stage};

/// One event of a job. `seq` rises by one within a job and is the SSE event id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobEvent {
    /// The job.
    pub job: JobId,
    /// 1, 2, 3, … within the job.
    pub seq: i64,
    /// The attempt it belongs to; 0 before the first.
    pub attempt: i64,
    /// When, microseconds since 1970, UTC.
    pub at_us: i64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// The job changed its state.
    State {
        /// The new state.
        state: JobState,
        /// Why, where there is something to say.
        message: Option<String>,
    },
    /// A stage began.
    StageStarted {
        /// The stage.
        stage: Stage,
    },
    /// A stage ended.
    StageFinished {
        /// The stage.
        stage: Stage,
        /// Its duration.
        duration_ms: i64,
    },
    /// How far a stage is.
    Progress(Progress),
    /// Something a person should know.
    Finding {
        /// The finding.
        finding: Finding,
    },
    /// The gate decided.
    Verdict {
        /// The verdict.
        state: VerdictState,
        /// Its sentence.
        sentence: String,
    },
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Done so far.
    pub done: i64,
    /// To do in all.
    pub total: i64,
    /// Items a second, averaged over the stage.
    pub rate_per_s: f64,
    /// Time left of the stage at that rate, milliseconds.
    pub left_ms: i64,
}
