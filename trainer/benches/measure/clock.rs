//! The clock, and an observer that tells nothing but the time.

use std::time::Instant;

use domain::change::Look;
use domain::dataset::Finding;
use domain::event::Progress;
use domain::gate::verdict::Verdict;
use domain::job::Stage;
use trainer::observer::Observer;

/// Measures from the moment it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
        Self(Instant::now())
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Watches a job that nobody watches.
pub(crate) struct Nobody(Watch);

impl Nobody {
    pub(crate) fn new() -> Self {
        Self(Watch::start())
    }
}

impl Observer for Nobody {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn stage_started(&self, _: Stage) {}

    fn stage_finished(&self, _: Stage, _: i64) {}

    fn progress(&self, _: Progress) {}

    fn finding(&self, _: Finding) {}

    fn look(&self, look: &Look) -> Option<Vec<Look>> {
        Some(vec![look.clone()])
    }

    fn verdict(&self, _: &Verdict) {}
}
