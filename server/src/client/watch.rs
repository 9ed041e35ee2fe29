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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::State;
    use axum::http::HeaderMap;
    use axum::routing::get;
    use domain::job::Stage;
    use domain::names::ProjectName;
    use serde_json::{Value, json};

    use super::super::Globals;
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

    /// A server whose event stream breaks in the middle of an event.
    #[derive(Clone, Default)]
    struct Fragile {
        n_connections: Arc<AtomicUsize>,
        asked_from: Arc<Mutex<Vec<String>>>,
    }

    fn job(state: &str) -> Value {
        json!({
            "id": "j", "project": "p", "request": null, "state": state, "stage": null, "progress_done": 0,
            "progress_total": 0, "attempt": 1, "cancel_requested": false, "error": null, "model": "m",
            "verdict": { "state": "unproven", "sentence": "too few", "structural_failure": false }, "stage_times": [],
            "created_us": 0, "queued_us": 0, "started_us": 0, "finished_us": 1,
            "spec": {
                "baseline": null, "backbone": "0".repeat(64), "dataset_versions": [], "config": {},
                "policy": domain::gate::policy::GatePolicy::pilot(),
            },
        })
    }

    fn event(seq: i64, kind: &Value) -> String {
        let mut event = json!({ "job": "j", "seq": seq, "attempt": 1, "at_us": 0 });
        event.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        format!("id: {seq}\ndata: {event}\n\n")
    }

    async fn events(State(server): State<Fragile>, headers: HeaderMap) -> String {
        let from = headers
            .get("last-event-id")
            .map_or("none", |value| value.to_str().unwrap());
        server.asked_from.lock().unwrap().push(from.to_owned());
        let started = event(1, &json!({ "kind": "stage_started", "stage": "fetch" }));
        let finished = event(
            2,
            &json!({ "kind": "stage_finished", "stage": "fetch", "duration_ms": 5 }),
        );
        let state = event(3, &json!({ "kind": "state", "state": "succeeded", "message": null }));
        match server.n_connections.fetch_add(1, Ordering::Relaxed) {
            0 => format!("{started}{}", &finished[..20]),
            1 => String::new(),
            _ => format!("{finished}{state}"),
        }
    }

    #[tokio::test]
    async fn a_broken_stream_is_taken_up_where_it_broke() {
        let server = Fragile::default();
        let running = server.n_connections.clone();
        let state = async move || {
            axum::Json(job(if running.load(Ordering::Relaxed) < 3 {
                "running"
            } else {
                "succeeded"
            }))
        };
        let router = Router::new()
            .route("/api/v1/jobs/j", get(state))
            .route("/api/v1/jobs/j/events", get(events))
            .route(
                "/api/v1/jobs/j/result",
                get(async || axum::Json(json!({ "job": job("succeeded"), "verdict": null }))),
            )
            .with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let api = Api::new(&Globals {
            server: format!("http://{address}"),
            project: ProjectName::new("main").unwrap(),
            json: true,
        })
        .unwrap();

        let result = follow("j", &api, &Output::new(true)).await.unwrap();

        assert_eq!(exit_code(&result), ExitCode::from(11));
        assert_eq!(*server.asked_from.lock().unwrap(), ["none", "1", "1"]);
    }
}
