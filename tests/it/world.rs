//! What the cases share: servers in this process on ports of their own, the stories told once, one Postgres.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use color_eyre::eyre::{Result, eyre};
use domain::api::{DEFAULT_PROJECT, JobResult};
use domain::ids::JobId;
use domain::job::Job;
use domain::names::{ProjectName, UserName};
use domain::people::Role;
use reqwest::Method;
use serde_json::json;
use server::admin::{self, AccountOptions};
use server::db::Db;
use server::jobs::{DbQueue, Wake};
use server::{Application, Clock, Config, StorageConfig};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;
use trainer::artifacts::Artifacts;
use trainer::worker::JobQueue;

use crate::binary;
use crate::cases::{full_size, story};
use crate::postgres::Postgres;
use crate::rest::{self, Rest};

/// Which engine a server keeps its rows in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// A server in this process.
pub(crate) struct Node {
    /// Asked by Ann, who may do everything and starts the jobs.
    pub(crate) rest: Rest,
    /// Asked by Bob, a publisher of `main`, who may override a verdict on a job of hers.
    pub(crate) other: Rest,
    /// Its data folder.
    pub(crate) data: PathBuf,
    storage: StorageConfig,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

/// The main job with a few photos of each class.
pub(crate) struct Story {
    pub(crate) node: Node,
    pub(crate) baseline: JobResult,
    pub(crate) clone: JobResult,
    /// The files of both models, by `baseline/NAME` and `clone/NAME`.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

/// The main job with all bundled photos.
pub(crate) struct FullSize {
    pub(crate) node: Node,
    pub(crate) baseline: JobResult,
    pub(crate) clone: JobResult,
}

/// Everything that outlives a case. What could not be made is not tried again: its reason is kept instead.
pub(crate) struct World {
    dir: TempDir,
    n_nodes: AtomicUsize,
    story: OnceCell<Result<Story, String>>,
    full_size: OnceCell<Result<FullSize, String>>,
    binary: OnceCell<Result<PathBuf, String>>,
    postgres: OnceCell<Result<Postgres, String>>,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            dir: tempfile::Builder::new().prefix("rehead-it-").tempdir()?,
            n_nodes: AtomicUsize::new(0),
            story: OnceCell::new(),
            full_size: OnceCell::new(),
            binary: OnceCell::new(),
            postgres: OnceCell::new(),
        })
    }

    /// The small story, told at the first call.
    pub(crate) async fn story(&self) -> Result<&Story> {
        let tell = async { story::tell(self.node(Database::Sqlite).await?).await };
        kept(
            self.story
                .get_or_init(async || tell.await.map_err(|error| format!("{error:#}")))
                .await,
        )
    }

    /// The story at full size, told at the first call.
    pub(crate) async fn full_size(&self) -> Result<&FullSize> {
        let tell = async || full_size::tell(self).await.map_err(|error| format!("{error:#}"));
        kept(self.full_size.get_or_init(tell).await)
    }

    /// The real binary.
    pub(crate) async fn binary(&self) -> Result<PathBuf> {
        let find = async || {
            let path = tokio::task::spawn_blocking(binary::path).await;
            path.map_err(|panic| panic.to_string())?
                .map_err(|error| format!("{error:#}"))
        };
        kept(self.binary.get_or_init(find).await).cloned()
    }

    async fn postgres(&self) -> &Result<Postgres, String> {
        let start = async || {
            let started = tokio::task::spawn_blocking(Postgres::start).await;
            started
                .map_err(|panic| panic.to_string())?
                .map_err(|error| format!("{error:#}"))
        };
        self.postgres.get_or_init(start).await
    }

    /// Why this machine has no Postgres; none where it has one.
    pub(crate) async fn no_postgres(&self) -> Option<String> {
        self.postgres().await.as_ref().err().cloned()
    }

    /// A new, empty server with its embedded worker.
    pub(crate) async fn node(&self, database: Database) -> Result<Node> {
        self.start(database, 1).await
    }

    /// A new, empty server on which nothing runs.
    pub(crate) async fn node_without_worker(&self, database: Database) -> Result<Node> {
        self.start(database, 0).await
    }

    /// The address of an empty database.
    pub(crate) async fn database(&self, database: Database, name: &str) -> Result<Option<String>> {
        match database {
            Database::Sqlite => Ok(None),
            Database::Postgres => kept(self.postgres().await)?.new_database(name).map(Some),
        }
    }

    /// A new, empty folder and its name.
    pub(crate) fn folder(&self) -> Result<(PathBuf, String)> {
        let name = format!("node{}", self.n_nodes.fetch_add(1, Ordering::Relaxed));
        let data = self.dir.path().join(&name);
        std::fs::create_dir_all(&data)?;
        Ok((data, name))
    }

    async fn start(&self, database: Database, n_workers: usize) -> Result<Node> {
        let (data, name) = self.folder()?;
        let database = self.database(database, &name).await?;
        Node::start(data, database, n_workers).await
    }

    /// Stops the servers that cases shared.
    pub(crate) async fn stop(&self) {
        if let Some(Ok(story)) = self.story.get() {
            story.node.stop().await;
        }
        if let Some(Ok(full_size)) = self.full_size.get() {
            full_size.node.stop().await;
        }
    }
}

