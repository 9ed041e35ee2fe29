//! Jobs over the API: their events, their cancelling, their deadline; and requests that a page of another site forged.

use std::sync::Arc;

use color_eyre::eyre::{Result, ensure};
use domain::api::JobResult;
use domain::event::EventKind;
use domain::job::{Job, JobState, Stage};
use domain::people::Role;
use reqwest::Method;
use serde_json::json;

use super::Done;
use crate::photos::{self, Few};
use crate::world::{Database, World};

pub(super) async fn replay(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let rest = &story.node.rest;
    let job = &story.clone.job.id.0;
    let all = rest.events(job, None).await?;
    ensure!(all.len() > 10, "a job has events: {}", all.len());
    for last in [1, all.len() / 2, all.len() - 1] {
        let rest_of_them = rest.events(job, Some(last as i64)).await?;
        ensure!(rest_of_them == all[last..], "from {last} on: {rest_of_them:?}");
    }
    let by_query = rest.request(Method::GET, &format!("/jobs/{job}/events?after={}", all.len() - 1));
    let text = by_query.send().await?.text().await?;
    ensure!(text.matches("data:").count() == 1, "?after= is the same: {text}");
    let nonsense = rest
        .request(Method::GET, &format!("/jobs/{job}/events"))
        .header("last-event-id", "x");
    rest.refused(nonsense, 422).await?;
    Ok(Done::Passed)
}

pub(super) async fn cancel(world: Arc<World>) -> Result<Done> {
    // No worker: what is queued stays queued.
    let idle = world.node_without_worker(Database::Sqlite).await?;
    let few = Few {
        train: 6,
        calibration: 4,
        sealed: 4,
    };
    let photos = photos::few("baseline.zip", few, 30)?;
    idle.rest.dataset("lucky", &photos).await?;
    let draft: Job = idle.rest.post("/jobs", &json!({ "datasets": ["lucky"] })).await?;
    ensure!(
        draft.state == JobState::Draft,
        "nothing runs until it is started: {:?}",
        draft.state
    );
    let queued: Job = idle.rest.post(&format!("/jobs/{}/start", draft.id), &json!({})).await?;
    ensure!(queued.state == JobState::Queued, "{:?}", queued.state);
    let patch = idle
        .rest
        .request(Method::PATCH, &format!("/jobs/{}", draft.id))
        .json(&json!({}));
    idle.rest.refused(patch, 409).await?;
    let cancelled: Job = idle
        .rest
        .post(&format!("/jobs/{}/cancel", draft.id), &json!({}))
        .await?;
    ensure!(
        cancelled.state == JobState::Cancelled,
        "a queued job stops at once: {:?}",
        cancelled.state
    );
    let again = idle
        .rest
        .request(Method::POST, &format!("/jobs/{}/start", draft.id))
        .json(&json!({}));
    idle.rest.refused(again, 409).await?;
    idle.stop().await;

    let node = world.node(Database::Sqlite).await?;
    let photos = photos::few(
        "baseline.zip",
        Few {
            train: 30,
            calibration: 10,
            sealed: 30,
        },
        20,
    )?;
    node.rest.dataset("lucky", &photos).await?;
    let job: Job = node
        .rest
        .post("/jobs", &json!({ "datasets": ["lucky"], "start": true }))
        .await?;
    let begun = |stage| move |event: &domain::event::JobEvent| matches!(event.kind, EventKind::StageStarted { stage: started } if started == stage);
    node.rest.wait_for(&job.id.0, "extract", begun(Stage::Extract)).await?;
    let asked: Job = node.rest.post(&format!("/jobs/{}/cancel", job.id), &json!({})).await?;
    ensure!(
        asked.cancel_requested || asked.state == JobState::Cancelled,
        "{asked:?}"
    );
    let events = node.rest.events(&job.id.0, None).await?;
    let result: JobResult = node.rest.get(&format!("/jobs/{}/result", job.id)).await?;
    ensure!(
        result.job.state == JobState::Cancelled,
        "{:?} {:?}",
        result.job.state,
        result.job.error
    );
    ensure!(
        result.job.model.is_none() && result.verdict.is_none(),
        "a cancelled job makes no model"
    );
    let trained = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::StageFinished {
                stage: Stage::Train,
                ..
            }
        )
    };
    ensure!(
        !events.iter().any(|event| trained(&event.kind)),
        "it stopped where it was"
    );
    node.stop().await;
    Ok(Done::Passed)
}

