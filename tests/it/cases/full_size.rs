//! The main job once at full size, through the command line as an operator types it, and the figures it must reach.

use std::sync::Arc;

use color_eyre::eyre::{Context, Result, ensure, eyre};
use domain::api::JobResult;
use domain::event::EventKind;
use domain::gate::policy::{CheckId, GatePolicy};
use domain::gate::verdict::VerdictState;
use domain::job::{Job, JobState, Stage};
use domain::model::Model;
use domain::release::{Channel, Release, ReleaseAction};
use domain::report::EvaluationReport;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::Done;
use crate::binary;
use crate::photos::bundled;
use crate::rest::Rest;
use crate::world::{FullSize, World};

/// What its makers' own limits let pass needs a reviewer's word.
pub(super) async fn own_policy(world: Arc<World>) -> Result<Done> {
    let FullSize { node, clone, .. } = world.full_size().await?;
    let rest = &node.rest;
    let mut policy = GatePolicy::pilot();
    policy.name = "lenient".to_owned();
    for check in &mut policy.checks {
        let is_floor = matches!(check.id, CheckId::NewRecall | CheckId::NewPrecision);
        check.limit = if is_floor { 0.0 } else { 1.0 };
    }
    let mut draft: Job = rest.get(&format!("/jobs/{}", clone.job.id)).await?;
    let versions = std::mem::take(&mut draft.spec.dataset_versions);
    let body = json!({ "baseline": draft.spec.baseline, "datasets": versions, "policy": "pilot" });
    let draft: Job = rest.post("/jobs", &body).await?;
    let path = format!("/jobs/{}", draft.id);
    let patch = rest
        .request(Method::PATCH, &path)
        .json(&json!({ "policy": policy, "tau": 0.95 }));
    ensure!(
        patch.send().await?.status().is_success(),
        "the draft takes a policy of its own"
    );
    let patched: Job = rest.get(&path).await?;
    ensure!(
        patched.spec.config.tau == 0.95 && patched.spec.config.recall_target == draft.spec.config.recall_target,
        "what is absent in a patch stays: {:?}",
        patched.spec.config
    );
    let _: Job = rest.post(&format!("{path}/start"), &json!({})).await?;
    let events = rest.events(&draft.id.0, None).await?;
    let told = events.iter().any(|event| {
        matches!(
            event.kind,
            EventKind::State {
                state: JobState::Draft,
                ..
            }
        )
    });
    ensure!(told, "who watches a draft hears of its change");
    let done: Job = rest.get(&path).await?;
    let verdict = done.verdict.as_ref().map(|verdict| verdict.state);
    ensure!(verdict == Some(VerdictState::Pass), "{verdict:?}");
    let publish = |rest: &Rest, reason: Option<&str>| {
        rest.request(Method::POST, "/channels/lenient/releases")
            .json(&json!({ "model": done.model, "override_reason": reason }))
    };
    let problem = rest.refused(publish(rest, None), 422).await?;
    ensure!(problem.detail.contains("policy of its job's own"), "{problem:?}");
    let problem = rest.refused(publish(rest, Some("good enough for me")), 403).await?;
    ensure!(problem.kind == "/problems/own-override", "{problem:?}");
    let released = publish(&node.other, Some("the limits were agreed upon")).send().await?;
    ensure!(released.status() == StatusCode::CREATED, "{}", released.status());
    Ok(Done::Passed)
}

/// A turned dial makes another model of the same rows; turned to where it stood, the same one.
pub(super) async fn dial(world: Arc<World>) -> Result<Done> {
    let FullSize { node, clone, .. } = world.full_size().await?;
    let rest = &node.rest;
    let model = clone.job.model.as_ref().ok_or_else(|| eyre!("the job made no model"))?;
    let before = report(node, clone).await?;
    let dial = before.training.dial.as_ref().ok_or_else(|| eyre!("no dial"))?;
    for shift in [0.0, 0.5] {
        let offset = dial.offset + shift;
        let job: Job = rest
            .post(&format!("/models/{model}/dial"), &json!({ "offset": offset }))
            .await?;
        rest.events(&job.id.0, None).await?;
        let result: JobResult = rest.get(&format!("/jobs/{}/result", job.id)).await?;
        let after = report(node, &result).await?;
        let turned = after.training.dial.as_ref().ok_or_else(|| eyre!("no dial"))?;
        ensure!(
            turned.offset == offset && turned.alignment == dial.alignment && after.training.l2 == before.training.l2,
            "the same rows, at the offset asked for: {turned:?}"
        );
        ensure!(
            after.structural.facts.iter().all(|fact| fact.holds),
            "{:?}",
            after.structural
        );
        ensure!(
            (after.candidate.head == before.candidate.head) == (shift == 0.0),
            "the head changes with the offset and with nothing else"
        );
        let until_finished_ms = |from: Option<i64>| {
            let took = from.zip(result.job.finished_us);
            took.map_or(0, |(start, end)| (end - start) / 1000)
        };
        println!(
            "         the dial at {offset:.3}: {} ms from asking to the verdict, {} ms of these the job",
            until_finished_ms(Some(result.job.created_us)),
            until_finished_ms(result.job.started_us)
        );
        ensure!(after.training.turned_from.is_some(), "it says whose rows these are");
    }
    let refused = rest.request(Method::POST, &format!("/models/{model}/dial"));
    let problem = rest.refused(refused.json(&json!({ "offset": 1e6 })), 422).await?;
    ensure!(problem.detail.contains("offset"), "{problem:?}");
    Ok(Done::Passed)
}

