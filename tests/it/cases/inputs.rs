//! Bad inputs: each is refused with a clear problem, and nothing of it stays.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use color_eyre::eyre::{Context, Result, ensure};
use domain::api::MissingImages;
use domain::dataset::Dataset;
use domain::ids::Digest;
use reqwest::Method;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::Done;
use crate::binary;
use crate::photos::{self, Few};
use crate::world::World;

pub(super) async fn images(world: Arc<World>) -> Result<Done> {
    let node = &world.story().await?.node;
    let rest = &node.rest;
    let photo = photos::few(
        "fu-merchant.zip",
        Few {
            train: 1,
            calibration: 0,
            sealed: 0,
        },
        0,
    )?
    .remove(0)
    .bytes;
    let truncated = photo[..photo.len() / 2].to_vec();
    let cases: [(&str, Vec<u8>); 6] = [
        ("not an image", b"this is a letter to the editor".to_vec()),
        ("zero bytes", Vec::new()),
        ("a truncated JPEG", truncated),
        ("65,535 x 65,535 by its header", photos::huge_header(&photo)),
        ("a JPEG's first bytes alone", photo[..3].to_vec()),
        (
            "an archive",
            b"PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec(),
        ),
    ];
    let before = files(&node.data)?;
    for (what, bytes) in cases {
        let digest = Digest::of(&bytes);
        let path = format!("/images/{digest}?project=main");
        let put = rest.request(Method::PUT, &path).body(bytes);
        rest.refused(put, 422).await.context(what)?;
        rest.refused(rest.request(Method::GET, &path), 404)
            .await
            .context(what)?;
        let body = json!({ "images": [digest] });
        let missing: MissingImages = rest.post("/images/missing", &body).await?;
        ensure!(missing.images == [digest], "{what}: the server must not have it");
    }
    let wrong = Digest::of(b"something else");
    let put = rest
        .request(Method::PUT, &format!("/images/{wrong}"))
        .body(photo.clone());
    rest.refused(put, 422).await.context("bytes of another digest")?;
    rest.refused(rest.request(Method::GET, &format!("/images/{wrong}")), 404)
        .await?;
    for no_digest in ["..%2F..%2Fetc%2Fpasswd", "abc", &"A".repeat(64)] {
        let put = rest
            .request(Method::PUT, &format!("/images/{no_digest}"))
            .body(photo.clone());
        let problem = rest.refused(put, 422).await.context(no_digest.to_owned())?;
        ensure!(problem.detail.contains("64"), "it says what a digest is: {problem:?}");
    }
    let after = files(&node.data)?;
    ensure!(
        before == after,
        "left behind: {:?}",
        after.difference(&before).collect::<Vec<_>>()
    );
    Ok(Done::Passed)
}

pub(super) async fn bodies(world: Arc<World>) -> Result<Done> {
    let node = &world.story().await?.node;
    let rest = &node.rest;
    let image = rest.put_image(photos::plain(7)).await?.digest;
    let dataset: Dataset = rest.post("/datasets", &json!({ "name": "empty" })).await?;
    let before = files(&node.data)?;
    let items = |item: Value| json!({ "items": [item] });
    let long = "x".repeat(10_000);
    let versions = "/datasets/empty/versions";
    let cases: Vec<(&str, &str, Value, u16)> = vec![
        (
            "a class that leaves its folder",
            versions,
            items(json!({ "image": image, "class": "../x" })),
            422,
        ),
        (
            "a class of 10,000 characters",
            versions,
            items(json!({ "image": image, "class": long })),
            422,
        ),
        (
            "a class named unknown",
            versions,
            items(json!({ "image": image, "class": "unknown" })),
            422,
        ),
        (
            "an image that is not stored",
            versions,
            items(json!({ "image": Digest::of(b"?"), "class": "fu" })),
            422,
        ),
        (
            "an image that is no digest",
            versions,
            items(json!({ "image": "../../etc/passwd", "class": "fu" })),
            422,
        ),
        (
            "a path as a file name",
            versions,
            items(json!({ "image": image, "class": "fu", "name": "../../etc/passwd" })),
            422,
        ),
        (
            "a file name of 10,000 characters",
            versions,
            items(json!({ "image": image, "class": "fu", "name": long })),
            422,
        ),
        (
            "a split that does not exist",
            versions,
            items(json!({ "image": image, "class": "fu", "split": "x" })),
            422,
        ),
        (
            "a field that does not exist",
            versions,
            json!({ "items": [], "surprise": 1 }),
            422,
        ),
        ("a version of nothing", versions, json!({ "items": [] }), 422),
        (
            "a dataset that leaves its folder",
            "/datasets",
            json!({ "name": "../x" }),
            422,
        ),
        ("a dataset twice", "/datasets", json!({ "name": "empty" }), 409),
        (
            "a project that does not exist",
            "/datasets",
            json!({ "name": "x", "project": "nowhere" }),
            404,
        ),
        ("a job of no dataset", "/jobs", json!({ "datasets": [] }), 422),
        (
            "a job of an unknown dataset",
            "/jobs",
            json!({ "datasets": ["nowhere"] }),
            404,
        ),
        (
            "a job of an unknown baseline",
            "/jobs",
            json!({ "datasets": ["fu-ma"], "baseline": "nowhere" }),
            404,
        ),
        (
            "a policy that does not exist",
            "/jobs",
            json!({ "datasets": ["lucky"], "policy": "lenient" }),
            422,
        ),
        (
            "a threshold of 2",
            "/jobs",
            json!({ "datasets": ["lucky"], "tau": 2.0 }),
            422,
        ),
        (
            "a deadline of an hour",
            "/jobs",
            json!({ "datasets": ["lucky"], "deadline_s": 3600 }),
            422,
        ),
        ("a response without a title", "/requests", json!({ "title": "" }), 422),
    ];
    for (what, path, body, status) in cases {
        let post = rest.request(Method::POST, path).json(&body);
        rest.refused(post, status).await.context(what)?;
    }
    let bad_json = rest
        .request(Method::POST, "/datasets")
        .header("content-type", "application/json")
        .body("{\"name\":");
    rest.refused(bad_json, 400).await.context("bad JSON")?;
    let no_json = rest.request(Method::POST, "/datasets").body("name=x");
    rest.refused(no_json, 415).await.context("no JSON")?;
    let (get, delete) = (Method::GET, Method::DELETE);
    let addresses = [
        ("an unknown route", get.clone(), "/nonsense", 404),
        ("an unknown job", get.clone(), "/jobs/nonsense", 404),
        (
            "an unknown model's file",
            get.clone(),
            "/models/nonsense/files/..%2F..%2Fetc%2Fpasswd",
            404,
        ),
        (
            "a dataset by a path",
            get.clone(),
            "/datasets/..%2F..%2Fetc%2Fpasswd",
            404,
        ),
        ("a method that is not there", delete, "/datasets", 405),
        ("a state that does not exist", get, "/jobs?state=lost", 400),
    ];
    for (what, method, path, status) in addresses {
        rest.refused(rest.request(method, path), status).await.context(what)?;
    }
    let dataset_after: Dataset = rest.get(&format!("/datasets/{}", dataset.id)).await?;
    ensure!(
        dataset_after.latest.is_none(),
        "a refused version leaves none behind: {dataset_after:?}"
    );
    let after = files(&node.data)?;
    ensure!(
        before == after,
        "left behind: {:?}",
        after.difference(&before).collect::<Vec<_>>()
    );
    Ok(Done::Passed)
}

