//! `rehead jobs …`

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use domain::api::{JobResult, NewJob};
use domain::ids::RequestId;
use domain::job::{Job, JobState};
use domain::names::ClassName;

use super::api::Api;
use super::durations::{self, milliseconds, moment};
use super::error::ClientError;
use super::output::Output;
use super::{preview, watch};

/// What can be done with jobs. `latest` stands for the newest job everywhere.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Draft a job that fits all classes from nothing.
    Create {
        /// Classes that mean "none of the others".
        #[arg(long, value_name = "CLASS", num_args = 1..)]
        reject: Vec<ClassName>,
        /// The feature recipe, by name; an unknown one is answered with the list; absent: chosen by cross-validation.
        #[arg(long, value_name = "RECIPE")]
        recipe: Option<String>,
        /// What the job is made of.
        #[command(flatten)]
        options: Options,
    },
    /// Draft a job that adds classes to a model and leaves everything else as it is.
    Clone {
        /// The model to start from: a channel's name or a model's id.
        #[arg(long, value_name = "MODEL")]
        baseline: String,
        /// Recall at τ that each new class is to reach on the calibration images.
        #[arg(long)]
        recall_target: Option<f64>,
        /// What the job is made of.
        #[command(flatten)]
        options: Options,
    },
    /// Queue a draft.
    Start {
        /// The job.
        job: String,
        /// Follow it to its end.
        #[arg(long)]
        watch: bool,
    },
    /// Follow a job to its end; exit code 0 on pass, 10 on fail, 11 on unproven, 1 where it made no model.
    Watch {
        /// The job.
        job: String,
    },
    /// Stop a job.
    Cancel {
        /// The job.
        job: String,
    },
    /// Show a job, its stage times and its verdict.
    Show {
        /// The job.
        job: String,
    },
    /// What a draft can be told before it starts: what its photos can prove, which classes look alike, how long it takes.
    Preview {
        /// The job.
        job: String,
    },
    /// List the project's jobs.
    List {
        /// Only jobs in this state.
        #[arg(long)]
        state: Option<JobState>,
    },
}

/// What every new job may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Datasets by name or id, or dataset versions by id.
    #[arg(long = "dataset", value_name = "DATASET", required = true, num_args = 1..)]
    pub datasets: Vec<String>,
    /// The policy that judges the result: default, pilot or root.
    #[arg(long)]
    pub policy: Option<String>,
    /// The least probability at which an answer is accepted.
    #[arg(long)]
    pub tau: Option<f64>,
    /// Seed of every random draw.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The whole job must end in this time: 20s, 15m.
    #[arg(long, value_parser = durations::parse)]
    pub deadline: Option<Duration>,
    /// The rapid response it answers.
    #[arg(long, value_name = "ID")]
    pub request: Option<String>,
    /// Queue it at once.
    #[arg(long)]
    pub start: bool,
    /// Follow it to its end.
    #[arg(long, requires = "start")]
    pub watch: bool,
}

/// Runs one of them.
pub(super) async fn run(action: Action, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    match action {
        Action::Create {
            reject,
            recipe,
            options,
        } => {
            let watch = options.watch;
            let mut body = new_job(options, api);
            body.reject_classes = reject;
            body.recipe = recipe;
            made(&body, watch, api, output).await
        }
        Action::Clone {
            baseline,
            recall_target,
            options,
        } => {
            let watch = options.watch;
            let mut body = new_job(options, api);
            body.baseline = Some(baseline);
            body.recall_target = recall_target;
            made(&body, watch, api, output).await
        }
        Action::Start { job, watch } => {
            let id = resolve(&job, api).await?;
            let job: Job = api.post_empty(&["jobs", &id, "start"]).await?;
            if watch {
                output.note(&format!("job {id} queued"));
                return watch::run(&id, api, output).await;
            }
            tell(&job, output)
        }
        Action::Watch { job } => watch::run(&resolve(&job, api).await?, api, output).await,
        Action::Cancel { job } => {
            let id = resolve(&job, api).await?;
            let job: Job = api.post_empty(&["jobs", &id, "cancel"]).await?;
            tell(&job, output)
        }
        Action::Show { job } => show(&resolve(&job, api).await?, api, output).await,
        Action::Preview { job } => preview::run(&resolve(&job, api).await?, api, output).await,
        Action::List { state } => list(state, api, output).await,
    }
}

