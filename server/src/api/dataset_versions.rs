//! Making a dataset version: near-duplicate groups over the upload, splits that stay put, findings.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::{NewDatasetVersion, NewItem};
use domain::dataset::{Dataset, DatasetRow, DatasetVersion, Finding, FindingKind, Split, count_classes, rows_digest};
use domain::ids::{DatasetVersionId, Digest, ProjectId};
use domain::split::{Incoming, assign};
use trainer::images::{PerceptualHash, group_near_duplicates};

use super::datasets::find;
use super::{InProject, project};
use crate::auth::caller::Caller;
use crate::db;
use crate::db::images::ImageRow;
use crate::error::{ApiError, shortened};
use crate::ids::new_id;
use crate::state::AppState;

/// Most images in one call.
const MAX_ITEMS: usize = 200_000;
/// Fewer images of a class than this in a split are worth a word.
const FEW: i64 = 10;
/// How often an upload decides anew because another server of this project was faster.
const TRIES: usize = 8;

/// Add images to a dataset: makes its next version. What is left out, moved or doubtful is listed in the version's
/// findings. Where nothing changes, the latest version is the answer.
#[utoipa::path(post, path = "/datasets/{dataset}/versions", tag = "datasets",
    params(("dataset" = String, Path), InProject), request_body = NewDatasetVersion,
    responses((status = 201, body = DatasetVersion), (status = 200, body = DatasetVersion, description = "Nothing new"),
        (status = 422)))]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Path(dataset): Path<String>,
    Query(query): Query<InProject>,
    Json(new): Json<NewDatasetVersion>,
) -> Result<(StatusCode, Json<DatasetVersion>), ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    let dataset = find(&state, &project.id, &dataset).await?;
    check(&new)?;
    // Uploads of this process take turns; those of others are found out by the database.
    let _turn = state.placing.lock().await;
    for _ in 0..TRIES {
        let n_seen = db::projects::n_versions(&state.db, &project.id).await?;
        let stored = stored(&state, &project.id, &new.items).await?;
        let known = db::images::assigned(&state.db, &project.id).await?;
        let latest = db::datasets::latest(&state.db, &dataset.id).await?;
        let before = match &latest {
            Some(version) => db::datasets::rows(&state.db, &version.id).await?,
            None => Vec::new(),
        };
        let upload = new.clone();
        let (added, findings) = state.blocking(move || place(&upload, &stored, &known)).await?;
        let version = next(&state, &dataset, latest.as_ref(), &before, &added, findings, &new)?;
        if latest.as_ref().is_some_and(|latest| latest.digest == version.0.digest) {
            let latest = latest.unwrap_or(version.0);
            return Ok((StatusCode::OK, Json(latest)));
        }
        if db::datasets::insert_version(&state.db, &project.id, n_seen, &version.0, &version.1).await? {
            return Ok((StatusCode::CREATED, Json(version.0)));
        }
        tracing::info!(dataset = %dataset.id, "another upload was faster; deciding anew");
    }
    Err(ApiError::conflict(
        "other uploads to this dataset kept getting ahead; try again in a moment",
    ))
}

fn check(new: &NewDatasetVersion) -> Result<(), ApiError> {
    if new.items.is_empty() {
        return Err(ApiError::invalid("there is no image to add"));
    }
    if new.items.len() > MAX_ITEMS {
        return Err(ApiError::invalid(format!(
            "at most {MAX_ITEMS} images a call, got {}; send them in parts",
            new.items.len()
        )));
    }
    // A file's name is only shown, never opened, but it is shown to people.
    let names = new
        .items
        .iter()
        .map(|item| &item.name)
        .chain(new.left_out.iter().map(|file| &file.name));
    for name in names {
        if name.chars().count() > 1000 || name.chars().any(char::is_control) {
            return Err(ApiError::invalid(format!(
                "a file's name has at most 1000 characters and no control characters, got {:?}",
                shortened(name)
            )));
        }
    }
    match new.items.iter().find(|item| leaves_its_folder(&item.name)) {
        None => Ok(()),
        Some(item) => Err(ApiError::invalid(format!(
            "a file's name is a path below the folder that was uploaded, got {:?}",
            shortened(&item.name)
        ))),
    }
}

/// Such a name is never opened here, but whoever exports a dataset would write to it.
fn leaves_its_folder(name: &str) -> bool {
    name.starts_with('/') || name.contains('\\') || name.split('/').any(|part| part == "..")
}

