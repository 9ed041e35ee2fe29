//! `rehead gate …`

mod dial;
mod explain;
mod npz;
mod policies;
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
    /// What old losses, false alarms and new recall would be with a model's safety dial elsewhere; or turn it.
    Dial {
        /// The model: its id, a channel, a job or `latest`.
        model: String,
        /// These offsets instead of 41 around the safe interval.
        #[arg(long, value_name = "B", num_args = 1.., allow_negative_numbers = true)]
        at: Vec<f64>,
        /// Make the same model with the dial at this offset, judge it, and wait for the verdict; exit codes as of
        /// `rehead jobs watch`.
        #[arg(long, value_name = "B", allow_negative_numbers = true, conflicts_with = "at")]
        turn: Option<f64>,
    },
    /// What a model can be held to: the policies that come with the product, and the project's own.
    Policies,
    /// One policy as TOML, to be edited; or save one of the project's own.
    Policy {
        /// Its name.
        name: String,
        /// Save this TOML file as the next version of it.
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
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
        Action::Dial { model, at, turn } => {
            let model = resolve(&model, api).await?;
            match turn {
                Some(offset) => dial::turn(&model, offset, api, output).await,
                None => dial::show(&model, &at, api, output).await,
            }
        }
        Action::Policies => {
            policies::list(api, output).await?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Policy { name, save } => {
            match save {
                Some(file) => policies::save(&name, &file, api, output).await?,
                None => policies::show(&name, api, output).await?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Simulate { files, policy } => simulate::run(&files, &policy, output),
    }
}
