//! `rehead models …`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use domain::job::{Balance, Job, RefitConfig};
use domain::model::Model;
use domain::names::ClassName;
use domain::overrides::{NewOverride, Override};
use domain::release::Channel;

use super::api::Api;
use super::durations::moment;
use super::error::ClientError;
use super::output::Output;
use super::{compare, export, report, watch};

/// What can be done with models. A model is named by its id, by a channel that points at it, by the job that made it, or
/// as `latest`.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the project's models.
    List,
    /// What was measured of a model and its baseline, class by class, and what the gate said.
    Report {
        /// The model.
        model: String,
    },
    /// Fit all rows of a clone's classes anew, on the same photos, and judge the result: no old answer is guaranteed.
    Refit {
        /// The model.
        model: String,
        /// How classes are balanced: none, weights or logit-adjustment.
        #[arg(long, value_parser = balance, default_value = "logit-adjustment")]
        balance: Balance,
        /// Weight of keeping the baseline's shares among old classes on their photos, 0 to 100.
        #[arg(long, default_value_t = 0.0)]
        distillation: f64,
    },
    /// Let a model out although the gate did not, for this reason, which stays in the log. Only a reviewer who neither made
    /// nor started its job may; publishing it is a step of its own.
    Override {
        /// The model.
        model: String,
        /// Why it may go out all the same, 10 to 1000 characters.
        #[arg(long)]
        reason: String,
    },
    /// Count up to ten models over the photos that all of them were judged on, whatever dataset version each was trained on.
    Compare {
        /// The models; losses are counted against the first.
        #[arg(required = true, value_name = "MODEL", num_args = 1..=10)]
        models: Vec<String>,
        /// Every class at this threshold instead of each model's own.
        #[arg(long)]
        tau: Option<f64>,
    },
    /// Write a model's files, and its baseline's, into a folder; every digest is checked.
    Export {
        /// The model.
        model: String,
        /// The folder; made where it is missing.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Also the features of every image, for checks with other tools.
        #[arg(long)]
        features: bool,
    },
}

/// Runs one of them.
pub(super) async fn run(action: Action, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    match action {
        Action::List => list(api, output).await?,
        Action::Report { model } => {
            let model = resolve(&model, api).await?;
            report::run(&model, api, output).await?;
        }
        Action::Compare { models, tau } => {
            let mut ids = Vec::with_capacity(models.len());
            for model in &models {
                ids.push(resolve(model, api).await?.id.0);
            }
            compare::run(&ids, tau, api, output).await?;
        }
        Action::Export { model, out, features } => {
            let model = resolve(&model, api).await?;
            export::run(&model, &out, features, api, output).await?;
        }
        Action::Override { model, reason } => {
            let model = resolve(&model, api).await?;
            let given: Override = api
                .post(&["models", &model.id.0, "override"], &NewOverride { reason })
                .await?;
            if output.json {
                output.document(&given);
            } else {
                output.line(&format!("overridden by {}: {}", given.by, given.reason));
                for ground in &given.grounds {
                    output.line(&format!("although: {}", ground.sentence));
                }
            }
        }
        Action::Refit {
            model,
            balance,
            distillation,
        } => {
            let model = resolve(&model, api).await?;
            let config = RefitConfig { balance, distillation };
            let job: Job = api.post(&["models", &model.id.0, "refit"], &config).await?;
            output.note(&format!("job {}", job.id));
            return watch::run(&job.id.0, api, output).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As the API has it, with a dash for people.
fn balance(text: &str) -> Result<Balance, String> {
    match text {
        "none" => Ok(Balance::None),
        "weights" => Ok(Balance::Weights),
        "logit-adjustment" | "logit_adjustment" => Ok(Balance::LogitAdjustment),
        other => Err(format!("{other:?} is not none, weights or logit-adjustment")),
    }
}

async fn list(api: &Api, output: &Output) -> Result<(), ClientError> {
    let models: Vec<Model> = api.get(&["models"], &[]).await?;
    if output.json {
        output.document(&models);
        return Ok(());
    }
    let channels: Vec<Channel> = api.get(&["channels"], &[]).await?;
    let row = |model: &Model| {
        let live: Vec<&str> = channels
            .iter()
            .filter(|channel| {
                channel
                    .current
                    .as_ref()
                    .is_some_and(|release| release.model == model.id)
            })
            .map(|channel| channel.name.as_str())
            .collect();
        let new: Vec<&str> = model.new_classes.iter().map(ClassName::as_str).collect();
        vec![
            model.id.to_string(),
            output.verdict(model.verdict.state),
            model.classes.len().to_string(),
            or_dash(&new),
            or_dash(&live),
            moment(model.created_us),
        ]
    };
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    output.table(&["model", "verdict", "classes", "new", "live on", "made"], &rows);
    Ok(())
}

fn or_dash(words: &[&str]) -> String {
    if words.is_empty() {
        "–".to_owned()
    } else {
        words.join(", ")
    }
}

/// The model that a person means.
///
/// # Errors
/// There is none of that name.
pub(super) async fn resolve(name: &str, api: &Api) -> Result<Model, ClientError> {
    if name == "latest" {
        let models: Vec<Model> = api.get(&["models"], &[]).await?;
        let newest = models
            .into_iter()
            .max_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
        return newest.ok_or_else(|| ClientError::NotFound(format!("project {} has no model yet", api.project())));
    }
    let channels: Vec<Channel> = api.get(&["channels"], &[]).await?;
    if let Some(channel) = channels.into_iter().find(|channel| channel.name.as_str() == name) {
        return match channel.current {
            Some(release) => api.get(&["models", &release.model.0], &[]).await,
            None => Err(ClientError::NotFound(format!("nothing was published to {name} yet"))),
        };
    }
    if let Some(model) = api.find::<Model>(&["models", name]).await? {
        return Ok(model);
    }
    match api.find::<Job>(&["jobs", name]).await? {
        Some(Job { model: Some(model), .. }) => api.get(&["models", &model.0], &[]).await,
        Some(job) => Err(ClientError::NotFound(format!(
            "job {name} is {} and made no model",
            job.state.as_str()
        ))),
        None => Err(ClientError::NotFound(format!(
            "{name:?} is no model, channel or job of project {}; `rehead models list` shows the models",
            api.project()
        ))),
    }
}
