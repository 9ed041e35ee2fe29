//! The loop around the pipeline: claim, heartbeat, files, finish.
//!
//! Owns: the port [`JobQueue`], behind which the queue lies. A job may run twice, since a lease may be lost while its
//! worker still runs: whatever is written goes under job and attempt, and whatever is said is fenced by worker and
//! attempt.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use domain::change::Look;
use domain::dataset::Finding;
use domain::event::{EventKind, Progress};
use domain::gate::verdict::Verdict;
use domain::ids::{JobId, WorkerId};
use domain::job::Stage;

use crate::artifacts::{ArtifactKey, Artifacts};
use crate::observer::Observer;
use crate::pipeline::{JobInput, Outcome, PipelineError};

/// Where jobs come from and where their results go. Calls may block; they are made from blocking threads only.
pub trait JobQueue: Send + Sync {
    /// Takes the oldest queued job, or one whose lease has expired, and gives its lease to this worker. The first claim pins
    /// the job to the worker's arithmetic: features of two kernels differ in their last bits and must not meet in one job,
    /// so only a worker with the same kernel can take it over.
    ///
    /// # Errors
    /// The queue cannot be reached; the worker tries again.
    fn claim(&self, worker: &WorkerId, kernel: &str) -> Result<Option<ClaimedJob>, QueueError>;

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

    /// Writes down that a head is about to be judged, if the lease is still held, and says which looks the project had until
    /// then, this one included, oldest first; none where the lease is lost.
    ///
    /// # Errors
    /// The queue cannot be reached; the worker tries again.
    fn look(&self, worker: &WorkerId, job: &JobId, attempt: i64, look: &Look) -> Result<Option<Vec<Look>>, QueueError>;

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

/// A worker: whose name its claims carry, and what it works with.
pub struct Worker<'a> {
    /// Where jobs come from.
    pub queue: &'a dyn JobQueue,
    /// Where files go.
    pub artifacts: &'a Artifacts,
    /// Its name; two processes never share one.
    pub id: &'a WorkerId,
    /// Names its arithmetic, see `engine::Backbone::kernel`.
    pub kernel: &'a str,
    /// What it does with a job: [`crate::pipeline::run`] on its backbone. Called on this thread.
    pub pipeline: &'a Pipeline<'a>,
    /// Milliseconds since any fixed moment, never falling.
    pub clock_ms: &'a (dyn Fn() -> u64 + Sync),
    /// How often it asks.
    pub timing: Timing,
}

/// A job's input in, its outcome out.
pub type Pipeline<'a> = dyn Fn(&JobInput, &dyn Observer) -> Result<Outcome, PipelineError> + Sync + 'a;

/// How often a worker asks its queue.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between two claims while there is nothing to do.
    pub poll: Duration,
    /// Between two heartbeats; a third of the lease at most.
    pub heartbeat: Duration,
    /// Between two progress events of one stage.
    pub progress: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            heartbeat: Duration::from_secs(1),
            progress: Duration::from_millis(250),
        }
    }
}

/// Claims and runs jobs, one after the other, until `shutdown` is set; a running job then goes back to the queue.
pub fn run_worker(worker: &Worker<'_>, shutdown: &AtomicBool) {
    while !shutdown.load(Ordering::Relaxed) {
        match worker.queue.claim(worker.id, worker.kernel) {
            Ok(Some(claimed)) => work(worker, &claimed, shutdown),
            Ok(None) => idle(worker.timing.poll, shutdown),
            Err(error) => {
                tracing::warn!(worker = %worker.id, %error, "cannot claim a job; trying again");
                idle(worker.timing.poll, shutdown);
            }
        }
    }
}

/// Waits, but not long past a shutdown.
fn idle(pause: Duration, shutdown: &AtomicBool) {
    const SLICE: Duration = Duration::from_millis(20);
    let mut left = pause;
    while !left.is_zero() && !shutdown.load(Ordering::Relaxed) {
        let slice = left.min(SLICE);
        std::thread::sleep(slice);
        left -= slice;
    }
}

