//! The main job over the API: photos, baseline, channel, new class, clone, verdict. On both databases, byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use color_eyre::eyre::{Result, ensure, eyre};
use domain::api::{JobResult, Overview};
use domain::event::{EventKind, JobEvent};
use domain::gate::verdict::VerdictState;
use domain::ids::Digest;
use domain::job::{JobState, Stage};
use domain::model::Model;
use domain::names::ClassName;
use domain::report::EvaluationReport;
use domain::request::Request;
use serde_json::json;

use super::Done;
use crate::photos::{self, Few};
use crate::world::{Database, Node, Story, World};

/// The files that must come out the same, whatever the database and the hour.
const FILES: [&str; 6] = [
    "head.safetensors",
    "metrics.json",
    "report.json",
    "manifest.json",
    "scores.json",
    "verdict.json",
];

/// A story told once on a server of its own, and its second telling beside it.
pub(super) async fn on_sqlite(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let again = tell(world.node(Database::Sqlite).await?).await?;
    same_bytes(story, &again)?;
    again.node.stop().await;
    Ok(Done::Passed)
}

pub(super) async fn on_postgres(world: Arc<World>) -> Result<Done> {
    if let Some(reason) = world.no_postgres().await {
        return Ok(Done::Skipped(reason));
    }
    let other = tell(world.node(Database::Postgres).await?).await?;
    same_bytes(world.story().await?, &other)?;
    other.node.stop().await;
    Ok(Done::Passed)
}

/// Tells the story on an empty server.
pub(crate) async fn tell(node: Node) -> Result<Story> {
    let rest = &node.rest;
    let request: Request = rest
        .post(
            "/requests",
            &json!({ "title": "a sponsor's own fu", "due_in_minutes": 30 }),
        )
        .await?;
    ensure!(
        request.due_us - request.opened_us == 30 * 60 * 1_000_000,
        "due in 30 minutes: {request:?}"
    );

    let old = photos::few("baseline.zip", Few::SMALL, 0)?;
    let version = rest.dataset("lucky", &old).await?;
    ensure!(
        version.n_images as usize == old.len(),
        "{} images of {}: {:?}",
        version.n_images,
        old.len(),
        version.findings
    );
    for count in &version.classes {
        ensure!(
            (count.train, count.calibration, count.sealed) == (12, 8, 16),
            "folders decide the split: {count:?}"
        );
    }
    let repeated = rest.version("lucky", &old).await?;
    ensure!(
        repeated.digest == version.digest,
        "the same photos again are the same rows"
    );

    let cold = json!({ "datasets": ["lucky"], "reject_classes": ["none"], "start": true });
    let (baseline, events) = rest.run_job(&cold).await?;
    whole_run(&baseline, &events)?;
    let baseline_model = model(&node, &baseline).await?;
    ensure!(
        baseline_model.classes.len() == 8 && baseline_model.baseline.is_none(),
        "{baseline_model:?}"
    );
    let _: serde_json::Value = node
        .other
        .post(
            "/channels/production/releases",
            &json!({ "model": baseline_model.id, "override_reason": "a small set for the tests", "note": "first" }),
        )
        .await?;

    let new = photos::few("fu-ma.zip", Few::SMALL, 0)?;
    rest.dataset("fu-ma", &new).await?;
    let clone = json!({
        "baseline": "production", "datasets": ["fu-ma"], "policy": "pilot", "request": request.id, "start": true,
    });
    let (clone, events) = rest.run_job(&clone).await?;
    whole_run(&clone, &events)?;
    let clone_model = model(&node, &clone).await?;
    ensure!(
        clone_model.baseline.as_ref() == Some(&baseline_model.id),
        "{clone_model:?}"
    );
    ensure!(
        clone_model.new_classes.iter().map(ClassName::as_str).eq(["fu-ma"]),
        "{clone_model:?}"
    );
    ensure!(
        clone_model.classes[..8] == baseline_model.classes[..],
        "old rows and thresholds are frozen"
    );

    let report: EvaluationReport = rest.get(&format!("/models/{}/report", clone_model.id)).await?;
    let comparison = report
        .comparison
        .as_ref()
        .ok_or_else(|| eyre!("a clone is compared with its baseline"))?;
    ensure!(
        comparison.n_forbidden == 0,
        "growth outside the new and unknown columns"
    );
    ensure!(
        report.structural.facts.iter().all(|fact| fact.holds),
        "{:?}",
        report.structural
    );
    ensure!(
        report.sealed.n_images == 9 * 16,
        "every sealed photo is judged: {:?}",
        report.sealed
    );
    // Sixteen photos a class certify nothing under pilot, which asks for 44: never a pass for want of evidence.
    let state = clone.verdict.as_ref().map(|verdict| verdict.state);
    ensure!(state == Some(VerdictState::Unproven), "{:?}", clone.verdict);

    let overview: Overview = rest.get("/overview?project=main").await?;
    let live = overview
        .channels
        .iter()
        .find(|live| live.channel.name.as_str() == "production");
    ensure!(
        live.is_some_and(|live| live.classes.len() == 8),
        "the front page shows what is live: {overview:?}"
    );
    ensure!(
        overview.to_review.iter().any(|job| job.id == clone.job.id),
        "the clone waits for review"
    );
    let request: Request = rest.get(&format!("/requests/{}", request.id)).await?;
    ensure!(
        request.jobs == [clone.job.id.clone()],
        "the response links its job: {request:?}"
    );

    let mut files = BTreeMap::new();
    for (kind, model) in [("baseline", &baseline_model), ("clone", &clone_model)] {
        for name in FILES {
            let bytes = rest.bytes(&format!("/models/{}/files/{name}", model.id)).await?;
            files.insert(format!("{kind}/{name}"), bytes);
        }
        let manifest = &files[&format!("{kind}/manifest.json")];
        ensure!(Digest::of(manifest) == model.digest, "a model is named by its manifest");
        let report = rest.bytes(&format!("/models/{}/report", model.id)).await?;
        ensure!(
            report == files[&format!("{kind}/report.json")],
            "the report is served byte for byte"
        );
    }
    Ok(Story {
        node,
        baseline,
        clone,
        files,
    })
}

