//! `rehead requests …`

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use domain::api::NewRequest;
use domain::request::Request;

use super::api::Api;
use super::durations::{self, moment};
use super::error::ClientError;
use super::output::Output;

/// What can be done with rapid responses.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Open a rapid response: from now on its time runs.
    Open {
        /// What is needed, in a few words.
        title: String,
        /// When it is due: 45m, 1h; one hour unless told otherwise.
        #[arg(long, value_parser = durations::parse)]
        due_in: Option<Duration>,
    },
    /// List the project's rapid responses.
    List,
    /// Close a rapid response.
    Close {
        /// Its id.
        request: String,
    },
}

/// Runs one of them.
pub(super) async fn run(action: Action, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    match action {
        Action::Open { title, due_in } => {
            let body = NewRequest {
                project: Some(api.project().clone()),
                title,
                due_in_minutes: due_in.map(minutes).transpose()?,
            };
            let request: Request = api.post(&["requests"], &body).await?;
            tell(&request, output);
        }
        Action::List => list(api, output).await?,
        Action::Close { request } => {
            let request: Request = api.post_empty(&["requests", &request, "close"]).await?;
            tell(&request, output);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whole minutes, upwards: a response is never due before the time that was asked for.
fn minutes(due_in: Duration) -> Result<u32, ClientError> {
    u32::try_from(due_in.as_secs().div_ceil(60))
        .ok()
        .filter(|minutes| *minutes > 0)
        .ok_or_else(|| ClientError::Usage(format!("--due-in must lie between 1m and some years, got {due_in:?}")))
}

fn tell(request: &Request, output: &Output) {
    if output.json {
        output.document(request);
        return;
    }
    match request.closed_us {
        Some(closed_us) => output.line(&format!("request {} closed at {}", request.id, moment(closed_us))),
        None => output.line(&format!(
            "request {} open, due at {}",
            request.id,
            moment(request.due_us)
        )),
    }
}

async fn list(api: &Api, output: &Output) -> Result<(), ClientError> {
    let requests: Vec<Request> = api.get(&["requests"], &[]).await?;
    if output.json {
        output.document(&requests);
        return Ok(());
    }
    let row = |request: &Request| {
        vec![
            request.id.to_string(),
            request.title.clone(),
            moment(request.opened_us),
            moment(request.due_us),
            request.closed_us.map_or_else(|| "open".to_owned(), moment),
            request.jobs.len().to_string(),
            request.releases.len().to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = requests.iter().map(row).collect();
    output.table(
        &["request", "title", "opened", "due", "closed", "jobs", "releases"],
        &rows,
    );
    Ok(())
}