/// Why a running job was told to stop.
#[derive(Default)]
struct Stop {
    cancel_requested: AtomicBool,
    lease_lost: AtomicBool,
}

fn work(worker: &Worker<'_>, claimed: &ClaimedJob, shutdown: &AtomicBool) {
    let job = &claimed.input.job;
    let stop = Stop::default();
    let forwarder = Forwarder {
        worker,
        claimed,
        stop: &stop,
        shutdown,
        start_ms: (worker.clock_ms)(),
        last_progress: Mutex::new(None),
    };
    // The heart beats until the outcome is written down, so that storing the files is covered by the lease too.
    std::thread::scope(|scope| {
        let (still, done) = mpsc::channel::<()>();
        let stop = &stop;
        scope.spawn(move || heart(worker, claimed, stop, &done));
        let finished = finished(&forwarder);
        if stop.lease_lost.load(Ordering::Relaxed) {
            tracing::warn!(worker = %worker.id, %job, attempt = claimed.attempt, "lost the lease; the result is dropped");
        } else if let Some(finished) = finished {
            finish(worker, claimed, stop, &finished);
        }
        drop(still);
    });
}

/// Extends the lease until the job is done.
fn heart(worker: &Worker<'_>, claimed: &ClaimedJob, stop: &Stop, done: &mpsc::Receiver<()>) {
    let job = &claimed.input.job;
    while done.recv_timeout(worker.timing.heartbeat) == Err(mpsc::RecvTimeoutError::Timeout) {
        match worker.queue.heartbeat(worker.id, job, claimed.attempt) {
            Ok(Lease::Held { cancel_requested }) => {
                if cancel_requested {
                    stop.cancel_requested.store(true, Ordering::Relaxed);
                }
            }
            Ok(Lease::Lost) => {
                stop.lease_lost.store(true, Ordering::Relaxed);
                return;
            }
            // The lease may outlive a short outage; if it does not, finishing is fenced off.
            Err(error) => tracing::warn!(worker = %worker.id, %job, %error, "cannot extend the lease"),
        }
    }
}

/// Runs the pipeline and stores its files; none where the lease was lost on the way.
fn finished(forwarder: &Forwarder<'_>) -> Option<Finished> {
    let (worker, claimed) = (forwarder.worker, forwarder.claimed);
    let job = &claimed.input.job;
    let run = || (worker.pipeline)(&claimed.input, forwarder);
    let result = match std::panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result,
        Err(payload) => {
            let message = panic_message(&*payload);
            tracing::error!(%job, attempt = claimed.attempt, message, "the pipeline panicked");
            let error = format!("a fault in the program stopped the job: {message}");
            return Some(Finished::Failed { error });
        }
    };
    match result {
        Ok(outcome) => {
            if forwarder.stop.lease_lost.load(Ordering::Relaxed) {
                return None;
            }
            for (name, bytes) in &outcome.files {
                let key = ArtifactKey::job_file(&claimed.input.project, job, claimed.attempt, name);
                if let Err(error) = worker.artifacts.put(&key, bytes.clone()) {
                    let error = format!("the model was made but its file {name} could not be stored: {error}");
                    return Some(Finished::Failed { error });
                }
            }
            Some(Finished::Succeeded {
                outcome: Box::new(outcome),
            })
        }
        Err(PipelineError::Cancelled) if forwarder.stop.cancel_requested.load(Ordering::Relaxed) => {
            Some(Finished::Cancelled)
        }
        Err(PipelineError::Cancelled) if forwarder.stop.lease_lost.load(Ordering::Relaxed) => None,
        Err(PipelineError::Cancelled) => Some(Finished::Released),
        Err(error) => Some(Finished::Failed {
            error: error.to_string(),
        }),
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Writes the end down; tries again while the lease may still be ours.
fn finish(worker: &Worker<'_>, claimed: &ClaimedJob, stop: &Stop, finished: &Finished) {
    const TRIES: u32 = 20;
    let job = &claimed.input.job;
    for _ in 0..TRIES {
        match worker.queue.finish(worker.id, job, claimed.attempt, finished) {
            Ok(true) => return,
            Ok(false) => {
                tracing::warn!(worker = %worker.id, %job, attempt = claimed.attempt, "fenced off; the result is dropped");
                return;
            }
            Err(error) => tracing::warn!(worker = %worker.id, %job, %error, "cannot finish the job; trying again"),
        }
        if stop.lease_lost.load(Ordering::Relaxed) {
            return;
        }
        std::thread::sleep(worker.timing.poll);
    }
    tracing::error!(worker = %worker.id, %job, "gave up finishing; the job runs again once its lease ends");
}

/// Turns what the pipeline says into events of the job.
struct Forwarder<'a> {
    worker: &'a Worker<'a>,
    claimed: &'a ClaimedJob,
    stop: &'a Stop,
    shutdown: &'a AtomicBool,
    start_ms: u64,
    /// The last progress that was sent: its stage and when.
    last_progress: Mutex<Option<(Stage, u64)>>,
}

