//! Every number of the report, recomputed by scikit-learn and scipy from the exported head and features; and the gate's
//! verdicts on worlds whose truth is known.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use color_eyre::eyre::{OptionExt, Result, ensure};
use domain::api::JobResult;
use domain::gate::verdict::VerdictState;
use domain::report::EvaluationReport;
use reqwest::Method;
use serde_json::{Value, json};

use super::Done;
use crate::binary;
use crate::world::{FullSize, World};

/// Thresholds at which the report is asked for again.
const TAUS: [&str; 5] = ["0.5", "0.72", "0.9", "0.95", "0.999"];

/// Ten places of the dial.
const PLACES: &str = "-20,-6.3,-2.1,-0.9,0,0.7,1.6,3.3,7.2,25";

pub(super) async fn recompute(world: Arc<World>) -> Result<Done> {
    let full = world.full_size().await?;
    let rehead = world.binary().await?;
    let dir = tempfile::tempdir()?;
    let mut exported = Vec::new();
    let others = others(full).await?;
    let told = [("baseline", &full.baseline), ("clone", &full.clone)];
    for (name, result) in told
        .into_iter()
        .chain(others.iter().map(|(name, result)| (*name, result)))
    {
        let out = dir.path().join(name);
        let (job, path) = (result.job.id.to_string(), out.display().to_string());
        let args = ["models", "export", &job, "--out", &path, "--features"];
        let said = binary::run(&rehead, &full.node.rest, &args).await?;
        ensure!(said.code == 0, "{said:?}");
        for file in [
            "head.safetensors",
            "manifest.json",
            "report.json",
            "metrics.json",
            "scores.json",
            "verdict.json",
            "features.safetensors",
        ] {
            ensure!(out.join(file).is_file(), "{file} was not exported: {said:?}");
        }
        ensure!(
            out.join("baseline/head.safetensors").is_file() == (name != "baseline"),
            "{said:?}"
        );
        let model = result.job.model.as_ref().ok_or_eyre("the job made no model")?;
        for tau in TAUS {
            let again = full
                .node
                .rest
                .bytes(&format!("/models/{model}/report?tau={tau}"))
                .await?;
            std::fs::write(out.join(format!("report-{tau}.json")), again)?;
        }
        let rest = &full.node.rest;
        if name != "baseline" {
            let dial = rest.bytes(&format!("/models/{model}/dial?offsets={PLACES}")).await?;
            std::fs::write(out.join("dial.json"), dial)?;
        } else {
            rest.refused(rest.request(Method::GET, &format!("/models/{model}/dial")), 422)
                .await?;
        }
        for query in ["?", "?tau=0.72&"] {
            let whole: Value = rest.get(&format!("/models/{model}/report{query}")).await?;
            let cut: Value = rest
                .get(&format!("/models/{model}/report{query}only=candidate"))
                .await?;
            let same = ["format", "classes", "sealed", "training", "candidate", "structural"]
                .iter()
                .all(|part| !whole[part].is_null() && whole[part] == cut[part]);
            ensure!(
                same,
                "{query}: the candidate alone is not what the whole report says of it"
            );
            ensure!(
                cut["baseline"].is_null() && cut["comparison"].is_null(),
                "{query}: more than asked for"
            );
        }
        exported.push(out);
    }
    for out in exported {
        if let Done::Skipped(why) = python("recompute.py", &[out.as_os_str()]).await? {
            return Ok(Done::Skipped(why));
        }
    }
    Ok(Done::Passed)
}

/// Another new class on the same baseline, and both at once: growth only where an append allows it, all proven.
async fn others(full: &FullSize) -> Result<Vec<(&'static str, JobResult)>> {
    let rest = &full.node.rest;
    let mut results = Vec::new();
    for (name, datasets) in [("merchant", &["fu-merchant"][..]), ("both", &["fu-ma", "fu-merchant"])] {
        let body = json!({
            "baseline": full.baseline.job.model, "datasets": datasets, "policy": "pilot", "start": true,
        });
        let (result, _) = rest.run_job(&body).await?;
        let verdict = result.verdict.as_ref().ok_or_eyre("no verdict")?;
        ensure!(verdict.state == VerdictState::Pass, "{name}: {}", verdict.sentence);
        let model = result.job.model.as_ref().ok_or_eyre("no model")?;
        let report: EvaluationReport = rest.get(&format!("/models/{model}/report")).await?;
        ensure!(
            report
                .comparison
                .as_ref()
                .is_some_and(|comparison| comparison.n_forbidden == 0),
            "{name}: answers moved between old classes"
        );
        results.push((name, result));
    }
    Ok(results)
}

/// Worlds with a known truth through `rehead gate simulate`.
pub(super) async fn worlds(world: Arc<World>) -> Result<Done> {
    let rehead = world.binary().await?;
    let dir = tempfile::tempdir()?;
    python("worlds.py", &[rehead.as_os_str(), dir.path().as_os_str()]).await
}

/// Runs a script of `tests/crosscheck` with other people's tools.
pub(super) async fn python(script: &str, args: &[&OsStr]) -> Result<Done> {
    let Some(python) = std::env::var_os("REHEAD_CROSSCHECK_PYTHON") else {
        return Ok(Done::Skipped(
            "REHEAD_CROSSCHECK_PYTHON names no Python with numpy, scipy, scikit-learn and statsmodels".to_owned(),
        ));
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crosscheck").join(script);
    let said = tokio::process::Command::new(&python)
        .arg(&path)
        .args(args)
        .output()
        .await?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    ensure!(said.status.success(), "{script}: {text}");
    Ok(Done::Passed)
}
