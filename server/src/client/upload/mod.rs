//! Uploads: find the photos, hash them, ask which are missing, send only those, make a version.
//!
//! Nothing is kept on the client between runs: what the server has, it names, so an upload that broke off is resumed by
//! repeating it.

mod archive;
mod collect;
mod hash;
mod send;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use domain::api::{LeftOut, NewDatasetVersion, NewItem};
use domain::dataset::{Dataset, DatasetVersion};
use domain::ids::Digest;
use domain::layout;
use domain::names::DatasetName;
use serde::Serialize;

use super::api::Api;
use super::datasets::{self, Upload};
use super::error::ClientError;
use super::output::{Output, bytes, count};

/// What an upload did, as `--json` tells it.
#[derive(Debug, Serialize)]
struct Summary {
    /// The version that was made.
    version: DatasetVersion,
    /// Photos found.
    n_photos: usize,
    /// Of those, how many the server had already.
    n_known: usize,
    /// How many were sent.
    n_sent: usize,
    /// Their bytes.
    sent_bytes: u64,
    /// Files that are no photos and were not looked at: lists, notes, hidden files.
    n_skipped: usize,
    /// Photos that could not be used, and why.
    left_out: Vec<LeftOut>,
}

/// Runs an upload to its end.
pub(super) async fn run(options: Upload, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let dataset = find_or_create(&options, api, output).await?;
    let collected = collect::collect(&options)?;
    let n_photos = collected.photos.len();
    let n_skipped = collected.n_skipped;
    let mut left_out = collected.left_out;

    let photos = Arc::new(collected.photos);
    let hashes = hash::all(&photos, output).await;
    let mut found: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    for (idx, hashed) in hashes.into_iter().enumerate() {
        match hashed {
            Ok(digest) => found.entry(digest).or_default().push(idx),
            Err(reason) => left_out.push(LeftOut {
                name: photos[idx].name.clone(),
                reason,
            }),
        }
    }

    let missing = send::missing(api, found.keys().copied().collect()).await?;
    let n_known = found.len() - missing.len();
    let sent = send::all(api, &photos, &found, &missing, output).await?;
    for (digest, reason) in &sent.refused {
        let refused = found.remove(digest).unwrap_or_default();
        left_out.extend(refused.into_iter().map(|idx| LeftOut {
            name: photos[idx].name.clone(),
            reason: reason.clone(),
        }));
    }
    for file in &mut left_out {
        file.name = layout::shown(&file.name);
    }
    left_out.sort_by(|a, b| a.name.cmp(&b.name));
    report_left_out(&left_out, output);
    if found.is_empty() {
        let reason = match left_out.len() {
            0 => "no photo was found there".to_owned(),
            n => format!("{} looked at and none could be used", count(n, "file")),
        };
        return Err(ClientError::NothingUploaded { reason });
    }

    // In the order they were found, so that the server's findings read like the folder.
    let mut order: Vec<(usize, Digest)> = found
        .iter()
        .flat_map(|(digest, idxs)| idxs.iter().map(|idx| (*idx, *digest)))
        .collect();
    order.sort_unstable();
    let item = |(idx, image): (usize, Digest)| NewItem {
        image,
        class: photos[idx].class.clone(),
        split: photos[idx].split,
        name: layout::shown(&photos[idx].name),
    };
    let body = NewDatasetVersion {
        items: order.into_iter().map(item).collect(),
        proof_only: options.proof_only,
        left_out: left_out.clone(),
    };
    output.progress(|| "making the version …".to_owned());
    let version: DatasetVersion = api.post(&["datasets", &dataset, "versions"], &body).await?;
    output.clear_progress();

    let summary = Summary {
        version,
        n_photos,
        n_known,
        n_sent: sent.n_sent,
        sent_bytes: sent.sent_bytes,
        n_skipped,
        left_out,
    };
    if output.json {
        output.document(&summary);
    } else {
        output.line(&format!(
            "{}: {} sent ({}), {} already there, {} left out",
            count(summary.n_photos, "photo"),
            summary.n_sent,
            bytes(summary.sent_bytes),
            summary.n_known,
            summary.left_out.len()
        ));
        datasets::describe(&summary.version, output);
    }
    Ok(ExitCode::SUCCESS)
}

async fn find_or_create(options: &Upload, api: &Api, output: &Output) -> Result<String, ClientError> {
    if let Some(dataset) = api.find::<Dataset>(&["datasets", &options.dataset]).await? {
        return Ok(dataset.id.to_string());
    }
    let name = &options.dataset;
    if !options.create {
        return Err(ClientError::NotFound(format!(
            "there is no dataset {name:?} in project {}; add --create to make it",
            api.project()
        )));
    }
    let name = DatasetName::new(name.as_str()).map_err(|error| ClientError::Usage(error.to_string()))?;
    let dataset = datasets::create(api, name, options.request.clone()).await?;
    output.note(&format!("dataset {} made", dataset.name));
    Ok(dataset.id.to_string())
}

/// As many lines as a person reads; `--json` has them all.
const MAX_LINES: usize = 20;

fn report_left_out(left_out: &[LeftOut], output: &Output) {
    for file in left_out.iter().take(MAX_LINES) {
        output.note(&format!("left out {}: {}", file.name, file.reason));
    }
    if left_out.len() > MAX_LINES {
        output.note(&format!("and {} more left out", left_out.len() - MAX_LINES));
    }
}
