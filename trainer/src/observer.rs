//! How a job tells what it is doing, and how it learns that it shall stop.
//!
//! Owns: the one trait between the pipeline and whoever runs it. Refuses to know: events, rows, clocks.

use domain::dataset::Finding;
use domain::event::Progress;
use domain::gate::verdict::Verdict;
use domain::job::Stage;

/// Watches a job and is asked, between two units of work, whether it shall go on.
pub trait Observer: Sync {
    /// Milliseconds since the job started.
    fn elapsed_ms(&self) -> u64;
    /// A person or a lost lease wants the job to stop.
    fn cancelled(&self) -> bool;
    /// A stage begins.
    fn stage_started(&self, stage: Stage);
    /// A stage ended after this time.
    fn stage_finished(&self, stage: Stage, duration_ms: i64);
    /// How far a stage is.
    fn progress(&self, progress: Progress);
    /// Something that a person should know.
    fn finding(&self, finding: Finding);
    /// The gate decided.
    fn verdict(&self, verdict: &Verdict);
}
