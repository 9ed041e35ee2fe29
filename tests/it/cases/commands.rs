//! The command line through the real binary: its exit codes, its JSON, its words when something is wrong.

use std::path::Path;
use std::sync::Arc;

use color_eyre::eyre::{Context, Result, ensure};
use domain::api::{JobResult, Problem};
use domain::gate::verdict::VerdictState;

use super::Done;
use crate::binary::{self, Said};
use crate::photos::{self, Few, Photo};
use crate::rest::Rest;
use crate::world::World;

async fn gate(rehead: &Path, rest: &Rest, nowhere: &Rest, job: &str) -> Result<()> {
    let said = binary::run(rehead, rest, &["gate", "explain", job]).await?;
    ensure!(
        said.code == 0 && said.out.contains("old_class_loss fu:") && said.out.contains("McNemar"),
        "{said:?}"
    );
    let said = binary::run(rehead, rest, &["gate", "explain", job, "--json"]).await?;
    let explained = said.json()?;
    ensure!(
        explained["checks"].is_array() && explained["flips"]["mcnemar_p"].is_f64(),
        "{said:?}"
    );
    let said = binary::run(rehead, rest, &["gate", "dial", job, "--at", "-1.5", "2", "--json"]).await?;
    let dial = said.json()?;
    let places: Vec<f64> = dial["places"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|place| place["offset"].as_f64())
        .collect();
    ensure!(places == [-1.5, 2.0], "{said:?}");
    let said = binary::run(rehead, rest, &["gate", "dial", job]).await?;
    ensure!(said.code == 0 && said.out.lines().count() >= 2 + 1 + 41, "{said:?}");
    // Judging files needs no server, and a file that cannot be judged is named.
    for file in ["/no/such.npz", "/dev/null"] {
        let said = binary::run(rehead, nowhere, &["gate", "simulate", file]).await?;
        ensure!(said.code == 1 && said.err.contains(file), "{said:?}");
    }
    let said = binary::run(rehead, nowhere, &["gate", "simulate", "a.npz", "--policy", "root"]).await?;
    ensure!(said.code == 1 && said.err.contains("old_class_loss"), "{said:?}");
    Ok(())
}

