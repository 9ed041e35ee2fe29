//! Rapid responses, with the datasets, jobs and releases that point at them.

use domain::ids::{DatasetId, JobId, ProjectId, ReleaseId, RequestId};
use domain::request::Request;

use super::{Db, DbError};

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

async fn with_links(db: &Db, (id, project, title, opened_us, due_us, closed_us): Row) -> Result<Request, DbError> {
    const DATASETS: &str = "SELECT id FROM datasets WHERE request = $1 ORDER BY created_us, id";
    const JOBS: &str = "SELECT id FROM jobs WHERE request = $1 ORDER BY created_us, id";
    const RELEASES: &str = "SELECT id FROM releases WHERE request = $1 ORDER BY created_us, id";
    let datasets = linked(db, DATASETS, &id).await?;
    let jobs = linked(db, JOBS, &id).await?;
    let releases = linked(db, RELEASES, &id).await?;
    Ok(Request {
        id: RequestId(id),
        project: ProjectId(project),
        title,
        opened_us,
        due_us,
        closed_us,
        datasets: datasets.into_iter().map(DatasetId).collect(),
        jobs: jobs.into_iter().map(JobId).collect(),
        releases: releases.into_iter().map(ReleaseId).collect(),
    })
}

async fn linked(db: &Db, sql: &'static str, request: &str) -> Result<Vec<String>, DbError> {
    Ok(on!(db, pool => sqlx::query_scalar(sql).bind(request).fetch_all(pool).await)?)
}

/// One by its id.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, id: &RequestId) -> Result<Option<Request>, DbError> {
    const SQL: &str = "SELECT id, project, title, opened_us, due_us, closed_us FROM requests WHERE id = $1";
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_optional(pool).await)?;
    match row {
        Some(row) => with_links(db, row).await.map(Some),
        None => Ok(None),
    }
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
    let mut requests = Vec::with_capacity(rows.len());
    for row in rows {
        requests.push(with_links(db, row).await?);
    }
    Ok(requests)
}
