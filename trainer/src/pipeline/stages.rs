//! The stages of a running job: announced, timed, and never begun after the job was stopped or its time is over.

use domain::job::{Stage, StageTime};

use crate::observer::Observer;
use crate::pipeline::PipelineError;

pub(super) struct Stages<'a> {
    observer: &'a dyn Observer,
    deadline_ms: u64,
    /// Images that the job reads.
    pub(super) n_images: usize,
    /// Images whose features are there.
    pub(super) n_read: usize,
    pub(super) times: Vec<StageTime>,
}

impl<'a> Stages<'a> {
    pub(super) const fn new(observer: &'a dyn Observer, deadline_ms: u64, n_images: usize) -> Self {
        Self {
            observer,
            deadline_ms,
            n_images,
            n_read: 0,
            times: Vec::new(),
        }
    }

    pub(super) fn run<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce(&mut Self) -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        let start_ms = self.observer.elapsed_ms();
        if self.observer.cancelled() {
            return Err(PipelineError::Cancelled);
        }
        if start_ms >= self.deadline_ms {
            return Err(self.out_of_time(stage));
        }
        self.observer.stage_started(stage);
        let result = work(self)?;
        let spent_ms = self.observer.elapsed_ms().saturating_sub(start_ms);
        let duration_ms = i64::try_from(spent_ms).unwrap_or(i64::MAX);
        self.times.push(StageTime { stage, duration_ms });
        self.observer.stage_finished(stage, duration_ms);
        Ok(result)
    }

    pub(super) const fn out_of_time(&self, stage: Stage) -> PipelineError {
        PipelineError::DeadlineExceeded {
            deadline_ms: self.deadline_ms,
            stage,
            n_read: self.n_read,
            n_images: self.n_images,
        }
    }
}
