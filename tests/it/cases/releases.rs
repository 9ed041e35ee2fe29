//! Channels: nothing without a verdict, an override has a reason, nobody is overruled by a slower publisher.

use std::sync::Arc;

use color_eyre::eyre::{Result, ensure, eyre};
use domain::release::{Channel, Release, ReleaseAction};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Done;
use crate::world::World;

pub(super) async fn moves(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    // Not who started the jobs: a verdict is overridden by somebody else.
    let rest = &story.node.other;
    let (old, new) = (story.baseline.job.model.as_ref(), story.clone.job.model.as_ref());
    let (Some(old), Some(new)) = (old, new) else {
        return Err(eyre!("the story made two models"));
    };
    let channel = || async { rest.get::<Channel>("/channels/production").await };
    let publish = |body: Value| rest.request(Method::POST, "/channels/production/releases").json(&body);
    let first = channel()
        .await?
        .current
        .ok_or_else(|| eyre!("the story published its baseline"))?;

    let without_reason = publish(json!({ "model": new, "expected": first.id }));
    let problem = rest.refused(without_reason, 422).await?;
    ensure!(
        problem.detail.to_lowercase().contains("unproven"),
        "it says what the verdict is: {problem:?}"
    );
    for empty in ["", "          ", "because"] {
        let body = json!({ "model": new, "expected": first.id, "override_reason": empty });
        rest.refused(publish(body), 422).await?;
    }
    for stale in [Value::Null, json!("another-release")] {
        let body = json!({ "model": new, "expected": stale, "override_reason": "a reason of the tests" });
        rest.refused(publish(body), 409).await?;
    }
    rest.refused(publish(json!({ "model": "no-such-model", "expected": first.id })), 404)
        .await?;
    ensure!(
        channel().await?.current.as_ref() == Some(&first),
        "a refusal moves nothing"
    );

    let body = json!({
        "model": new, "expected": first.id, "override_reason": "seen by a reviewer", "note": "fu-ma goes live",
    });
    let second: Release = rest.post("/channels/production/releases", &body).await?;
    ensure!(
        second.number == first.number + 1 && second.previous_model.as_ref() == Some(old),
        "{second:?}"
    );
    ensure!(
        second.override_reason.as_deref() == Some("seen by a reviewer"),
        "the reason stands in the log"
    );

    let undo = |expected: &str| json!({ "expected": expected, "note": "back" });
    let late = rest
        .request(Method::POST, "/channels/production/undo")
        .json(&undo(&first.id.0));
    rest.refused(late, 409).await?;
    let third: Release = rest.post("/channels/production/undo", &undo(&second.id.0)).await?;
    ensure!(third.model == *old && third.action == ReleaseAction::Undo, "{third:?}");
    ensure!(third.undoes.as_ref() == Some(&second.id), "{third:?}");
    ensure!(
        channel().await?.current.as_ref() == Some(&third),
        "the channel points back"
    );

    let log: Vec<Release> = rest.get("/releases?project=main&channel=production").await?;
    let mut numbers: Vec<i64> = log.iter().map(|release| release.number).collect();
    numbers.sort_unstable();
    ensure!(
        numbers == [1, 2, 3],
        "every move is in the log, and nothing else: {log:?}"
    );
    Ok(Done::Passed)
}

/// Publishers at the same moment.
const N_PUBLISHERS: usize = 8;

pub(super) async fn race(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    // Not who started the jobs: a verdict is overridden by somebody else.
    let rest = &story.node.other;
    for round in 0..3 {
        let before: Option<Channel> = rest.get("/channels/staging").await.ok();
        let before = before.and_then(|channel| channel.current);
        let one = |idx: usize| {
            let body = json!({
                "model": story.clone.job.model, "expected": before.as_ref().map(|release| &release.id),
                "override_reason": "a race of publishers", "note": format!("round {round}, publisher {idx}"),
            });
            rest.request(Method::POST, "/channels/staging/releases")
                .json(&body)
                .send()
        };
        let answers: Vec<StatusCode> = join_all((0..N_PUBLISHERS).map(one))
            .await
            .into_iter()
            .map(|answer| Ok(answer?.status()))
            .collect::<Result<_>>()?;
        let n_won = answers.iter().filter(|status| status.is_success()).count();
        let n_lost = answers.iter().filter(|status| **status == StatusCode::CONFLICT).count();
        ensure!((n_won, n_lost) == (1, N_PUBLISHERS - 1), "round {round}: {answers:?}");
    }
    let log: Vec<Release> = rest.get("/releases?project=main&channel=staging").await?;
    ensure!(log.len() == 3, "one move a round: {log:?}");
    Ok(Done::Passed)
}
