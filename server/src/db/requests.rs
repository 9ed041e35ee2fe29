//! Rapid responses, with the datasets, jobs and releases that point at them.

use std::collections::BTreeMap;

use domain::ids::{DatasetId, JobId, ProjectId, ReleaseId, RequestId};
use domain::request::Request;

use super::{Db, DbError, keys};

/// Opens one.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, request: &Request) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO requests (id, project, title, opened_us, due_us) VALUES ($1, $2, $3, $4, $5)";
    on!(db, pool => sqlx::query(SQL)
        .bind(&request.id.0)
        .bind(&request.project.0)
        .bind(&request.title)
        .bind(request.opened_us)
        .bind(request.due_us)
        .execute(pool)
        .await
        .map(drop))?;
    Ok(())
}

/// Closes one; false where it is closed already or does not exist.
///
/// # Errors
/// The database says no.
pub async fn close(db: &Db, id: &RequestId, now_us: i64) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE requests SET closed_us = $2 WHERE id = $1 AND closed_us IS NULL";
    let n = on!(db, pool => sqlx::query(SQL).bind(&id.0).bind(now_us).execute(pool).await.map(|done| done.rows_affected()))?;
    Ok(n == 1)
}

type Row = (String, String, String, i64, i64, Option<i64>);

/// The requests with what is linked to each: one look a table, however many there are.
async fn with_links(db: &Db, rows: Vec<Row>) -> Result<Vec<Request>, DbError> {
    const DATASETS: &str = "SELECT request, id FROM datasets WHERE request IN (SELECT key FROM json_each($1)) \
        ORDER BY created_us, id";
    const JOBS: &str = "SELECT request, id FROM jobs WHERE request IN (SELECT key FROM json_each($1)) \
        ORDER BY created_us, id";
    const RELEASES: &str = "SELECT request, id FROM releases WHERE request IN (SELECT key FROM json_each($1)) \
        ORDER BY created_us, id";
    let ids = keys(rows.iter().map(|row| &row.0));
    let mut datasets = linked(db, DATASETS, &ids).await?;
    let mut jobs = linked(db, JOBS, &ids).await?;
    let mut releases = linked(db, RELEASES, &ids).await?;
    let request = |(id, project, title, opened_us, due_us, closed_us): Row| Request {
        project: ProjectId(project),
        title,
        opened_us,
        due_us,
        closed_us,
        datasets: datasets
            .remove(&id)
            .unwrap_or_default()
            .into_iter()
            .map(DatasetId)
            .collect(),
        jobs: jobs.remove(&id).unwrap_or_default().into_iter().map(JobId).collect(),
        releases: releases
            .remove(&id)
            .unwrap_or_default()
            .into_iter()
            .map(ReleaseId)
            .collect(),
        id: RequestId(id),
    };
    Ok(rows.into_iter().map(request).collect())
}

async fn linked(db: &Db, sql: &'static str, requests: &str) -> Result<BTreeMap<String, Vec<String>>, DbError> {
    let pairs: Vec<(String, String)> = on!(db, pool => sqlx::query_as(sql).bind(requests).fetch_all(pool).await)?;
    let mut links: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (request, id) in pairs {
        links.entry(request).or_default().push(id);
    }
    Ok(links)
}

/// One by its id.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, id: &RequestId) -> Result<Option<Request>, DbError> {
    const SQL: &str = "SELECT id, project, title, opened_us, due_us, closed_us FROM requests WHERE id = $1";
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_optional(pool).await)?;
    Ok(with_links(db, row.into_iter().collect()).await?.pop())
}

/// Those of a project: open ones by due time, then closed ones, newest first; 200 at most.
///
/// # Errors
/// The database says no.
pub async fn list(db: &Db, project: &ProjectId) -> Result<Vec<Request>, DbError> {
    const SQL: &str = "SELECT id, project, title, opened_us, due_us, closed_us FROM requests WHERE project = $1 \
        ORDER BY CASE WHEN closed_us IS NULL THEN 0 ELSE 1 END, \
        CASE WHEN closed_us IS NULL THEN due_us ELSE -closed_us END, id LIMIT 200";
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&project.0).fetch_all(pool).await)?;
    with_links(db, rows).await
}
