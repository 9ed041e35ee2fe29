//! Running jobs: the queue over SQL, and the workers that empty it.

mod features;
mod queue;
mod workers;

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

pub use features::DbFeatureIndex;
pub use queue::DbQueue;
pub(crate) use queue::InputError;
pub use workers::{Workers, WorkersConfig, run_until};

/// Tells those who follow jobs in this process that something happened, so that they need not wait for their next look.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Something happened.
    pub fn notify(&self) {
        self.0.notify_waiters();
    }

    /// Waits for the next time something happens, counted from this call.
    pub fn wait(&self) -> Notified<'_> {
        self.0.notified()
    }
}
