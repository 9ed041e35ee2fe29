//! The contract of the queue between server and workers, on both databases: who holds a job may write, nobody else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use color_eyre::eyre::{Result, bail, ensure, eyre};
use domain::event::{EventKind, JobEvent};
use domain::ids::{JobId, WorkerId};
use domain::job::{Job, JobState, Stage};
use serde_json::{Value, json};
use tokio::time::Instant;
use trainer::worker::{ClaimedJob, Finished, JobQueue, Lease};

use super::Done;
use crate::photos::{self, Few};
use crate::world::{Database, Node, World};

pub(super) async fn on_sqlite(world: Arc<World>) -> Result<Done> {
    check(&world.node_without_worker(Database::Sqlite).await?).await?;
    Ok(Done::Passed)
}

pub(super) async fn on_postgres(world: Arc<World>) -> Result<Done> {
    if let Some(reason) = world.no_postgres().await {
        return Ok(Done::Skipped(reason));
    }
    check(&world.node_without_worker(Database::Postgres).await?).await?;
    Ok(Done::Passed)
}

type Queue = Arc<dyn JobQueue>;

async fn check(node: &Node) -> Result<()> {
    let queue = node.queue().await?;
    let few = Few {
        train: 2,
        calibration: 1,
        sealed: 1,
    };
    let photos = photos::few("baseline.zip", few, 0)?;
    node.rest.dataset("few", &photos).await?;

    ensure!(claim(&queue, "idle").await?.is_none(), "nothing is queued");
    one_claim_each(node, &queue).await?;
    fences(node, &queue).await?;
    lost_lease(node, &queue).await?;
    cancelled(node, &queue).await?;
    released(node, &queue).await?;
    node.stop().await;
    Ok(())
}

/// Many claim at once; every job is had once.
async fn one_claim_each(node: &Node, queue: &Queue) -> Result<()> {
    let mut queued = BTreeSet::new();
    for _ in 0..3 {
        queued.insert(new_job(node).await?.0);
    }
    let claims = (0..12).map(|idx| claim_owned(Arc::clone(queue), format!("claimer{idx}")));
    let mut had = Vec::new();
    for (idx, claimed) in futures::future::join_all(claims).await.into_iter().enumerate() {
        if let Some(claimed) = claimed? {
            ensure!(claimed.attempt == 1, "the first attempt: {}", claimed.attempt);
            ensure!(claimed.input.rows.len() == 32, "all rows: {}", claimed.input.rows.len());
            ensure!(
                claimed.input.rows.is_sorted_by_key(|row| row.image),
                "rows are sorted by image"
            );
            had.push((idx, claimed.input.job));
        }
    }
    ensure!(
        had.iter().map(|(_, job)| job.0.clone()).collect::<BTreeSet<_>>() == queued,
        "{had:?} of {queued:?}"
    );
    ensure!(had.len() == 3, "no job twice: {had:?}");
    for (idx, job) in had {
        ensure!(
            finish(queue, &format!("claimer{idx}"), &job, 1, failed()).await?,
            "its holder may end it"
        );
        let job = node.job(&job).await?;
        ensure!(
            job.state == JobState::Failed && job.error.as_deref() == Some("on purpose"),
            "{job:?}"
        );
    }
    Ok(())
}

/// Only worker and attempt together may write; numbers of events have no gap and no twin.
async fn fences(node: &Node, queue: &Queue) -> Result<()> {
    let job = new_job(node).await?;
    let claimed = claim(queue, "holder").await?.ok_or_else(|| eyre!("a queued job"))?;
    ensure!(claimed.input.job == job, "the one that is queued");
    let before = node.job(&job).await?;
    ensure!(before.state == JobState::Running && before.attempt == 1, "{before:?}");

    for (worker, attempt) in [("stranger", 1), ("holder", 0), ("holder", 2)] {
        ensure!(
            heartbeat(queue, worker, &job, attempt).await? == Lease::Lost,
            "{worker} {attempt} holds nothing"
        );
        event(queue, worker, &job, attempt, Stage::Gate).await?;
        ensure!(
            !finish(queue, worker, &job, attempt, failed()).await?,
            "{worker} {attempt} ends nothing"
        );
        ensure!(
            !finish(queue, worker, &job, attempt, Finished::Cancelled).await?,
            "{worker} {attempt} ends nothing"
        );
    }
    ensure!(node.job(&job).await? == before, "a stranger touches no row");
    ensure!(
        heartbeat(queue, "holder", &job, 1).await?
            == Lease::Held {
                cancel_requested: false
            }
    );

    let writers = (0..8).map(|_| {
        let (queue, job) = (Arc::clone(queue), job.clone());
        async move {
            for _ in 0..20 {
                event(&queue, "holder", &job, 1, Stage::Fetch).await?;
            }
            Ok(())
        }
    });
    futures::future::join_all(writers)
        .await
        .into_iter()
        .collect::<Result<Vec<()>>>()?;
    ensure!(finish(queue, "holder", &job, 1, failed()).await?);
    ensure!(
        !finish(queue, "holder", &job, 1, Finished::Cancelled).await?,
        "what has ended does not end again"
    );
    event(queue, "holder", &job, 1, Stage::Gate).await?;

    let events = node.rest.events(&job.0, None).await?;
    ensure!(
        events.iter().map(|event| event.seq).eq(1..=events.len() as i64),
        "numbered without gap or twin"
    );
    let n = |stage: Stage| events.iter().filter(|event| is_start(event, stage)).count();
    ensure!(
        n(Stage::Fetch) == 160,
        "every event of the holder is there: {}",
        n(Stage::Fetch)
    );
    ensure!(n(Stage::Gate) == 0, "a stranger's or a zombie's event is not");
    Ok(())
}