pub(super) async fn exit_codes(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let rehead = world.binary().await?;
    let rest = &story.node.rest;
    let run = async |args: &[&str]| binary::run(&rehead, rest, args).await;

    let nowhere = Rest::new("http://127.0.0.1:9".to_owned())?;
    let said = binary::run(&rehead, &nowhere, &["jobs", "list"]).await?;
    ensure!(said.code == 1 && said.out.is_empty(), "{said:?}");
    ensure!(
        said.err
            .contains("no Rehead server answers at http://127.0.0.1:9; start one with `rehead serve`"),
        "{said:?}"
    );
    let said = binary::run(&rehead, &nowhere, &["jobs", "list", "--json"]).await?;
    let problem: Problem = serde_json::from_str(&said.err).with_context(|| format!("{said:?}"))?;
    ensure!(
        said.code == 1 && problem.kind == "/problems/client/unreachable",
        "{said:?}"
    );

    let usage: [&[&str]; 6] = [
        &["jobs"],
        &["jobs", "clone", "--dataset", "fu-ma"],
        &[
            "jobs",
            "clone",
            "--baseline",
            "production",
            "--dataset",
            "fu-ma",
            "--watch",
        ],
        &[
            "jobs",
            "clone",
            "--baseline",
            "production",
            "--dataset",
            "fu-ma",
            "--deadline",
            "soon",
        ],
        &["datasets", "upload", "x"],
        &["datasets", "create", "../x"],
    ];
    for args in usage {
        let said = run(args).await?;
        ensure!(said.code == 2 && said.out.is_empty(), "{args:?}: {said:?}");
    }
    let refused: [&[&str]; 6] = [
        &["jobs", "show", "nonsense"],
        &["models", "report", "nonsense"],
        &["models", "export", "nonsense", "--out", "/tmp/never"],
        &["releases", "publish", "nonsense", "--channel", "staging"],
        &["datasets", "upload", "nowhere", "/etc/hostname"],
        &["requests", "close", "nonsense"],
    ];
    for args in refused {
        let said = run(args).await?;
        ensure!(
            said.code == 1 && said.out.is_empty() && said.err.starts_with("error: "),
            "{args:?}: {said:?}"
        );
    }
    let said = run(&["jobs", "show", "nonsense", "--json"]).await?;
    let problem: Problem = serde_json::from_str(&said.err).with_context(|| format!("{said:?}"))?;
    ensure!(
        problem.status == 404 && !problem.request_id.is_empty(),
        "the server's own words: {said:?}"
    );

    let lists = [
        ["datasets", "list", "--json"],
        ["jobs", "list", "--json"],
        ["models", "list", "--json"],
        ["releases", "list", "--json"],
        ["requests", "list", "--json"],
    ];
    for args in lists {
        let said = run(&args).await?;
        ensure!(said.code == 0 && said.json()?.is_array(), "{args:?}: {said:?}");
        let said = run(&args[..2]).await?;
        ensure!(
            said.code == 0 && said.out.lines().count() > 1,
            "a table with rows: {args:?}: {said:?}"
        );
    }

    let opened = run(&["requests", "open", "a counterfeit", "--due-in", "90s", "--json"])
        .await?
        .json()?;
    let minutes = |name: &str| opened[name].as_i64().unwrap_or_default() / 60_000_000;
    ensure!(
        minutes("due_us") - minutes("opened_us") == 2,
        "never due before the time asked for: {opened}"
    );
    let id = opened["id"].as_str().unwrap_or_default();
    let closed = run(&["requests", "close", id]).await?;
    ensure!(closed.code == 0 && closed.out.contains("closed at"), "{closed:?}");
    let shown = run(&["datasets", "show", "fu-ma"]).await?;
    ensure!(
        shown.code == 0 && shown.out.contains("36 images, 1 class,"),
        "{shown:?}"
    );

    let clone_id = story.clone.job.id.to_string();
    let watched = run(&["jobs", "watch", &clone_id, "--json"]).await?;
    let result = unproven(&watched)?;
    ensure!(result == story.clone, "the same answer as the API's");
    let baseline_model = story
        .baseline
        .job
        .model
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let one_line = [
        "jobs",
        "clone",
        "--baseline",
        &baseline_model,
        "--dataset",
        "fu-ma",
        "--policy",
        "pilot",
    ];
    let args: Vec<&str> = one_line
        .iter()
        .copied()
        .chain(["--start", "--watch", "--json"])
        .collect();
    let result = unproven(&run(&args).await?)?;
    ensure!(
        result.job.stage_times.len() == 6,
        "the time of each stage: {:?}",
        result.job.stage_times
    );

    let report = run(&["models", "report", &clone_id]).await?;
    for word in ["fu-ma (new)", "none (reject)", "recall before", "verdict: unproven"] {
        ensure!(report.code == 0 && report.out.contains(word), "{word}: {report:?}");
    }
    let raw = run(&["models", "report", "latest", "--json"]).await?;
    ensure!(raw.json()?["format"] == 1, "{raw:?}");

    fails(&rehead, rest).await?;
    gate(&rehead, rest, &nowhere, &story.clone.job.id.0).await?;
    Ok(Done::Passed)
}

fn unproven(said: &Said) -> Result<JobResult> {
    ensure!(said.code == 11, "unproven is 11: {said:?}");
    let result: JobResult = serde_json::from_str(&said.out).with_context(|| format!("{said:?}"))?;
    let state = result.verdict.as_ref().map(|verdict| verdict.state);
    ensure!(state == Some(VerdictState::Unproven), "{state:?}");
    Ok(result)
}

/// More pictures of an old class under a new name: no offset serves both, so the gate must show harm or a useless class.
async fn fails(rehead: &std::path::Path, rest: &Rest) -> Result<()> {
    let twin = |mut photo: Photo| {
        photo.name = photo.name.replace("/xi/", "/xi-twin/");
        photo
    };
    let few = Few {
        train: 12,
        calibration: 10,
        sealed: 60,
    };
    let photos = photos::few("baseline.zip", few, 16)?;
    let photos: Vec<Photo> = photos
        .into_iter()
        .filter(|photo| photo.class == "xi")
        .map(twin)
        .collect();
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("twin.zip");
    photos::write_zip(&path, &photos)?;
    let path = path.display().to_string();
    let said = binary::run(rehead, rest, &["datasets", "upload", "twin", &path, "--create"]).await?;
    ensure!(said.code == 0 && said.out.contains("xi-twin"), "{said:?}");
    let args = [
        "jobs",
        "clone",
        "--baseline",
        "production",
        "--dataset",
        "twin",
        "--policy",
        "pilot",
        "--start",
        "--watch",
    ];
    let said = binary::run(rehead, rest, &args).await?;
    ensure!(
        said.code == 10 && said.out.contains("verdict: fail"),
        "fail is 10: {said:?}"
    );
    for stage in ["fetch", "extract", "train", "evaluate", "gate", "package"] {
        let line = said.out.lines().find(|line| line.trim_start().starts_with(stage));
        ensure!(
            line.is_some_and(|line| line.ends_with(" s") || line.ends_with(" ms")),
            "the time of {stage}: {said:?}"
        );
    }
    Ok(())
}
