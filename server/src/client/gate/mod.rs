//! `rehead gate …`

mod explain;
mod npz;
mod simulate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::api::Api;
use super::error::ClientError;
use super::models::resolve;
use super::output::Output;

/// What can be asked of the gate.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Why a model passed or did not: every check with its bound, its limit and what would settle it.
    Explain {
        /// The model: its id, a channel, a job or `latest`.
        model: String,
    },
    /// Judge models that were trained elsewhere, by their logits; asks no server.
    ///
    /// Each FILE is an .npz with `baseline_logits` (n, k) and `candidate_logits` (n, k + m), float; `labels` (n,) and
    /// `groups` (n,), integer, label −1 for a picture of no class; and `tau`, one threshold or one a class. What is judged
    /// is `old_class_loss`: whether each of the k classes is proven to lose no more of what the baseline accepted rightly
    /// than the policy permits. The exit code says whether all files could be read, not what the verdicts are.
    Simulate {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// A policy as a TOML file, or the name of one that comes with the product.
        #[arg(long, value_name = "FILE|NAME", default_value = "default")]
        policy: String,
    },
}

/// Runs one of them.
pub(super) async fn run(action: Action, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    match action {
        Action::Explain { model } => {
            let model = resolve(&model, api).await?;
            explain::run(&model, api, output).await?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Simulate { files, policy } => simulate::run(&files, &policy, output),
    }
}
