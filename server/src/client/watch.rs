//! Follows a job to its end over its event stream, and goes on where it was when the connection breaks.

use std::process::ExitCode;
use std::time::Duration;

use domain::api::JobResult;
use domain::event::{EventKind, JobEvent, Progress};
use domain::gate::verdict::VerdictState;
use domain::job::{Job, JobState};
use futures::StreamExt;

use super::api::{Api, with_retries};
use super::durations::milliseconds;
use super::error::ClientError;
use super::output::Output;
use super::sse::Parser;

/// A stream that is silent for so long is taken for broken; the server says something every few seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// Waits between connections that brought nothing new.
const RECONNECT: Duration = Duration::from_millis(500);
/// Connections in a row that may bring nothing new before that is an error: some two minutes with the retries inside.
const MAX_BARREN: u32 = 20;

/// Follows a job to its end and tells its verdict.
///
/// # Errors
/// The job is a draft, which would never end, or the server is gone for minutes.
pub(super) async fn run(job: &str, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let result = follow(job, api, output).await?;
    if output.json {
        output.document(&result);
    } else {
        summarise(&result, output);
    }
    Ok(exit_code(&result))
}

async fn follow(job: &str, api: &Api, output: &Output) -> Result<JobResult, ClientError> {
    let mut last = 0;
    let mut barren = 0;
    // The first call is not repeated: where no server is, that is said at once.
    let mut state = api.get::<Job>(&["jobs", job], &[]).await?.state;
    loop {
        match state {
            JobState::Draft => {
                return Err(ClientError::Usage(format!(
                    "job {job} is a draft and nothing runs until it is started; `rehead jobs start {job} --watch`"
                )));
            }
            state if state.is_final() && last > 0 => break,
            _ => {}
        }
        let before = last;
        let response = with_retries(async || api.events(job, last).await).await?;
        let ended = listen(response, &mut last, output).await;
        if ended || state.is_final() {
            break;
        }
        barren = if last > before { 0 } else { barren + 1 };
        if barren > MAX_BARREN {
            return Err(ClientError::Answer {
                url: format!("{}/api/v1/jobs/{job}/events", api.server()),
                reason: "the event stream ends again and again without a word".to_owned(),
            });
        }
        tokio::time::sleep(RECONNECT).await;
        // The job itself, not the stream, says whether there is anything left to wait for.
        state = with_retries(async || api.get::<Job>(&["jobs", job], &[]).await)
            .await?
            .state;
    }
    output.clear_progress();
    with_retries(async || api.get(&["jobs", job, "result"], &[]).await).await
}

/// Tells the events of one connection; true when the job ended.
async fn listen(response: reqwest::Response, last: &mut i64, output: &Output) -> bool {
    let mut parser = Parser::default();
    let mut stream = response.bytes_stream();
    while let Ok(Some(Ok(bytes))) = tokio::time::timeout(SILENCE, stream.next()).await {
        let Ok(events) = parser.push(&bytes) else { return false };
        for event in events {
            // A newer server may tell kinds of events that this client does not know.
            let Ok(event) = serde_json::from_str::<JobEvent>(&event.data) else {
                continue;
            };
            if event.seq <= *last {
                continue;
            }
            *last = event.seq;
            tell(&event, output);
            if matches!(event.kind, EventKind::State { state, .. } if state.is_final()) {
                return true;
            }
        }
    }
    false
}

fn tell(event: &JobEvent, output: &Output) {
    match &event.kind {
        EventKind::State { state, message } => {
            let message = message
                .as_ref()
                .map_or_else(String::new, |message| format!(": {message}"));
            output.step(&format!("{}{message}", state.as_str()));
        }
        EventKind::StageStarted { stage } => output.progress(|| format!("{} …", stage.as_str())),
        EventKind::StageFinished { stage, duration_ms } => {
            output.step(&format!("  {:<9}{:>12}", stage.as_str(), milliseconds(*duration_ms)));
        }
        EventKind::Progress(progress) => output.progress(|| progress_line(*progress)),
        EventKind::Finding { finding } => {
            let name = if finding.name.is_empty() {
                String::new()
            } else {
                format!("{}: ", finding.name)
            };
            output.note(&format!("note: {name}{}", finding.message));
        }
        // Told at the end, with the evidence.
        EventKind::Verdict { .. } => {}
    }
}

fn progress_line(progress: Progress) -> String {
    let bar = if progress.total > 0 {
        let filled = usize::try_from(progress.done.clamp(0, progress.total) * 20 / progress.total).unwrap_or(0);
        format!("[{}{}]", "=".repeat(filled), " ".repeat(20 - filled))
    } else {
        String::new()
    };
    format!(
        "  {:<9}{bar} {} of {}, {:.0} a second, {} left",
        progress.stage.as_str(),
        progress.done,
        progress.total,
        progress.rate_per_s,
        milliseconds(progress.left_ms)
    )
}

fn summarise(result: &JobResult, output: &Output) {
    let job = &result.job;
    if let (Some(started_us), Some(finished_us)) = (job.started_us, job.finished_us) {
        output.line(&format!(
            "  {:<9}{:>12}",
            "in all",
            milliseconds((finished_us - started_us) / 1_000)
        ));
    }
    match (&job.verdict, &job.error) {
        (Some(verdict), _) => {
            output.line(&format!("verdict: {}", output.verdict(verdict.state)));
            output.line(&verdict.sentence);
        }
        (None, Some(error)) => output.line(&format!("{}: {error}", job.state.as_str())),
        (None, None) => output.line(&format!("job {} ended {}", job.id, job.state.as_str())),
    }
    if let Some(model) = &job.model {
        output.line(&format!("model: {model}"));
    }
}

/// 0 on pass, 10 on fail, 11 on unproven, 1 where there is no verdict.
fn exit_code(result: &JobResult) -> ExitCode {
    let verdict = result.job.verdict.as_ref().map(|verdict| verdict.state);
    match (result.job.state, verdict) {
        (JobState::Succeeded, Some(VerdictState::Pass)) => ExitCode::SUCCESS,
        (JobState::Succeeded, Some(VerdictState::Fail)) => ExitCode::from(10),
        (JobState::Succeeded, Some(VerdictState::Unproven)) => ExitCode::from(11),
        _ => ExitCode::from(1),
    }
}

#[cfg(test)]
mod tests {
    use domain::job::Stage;

    use super::*;

    #[test]
    fn progress_fits_one_line_whatever_the_numbers() {
        let progress = |done, total| Progress {
            stage: Stage::Extract,
            done,
            total,
            rate_per_s: 61.4,
            left_ms: 12_300,
        };
        assert_eq!(
            progress_line(progress(50, 100)),
            "  extract  [==========          ] 50 of 100, 61 a second, 12.3 s left"
        );
        for (done, total) in [(0, 0), (-1, 10), (11, 10)] {
            assert!(progress_line(progress(done, total)).len() < 90);
        }
    }
}
