//! `cargo xtask dev`: looks at the sources, rebuilds what they are part of, restarts the server.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use color_eyre::eyre::Result;
use walkdir::WalkDir;

use crate::process::{cargo, root, run};
use crate::server::Server;
use crate::{front, machine};

/// How often the sources are looked at. Polling needs nothing from the system and works on every file system.
const POLL: Duration = Duration::from_millis(500);

/// What the server or the pages are built from.
const SOURCES: [&str; 7] = [
    "Cargo.lock",
    "Cargo.toml",
    "app",
    "migrations",
    "server",
    "style",
    "trainer",
];

/// Options of the task.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The server's port on this machine.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The server's folder.
    #[arg(long, default_value = "target/dev")]
    data: PathBuf,
}

/// Builds, serves and does both again whenever something changed, until it is interrupted.
///
/// # Errors
/// A tool is missing and could not be installed. A build that fails is told, and the next change tries again.
pub(crate) fn run_dev(options: &Options) -> Result<ExitCode> {
    machine::c_compiler()?;
    machine::wasm_target()?;
    let data = root().join(&options.data);
    let mut server: Option<Server> = None;
    loop {
        // Taken before the build: what changes while it runs is built next.
        let seen = snapshot();
        match build() {
            Ok(()) => {
                // The old one must be gone before the new one can have its port.
                drop(server.take());
                match Server::start(options.port, &data) {
                    Ok(started) => {
                        println!("{} (log: {}/server.log)", started.url(), data.display());
                        if let Some(said) = started.first_start() {
                            println!("{said}");
                        }
                        server = Some(started);
                    }
                    Err(error) => println!("{error:#}"),
                }
            }
            Err(error) => println!("{error:#}\nwaiting for a change"),
        }
        while snapshot() == seen {
            std::thread::sleep(POLL);
            if let Some(running) = &mut server
                && running.ended()?.is_some()
            {
                println!("the server ended; waiting for a change\n{}", running.last_words());
                server = None;
            }
        }
    }
}

fn build() -> Result<()> {
    front::build()?;
    run(&mut cargo(&["build", "--workspace", "--bins"]))
}

/// Names, sizes and times of all sources.
fn snapshot() -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let root = root();
    let entries = SOURCES
        .iter()
        .flat_map(|source| WalkDir::new(root.join(source)).sort_by_file_name());
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            // A file that goes while it is looked at is gone.
            let metadata = entry.metadata().ok()?;
            Some((entry.path().to_owned(), metadata.len(), metadata.modified().ok()))
        })
        .collect()
}
