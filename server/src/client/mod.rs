//! The command line: a client of `/api/v1`, one file a noun.
//!
//! Owns: what a person or a script may ask of a running server, how answers are told on a terminal or as JSON, and the
//! exit codes. Refuses to know: the database, the object store and everything else on the server's side of the API; what
//! it can do, any script with an HTTP client can do too.

mod account;
mod api;
mod compare;
mod credentials;
mod datasets;
pub(crate) mod durations;
mod error;
mod export;
mod gate;
mod jobs;
mod models;
pub(crate) mod output;
mod preview;
mod releases;
mod report;
mod requests;
mod sse;
mod upload;
mod watch;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use domain::api::DEFAULT_PROJECT;
use domain::names::{ProjectName, UserName};

use api::Api;
use error::ClientError;
use output::Output;

pub(crate) use durations::moment;

/// The client's commands, by noun.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Collections of images: create, upload, list.
    Datasets {
        /// Server, project and form of the answer.
        #[command(flatten)]
        globals: Globals,
        /// What to do.
        #[command(subcommand)]
        action: datasets::Action,
    },
    /// Retraining runs: create, clone, start, watch, cancel.
    Jobs {
        /// Server, project and form of the answer.
        #[command(flatten)]
        globals: Globals,
        /// What to do.
        #[command(subcommand)]
        action: jobs::Action,
    },
    /// What jobs made: list, report, export.
    Models {
        /// Server, project and form of the answer.
        #[command(flatten)]
        globals: Globals,
        /// What to do.
        #[command(subcommand)]
        action: models::Action,
    },
    /// What the gate says and why; also of models trained elsewhere.
    Gate {
        /// Server, project and form of the answer.
        #[command(flatten)]
        globals: Globals,
        /// What to do.
        #[command(subcommand)]
        action: gate::Action,
    },
    /// Moves of channels: publish, undo, list.
    Releases {
        /// Server, project and form of the answer.
        #[command(flatten)]
        globals: Globals,
        /// What to do.
        #[command(subcommand)]
        action: releases::Action,
    },
    /// Rapid responses: open, list, close.
    Requests {
        /// Server, project and form of the answer.
        #[command(flatten)]
        globals: Globals,
        /// What to do.
        #[command(subcommand)]
        action: requests::Action,
    },
    /// Sign in: keeps a token of this machine's for the server.
    Login {
        /// Server, project and form of the answer.
        #[command(flatten)]
        globals: Globals,
        /// Who.
        #[arg(long)]
        name: UserName,
    },
    /// Sign out: ends the token that `login` made.
    Logout {
        /// Server, project and form of the answer.
        #[command(flatten)]
        globals: Globals,
    },
}

/// What every client command understands.
#[derive(Clone, Debug, Args)]
pub struct Globals {
    /// Where the server answers.
    #[arg(
        long,
        env = "REHEAD_SERVER",
        default_value = "http://127.0.0.1:3000",
        value_name = "URL",
        global = true
    )]
    pub server: String,
    /// The project to work in.
    #[arg(long, env = "REHEAD_PROJECT", default_value = DEFAULT_PROJECT, value_name = "NAME", global = true)]
    pub project: ProjectName,
    /// Print one JSON document on standard output; everything else goes to standard error.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Runs a command to its end.
///
/// Exit codes: 0 on success; 10 when a watched job's verdict is *fail*, 11 when it is *unproven*; 2 for a command that
/// makes no sense; 1 for everything else.
pub async fn run(command: Command) -> ExitCode {
    let globals = match &command {
        Command::Datasets { globals, .. }
        | Command::Jobs { globals, .. }
        | Command::Models { globals, .. }
        | Command::Gate { globals, .. }
        | Command::Releases { globals, .. }
        | Command::Requests { globals, .. }
        | Command::Login { globals, .. }
        | Command::Logout { globals } => globals.clone(),
    };
    let output = Output::new(globals.json);
    match dispatch(command, &globals, &output).await {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            error.exit_code()
        }
    }
}

async fn dispatch(command: Command, globals: &Globals, output: &Output) -> Result<ExitCode, ClientError> {
    let api = Api::new(globals)?;
    match command {
        Command::Datasets { action, .. } => datasets::run(action, &api, output).await,
        Command::Jobs { action, .. } => jobs::run(action, &api, output).await,
        Command::Models { action, .. } => models::run(action, &api, output).await,
        Command::Gate { action, .. } => gate::run(action, &api, output).await,
        Command::Releases { action, .. } => releases::run(action, &api, output).await,
        Command::Requests { action, .. } => requests::run(action, &api, output).await,
        Command::Login { name, .. } => account::login(&name, &api, output).await,
        Command::Logout { .. } => account::logout(&api, output).await,
    }
}