impl Forwarder<'_> {
    fn send(&self, kind: EventKind) {
        let (worker, claimed) = (self.worker, self.claimed);
        let job = &claimed.input.job;
        if let Err(error) = worker.queue.event(worker.id, job, claimed.attempt, kind) {
            tracing::warn!(worker = %worker.id, %job, %error, "an event is lost");
        }
    }
}

impl Observer for Forwarder<'_> {
    fn elapsed_ms(&self) -> u64 {
        (self.worker.clock_ms)().saturating_sub(self.start_ms)
    }

    fn cancelled(&self) -> bool {
        [&self.stop.cancel_requested, &self.stop.lease_lost, self.shutdown]
            .iter()
            .any(|flag| flag.load(Ordering::Relaxed))
    }

    fn stage_started(&self, stage: Stage) {
        self.send(EventKind::StageStarted { stage });
    }

    fn stage_finished(&self, stage: Stage, duration_ms: i64) {
        self.send(EventKind::StageFinished { stage, duration_ms });
    }

    fn progress(&self, progress: Progress) {
        let now_ms = self.elapsed_ms();
        let pause_ms = u64::try_from(self.worker.timing.progress.as_millis()).unwrap_or(u64::MAX);
        {
            let mut last = self.last_progress.lock().unwrap_or_else(PoisonError::into_inner);
            let too_soon = last.is_some_and(|(stage, at_ms)| {
                stage == progress.stage && now_ms.saturating_sub(at_ms) < pause_ms && progress.done < progress.total
            });
            if too_soon {
                return;
            }
            *last = Some((progress.stage, now_ms));
        }
        self.send(EventKind::Progress(progress));
    }

    fn finding(&self, finding: Finding) {
        self.send(EventKind::Finding { finding });
    }

    fn look(&self, look: &Look) -> Option<Vec<Look>> {
        const TRIES: u32 = 20;
        let (worker, claimed) = (self.worker, self.claimed);
        let job = &claimed.input.job;
        for _ in 0..TRIES {
            match worker.queue.look(worker.id, job, claimed.attempt, look) {
                Ok(log) => return log,
                Err(error) => {
                    tracing::warn!(worker = %worker.id, %job, %error, "cannot write a look down; trying again");
                }
            }
            if self.cancelled() {
                return None;
            }
            std::thread::sleep(worker.timing.poll);
        }
        None
    }

    fn verdict(&self, verdict: &Verdict) {
        self.send(EventKind::Verdict {
            state: verdict.state,
            sentence: verdict.sentence.clone(),
        });
    }
}

#[cfg(test)]
mod tests;