fn kept<T>(made: &Result<T, String>) -> Result<&T> {
    made.as_ref().map_err(|reason| eyre!("{reason}"))
}

/// The password of whoever has one.
pub(crate) const PASSWORD: &str = "four words of no sense";

/// Somebody with this role in `main`, or without one who may do everything.
fn options(name: &str, role: Option<Role>) -> Result<AccountOptions> {
    Ok(AccountOptions {
        name: UserName::new(name)?,
        role,
        project: ProjectName::new(DEFAULT_PROJECT)?,
        global_admin: role.is_none(),
    })
}

/// Makes an account straight on the database, as `rehead admin` does; a token of its person.
async fn person(storage: &StorageConfig, name: &str, role: Option<Role>) -> Result<String> {
    let (db, clock) = (Db::connect(&storage.database_url()).await?, Clock::system());
    let options = options(name, role)?;
    admin::user(&db, &clock, &options, None).await?;
    let issued = admin::token(&db, &clock, &options.name, "tests", 1).await?;
    db.close().await;
    Ok(issued.secret)
}

/// A lease so short that a killed worker's job is soon another's.
const LEASE_MS: u32 = 3_000;

impl Node {
    async fn start(data: PathBuf, database: Option<String>, n_workers: usize) -> Result<Self> {
        let mut config = Config::local(data.clone());
        config.storage.database_url.clone_from(&database);
        config.storage.lease_ms = LEASE_MS;
        config.workers = n_workers;
        let storage = config.storage.clone();
        let application = Application::build(config).await?;
        let nobody = Rest::new(format!("http://{}", application.address()))?;
        let rest = nobody.with_token(Some(person(&storage, "ann", None).await?));
        let other = nobody.with_token(Some(person(&storage, "bob", Some(Role::Publisher)).await?));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let until = async {
                let _ = stopped.await;
            };
            if let Err(error) = application.run(until).await {
                println!("a server ended: {error}");
            }
        });
        Ok(Self {
            rest,
            other,
            data,
            storage,
            running: Mutex::new(Some((stop, task))),
        })
    }

    /// Somebody with this role in `main`, for whom the server is asked; without a role one who may do everything.
    pub(crate) async fn as_person(&self, name: &str, role: Option<Role>) -> Result<Rest> {
        Ok(self.rest.with_token(Some(person(&self.storage, name, role).await?)))
    }

    /// A browser's session of somebody with this role in `main`, as a `Cookie` header. The person chooses a password through
    /// a one-time link.
    pub(crate) async fn session(&self, name: &str, role: Role) -> Result<String> {
        let db = self.db().await?;
        let options = options(name, Some(role))?;
        let path = admin::user(&db, &Clock::system(), &options, None).await?;
        db.close().await;
        let path = path.ok_or_else(|| eyre!("there is a link where no password is given"))?;
        let key = path.rsplit('=').next().unwrap_or_default();
        let body = json!({ "key": key, "password": PASSWORD });
        let answer = self.rest.with_token(None).request(Method::POST, "/setup").json(&body);
        rest::cookie(&answer.send().await?)
    }

    /// The database, beside the server.
    pub(crate) async fn db(&self) -> Result<Db> {
        Ok(Db::connect(&self.storage.database_url()).await?)
    }

    /// A job's row, as the API shows it.
    pub(crate) async fn job(&self, job: &JobId) -> Result<Job> {
        self.rest.get(&format!("/jobs/{job}")).await
    }

    /// A worker in a process of its own, on this server's rows and files.
    pub(crate) fn spawn_worker(&self, binary: &Path) -> Result<Child> {
        self.spawn_worker_with_lease(binary, LEASE_MS)
    }

    /// The same with another lease: where every lost one counts, a busy disk must not cost one.
    pub(crate) fn spawn_worker_with_lease(&self, binary: &Path, lease_ms: u32) -> Result<Child> {
        let mut command = Command::new(binary);
        command
            .arg("worker")
            .env("REHEAD_DATA", &self.data)
            .env("REHEAD_LEASE_MS", lease_ms.to_string());
        if let Some(url) = &self.storage.database_url {
            command.env("REHEAD_DATABASE_URL", url);
        }
        Ok(command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?)
    }

    /// The port that workers use, on this server's rows and files.
    pub(crate) async fn queue(&self) -> Result<Arc<dyn JobQueue>> {
        let runtime = Handle::current();
        let store = server::storage::open(self.storage.store.as_deref(), &self.data)?;
        Ok(Arc::new(DbQueue {
            db: Db::connect(&self.storage.database_url()).await?,
            artifacts: Artifacts::new(store, runtime.clone()),
            runtime,
            clock: Clock::system(),
            wake: Wake::default(),
            lease_us: self.storage.lease_us(),
        }))
    }

    /// Stops it and waits until it has ended.
    pub(crate) async fn stop(&self) {
        let running = self.running.lock().ok().and_then(|mut running| running.take());
        if let Some((stop, task)) = running {
            let _ = stop.send(());
            let _ = task.await;
        }
    }
}
