//! What a server or a worker is told at its start: flags, each also an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use trainer::backbone::ComputeDevice;

/// Options of `rehead serve`; the storage part is shared with `rehead worker` and `rehead migrate`.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where the rows and the files are.
    #[command(flatten)]
    pub storage: StorageConfig,
    /// What computes.
    #[command(flatten)]
    pub compute: ComputeConfig,
    /// Where to answer. Port 0 takes a free one and prints it.
    #[arg(
        long,
        env = "REHEAD_LISTEN",
        default_value = "127.0.0.1:3000",
        value_name = "ADDR:PORT"
    )]
    pub listen: SocketAddr,
    /// Browsers come by https, through a proxy in front of this server: cookies are sent by https only.
    #[arg(long, env = "REHEAD_BEHIND_TLS")]
    pub behind_tls: bool,
    /// Embedded workers; 0 where others do the work.
    #[arg(long, env = "REHEAD_WORKERS", default_value_t = 1, value_name = "N")]
    pub workers: usize,
    /// The folder with the built pages.
    #[arg(long, env = "REHEAD_SITE", default_value = "target/site", value_name = "DIR")]
    pub site: PathBuf,
}

/// Options of `rehead worker`.
#[derive(Clone, Debug, Args)]
pub struct WorkerConfig {
    /// Where the rows and the files are.
    #[command(flatten)]
    pub storage: StorageConfig,
    /// What computes.
    #[command(flatten)]
    pub compute: ComputeConfig,
}

/// What computes features.
#[derive(Clone, Debug, Default, Args)]
pub struct ComputeConfig {
    /// `cpu`: all cores; `cuda:N`: the GPU of that number, where the build has CUDA. Never another than what is said here.
    #[arg(long, env = "REHEAD_DEVICE", default_value = "cpu", value_name = "DEVICE")]
    pub device: ComputeDevice,
}

/// Where the rows and the files are.
#[derive(Clone, Debug, Args)]
pub struct StorageConfig {
    /// The data folder; made where it is missing.
    #[arg(long, env = "REHEAD_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
    /// `postgres://…`; without it a SQLite file in the data folder.
    #[arg(long, env = "REHEAD_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Where images, features and models lie: `file:///…`; without it a folder in the data folder.
    #[arg(long, env = "REHEAD_STORE", value_name = "URL")]
    pub store: Option<String>,
    /// How long a worker's claim holds without a sign of life.
    #[arg(
        long,
        env = "REHEAD_LEASE_MS",
        default_value_t = 15_000,
        value_name = "MS",
        hide = true
    )]
    pub lease_ms: u32,
}

/// A configuration that must not run.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The lease is too short for a heartbeat.
    #[error("a lease of {0} ms is too short, it must be at least 100 ms")]
    Lease(u32),
}

impl Config {
    /// A server on a free loopback port with its files under `data`; for tests and tools.
    #[must_use]
    pub fn local(data: PathBuf) -> Self {
        Self {
            storage: StorageConfig {
                data,
                database_url: None,
                store: None,
                lease_ms: 15_000,
            },
            compute: ComputeConfig::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            behind_tls: false,
            workers: 1,
            site: PathBuf::from("target/site"),
        }
    }

    /// Whether only browsers on this machine can come, so that one which asks for another name was led astray. A proxy in
    /// front brings the names of the world.
    #[must_use]
    pub fn is_local_only(&self) -> bool {
        self.listen.ip().is_loopback() && !self.behind_tls
    }
}

impl StorageConfig {
    /// Refuses a lease that cannot be kept.
    ///
    /// # Errors
    /// The lease is shorter than 100 ms.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.lease_ms < 100 {
            Err(ConfigError::Lease(self.lease_ms))
        } else {
            Ok(())
        }
    }

    /// The database's address.
    #[must_use]
    pub fn database_url(&self) -> String {
        // An address has signs of its own, which may stand in a folder's name.
        let path = || {
            self.data
                .join("rehead.db")
                .display()
                .to_string()
                .replace('%', "%25")
                .replace('?', "%3F")
        };
        let file = || format!("sqlite:{}", path());
        self.database_url.clone().unwrap_or_else(file)
    }

    /// How long a claim holds, microseconds.
    #[must_use]
    pub fn lease_us(&self) -> i64 {
        i64::from(self.lease_ms) * 1000
    }

    /// How often a worker looks at an empty queue.
    #[must_use]
    pub const fn poll(&self) -> Duration {
        Duration::from_millis(250)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_without_a_proxy_is_local() {
        let mut config = Config::local(PathBuf::from("x"));
        assert!(config.is_local_only());
        config.listen = "[::1]:80".parse().unwrap();
        assert!(config.is_local_only());
        config.behind_tls = true;
        assert!(!config.is_local_only());
        config.listen = "0.0.0.0:80".parse().unwrap();
        config.behind_tls = false;
        assert!(!config.is_local_only());
    }
}
