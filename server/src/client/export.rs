//! Writes a model's files into a folder, each checked against the digest that the model names.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::ids::{Digest, ModelId};
use domain::model::{Model, ModelManifest};
use serde::Serialize;

use super::api::Api;
use super::error::ClientError;
use super::output::{Output, bytes};

/// What was written, as `--json` tells it.
#[derive(Debug, Serialize)]
struct Summary {
    /// The model.
    model: ModelId,
    /// The files, by their paths.
    files: Vec<Written>,
}

#[derive(Debug, Serialize)]
struct Written {
    path: PathBuf,
    size_bytes: u64,
    digest: Digest,
}

/// The name of the manifest, which names the digests of all others and is itself named by the model.
const MANIFEST: &str = "manifest.json";

/// Runs an export to its end.
pub(super) async fn run(
    model: &Model,
    out: &Path,
    features: bool,
    api: &Api,
    output: &Output,
) -> Result<(), ClientError> {
    let mut files = one(model, out, api).await?;
    if let Some(baseline) = &model.baseline {
        let baseline: Model = api.get(&["models", &baseline.0], &[]).await?;
        files.extend(one(&baseline, &out.join("baseline"), api).await?);
    }
    if features {
        let content = api
            .get_bytes(&["models", &model.id.0, "features"], &[("split", "all")])
            .await?;
        files.push(write(out, "features.safetensors", &content).await?);
    }
    if output.json {
        output.document(&Summary {
            model: model.id.clone(),
            files,
        });
        return Ok(());
    }
    for file in &files {
        output.line(&format!(
            "{} ({}, {})",
            file.path.display(),
            bytes(file.size_bytes),
            file.digest.short()
        ));
    }
    Ok(())
}

async fn one(model: &Model, out: &Path, api: &Api) -> Result<Vec<Written>, ClientError> {
    let manifest_bytes = fetch(model, MANIFEST, &model.digest, api).await?;
    let manifest: ModelManifest = serde_json::from_slice(&manifest_bytes).map_err(|error| ClientError::Answer {
        url: format!("{}/api/v1/models/{}/files/{MANIFEST}", api.server(), model.id),
        reason: error.to_string(),
    })?;
    let mut written = vec![write(out, MANIFEST, &manifest_bytes).await?];
    // The manifest's own list is the one that a signature would cover; the server may name more files beside it.
    let mut wanted = manifest.files;
    for file in &model.files {
        if file.name != MANIFEST && wanted.iter().all(|known| known.name != file.name) {
            wanted.push(file.clone());
        }
    }
    for file in wanted {
        let content = fetch(model, &file.name, &file.digest, api).await?;
        written.push(write(out, &file.name, &content).await?);
    }
    Ok(written)
}

async fn fetch(model: &Model, name: &str, expected: &Digest, api: &Api) -> Result<Bytes, ClientError> {
    let content = api.get_bytes(&["models", &model.id.0, "files", name], &[]).await?;
    let got = Digest::of(&content);
    if got == *expected {
        return Ok(content);
    }
    Err(ClientError::Damaged {
        name: name.to_owned(),
        expected: expected.to_string(),
        got: got.to_string(),
    })
}

/// Writes beside the name and then moves, so that a folder never holds half a file.
async fn write(out: &Path, name: &str, content: &[u8]) -> Result<Written, ClientError> {
    if !is_plain(name) {
        return Err(ClientError::Answer {
            url: name.to_owned(),
            reason: "a model's file has a name that is no plain file name".to_owned(),
        });
    }
    let path = out.join(name);
    let failed = |error: std::io::Error| ClientError::File {
        action: "write",
        path: path.clone(),
        reason: error.to_string(),
    };
    let partial = out.join(format!(".{name}.part"));
    tokio::fs::create_dir_all(out).await.map_err(failed)?;
    tokio::fs::write(&partial, content).await.map_err(failed)?;
    tokio::fs::rename(&partial, &path).await.map_err(failed)?;
    Ok(Written {
        size_bytes: content.len() as u64,
        digest: Digest::of(content),
        path,
    })
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_cannot_write_outside_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../x", "/etc/x", "a/b", ".x", "", "a\\b"] {
            assert!(write(dir.path(), name, b"x").await.is_err(), "{name:?}");
        }
        let written = write(&dir.path().join("new"), "head.safetensors", b"x").await.unwrap();
        assert_eq!(std::fs::read(&written.path).unwrap(), b"x");
        assert_eq!(
            std::fs::read_dir(dir.path().join("new")).unwrap().count(),
            1,
            "no half file is left"
        );
    }
}
