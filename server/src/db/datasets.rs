//! Datasets and their immutable versions.

use domain::dataset::{Dataset, DatasetRow, DatasetVersion};
use domain::ids::{DatasetId, DatasetVersionId, ProjectId, RequestId};
use domain::names::DatasetName;
use serde_json::json;

use super::{Db, DbError, from_json, parse, records, to_json};

/// Makes an empty dataset; false where the name is taken in the project.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, dataset: &Dataset, request: Option<&RequestId>) -> Result<bool, DbError> {
    const SQL: &str = "INSERT INTO datasets (id, project, name, request, created_us) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (project, name) DO NOTHING";
    let n = on!(db, pool => sqlx::query(SQL)
        .bind(&dataset.id.0)
        .bind(&dataset.project.0)
        .bind(dataset.name.as_str())
        .bind(request.map(|id| &id.0))
        .bind(dataset.created_us)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(n == 1)
}

type Row = (String, String, String, i64);

async fn with_latest(db: &Db, (id, project, name, created_us): Row) -> Result<Dataset, DbError> {
    let id = DatasetId(id);
    let latest = latest(db, &id).await?;
    Ok(Dataset {
        id,
        project: ProjectId(project),
        name: parse("datasets.name", &name)?,
        created_us,
        latest,
    })
}

/// A dataset by its id.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, id: &DatasetId) -> Result<Option<Dataset>, DbError> {
    const SQL: &str = "SELECT id, project, name, created_us FROM datasets WHERE id = $1";
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_optional(pool).await)?;
    match row {
        Some(row) => with_latest(db, row).await.map(Some),
        None => Ok(None),
    }
}

/// A dataset by its name.
///
/// # Errors
/// The database says no.
pub async fn by_name(db: &Db, project: &ProjectId, name: &DatasetName) -> Result<Option<Dataset>, DbError> {
    const SQL: &str = "SELECT id, project, name, created_us FROM datasets WHERE project = $1 AND name = $2";
    let row: Option<Row> =
        on!(db, pool => sqlx::query_as(SQL).bind(&project.0).bind(name.as_str()).fetch_optional(pool).await)?;
    match row {
        Some(row) => with_latest(db, row).await.map(Some),
        None => Ok(None),
    }
}

/// All datasets of a project, by name.
///
/// # Errors
/// The database says no.
pub async fn list(db: &Db, project: &ProjectId) -> Result<Vec<Dataset>, DbError> {
    const SQL: &str = "SELECT id, project, name, created_us FROM datasets WHERE project = $1 ORDER BY name";
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&project.0).fetch_all(pool).await)?;
    let mut datasets = Vec::with_capacity(rows.len());
    for row in rows {
        datasets.push(with_latest(db, row).await?);
    }
    Ok(datasets)
}

type VersionRow = (String, String, String, i64, String, i64, String, String, i64);

fn dataset_version(row: VersionRow) -> Result<DatasetVersion, DbError> {
    let (id, dataset, name, number, digest, n_images, classes, findings, created_us) = row;
    Ok(DatasetVersion {
        id: DatasetVersionId(id),
        dataset: DatasetId(dataset),
        dataset_name: parse("datasets.name", &name)?,
        number,
        digest: parse("dataset_versions.digest", &digest)?,
        n_images,
        classes: from_json("dataset_versions.classes", &classes)?,
        findings: from_json("dataset_versions.findings", &findings)?,
        created_us,
    })
}

/// All versions of a dataset, oldest first.
///
/// # Errors
/// The database says no.
pub async fn versions(db: &Db, dataset: &DatasetId) -> Result<Vec<DatasetVersion>, DbError> {
    const SQL: &str = "SELECT v.id, v.dataset, d.name, v.number, v.digest, v.n_images, v.classes, v.findings, \
        v.created_us FROM dataset_versions v JOIN datasets d ON d.id = v.dataset WHERE v.dataset = $1 ORDER BY v.number";
    let rows: Vec<VersionRow> = on!(db, pool => sqlx::query_as(SQL).bind(&dataset.0).fetch_all(pool).await)?;
    rows.into_iter().map(dataset_version).collect()
}

