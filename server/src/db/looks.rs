//! The heads that a project judged on sealed photos, in order.

use domain::change::Look;
use domain::ids::{JobId, ProjectId, WorkerId};

use super::{Db, DbError, from_json, parse, to_json};

/// Writes a look down, if the worker still holds the job, and says which looks its project had until then, this one
/// included, oldest first; none, with nothing written, where the lease is lost.
///
/// # Errors
/// The database says no.
pub async fn add(
    db: &Db,
    worker: &WorkerId,
    job: &JobId,
    attempt: i64,
    now_us: i64,
    look: &Look,
) -> Result<Option<Vec<Look>>, DbError> {
    const NUMBER: &str = "UPDATE projects SET n_looks = n_looks + 1 WHERE id = (SELECT project FROM jobs \
        WHERE id = $1 AND worker = $2 AND attempt = $3 AND state = 'running') RETURNING id, n_looks";
    const SQL: &str = "INSERT INTO looks (project, seq, job, head, new_classes, photos_json, groups_json, alpha, \
        created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let rows: Vec<Row> = in_transaction!(db, connection => {
        let numbered: Option<(String, i64)> = sqlx::query_as(NUMBER)
            .bind(&job.0)
            .bind(&worker.0)
            .bind(attempt)
            .fetch_optional(&mut *connection)
            .await?;
        let Some((project, seq)) = numbered else {
            return Ok(None);
        };
        sqlx::query(SQL)
            .bind(&project)
            .bind(seq)
            .bind(&job.0)
            .bind(look.head.to_string())
            .bind(to_json(&look.new_classes))
            .bind(to_json(&look.photos))
            .bind(to_json(&look.groups))
            .bind(look.alpha)
            .bind(now_us)
            .execute(&mut *connection)
            .await?;
        sqlx::query_as(ALL).bind(&project).fetch_all(&mut *connection).await?
    });
    read(&rows).map(Some)
}

/// All looks of a project, oldest first.
///
/// # Errors
/// The database says no.
pub async fn all(db: &Db, project: &ProjectId) -> Result<Vec<Look>, DbError> {
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(ALL).bind(&project.0).fetch_all(pool).await)?;
    read(&rows)
}

const ALL: &str = "SELECT head, new_classes, photos_json, groups_json, alpha FROM looks WHERE project = $1 \
    ORDER BY seq";

type Row = (String, String, String, String, f64);

fn read(rows: &[Row]) -> Result<Vec<Look>, DbError> {
    let look = |(head, new_classes, photos, groups, alpha): &Row| {
        Ok(Look {
            head: parse("looks.head", head)?,
            new_classes: from_json("looks.new_classes", new_classes)?,
            photos: from_json("looks.photos_json", photos)?,
            groups: from_json("looks.groups_json", groups)?,
            alpha: *alpha,
        })
    };
    rows.iter().map(look).collect()
}