async fn model(node: &Node, result: &JobResult) -> Result<Model> {
    let id = result
        .job
        .model
        .as_ref()
        .ok_or_else(|| eyre!("no model: {:?}", result.job))?;
    node.rest.get(&format!("/models/{id}")).await
}

/// A run that went through: all stages in order, numbered events without a gap, one end.
fn whole_run(result: &JobResult, events: &[JobEvent]) -> Result<()> {
    ensure!(
        result.job.state == JobState::Succeeded,
        "{:?} {:?}",
        result.job.state,
        result.job.error
    );
    ensure!(
        result.job.attempt == 1,
        "one attempt was enough: {}",
        result.job.attempt
    );
    let stages: Vec<Stage> = result.job.stage_times.iter().map(|time| time.stage).collect();
    ensure!(stages == Stage::ALL, "every stage has its time: {stages:?}");
    let summary = result.job.verdict.as_ref().ok_or_else(|| eyre!("no verdict"))?;
    let verdict = result.verdict.as_ref().ok_or_else(|| eyre!("no evidence"))?;
    ensure!(
        *summary == verdict.summary(),
        "{summary:?} is not the summary of {verdict:?}"
    );

    ensure!(
        events.iter().map(|event| event.seq).eq(1..=events.len() as i64),
        "numbered without a gap"
    );
    let finished: Vec<Stage> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::StageFinished { stage, .. } => Some(stage),
            _ => None,
        })
        .collect();
    ensure!(finished == Stage::ALL, "every stage ends once: {finished:?}");
    let ends = |event: &JobEvent| matches!(event.kind, EventKind::State { state, .. } if state.is_final());
    ensure!(
        events.iter().filter(|event| ends(event)).count() == 1,
        "a job ends once"
    );
    ensure!(events.last().is_some_and(ends), "the end is the last event");
    Ok(())
}

fn same_bytes(one: &Story, other: &Story) -> Result<()> {
    ensure!(one.files.len() == 2 * FILES.len());
    for (name, bytes) in &one.files {
        ensure!(
            other.files.get(name) == Some(bytes),
            "{name} differs between two runs of the same job"
        );
    }
    Ok(())
}