/// The images of the upload as they are stored; all must be.
async fn stored(
    state: &AppState,
    project: &ProjectId,
    items: &[NewItem],
) -> Result<BTreeMap<Digest, ImageRow>, ApiError> {
    let digests: Vec<Digest> = items.iter().map(|item| item.image).collect();
    let rows = db::images::many(&state.db, project, &digests).await?;
    let stored: BTreeMap<Digest, ImageRow> = rows.into_iter().map(|row| (row.image.digest, row)).collect();
    let missing: Vec<&NewItem> = items.iter().filter(|item| !stored.contains_key(&item.image)).collect();
    match missing.first() {
        None => Ok(stored),
        Some(first) => Err(ApiError::invalid(format!(
            "{} of {} images were not uploaded, the first is {} ({:?}); PUT each to /api/v1/images/DIGEST first",
            missing.len(),
            items.len(),
            first.image,
            shortened(&first.name)
        ))),
    }
}

/// Rows and findings of the upload alone.
fn place(
    new: &NewDatasetVersion,
    stored: &BTreeMap<Digest, ImageRow>,
    known: &[ImageRow],
) -> Result<(Vec<DatasetRow>, Vec<Finding>), ApiError> {
    let hash = |row: &ImageRow| row.hash.parse::<PerceptualHash>().map_err(ApiError::internal);
    let mut known_hashes = Vec::with_capacity(known.len());
    let mut known_splits = Vec::with_capacity(known.len());
    for row in known {
        if let (Some(group), Some(split)) = (row.group, row.split) {
            known_hashes.push((group, hash(row)?));
            known_splits.push(split);
        }
    }
    let mut fresh = Vec::new();
    for (digest, row) in stored.iter().filter(|(_, row)| row.split.is_none()) {
        fresh.push((*digest, hash(row)?));
    }
    let grouped = group_near_duplicates(&fresh, &known_hashes);
    let groups: BTreeMap<Digest, (Digest, Vec<Split>)> = fresh
        .iter()
        .zip(grouped)
        .map(|((image, _), grouped)| {
            let near = grouped.known.iter().map(|index| known_splits[*index]).collect();
            (*image, (grouped.group, near))
        })
        .collect();
    let incoming = new.items.iter().map(|item| {
        let row = &stored[&item.image];
        let (group, near) = groups.get(&item.image).cloned().unwrap_or((item.image, Vec::new()));
        Incoming {
            image: item.image,
            class: item.class.clone(),
            folder: item.split,
            name: item.name.clone(),
            assigned: row.split.zip(row.group),
            group,
            near,
        }
    });
    Ok(assign(&incoming.collect::<Vec<_>>(), new.proof_only))
}

/// The next version: the latest rows, and over them the new ones.
fn next(
    state: &AppState,
    dataset: &Dataset,
    latest: Option<&DatasetVersion>,
    before: &[DatasetRow],
    added: &[DatasetRow],
    mut findings: Vec<Finding>,
    new: &NewDatasetVersion,
) -> Result<(DatasetVersion, Vec<DatasetRow>), ApiError> {
    if added.is_empty() {
        let why = findings.first().map_or("", |finding| finding.message.as_str());
        return Err(ApiError::invalid(format!(
            "none of the {} images can be added; {why}",
            new.items.len()
        )));
    }
    let mut rows: BTreeMap<Digest, DatasetRow> = before.iter().map(|row| (row.image, row.clone())).collect();
    for row in added {
        if let Some(old) = rows.insert(row.image, row.clone())
            && old.class != row.class
        {
            findings.push(Finding {
                kind: FindingKind::Relabelled,
                name: String::new(),
                image: Some(row.image),
                message: format!(
                    "was {} in version {}, is {} now",
                    old.class,
                    before_number(latest),
                    row.class
                ),
            });
        }
    }
    let rows: Vec<DatasetRow> = rows.into_values().collect();
    let classes = count_classes(&rows);
    findings.extend(new.left_out.iter().map(|file| Finding {
        kind: FindingKind::Undecodable,
        name: file.name.clone(),
        image: None,
        message: file.reason.chars().take(300).collect(),
    }));
    for count in &classes {
        let splits = [
            ("train", count.train),
            ("calibration", count.calibration),
            ("sealed", count.sealed),
        ];
        let few = splits
            .iter()
            .filter(|(_, n)| *n < FEW)
            .map(|(split, n)| format!("{n} in {split}"));
        let few: Vec<String> = few.collect();
        if !few.is_empty() {
            findings.push(Finding {
                kind: FindingKind::TooFew,
                name: String::new(),
                image: None,
                message: format!(
                    "{} has only {}; {FEW} or more in each split are advised",
                    count.class,
                    few.join(", ")
                ),
            });
        }
    }
    findings.sort();
    let n_images = i64::try_from(rows.len()).map_err(ApiError::internal)?;
    let version = DatasetVersion {
        id: DatasetVersionId(new_id(&state.clock)),
        dataset: dataset.id.clone(),
        dataset_name: dataset.name.clone(),
        number: before_number(latest) + 1,
        digest: rows_digest(&rows),
        n_images,
        classes,
        findings,
        created_us: state.clock.now_us(),
    };
    Ok((version, rows))
}

fn before_number(latest: Option<&DatasetVersion>) -> i64 {
    latest.map_or(0, |version| version.number)
}
