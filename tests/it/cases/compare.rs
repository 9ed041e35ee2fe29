//! Models side by side over the photos that all of them were judged on, and the dial under the policy that it was judged by.

use std::sync::Arc;

use color_eyre::eyre::{OptionExt, Result, ensure};
use domain::api::JobResult;
use domain::api::compare::{LeftOut, LeftOutReason, ModelComparison};
use domain::gate::policy::GatePolicy;
use domain::ids::ModelId;
use domain::job::Job;
use domain::report::EvaluationReport;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::Done;
use crate::binary;
use crate::rest::Rest;
use crate::world::World;

async fn turned(rest: &Rest, model: &ModelId, offset: f64) -> Result<JobResult> {
    let job: Job = rest
        .post(&format!("/models/{model}/dial"), &json!({ "offset": offset }))
        .await?;
    rest.events(&job.id.0, None).await?;
    rest.get(&format!("/jobs/{}/result", job.id)).await
}

async fn offset(rest: &Rest, model: &ModelId) -> Result<f64> {
    let report: EvaluationReport = rest.get(&format!("/models/{model}/report")).await?;
    Ok(report.training.dial.ok_or_eyre("no dial")?.offset)
}

/// A turned dial is judged by the policy of its model, whatever that policy's name means by now, and turned back it is where it
/// was.
pub(super) async fn frozen(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let rest = &story.node.rest;
    let checks = serde_json::to_value(&GatePolicy::pilot().checks)?;
    let save = async |looks: u32| -> Result<()> {
        let body = json!({ "alpha": 0.05, "looks": looks, "checks": checks });
        let saved = rest.request(Method::PUT, "/policies/kept").json(&body).send().await?;
        ensure!(saved.status() == StatusCode::CREATED, "{}", saved.status());
        Ok(())
    };
    save(8).await?;
    let body = json!({ "baseline": story.baseline.job.model, "datasets": ["fu-ma"], "policy": "kept", "start": true });
    let (source, _) = rest.run_job(&body).await?;
    save(9).await?;
    let model = source.job.model.clone().ok_or_eyre("no model")?;
    let head = async |model: &ModelId| rest.bytes(&format!("/models/{model}/files/head.safetensors")).await;
    let (before, stands) = (head(&model).await?, offset(rest, &model).await?);

    let away = turned(rest, &model, stands + 1.25).await?;
    let away_model = away.job.model.clone().ok_or_eyre("no model")?;
    ensure!(
        away.job.spec.policy == source.job.spec.policy && away.job.spec.policy.version == 1,
        "{:?}",
        away.job.spec.policy
    );
    ensure!(
        away.job.spec.turned_from.as_ref() == Some(&model),
        "{:?}",
        away.job.spec
    );
    ensure!(head(&away_model).await? != before, "another place is another head");
    for from in [&model, &away_model] {
        let back = turned(rest, from, stands).await?;
        let back_model = back.job.model.clone().ok_or_eyre("no model")?;
        ensure!(
            head(&back_model).await? == before,
            "turned to where it stood, bit by bit"
        );
        ensure!(
            back.verdict == source.verdict,
            "the same verdict, and no look more: {:?}",
            back.verdict
        );
    }
    Ok(Done::Passed)
}

pub(super) async fn whole(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let rest = &story.node.rest;
    let id = |result: &JobResult| result.job.model.clone().ok_or_eyre("no model");
    let (old, new) = (id(&story.baseline)?, id(&story.clone)?);
    let compare = async |query: &str| rest.get::<ModelComparison>(&format!("/compare?{query}")).await;

    let both = compare(&format!("models={old},{new}")).await?;
    let report: EvaluationReport = rest.get(&format!("/models/{new}/report")).await?;
    let comparison = report.comparison.ok_or_eyre("no comparison")?;
    ensure!(
        (both.common.n_images, both.common.n_not_all, both.common.n_relabelled) == (8 * 16, 16, 0),
        "all but the new class's photos: {:?}",
        both.common
    );
    ensure!(both.reference == old && both.left_out.is_empty(), "{both:?}");
    let counted = both.models[1].counted.lost.iter();
    let counted: Vec<_> = counted.map(|loss| (&loss.class, loss.images, loss.groups)).collect();
    let judged = comparison.old_classes.iter();
    let judged: Vec<_> = judged.map(|loss| (&loss.class, loss.images, loss.groups)).collect();
    ensure!(counted == judged, "as the gate counted: {counted:?} {judged:?}");
    ensure!(
        both.models[0].counted.lost.is_empty() && both.classes.len() == 9,
        "{both:?}"
    );

    let swapped = compare(&format!("models={old},{new}&reference={new}&class=fu-ma")).await?;
    ensure!(
        swapped.reference == new && swapped.models[0].id == old && swapped.models[0].counted.lost.len() == 9,
        "{swapped:?}"
    );
    let strict = compare(&format!("models={old},{new}&tau=0.999")).await?;
    let right = |all: &ModelComparison| all.models[0].counted.metrics.n_accepted_right;
    ensure!(right(&strict) < right(&both), "a higher threshold accepts less");

    // The first ten of more, each name that is not shown with its reason.
    let stands = offset(rest, &new).await?;
    let mut names = vec![old.to_string(), old.to_string(), "nothing".to_owned(), new.to_string()];
    for step in 1_i32..10 {
        let result = turned(rest, &new, stands + f64::from(step) / 10.0).await?;
        names.push(id(&result)?.to_string());
    }
    let many = compare(&format!("models={}", names.join(","))).await?;
    let left_out = |model: &str, reason| LeftOut {
        model: model.to_owned(),
        reason,
    };
    let expected = [
        left_out(&old.0, LeftOutReason::Twice),
        left_out("nothing", LeftOutReason::Missing),
        left_out(&names[12], LeftOutReason::TooMany),
    ];
    ensure!(
        many.models.len() == 10 && many.left_out == expected,
        "{:?}",
        many.left_out
    );
    let bytes = rest.bytes(&format!("/compare?models={}", names.join(","))).await?;
    println!("         ten models of nine classes are {} kB", bytes.len() / 1000);

    for (query, status, word) in [
        ("models=".to_owned(), 422, "empty"),
        ("models=nothing,%E7%A6%8F".to_owned(), 404, "nothing"),
        (format!("models={old}&tau=1"), 422, "tau"),
        (format!("models={old}&class=fu-ma"), 422, "fu-ma"),
    ] {
        let problem = rest
            .refused(rest.request(Method::GET, &format!("/compare?{query}")), status)
            .await?;
        ensure!(problem.detail.contains(word), "{query}: {problem:?}");
    }

    let rehead = world.binary().await?;
    let (old, new) = (old.to_string(), new.to_string());
    let said = binary::run(
        &rehead,
        rest,
        &["models", "compare", &old, &new, "--tau", "0.8", "--json"],
    )
    .await?;
    let told: ModelComparison = serde_json::from_value(said.json()?)?;
    ensure!(
        said.code == 0 && told.tau == Some(0.8) && told.models.len() == 2,
        "{said:?}"
    );
    let said = binary::run(&rehead, rest, &["models", "compare", &old, &new]).await?;
    ensure!(
        said.code == 0 && said.out.contains("on the 128 photos") && said.out.contains("fu-ma"),
        "{said:?}"
    );
    let said = binary::run(&rehead, rest, &["models", "compare", &old, "nothing"]).await?;
    ensure!(said.code == 1 && said.err.contains("nothing"), "{said:?}");
    Ok(Done::Passed)
}
