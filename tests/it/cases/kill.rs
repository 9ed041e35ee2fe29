//! A worker dies without a word in the middle of `extract`; another one ends the job with the bytes of a quiet run.

use std::sync::Arc;

use color_eyre::eyre::{Result, ensure, eyre};
use domain::api::JobResult;
use domain::event::EventKind;
use domain::job::{Job, JobState, Stage};
use serde_json::json;

use super::Done;
use crate::photos::{self, Few};
use crate::world::{Database, Node, World};

/// Enough photos that a worker is seen in the middle of them.
const PHOTOS: Few = Few {
    train: 30,
    calibration: 15,
    sealed: 30,
};

pub(super) async fn in_extract(world: Arc<World>) -> Result<Done> {
    let photos = photos::few("baseline.zip", PHOTOS, 0)?;
    let body = json!({ "datasets": ["lucky"], "reject_classes": ["none"], "start": true });

    let quiet = world.node(Database::Sqlite).await?;
    quiet.rest.dataset("lucky", &photos).await?;
    let (undisturbed, _) = quiet.rest.run_job(&body).await?;
    ensure!(
        undisturbed.job.state == JobState::Succeeded,
        "{:?}",
        undisturbed.job.error
    );

    let node = world.node_without_worker(Database::Sqlite).await?;
    node.rest.dataset("lucky", &photos).await?;
    let job: Job = node.rest.post("/jobs", &body).await?;
    let mut first = node.spawn_worker(&world.binary().await?)?;
    let halfway = |event: &domain::event::JobEvent| match event.kind {
        EventKind::Progress(progress) => {
            progress.stage == Stage::Extract && progress.done > 0 && progress.done < progress.total
        }
        _ => false,
    };
    node.rest.wait_for(&job.id.0, "the middle of extract", halfway).await?;
    first.kill().await?;
    let left: Job = node.rest.get(&format!("/jobs/{}", job.id)).await?;
    ensure!(
        left.state == JobState::Running && left.attempt == 1,
        "it was killed at work: {left:?}"
    );

    let mut second = node.spawn_worker(&world.binary().await?)?;
    let events = node.rest.events(&job.id.0, None).await?;
    let result: JobResult = node.rest.get(&format!("/jobs/{}/result", job.id)).await?;
    second.kill().await?;
    ensure!(
        result.job.state == JobState::Succeeded,
        "{:?} {:?}",
        result.job.state,
        result.job.error
    );
    ensure!(
        result.job.attempt == 2,
        "the second attempt ended it: {}",
        result.job.attempt
    );
    ensure!(
        events.iter().map(|event| event.seq).eq(1..=events.len() as i64),
        "numbered without a gap"
    );

    for name in ["head.safetensors", "report.json", "manifest.json"] {
        let (one, other) = (
            file(&quiet, &undisturbed, name).await?,
            file(&node, &result, name).await?,
        );
        ensure!(one == other, "{name} differs from the undisturbed run's");
    }
    quiet.stop().await;
    node.stop().await;
    Ok(Done::Passed)
}

async fn file(node: &Node, result: &JobResult, name: &str) -> Result<Vec<u8>> {
    let model = result
        .job
        .model
        .as_ref()
        .ok_or_else(|| eyre!("no model: {:?}", result.job))?;
    node.rest.bytes(&format!("/models/{model}/files/{name}")).await
}