/// The newest version of a dataset, if anything was uploaded yet.
///
/// # Errors
/// The database says no.
pub async fn latest(db: &Db, dataset: &DatasetId) -> Result<Option<DatasetVersion>, DbError> {
    const SQL: &str = "SELECT v.id, v.dataset, d.name, v.number, v.digest, v.n_images, v.classes, v.findings, \
        v.created_us FROM dataset_versions v JOIN datasets d ON d.id = v.dataset WHERE v.dataset = $1 \
        ORDER BY v.number DESC LIMIT 1";
    let row: Option<VersionRow> = on!(db, pool => sqlx::query_as(SQL).bind(&dataset.0).fetch_optional(pool).await)?;
    row.map(dataset_version).transpose()
}

/// A version by its id.
///
/// # Errors
/// The database says no.
pub async fn version(db: &Db, id: &DatasetVersionId) -> Result<Option<DatasetVersion>, DbError> {
    const SQL: &str = "SELECT v.id, v.dataset, d.name, v.number, v.digest, v.n_images, v.classes, v.findings, \
        v.created_us FROM dataset_versions v JOIN datasets d ON d.id = v.dataset WHERE v.id = $1";
    let row: Option<VersionRow> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_optional(pool).await)?;
    row.map(dataset_version).transpose()
}

/// The rows of a version, by image.
///
/// # Errors
/// The database says no.
pub async fn rows(db: &Db, version: &DatasetVersionId) -> Result<Vec<DatasetRow>, DbError> {
    const SQL: &str = "SELECT image, class, split, grp FROM dataset_rows WHERE version = $1 ORDER BY image";
    let rows: Vec<(String, String, String, String)> =
        on!(db, pool => sqlx::query_as(SQL).bind(&version.0).fetch_all(pool).await)?;
    let row = |(image, class, split, group): (String, String, String, String)| {
        Ok(DatasetRow {
            image: parse("dataset_rows.image", &image)?,
            class: parse("dataset_rows.class", &class)?,
            split: parse("dataset_rows.split", &split)?,
            group: parse("dataset_rows.grp", &group)?,
        })
    };
    rows.into_iter().map(row).collect()
}

/// Writes a version with its rows, and gives each image that has none yet its split and group.
///
/// Splits, groups and the version's number were decided from what the project held when it had made `n_seen` versions
/// ([`super::projects::n_versions`], read first). False, with nothing written, where it has made another one since: look
/// again and decide anew. Else two uploads at the same moment could put near-duplicates into different splits, or one
/// could take the other's rows away.
///
/// # Errors
/// The database says no.
pub async fn insert_version(
    db: &Db,
    project: &ProjectId,
    n_seen: i64,
    version: &DatasetVersion,
    rows: &[DatasetRow],
) -> Result<bool, DbError> {
    const UNCHANGED: &str = "UPDATE projects SET n_versions = n_versions + 1 WHERE id = $1 AND n_versions = $2";
    const VERSION: &str = "INSERT INTO dataset_versions \
        (id, project, dataset, number, digest, n_images, classes, findings, created_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    // Materialised, or SQLite reads the whole list anew for each image of the project.
    const ASSIGN: &str = "WITH new AS MATERIALIZED \
        (SELECT value ->> 'i' AS image, value ->> 's' AS split, value ->> 'g' AS grp FROM json_each($2)) \
        UPDATE images SET split = new.split, grp = new.grp FROM new \
        WHERE images.project = $1 AND images.digest = new.image AND images.split IS NULL";
    const ROWS: &str = "INSERT INTO dataset_rows (project, version, image, class, split, grp) \
        SELECT $1, $2, value ->> 'i', value ->> 'c', value ->> 's', value ->> 'g' FROM json_each($3)";
    let list = records(
        rows.iter()
            .map(|row| json!({ "i": row.image, "c": row.class, "s": row.split.as_str(), "g": row.group })),
    );
    let written = in_transaction!(db, connection => {
        let unchanged = sqlx::query(UNCHANGED).bind(&project.0).bind(n_seen).execute(&mut *connection).await?;
        if unchanged.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(VERSION)
            .bind(&version.id.0)
            .bind(&project.0)
            .bind(&version.dataset.0)
            .bind(version.number)
            .bind(version.digest.to_string())
            .bind(version.n_images)
            .bind(to_json(&version.classes))
            .bind(to_json(&version.findings))
            .bind(version.created_us)
            .execute(&mut *connection)
            .await?;
        sqlx::query(ASSIGN).bind(&project.0).bind(&list).execute(&mut *connection).await?;
        sqlx::query(ROWS).bind(&project.0).bind(&version.id.0).bind(&list).execute(&mut *connection).await?;
        true
    });
    Ok(written)
}
