//! A server from its configuration to its end; tests build it the same way.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use trainer::artifacts::Artifacts;
use trainer::backbone::{BackboneError, ComputeDevice};
use trainer::backbones::Backbones;
use trainer::features::Cache;

use crate::auth::{Auth, links};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, StorageConfig, WorkerConfig};
use crate::db::{Db, DbError, users};
use crate::jobs::{DbFeatureIndex, DbQueue, Wake, Workers, WorkersConfig, run_until};
use crate::state::AppState;
use crate::storage::{self, StorageError};
use crate::{pages, router};

/// A server that is ready to answer.
pub struct Application {
    listener: TcpListener,
    address: SocketAddr,
    state: AppState,
    workers: Option<Workers>,
}

/// Why a server or worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would be unsafe.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No data folder.
    #[error("cannot make the data folder {path}: {source}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No database.
    #[error("cannot open the database: {0}")]
    Db(#[from] DbError),
    /// No object store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The address is taken or not ours.
    #[error("cannot answer on {address}: {source}; is another server running there? --listen takes another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// No device to compute on.
    #[error(transparent)]
    Device(#[from] BackboneError),
    /// No thread for a worker.
    #[error("cannot start a worker: {0}")]
    Worker(std::io::Error),
    /// The link for the first account.
    #[error("cannot make the link for the first account: {0}")]
    FirstAccount(String),
    /// The server stopped answering.
    #[error("the server stopped: {0}")]
    Serve(std::io::Error),
}

/// What server and worker both need.
pub(crate) struct Storage {
    pub(crate) db: Db,
    pub(crate) artifacts: Artifacts,
    pub(crate) cache: Cache,
}

impl Storage {
    pub(crate) async fn open(config: &StorageConfig, clock: &Clock) -> Result<Self, StartError> {
        config.check()?;
        if let Err(source) = std::fs::create_dir_all(&config.data) {
            return Err(StartError::Folder {
                path: config.data.clone(),
                source,
            });
        }
        let store = storage::open(config.store.as_deref(), &config.data)?;
        let db = Db::connect(&config.database_url()).await?;
        let artifacts = Artifacts::new(store, Handle::current());
        let index = DbFeatureIndex {
            db: db.clone(),
            runtime: Handle::current(),
            clock: clock.clone(),
        };
        let local = storage::local_copies(config.store.as_deref(), &config.data)?;
        Ok(Self {
            db,
            cache: Cache::new(artifacts.clone(), Arc::new(index), local),
            artifacts,
        })
    }

    fn queue(&self, config: &StorageConfig, clock: &Clock, wake: &Wake) -> DbQueue {
        DbQueue {
            db: self.db.clone(),
            artifacts: self.artifacts.clone(),
            runtime: Handle::current(),
            clock: clock.clone(),
            wake: wake.clone(),
            lease_us: config.lease_us(),
        }
    }
}

impl Application {
    /// Opens database and store, binds the address and starts the embedded workers.
    ///
    /// # Errors
    /// Says what is in the way.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        Self::build_with_clock(config, Clock::system()).await
    }

    /// As [`Application::build`], with a clock of one's own.
    ///
    /// # Errors
    /// Says what is in the way.
    pub async fn build_with_clock(config: Config, clock: Clock) -> Result<Self, StartError> {
        let backbones = load_backbones(config.compute.device).await?;
        let storage = Storage::open(&config.storage, &clock).await?;
        let listen = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let wake = Wake::default();
        let queue = storage.queue(&config.storage, &clock, &wake);
        let workers = WorkersConfig {
            n_workers: config.workers,
            poll: config.storage.poll(),
        };
        let workers = Workers::start(&queue, &storage.cache, &backbones, workers).map_err(StartError::Worker)?;
        let state = AppState {
            db: storage.db,
            artifacts: storage.artifacts,
            cache: storage.cache,
            backbones,
            clock,
            wake,
            auth: Auth::default(),
            placing: Arc::default(),
            decoding: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(2, usize::from),
            )),
            exporting: Arc::new(Semaphore::new(2)),
            config: Arc::new(config),
        };
        Ok(Self {
            listener,
            address,
            state,
            workers: Some(workers),
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the first account is made, as long as there is none: an address with a new key that is good once, for a day.
    ///
    /// # Errors
    /// The database says no.
    pub async fn first_start(&self) -> Result<Option<String>, StartError> {
        if users::exist(&self.state.db).await? {
            return Ok(None);
        }
        let path = links::issue(&self.state.db, &self.state.clock, None).await;
        let path = path.map_err(|error| StartError::FirstAccount(error.sentence()))?;
        Ok(Some(format!("http://{}{path}", self.address)))
    }

    /// What its handlers would use; it answers nobody any more.
    #[cfg(test)]
    pub(crate) fn into_state(self) -> AppState {
        self.state
    }

    /// Answers until `shutdown` resolves; then finishes open requests and gives running jobs back to the queue.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let app = router::all(&self.state, pages::routes(&self.state, router::inner(&self.state)));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let signal = async move {
            shutdown.await;
            let _ = stop.send(true);
        };
        let mut stopping = stopped.clone();
        let server = axum::serve(self.listener, app).with_graceful_shutdown(signal);
        // Somebody who follows a job would keep the server open for ever.
        let patience = async move {
            let _ = stopping.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        };
        let served = tokio::select! {
            served = server => served,
            () = patience => Ok(()),
        };
        if let Some(workers) = self.workers.take() {
            let _ = tokio::task::spawn_blocking(move || workers.stop()).await;
        }
        self.state.db.close().await;
        served.map_err(StartError::Serve)
    }
}

/// First of all, since a device that is not there is a mistake of whoever starts this.
async fn load_backbones(device: ComputeDevice) -> Result<Arc<Backbones>, StartError> {
    let loaded = tokio::task::spawn_blocking(move || trainer::bundled::backbones_on(device)).await;
    let loaded =
        loaded.expect("loading the bundled backbone does not panic: a test of the trainer loads these very bytes");
    Ok(Arc::new(loaded?))
}

/// The role `worker`: claims and runs jobs until `shutdown` resolves.
///
/// # Errors
/// Says what is in the way.
pub async fn work(config: &WorkerConfig, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    let clock = Clock::system();
    let backbones = load_backbones(config.compute.device).await?;
    let config = &config.storage;
    let storage = Storage::open(config, &clock).await?;
    let queue = storage.queue(config, &clock, &Wake::default());
    let stop = Arc::new(AtomicBool::new(false));
    let (poll, flag) = (config.poll(), Arc::clone(&stop));
    let cache = storage.cache;
    let worker = tokio::task::spawn_blocking(move || run_until(&queue, &cache, &backbones, poll, &flag));
    shutdown.await;
    stop.store(true, Ordering::Relaxed);
    if worker.await.is_err() {
        tracing::error!("the worker panicked");
    }
    storage.db.close().await;
    Ok(())
}

/// The role `migrate`: brings the database's schema up to date.
///
/// # Errors
/// Says what is in the way.
pub async fn migrate(config: &StorageConfig) -> Result<(), StartError> {
    let storage = Storage::open(config, &Clock::system()).await?;
    storage.db.close().await;
    Ok(())
}
