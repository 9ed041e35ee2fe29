//! `cargo xtask demo | test | paths | dev | bench | check-cuda | dist`: everything around the code that a person or CI has
//! to run.
//!
//! Owns: what is built in which order, what a machine must have for it, and how the results are told. Refuses to know:
//! the product's crates; it builds them with cargo and drives the server through its command line, as anybody would.

mod bench;
mod browser;
mod check_cuda;
mod clock;
mod compress;
mod demo;
mod dev;
mod dist;
mod front;
#[cfg(test)]
mod invariants;
mod long;
mod machine;
mod node;
mod paths;
mod process;
mod rehead;
mod server;
mod split;
mod tally;
mod test;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One task a file.
#[derive(Debug, Subcommand)]
enum Command {
    /// Build what is missing, start a server and take the bundled photos through the whole main job.
    Demo(demo::Options),
    /// Format, lints, build and every test; what CI runs.
    Test(test::Options),
    /// Compute the same features by every path that this machine has, and print how far they are apart.
    Paths,
    /// Rebuild and restart the server whenever a source file changes.
    Dev(dev::Options),
    /// Measure ours beside its peers and print what reaches its target.
    Bench(bench::Options),
    /// Build, link and start the worker for GPUs, and test what needs no card.
    CheckCuda,
    /// Build the release archive.
    Dist,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(options) => demo::run_demo(&options),
        Command::Test(options) => test::run_all(&options),
        Command::Paths => paths::run_paths(),
        Command::Dev(options) => dev::run_dev(&options),
        Command::Bench(options) => bench::run_benches(&options),
        Command::CheckCuda => check_cuda::run_check(),
        Command::Dist => dist::run_dist(),
    };
    // What went wrong is outside of this program: a sentence helps, its own frames do not.
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
