//! How a running job is watched and stopped: it reports here, and asks here whether it may go on.

use domain::change::Look;
use domain::dataset::Finding;
use domain::event::Progress;
use domain::gate::verdict::Verdict;
use domain::job::Stage;

/// Watches a job, tells it the time and may stop it. Called from several threads.
pub trait Observer: Sync {
    /// Milliseconds since the job started.
    fn elapsed_ms(&self) -> u64;

    /// Someone asked the job to stop, or its lease is lost: end soon and write nothing more.
    fn cancelled(&self) -> bool;

    /// A stage began.
    fn stage_started(&self, stage: Stage);

    /// A stage ended.
    fn stage_finished(&self, stage: Stage, duration_ms: i64);

    /// How far a stage is; may be called often.
    fn progress(&self, progress: Progress);

    /// Something that a person should know.
    fn finding(&self, finding: Finding);

    /// A head is about to be judged: writes the look down and says which looks this project had until then, oldest first.
    /// None where they cannot be had; the gate then proves nothing.
    fn look(&self, look: &Look) -> Option<Vec<Look>>;

    /// The gate decided.
    fn verdict(&self, verdict: &Verdict);
}