/// A worker that falls silent loses its job, and what it says later counts for nothing.
async fn lost_lease(node: &Node, queue: &Queue) -> Result<()> {
    let job = new_job(node).await?;
    claim(queue, "zombie").await?.ok_or_else(|| eyre!("a queued job"))?;
    ensure!(claim(queue, "heir").await?.is_none(), "a held job is nobody else's");
    let begun = Instant::now();
    let claimed = loop {
        if let Some(claimed) = claim(queue, "heir").await? {
            break claimed;
        }
        if begun.elapsed() > Duration::from_secs(30) {
            bail!("a lease without heartbeat never ends");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    ensure!(
        claimed.input.job == job && claimed.attempt == 2,
        "the second attempt: {}",
        claimed.attempt
    );
    let before = node.job(&job).await?;
    ensure!(heartbeat(queue, "zombie", &job, 1).await? == Lease::Lost);
    event(queue, "zombie", &job, 1, Stage::Gate).await?;
    for finished in [failed(), Finished::Cancelled, Finished::Released] {
        ensure!(
            !finish(queue, "zombie", &job, 1, finished).await?,
            "a zombie ends nothing"
        );
    }
    ensure!(node.job(&job).await? == before, "a zombie touches no row");
    ensure!(finish(queue, "heir", &job, 2, failed()).await?);
    let events = node.rest.events(&job.0, None).await?;
    ensure!(
        !events.iter().any(|event| is_start(event, Stage::Gate)),
        "a zombie's event is not there"
    );
    Ok(())
}

/// A holder hears of the wish to stop with its next heartbeat.
async fn cancelled(node: &Node, queue: &Queue) -> Result<()> {
    let job = new_job(node).await?;
    claim(queue, "holder").await?.ok_or_else(|| eyre!("a queued job"))?;
    let asked: Job = node.rest.post(&format!("/jobs/{job}/cancel"), &json!({})).await?;
    ensure!(asked.cancel_requested && asked.state == JobState::Running, "{asked:?}");
    ensure!(heartbeat(queue, "holder", &job, 1).await? == Lease::Held { cancel_requested: true });
    ensure!(finish(queue, "holder", &job, 1, Finished::Cancelled).await?);
    let job = node.job(&job).await?;
    ensure!(job.state == JobState::Cancelled && job.finished_us.is_some(), "{job:?}");
    Ok(())
}

/// A worker that shuts down gives its job back.
async fn released(node: &Node, queue: &Queue) -> Result<()> {
    let job = new_job(node).await?;
    claim(queue, "leaving").await?.ok_or_else(|| eyre!("a queued job"))?;
    ensure!(finish(queue, "leaving", &job, 1, Finished::Released).await?);
    ensure!(node.job(&job).await?.state == JobState::Queued);
    ensure!(
        heartbeat(queue, "leaving", &job, 1).await? == Lease::Lost,
        "what was given back is not held"
    );
    let next = claim(queue, "next").await?.ok_or_else(|| eyre!("it is queued again"))?;
    ensure!(next.input.job == job, "the one that was given back");
    ensure!(
        !finish(queue, "leaving", &job, next.attempt, failed()).await?,
        "attempts alone do not fence"
    );
    ensure!(finish(queue, "next", &job, next.attempt, failed()).await?);
    Ok(())
}

async fn new_job(node: &Node) -> Result<JobId> {
    let body: Value = json!({ "datasets": ["few"], "start": true });
    let job: Job = node.rest.post("/jobs", &body).await?;
    ensure!(job.state == JobState::Queued, "{job:?}");
    Ok(job.id)
}

fn failed() -> Finished {
    Finished::Failed {
        error: "on purpose".to_owned(),
    }
}

fn is_start(event: &JobEvent, expected: Stage) -> bool {
    matches!(event.kind, EventKind::StageStarted { stage } if stage == expected)
}

// The port is synchronous: its calls may block, so they are made where that is allowed.

async fn claim_owned(queue: Queue, worker: String) -> Result<Option<ClaimedJob>> {
    Ok(tokio::task::spawn_blocking(move || queue.claim(&WorkerId(worker), "kernel")).await??)
}

async fn claim(queue: &Queue, worker: &str) -> Result<Option<ClaimedJob>> {
    claim_owned(Arc::clone(queue), worker.to_owned()).await
}

async fn heartbeat(queue: &Queue, worker: &str, job: &JobId, attempt: i64) -> Result<Lease> {
    let (queue, worker, job) = (Arc::clone(queue), WorkerId(worker.to_owned()), job.clone());
    Ok(tokio::task::spawn_blocking(move || queue.heartbeat(&worker, &job, attempt)).await??)
}

async fn event(queue: &Queue, worker: &str, job: &JobId, attempt: i64, stage: Stage) -> Result<()> {
    let (queue, worker, job) = (Arc::clone(queue), WorkerId(worker.to_owned()), job.clone());
    let kind = EventKind::StageStarted { stage };
    Ok(tokio::task::spawn_blocking(move || queue.event(&worker, &job, attempt, kind)).await??)
}

async fn finish(queue: &Queue, worker: &str, job: &JobId, attempt: i64, finished: Finished) -> Result<bool> {
    let (queue, worker, job) = (Arc::clone(queue), WorkerId(worker.to_owned()), job.clone());
    Ok(tokio::task::spawn_blocking(move || queue.finish(&worker, &job, attempt, &finished)).await??)
}