/// Seconds; far too few for the photos of this case on a cold cache.
const DEADLINE_S: f64 = 5.0;

pub(super) async fn deadline(world: Arc<World>) -> Result<Done> {
    let node = world.node(Database::Sqlite).await?;
    let all = Few {
        train: 60,
        calibration: 30,
        sealed: 150,
    };
    let photos = photos::few("baseline.zip", all, 0)?;
    node.rest.dataset("lucky", &photos).await?;
    let body = json!({ "datasets": ["lucky"], "reject_classes": ["none"], "deadline_s": DEADLINE_S, "start": true });
    let (result, events) = node.rest.run_job(&body).await?;
    let job = &result.job;
    let (Some(started_us), Some(finished_us)) = (job.started_us, job.finished_us) else {
        return Err(color_eyre::eyre::eyre!("it never ended: {job:?}"));
    };
    let took_s = (finished_us - started_us) as f64 / 1e6;
    let when: Vec<String> = events
        .iter()
        .filter(|event| !matches!(event.kind, EventKind::Progress(_)))
        .map(|event| format!("{:.2} s {:?}", (event.at_us - started_us) as f64 / 1e6, event.kind))
        .collect();
    ensure!(
        took_s <= DEADLINE_S,
        "it took {took_s} s of {DEADLINE_S} s:\n{}",
        when.join("\n")
    );
    // Either a judged best-so-far head, which must not pass on part of the evidence, or a sentence that says why not.
    match (job.state, &result.verdict) {
        (JobState::Succeeded, Some(verdict)) => {
            let state = verdict.state;
            ensure!(
                state != domain::gate::verdict::VerdictState::Pass,
                "a pass on part of the sealed photos"
            );
        }
        (JobState::Failed, None) => {
            let error = job.error.as_deref().unwrap_or_default();
            ensure!(error.contains("deadline"), "it says why: {error:?}");
        }
        other => return Err(color_eyre::eyre::eyre!("no valid answer: {other:?}")),
    }
    println!(
        "         deadline {DEADLINE_S} s: {} after {took_s:.2} s",
        job.state.as_str()
    );
    node.stop().await;
    Ok(Done::Passed)
}

pub(super) async fn forged(world: Arc<World>) -> Result<Done> {
    let node = &world.story().await?.node;
    // A browser's session: nobody forges a token, which no browser sends by itself.
    let (rest, cookie) = (node.rest.with_token(None), node.session("carol", Role::Operator).await?);
    let rest = &rest;
    let body = json!({ "name": "forged" });
    let cases: [&[(&str, &str)]; 4] = [
        &[],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://other.localhost")],
    ];
    for headers in cases {
        let mut post = rest
            .request(Method::POST, "/datasets")
            .header("cookie", &cookie)
            .json(&body);
        for (name, value) in headers {
            post = post.header(*name, *value);
        }
        rest.refused(post, 403).await?;
    }
    let host = rest.request(Method::GET, "/jobs").header("host", "evil.example");
    let rebound = host.send().await?.status();
    ensure!(
        rebound.is_client_error(),
        "another site's name for this address is refused: {rebound}"
    );
    let get = rest.request(Method::GET, "/datasets/forged").header("cookie", &cookie);
    rest.refused(get, 404).await?;
    let own = rest
        .request(Method::POST, "/requests")
        .header("cookie", &cookie)
        .header("origin", &rest.server)
        .header("sec-fetch-site", "same-origin");
    let answer = own.json(&json!({ "title": "from our own page" })).send().await?;
    ensure!(answer.status().is_success(), "our own page may: {}", answer.status());
    Ok(Done::Passed)
}
