//! `rehead`: the command line.

use std::process::ExitCode;

use clap::Parser;

/// Rapid-response retraining for image recognition.
#[derive(Parser)]
#[command(name = "rehead", version)]
struct Cli {
    #[command(subcommand)]
    command: server::client::Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    server::client::run(Cli::parse().command).await
}
