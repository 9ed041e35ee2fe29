//! What every handler may use.

use std::sync::Arc;

use trainer::artifacts::Artifacts;
use trainer::backbones::Backbones;
use trainer::features::Cache;

use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::error::ApiError;
use crate::jobs::Wake;

/// Cheap to clone: everything in it is shared.
#[derive(Clone)]
pub(crate) struct AppState {
    /// The rows.
    pub db: Db,
    /// The files; from blocking threads only, see [`AppState::blocking`].
    pub artifacts: Artifacts,
    /// The features of images; from blocking threads only.
    pub cache: Cache,
    /// The bundled backbone, by each of its feature recipes.
    pub backbones: Arc<Backbones>,
    /// The clock.
    pub clock: Clock,
    /// Held while a dataset version is decided: uploads to one server wait for each other instead of deciding twice.
    pub placing: Arc<tokio::sync::Mutex<()>>,
    /// A permit for each image that may be decoded at the same time, since each may take hundreds of megabytes.
    pub decoding: Arc<tokio::sync::Semaphore>,
    /// A permit for each export of features that may run at the same time: one holds all rows of a model in memory.
    pub exporting: Arc<tokio::sync::Semaphore>,
    /// What signing in needs.
    pub auth: Auth,
    /// Tells followers of jobs that something happened.
    pub wake: Wake,
    /// What the server was told at its start.
    pub config: Arc<Config>,
}

impl AppState {
    /// Runs blocking work away from the async threads.
    ///
    /// # Errors
    /// What the work returns; a panic in it becomes an internal error.
    pub(crate) async fn blocking<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(Into::into),
            Err(error) => Err(ApiError::internal(error)),
        }
    }
}
