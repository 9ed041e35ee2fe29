//! `rehead`: one binary, a server, a worker, and a client of both.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use server::{Application, Config, StartError, StorageConfig, WorkerConfig};
use tracing_subscriber::EnvFilter;

/// Rapid-response retraining for image recognition.
#[derive(Parser)]
#[command(name = "rehead", version)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Answer on an address, with an embedded worker.
    Serve(Box<Config>),
    /// Run jobs of a server that shares database and store.
    Worker(WorkerConfig),
    /// Bring the database's schema up to date.
    Migrate(StorageConfig),
    /// Make accounts and tokens, straight on the database.
    #[command(subcommand)]
    Admin(server::admin::Command),
    /// What is cached of images: show, verify, clean; straight on database and store.
    #[command(subcommand)]
    Cache(server::cache::Command),
    #[command(flatten)]
    Client(server::client::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().role {
        Role::Client(command) => return server::client::run(command).await,
        Role::Admin(command) => {
            let done = server::admin::run(command).await;
            return ended(done);
        }
        Role::Cache(command) => {
            return match server::cache::run(command).await {
                Ok(code) => code,
                Err(error) => ended(Err(error)),
            };
        }
        Role::Serve(config) => serve(*config).await,
        Role::Worker(config) => {
            log();
            server::work(&config, stopped()).await
        }
        Role::Migrate(config) => {
            log();
            server::migrate(&config).await
        }
    };
    ended(outcome)
}

fn ended<E: std::fmt::Display>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rehead: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), StartError> {
    log();
    if !config.listen.ip().is_loopback() && !config.behind_tls {
        tracing::warn!(
            "passwords and sessions cross the network of {} unencrypted; put a proxy with TLS in front, listen on loopback, \
             and say --behind-tls",
            config.listen
        );
    }
    let application = Application::build(config).await?;
    println!("Rehead answers at http://{}", application.address());
    if let Some(address) = application.first_start().await? {
        let said = format!("First start: open {address} to make the first account (valid 24 h, once)");
        println!("{said}");
        tracing::info!("{said}");
    }
    application.run(stopped()).await
}

fn log() {
    // A browser that comes back with a session that has ended is no event.
    let quiet = || EnvFilter::new("info,sqlx=warn,tower_sessions_core=error");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| quiet());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Resolves when somebody stops the process.
async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => {
                tokio::select! {
                    _ = interrupted => {}
                    _ = terminated.recv() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM");
                let _ = interrupted.await;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = interrupted.await;
}
