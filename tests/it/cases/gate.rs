//! What the gate remembers: looks at sealed photos, a project's own policies, the release that losses add up from.

use std::sync::Arc;

use color_eyre::eyre::{OptionExt, Result, ensure};
use domain::api::JobResult;
use domain::gate::policy::{CheckId, GatePolicy};
use domain::gate::verdict::{Check, Verdict, VerdictState};
use domain::job::Job;
use domain::people::Role;
use domain::release::{Channel, Release, ReleaseAction};
use domain::report::EvaluationReport;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Done;
use crate::binary;
use crate::rest::Rest;
use crate::world::{FullSize, World};

/// A clone of the story's baseline with these L2 weights: other weights, another head.
async fn judged(rest: &Rest, full: &FullSize, policy: &str, l2_grid: Option<f64>) -> Result<JobResult> {
    let body = json!({ "baseline": full.baseline.job.model, "datasets": ["fu-ma"], "policy": policy });
    let draft: Job = rest.post("/jobs", &body).await?;
    let path = format!("/jobs/{}", draft.id);
    if let Some(l2) = l2_grid {
        let mut config = draft.spec.config;
        config.l2_grid = vec![l2];
        let patched = rest
            .request(Method::PATCH, &path)
            .json(&json!({ "config": config }))
            .send()
            .await?;
        ensure!(patched.status().is_success(), "{}", patched.status());
    }
    let _: Job = rest.post(&format!("{path}/start"), &json!({})).await?;
    rest.events(&draft.id.0, None).await?;
    rest.get(&format!("{path}/result")).await
}

fn check(verdict: &Verdict, id: CheckId) -> Result<&Check> {
    let found = verdict.checks.iter().find(|check| check.id == id);
    found.ok_or_eyre(format!("the verdict has no {}", id.as_str()))
}

/// Five heads may be judged under `pilot`; the same head again is no further look, and a sixth proves nothing.
pub(super) async fn looks(world: Arc<World>) -> Result<Done> {
    let full = world.full_size().await?;
    let rest = &full.node.rest;
    let first = full.clone.verdict.as_ref().ok_or_eyre("no verdict")?;
    let look = check(first, CheckId::Looks)?;
    ensure!((look.x, look.n) == (1, 5), "{look:?}");
    let again = judged(rest, full, "pilot", None)
        .await?
        .verdict
        .ok_or_eyre("no verdict")?;
    ensure!(again.checks == first.checks, "the same head is the same look");
    let mut seen = 1;
    let mut last = None;
    for l2 in [2e-6, 3e-5, 4e-4, 5e-3, 6e-2, 7e-2, 8e-2] {
        let verdict = judged(rest, full, "pilot", Some(l2))
            .await?
            .verdict
            .ok_or_eyre("no verdict")?;
        let look = check(&verdict, CheckId::Looks)?;
        ensure!(look.x >= seen, "looks are counted up: {look:?} after {seen}");
        seen = look.x;
        ensure!(
            (look.verdict == VerdictState::Pass) == (look.x <= 5),
            "five looks and no more: {look:?}"
        );
        last = Some(verdict);
    }
    let last = last.ok_or_eyre("no head")?;
    ensure!(seen > 5, "eight heads are more than five: {seen}");
    ensure!(last.state != VerdictState::Pass, "{}", last.sentence);
    let look = check(&last, CheckId::Looks)?;
    ensure!(
        look.groups_needed.is_some_and(|groups| groups > 300)
            && look.sentence_zh.contains("查看") == look.sentence.contains("look "),
        "{look:?}"
    );
    let first_again = judged(rest, full, "pilot", None)
        .await?
        .verdict
        .ok_or_eyre("no verdict")?;
    ensure!(
        first_again.state == VerdictState::Pass,
        "what was proven stays proven: {}",
        first_again.sentence
    );
    Ok(Done::Passed)
}