pub(super) async fn whole(world: Arc<World>) -> Result<Done> {
    let FullSize { node, baseline, clone } = world.full_size().await?;
    let rest = &node.rest;

    let baseline_report = report(node, baseline).await?;
    let top1 = baseline_report.candidate.top1;
    ensure!(top1 >= 0.92, "baseline top-1 on sealed is {top1:.3}");
    ensure!(
        state(baseline) == Some(VerdictState::Pass),
        "root: {:?}",
        baseline.verdict
    );

    let clone_report = report(node, clone).await?;
    let new = clone_report
        .candidate
        .per_class
        .iter()
        .find(|metrics| metrics.class.as_str() == "fu-ma");
    let recall = new.and_then(|metrics| metrics.recall).unwrap_or(0.0);
    ensure!(recall >= 0.95, "recall of fu-ma at τ is {recall:.3}");
    let comparison = clone_report.comparison.as_ref().ok_or_else(|| eyre!("no comparison"))?;
    ensure!(
        comparison.n_forbidden == 0,
        "growth outside the new and unknown columns"
    );
    ensure!(
        state(clone) == Some(VerdictState::Pass),
        "pilot: {:?}",
        clone.job.verdict
    );
    let millis = |stage| {
        clone
            .job
            .stage_times
            .iter()
            .find(|time| time.stage == stage)
            .map_or(0, |time| time.duration_ms)
    };
    println!(
        "         top-1 {top1:.4}, recall of fu-ma {recall:.4}, lost {} of {}; extract {} ms, train to package {} ms",
        comparison.negative_flips.len(),
        comparison.n_right,
        millis(Stage::Extract),
        [Stage::Train, Stage::Evaluate, Stage::Gate, Stage::Package]
            .map(millis)
            .iter()
            .sum::<i64>(),
    );

    let rehead = world.binary().await?;
    let run = async |args: &[&str]| -> Result<Release> {
        let said = binary::run(&rehead, rest, args).await?;
        ensure!(said.code == 0, "{args:?}: {said:?}");
        serde_json::from_str(&said.out).with_context(|| format!("{said:?}"))
    };
    let job = clone.job.id.to_string();
    let published = run(&[
        "releases",
        "publish",
        &job,
        "--channel",
        "production",
        "--note",
        "fu-ma",
        "--json",
    ])
    .await?;
    ensure!(
        Some(&published.model) == clone.job.model.as_ref() && published.override_reason.is_none(),
        "{published:?}"
    );
    let undone = run(&[
        "releases",
        "undo",
        "--channel",
        "production",
        "--note",
        "back",
        "--json",
    ])
    .await?;
    ensure!(
        undone.action == ReleaseAction::Undo && Some(&undone.model) == baseline.job.model.as_ref(),
        "{undone:?}"
    );
    let channel: Channel = rest.get("/channels/production").await?;
    ensure!(channel.current == Some(undone), "{channel:?}");
    Ok(Done::Passed)
}

/// Tells the story at full size on an empty server.
pub(crate) async fn tell(world: &World) -> Result<FullSize> {
    let node = world.node(crate::world::Database::Sqlite).await?;
    let rehead = world.binary().await?;
    let run = async |codes: &[i32], args: &[&str]| {
        let said = binary::run(&rehead, &node.rest, args).await?;
        ensure!(codes.contains(&said.code), "{args:?}: {said:?}");
        Ok(said)
    };
    let (ok, verdicts) = ([0], [0, 10, 11]);
    let (old, new) = (
        bundled("baseline.zip").display().to_string(),
        bundled("fu-ma.zip").display().to_string(),
    );
    let uploaded = run(&ok, &["datasets", "upload", "lucky", &old, "--create", "--json"])
        .await?
        .json()?;
    ensure!(uploaded["n_sent"] == 1920 && uploaded["n_known"] == 0, "{uploaded}");
    ensure!(uploaded["left_out"].as_array().is_some_and(Vec::is_empty), "{uploaded}");
    let again = run(&ok, &["datasets", "upload", "lucky", &old, "--json"])
        .await?
        .json()?;
    ensure!(
        again["n_sent"] == 0 && again["n_known"] == 1920,
        "a second upload sends nothing: {again}"
    );
    ensure!(
        again["version"]["digest"] == uploaded["version"]["digest"],
        "the same photos are the same rows"
    );

    let cold = [
        "jobs",
        "create",
        "--dataset",
        "lucky",
        "--reject",
        "none",
        "--start",
        "--watch",
        "--json",
    ];
    let baseline: JobResult = serde_json::from_str(&run(&verdicts, &cold).await?.out)?;
    ensure!(baseline.job.state == JobState::Succeeded, "{:?}", baseline.job.error);
    run(
        &ok,
        &[
            "releases",
            "publish",
            "latest",
            "--channel",
            "production",
            "--note",
            "first",
        ],
    )
    .await?;

    run(&ok, &["datasets", "upload", "fu-ma", &new, "--create"]).await?;
    let clone = [
        "jobs",
        "clone",
        "--baseline",
        "production",
        "--dataset",
        "fu-ma",
        "--policy",
        "pilot",
        "--start",
        "--watch",
        "--json",
    ];
    let clone: JobResult = serde_json::from_str(&run(&verdicts, &clone).await?.out)?;
    let other = bundled("fu-merchant.zip").display().to_string();
    run(&ok, &["datasets", "upload", "fu-merchant", &other, "--create"]).await?;
    Ok(FullSize { node, baseline, clone })
}

async fn report(node: &crate::world::Node, result: &JobResult) -> Result<EvaluationReport> {
    let id = result
        .job
        .model
        .as_ref()
        .ok_or_else(|| eyre!("no model: {:?}", result.job))?;
    let model: Model = node.rest.get(&format!("/models/{id}")).await?;
    node.rest.get(&format!("/models/{}/report", model.id)).await
}

fn state(result: &JobResult) -> Option<VerdictState> {
    result.verdict.as_ref().map(|verdict| verdict.state)
}
