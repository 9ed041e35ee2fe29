//! Running jobs: the queue over SQL, and the workers that empty it.

mod queue;
mod workers;

use std::sync::Arc;

use tokio::sync::Notify;

pub use queue::DbQueue;
pub use workers::{Workers, WorkersConfig, run_until};

/// Tells those who follow jobs in this process that something happened, so that they need not wait for their next look.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Something happened.
    pub fn notify(&self) {
        self.0.notify_waiters();
    }

    /// Waits for the next time something happens.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}