fn new_job(options: Options, api: &Api) -> NewJob {
    NewJob {
        project: Some(api.project().clone()),
        baseline: None,
        datasets: options.datasets,
        request: options.request.map(RequestId),
        policy: options.policy,
        reject_classes: Vec::new(),
        recipe: None,
        tau: options.tau,
        recall_target: None,
        seed: options.seed,
        deadline_s: options.deadline.map(|deadline| deadline.as_secs_f64()),
        start: options.start,
    }
}

async fn made(body: &NewJob, watch: bool, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let job: Job = api.post(&["jobs"], body).await?;
    if watch {
        output.note(&format!("job {}", job.id));
        return watch::run(&job.id.0, api, output).await;
    }
    tell(&job, output)
}

fn tell(job: &Job, output: &Output) -> Result<ExitCode, ClientError> {
    if output.json {
        output.document(job);
        return Ok(ExitCode::SUCCESS);
    }
    output.line(&format!("job {} is {}", job.id, state_word(job)));
    if job.state == JobState::Draft {
        output.line(&format!("nothing runs until `rehead jobs start {}`", job.id));
    }
    Ok(ExitCode::SUCCESS)
}

fn state_word(job: &Job) -> String {
    if job.cancel_requested && !job.state.is_final() {
        format!("{}, asked to stop", job.state.as_str())
    } else {
        job.state.as_str().to_owned()
    }
}

/// The id that a person means.
async fn resolve(job: &str, api: &Api) -> Result<String, ClientError> {
    if job != "latest" {
        return Ok(job.to_owned());
    }
    let jobs: Vec<Job> = api.get(&["jobs"], &[]).await?;
    let newest = jobs
        .into_iter()
        .max_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
    match newest {
        Some(job) => Ok(job.id.0),
        None => Err(ClientError::NotFound(format!(
            "project {} has no job yet",
            api.project()
        ))),
    }
}

async fn show(id: &str, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let result: JobResult = api.get(&["jobs", id, "result"], &[]).await?;
    if output.json {
        output.document(&result);
        return Ok(ExitCode::SUCCESS);
    }
    let job = &result.job;
    output.line(&format!("job {} is {}", job.id, state_word(job)));
    let facts = [
        ("made", Some(moment(job.created_us))),
        ("started", job.started_us.map(moment)),
        ("ended", job.finished_us.map(moment)),
        ("baseline", job.spec.baseline.as_ref().map(ToString::to_string)),
        ("policy", Some(job.spec.policy.name.clone())),
        (
            "deadline",
            i64::try_from(job.spec.config.deadline_ms).ok().map(milliseconds),
        ),
        ("attempt", (job.attempt > 0).then(|| job.attempt.to_string())),
        ("model", job.model.as_ref().map(ToString::to_string)),
        ("error", job.error.clone()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            output.line(&format!("  {name:<9} {value}"));
        }
    }
    for time in &job.stage_times {
        output.line(&format!(
            "  {:<9}{:>12}",
            time.stage.as_str(),
            milliseconds(time.duration_ms)
        ));
    }
    if let Some(verdict) = &job.verdict {
        output.line(&format!("verdict: {}", output.verdict(verdict.state)));
        output.line(&verdict.sentence);
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(state: Option<JobState>, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let query = state.map(|state| ("state", state.as_str()));
    let jobs: Vec<Job> = api.get(&["jobs"], query.as_slice()).await?;
    if output.json {
        output.document(&jobs);
        return Ok(ExitCode::SUCCESS);
    }
    let row = |job: &Job| {
        let verdict = job
            .verdict
            .as_ref()
            .map_or_else(|| "–".to_owned(), |verdict| output.verdict(verdict.state));
        let took = match (job.started_us, job.finished_us) {
            (Some(started_us), Some(finished_us)) => milliseconds((finished_us - started_us) / 1_000),
            _ => "–".to_owned(),
        };
        vec![
            job.id.to_string(),
            state_word(job),
            verdict,
            took,
            job.spec.policy.name.clone(),
            moment(job.created_us),
            job.model.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string),
        ]
    };
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    output.table(&["job", "state", "verdict", "took", "policy", "made", "model"], &rows);
    Ok(ExitCode::SUCCESS)
}