/// Policies of a project's own are versions; a job keeps the one that it was made with.
pub(super) async fn policies(world: Arc<World>) -> Result<Done> {
    let full = world.full_size().await?;
    let rest = &full.node.rest;
    let pilot = GatePolicy::pilot();
    let body = |looks: u32, checks: &Value| json!({ "alpha": 0.05, "looks": looks, "checks": checks });
    let put =
        |rest: &Rest, name: &str, body: &Value| rest.request(Method::PUT, &format!("/policies/{name}")).json(body);
    let mut checks = serde_json::to_value(&pilot.checks)?;
    for check in checks.as_array_mut().into_iter().flatten() {
        if check["id"] == "old_class_loss" {
            check["per_class"] = json!({ "fu": 0.08 });
        }
    }
    let reviewer = full.node.as_person("rita", Some(Role::Reviewer)).await?;
    rest.refused(put(&reviewer, "young", &body(20, &checks)), 403).await?;
    for (version, looks) in [(1, 20), (2, 25)] {
        let answer = put(rest, "young", &body(looks, &checks)).send().await?;
        ensure!(answer.status() == StatusCode::CREATED, "{}", answer.status());
        let saved: GatePolicy = answer.json().await?;
        ensure!((saved.version, saved.looks) == (version, looks), "{saved:?}");
    }
    for (name, body, word) in [
        ("pilot", body(5, &checks), "shipped"),
        ("no-looks", body(0, &checks), "looks"),
        (
            "no-structure",
            body(5, &json!([{ "id": "coverage", "limit": 0 }])),
            "structural",
        ),
        (
            "twice",
            body(
                5,
                &json!([{ "id": "structural", "limit": 0 }, { "id": "structural", "limit": 0 }]),
            ),
            "twice",
        ),
    ] {
        let problem = rest.refused(put(rest, name, &body), 422).await?;
        ensure!(problem.detail.contains(word), "{name}: {problem:?}");
    }
    let listed: Vec<GatePolicy> = rest.get("/policies").await?;
    let names: Vec<(&str, u32)> = listed
        .iter()
        .map(|policy| (policy.name.as_str(), policy.version))
        .collect();
    ensure!(
        names.contains(&("young", 2)) && !names.contains(&("young", 1)),
        "{names:?}"
    );
    // A policy that the project keeps is nobody's own: what passes it goes out without a reviewer's word.
    let result = judged(rest, full, "young", None).await?;
    let verdict = result.verdict.ok_or_eyre("no verdict")?;
    ensure!(verdict.state == VerdictState::Pass, "{}", verdict.sentence);
    let fu = verdict.checks.iter().find(|check| {
        check.id == CheckId::OldClassLoss && check.class.as_ref().is_some_and(|class| class.as_str() == "fu")
    });
    ensure!(fu.is_some_and(|check| check.limit == 0.08), "{fu:?}");
    let release = json!({ "model": result.job.model, "note": "by the project's own policy" });
    let _: Release = rest.post("/channels/own-policy/releases", &release).await?;
    by_command(&world, rest).await?;
    Ok(Done::Passed)
}

/// A policy as a file, there and back.
async fn by_command(world: &World, rest: &Rest) -> Result<()> {
    let rehead = world.binary().await?;
    let run = async |args: &[&str]| binary::run(&rehead, rest, args).await;
    let shown = run(&["gate", "policy", "young"]).await?;
    ensure!(shown.code == 0 && shown.out.contains("fu = 0.08"), "{shown:?}");
    let file = tempfile::Builder::new().suffix(".toml").tempfile()?;
    std::fs::write(file.path(), &shown.out)?;
    let path = file.path().to_string_lossy().into_owned();
    let saved = run(&["gate", "policy", "kept", "--save", &path]).await?;
    ensure!(
        saved.code == 0 && saved.out.trim() == "policy kept, version 1",
        "{saved:?}"
    );
    let listed: Vec<GatePolicy> = serde_json::from_value(run(&["gate", "policies", "--json"]).await?.json()?)?;
    let checks = |name: &str| {
        listed
            .iter()
            .find(|policy| policy.name == name)
            .map(|policy| &policy.checks)
    };
    ensure!(
        checks("kept").is_some() && checks("kept") == checks("young"),
        "{listed:?}"
    );
    for (args, word) in [
        (["gate", "policy", "pilot", "--save", &path].as_slice(), "shipped"),
        (["gate", "policy", "nobody"].as_slice(), "there are default"),
    ] {
        let refused = run(args).await?;
        ensure!(refused.code != 0 && refused.err.contains(word), "{refused:?}");
    }
    Ok(())
}