pub(super) async fn archives(world: Arc<World>) -> Result<Done> {
    let node = &world.story().await?.node;
    let rehead = world.binary().await?;
    let dir = tempfile::tempdir()?;
    let mut photos = Few {
        train: 1,
        calibration: 0,
        sealed: 0,
    };
    photos.train = 1;
    let good = photos::few("fu-merchant.zip", photos, 5)?.remove(0);
    let mixed = dir.path().join("mixed.zip");
    let hostile = dir.path().join("hostile.zip");
    let zeros = vec![0_u8; 8 << 20];
    let bad: [(&str, &[u8]); 5] = [
        ("../../etc/passwd", &good.bytes),
        ("/etc/cron.d/x", &good.bytes),
        ("train/fu-merchant/letter.jpg", b"not an image"),
        ("train/fu-merchant/bomb.jpg", &zeros),
        ("train/fu-merchant/more.zip", b"PK\x05\x06"),
    ];
    write_zip(&mixed, &bad, Some(&good.bytes))?;
    write_zip(&hostile, &bad, None)?;

    let upload = |path: &Path, name: &str| {
        let (path, name) = (path.display().to_string(), name.to_owned());
        let (rehead, rest) = (rehead.clone(), node.rest.clone());
        async move {
            let args = ["datasets", "upload", &name, &path, "--create", "--json"];
            binary::run(&rehead, &rest, &args).await
        }
    };
    let said = upload(&mixed, "mixed").await?;
    ensure!(said.code == 0, "one photo could be used: {said:?}");
    let answer = said.json()?;
    ensure!(answer["version"]["n_images"] == 1, "{answer}");
    let left: BTreeSet<&str> = answer["left_out"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|file| file["name"].as_str())
        .collect();
    ensure!(
        left == bad.iter().map(|(name, _)| *name).collect(),
        "each is named: {answer}"
    );
    let findings = answer["version"]["findings"].as_array().map_or(0, Vec::len);
    ensure!(findings >= bad.len(), "the version remembers them: {answer}");

    let said = upload(&hostile, "hostile").await?;
    ensure!(said.code == 1 && said.out.is_empty(), "nothing could be used: {said:?}");
    let dataset: Dataset = node.rest.get("/datasets/hostile").await?;
    ensure!(dataset.latest.is_none(), "no version of nothing: {dataset:?}");
    ensure!(!Path::new("/etc/cron.d/x").exists());
    Ok(Done::Passed)
}

fn write_zip(path: &Path, entries: &[(&str, &[u8])], good: Option<&[u8]>) -> Result<()> {
    let mut zip = ZipWriter::new(std::fs::File::create(path)?);
    let good = good.map(|bytes| ("train/fu-merchant/good.jpg", bytes));
    for (name, bytes) in entries.iter().copied().chain(good) {
        zip.start_file(name, SimpleFileOptions::default())?;
        zip.write_all(bytes)?;
    }
    zip.finish()?;
    Ok(())
}

/// Every file of a server but its database.
fn files(data: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![data.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if !name.to_string_lossy().starts_with("rehead.db") {
                found.insert(entry.path());
            }
        }
    }
    Ok(found)
}
