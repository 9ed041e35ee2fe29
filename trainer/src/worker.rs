//! The loop around the pipeline: claim, heartbeat, files, finish.
//!
//! Owns: the port [`JobQueue`], behind which the queue lies. A job may run twice, since a lease may be lost while its
//! worker still runs: whatever is written goes under job and attempt, and whatever is said is fenced by worker and
//! attempt.

use domain::event::EventKind;
use domain::ids::{JobId, WorkerId};

use crate::pipeline::{JobInput, Outcome};

/// Where jobs come from and where their results go. Calls may block; they are made from blocking threads only.
pub trait JobQueue: Send + Sync {
    /// Takes the oldest queued job, or one whose lease has expired, and gives its lease to this worker.
    ///
    /// # Errors
    /// The queue cannot be reached; the worker tries again.
    fn claim(&self, worker: &WorkerId) -> Result<Option<ClaimedJob>, QueueError>;

    /// Extends the lease.
    ///
    /// # Errors
    /// The queue cannot be reached; the worker tries again.
    fn heartbeat(&self, worker: &WorkerId, job: &JobId, attempt: i64) -> Result<Lease, QueueError>;

    /// Appends an event, if the lease is still held; otherwise does nothing.
    ///
    /// # Errors
    /// The queue cannot be reached; the event is lost.
    fn event(&self, worker: &WorkerId, job: &JobId, attempt: i64, kind: EventKind) -> Result<(), QueueError>;

    /// Ends the job, if the lease is still held; false where it is not, and then nothing was changed. Called again after
    /// an error.
    ///
    /// # Errors
    /// The queue cannot be reached; the worker tries again.
    fn finish(&self, worker: &WorkerId, job: &JobId, attempt: i64, finished: &Finished) -> Result<bool, QueueError>;
}

/// A job that this worker now holds.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// What to do.
    pub input: JobInput,
    /// 1 for the first worker that began it, rising by one with each claim.
    pub attempt: i64,
}

/// Whether a worker still holds a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It does.
    Held {
        /// Someone asked the job to stop.
        cancel_requested: bool,
    },
    /// The job is finished, or another worker has it.
    Lost,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub enum Finished {
    /// It made a model; its files lie under `ArtifactKey::job_file(project, job, attempt, name)`.
    Succeeded {
        /// What it made.
        outcome: Box<Outcome>,
    },
    /// It made none.
    Failed {
        /// Why, for a person.
        error: String,
    },
    /// It was asked to stop.
    Cancelled,
    /// The worker shuts down: the job goes back to the queue.
    Released,
}

/// The queue could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {source}")]
pub struct QueueError {
    /// What was attempted, on what.
    pub action: String,
    /// Why it failed.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