/// Losses add up from a channel's first release, or from the one that is pinned.
pub(super) async fn anchor(world: Arc<World>) -> Result<Done> {
    let full = world.full_size().await?;
    let rest = &full.node.rest;
    let base = &full.baseline.job.model;
    let publish = |model: &Value, expected: Option<&Release>| {
        let expected = expected.map(|release| &release.id);
        json!({ "model": model, "expected": expected, "override_reason": "a test of anchors" })
    };
    let first: Release = rest
        .post("/channels/anchored/releases", &publish(&json!(base), None))
        .await?;
    let second = publish(&json!(full.clone.job.model), Some(&first));
    let second: Release = rest.post("/channels/anchored/releases", &second).await?;
    let channel: Channel = rest.get("/channels/anchored").await?;
    ensure!(
        channel.anchor.as_ref().is_some_and(|anchor| anchor.id == first.id),
        "{channel:?}"
    );

    let body = json!({ "baseline": "anchored", "datasets": ["fu-merchant"], "policy": "pilot", "start": true });
    let (result, _) = rest.run_job(&body).await?;
    ensure!(result.job.spec.anchor == *base, "{:?}", result.job.spec.anchor);
    let verdict = result.verdict.as_ref().ok_or_eyre("no verdict")?;
    ensure!(verdict.state == VerdictState::Pass, "{}", verdict.sentence);
    let of = |id: CheckId| verdict.checks.iter().filter(|check| check.id == id).count();
    ensure!(
        (of(CheckId::OldClassLoss), of(CheckId::AnchorLoss)) == (9, 8),
        "nine classes are old now, and eight stand since the anchor"
    );
    let model = result.job.model.as_ref().ok_or_eyre("no model")?;
    let report: EvaluationReport = rest.get(&format!("/models/{model}/report")).await?;
    let comparison = report.comparison.ok_or_eyre("no comparison")?;
    let anchored = comparison.anchor_losses.ok_or_eyre("no losses since the anchor")?;
    let since_anchor: u64 = anchored.iter().map(|loss| loss.images.x).sum();
    let of_step: u64 = comparison.old_classes.iter().take(8).map(|loss| loss.images.x).sum();
    ensure!(
        since_anchor >= of_step,
        "{since_anchor} since the anchor, {of_step} in this step"
    );

    let pin = |release: &str| {
        rest.request(Method::PUT, "/channels/anchored/anchor")
            .json(&json!({ "release": release }))
    };
    rest.refused(pin("no-such-release"), 404).await?;
    let pinned: Channel = pin(&second.id.0).send().await?.json().await?;
    ensure!(
        pinned.anchor.as_ref().is_some_and(|anchor| anchor.id == second.id),
        "{pinned:?}"
    );
    let log: Vec<Release> = rest.get("/releases?channel=anchored").await?;
    ensure!(
        log[0].action == ReleaseAction::Anchor && log[0].anchors.as_ref() == Some(&second.id) && log[0].by.is_some(),
        "the log says who moved the anchor: {log:?}"
    );
    let draft: Job = rest
        .post("/jobs", &json!({ "baseline": "anchored", "datasets": ["fu-merchant"] }))
        .await?;
    ensure!(
        draft.spec.anchor.is_none(),
        "the anchor is the baseline itself: {:?}",
        draft.spec.anchor
    );
    Ok(Done::Passed)
}
