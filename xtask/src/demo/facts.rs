//! What the demo reads from the command line's JSON.

use std::fmt::Write;

use color_eyre::eyre::{Result, eyre};
use serde_json::Value;

/// The gate's word and its sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict<'a> {
    /// `pass`, `fail` or `unproven`.
    pub(super) word: &'a str,
    /// Why.
    pub(super) sentence: &'a str,
}

/// The verdict of a watched job.
///
/// # Errors
/// It made none; its own error, where it told one.
pub(super) fn verdict(result: &Value) -> Result<Verdict<'_>> {
    let verdict = &result["job"]["verdict"];
    match (verdict["state"].as_str(), verdict["sentence"].as_str()) {
        (Some(word), Some(sentence)) => Ok(Verdict { word, sentence }),
        _ => {
            let error = result["job"]["error"].as_str().unwrap_or("it says no more");
            Err(eyre!("the job ended without a verdict: {error}"))
        }
    }
}

/// The times of a job's stages, one a line, and their sum.
pub(super) fn stage_table(result: &Value) -> String {
    let mut table = String::new();
    let mut sum_ms = 0;
    for time in array(&result["job"]["stage_times"]) {
        let duration_ms = time["duration_ms"].as_i64().unwrap_or(0);
        sum_ms += duration_ms;
        line(&mut table, time["stage"].as_str().unwrap_or("?"), duration_ms);
    }
    line(&mut table, "together", sum_ms);
    table
}

fn line(table: &mut String, name: &str, duration_ms: i64) {
    let sign = if duration_ms < 0 { "-" } else { "" };
    let (s, ms) = (duration_ms.abs() / 1_000, duration_ms.abs() % 1_000);
    writeln!(table, "   {name:<10}{sign}{s:>6}.{ms:03} s").expect("a string takes every write");
}

/// One line about a job that ended.
pub(super) fn describe_job(result: &Value) -> Result<String> {
    let job = id(&result["job"]).ok_or_else(|| eyre!("the result names no job"))?;
    let verdict = verdict(result)?;
    let model = model(result).unwrap_or("none");
    Ok(format!("job {job}, model {model}, verdict {}", verdict.word))
}

/// The model that a watched job made.
pub(super) fn model(result: &Value) -> Option<&str> {
    result["job"]["model"].as_str()
}

/// The id of a resource.
pub(super) fn id(resource: &Value) -> Option<&str> {
    resource["id"].as_str()
}

/// The resource of that name in a list.
pub(super) fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    array(list).iter().find(|item| item["name"] == name)
}

/// A dataset's newest version, where anything was uploaded.
pub(super) fn latest(dataset: &Value) -> Option<&Value> {
    dataset.get("latest").filter(|version| !version.is_null())
}

/// One line about a dataset's version.
pub(super) fn describe_version(version: &Value) -> String {
    let n_classes = array(&version["classes"]).len();
    format!("{} photos of {n_classes} classes", version["n_images"])
}

/// The model of the newest cold job that passed.
pub(super) fn baseline_model(jobs: &Value) -> Option<&str> {
    array(jobs)
        .iter()
        .filter(|job| {
            job["spec"]["baseline"].is_null() && job["state"] == "succeeded" && job["verdict"]["state"] == "pass"
        })
        .max_by_key(|job| job["created_us"].as_i64())
        .and_then(|job| job["model"].as_str())
}

/// The model that a channel points at, from its log.
pub(super) fn live(releases: &Value) -> Option<&str> {
    array(releases)
        .iter()
        .max_by_key(|release| release["number"].as_i64())
        .and_then(|release| release["model"].as_str())
}

/// The id of an open rapid response with that title.
pub(super) fn open_request<'a>(requests: &'a Value, title: &str) -> Option<&'a str> {
    array(requests)
        .iter()
        .find(|request| request["title"] == title && request["closed_us"].is_null())
        .and_then(id)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_told() {
        let result = json!({"job": {
            "id": "j1", "model": "m1", "error": null,
            "verdict": {"state": "pass", "sentence": "Nothing old is lost.", "structural_failure": false},
            "stage_times": [{"stage": "extract", "duration_ms": 12_034}, {"stage": "gate", "duration_ms": 7}]
        }});
        assert_eq!(verdict(&result).unwrap().word, "pass");
        assert_eq!(describe_job(&result).unwrap(), "job j1, model m1, verdict pass");
        let table = stage_table(&result);
        let lines: Vec<&str> = table.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "extract       12.034 s",
                "gate           0.007 s",
                "together      12.041 s"
            ]
        );
    }

    #[test]
    fn a_job_without_a_verdict_tells_its_own_error() {
        let result = json!({"job": {"id": "j1", "verdict": null, "error": "no training images of class fu"}});
        let text = verdict(&result).unwrap_err().to_string();
        assert!(text.contains("no training images of class fu"), "{text}");
    }

    #[test]
    fn what_exists_is_found_in_the_lists() {
        let datasets = json!([
            {"name": "empty", "latest": null},
            {"name": "lucky", "latest": {"n_images": 1920, "classes": [{}, {}]}}
        ]);
        assert!(named(&datasets, "empty").and_then(latest).is_none());
        let version = named(&datasets, "lucky").and_then(latest).unwrap();
        assert_eq!(describe_version(version), "1920 photos of 2 classes");
        assert!(named(&datasets, "fu-ma").is_none());

        let job = |baseline: Option<&str>, state: &str, verdict: &str, created_us: i64, model: &str| json!({"spec": {"baseline": baseline}, "state": state, "verdict": {"state": verdict}, "created_us": created_us, "model": model});
        let jobs = json!([
            job(Some("m1"), "succeeded", "pass", 9, "clone"),
            job(None, "succeeded", "pass", 2, "older"),
            job(None, "succeeded", "pass", 3, "newest"),
            job(None, "succeeded", "fail", 5, "failed"),
            job(None, "running", "pass", 6, "running")
        ]);
        assert_eq!(baseline_model(&jobs), Some("newest"));
        assert_eq!(baseline_model(&json!([])), None);

        let releases = json!([{"number": 2, "model": "b"}, {"number": 3, "model": "a"}, {"number": 1, "model": "a"}]);
        assert_eq!(live(&releases), Some("a"));
        assert_eq!(live(&json!([])), None);

        let requests = json!([
            {"id": "r1", "title": "t", "closed_us": 5},
            {"id": "r2", "title": "t", "closed_us": null},
            {"id": "r3", "title": "other", "closed_us": null}
        ]);
        assert_eq!(open_request(&requests, "t"), Some("r2"));
    }
}
