//! Jobs as people change them: drafts, starts, cancellations. What workers do is in [`super::queue`].

use domain::event::EventKind;
use domain::ids::{JobId, ModelId, ProjectId, RequestId, UserId};
use domain::job::{Job, JobSpec, JobState, StageTime};

use super::events::write_event;
use super::{Db, DbError, from_json, parse, to_json};

/// Writes a draft of somebody's and its first event.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, job: &Job, by: Option<&UserId>) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO jobs (id, project, request, spec, state, last_event, created_us, created_by, source) \
        VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8)";
    let event = EventKind::State {
        state: JobState::Draft,
        message: None,
    };
    in_transaction!(db, connection => {
        sqlx::query(SQL)
            .bind(&job.id.0)
            .bind(&job.project.0)
            .bind(job.request.as_ref().map(|id| &id.0))
            .bind(to_json(&job.spec))
            .bind(JobState::Draft.as_str())
            .bind(job.created_us)
            .bind(by.map(|id| &id.0))
            .bind(job.spec.source.as_ref().map(|id| &id.0))
            .execute(&mut *connection)
            .await?;
        write_event!(connection, &job.project.0, &job.id.0, 1_i64, 0_i64, job.created_us, &event);
    });
    Ok(())
}

/// All that the API shows of a job; who made it by name.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project, request, spec, state, stage, progress_done, progress_total, stage_times, attempt, ",
            "cancel_requested, error, verdict, model, (SELECT name FROM users WHERE users.id = jobs.created_by) ",
            "AS created_by, created_us, queued_us, started_us, finished_us FROM jobs ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project: String,
    request: Option<String>,
    spec: String,
    state: String,
    stage: Option<String>,
    progress_done: i64,
    progress_total: i64,
    stage_times: String,
    attempt: i64,
    cancel_requested: bool,
    error: Option<String>,
    verdict: Option<String>,
    model: Option<String>,
    created_by: Option<String>,
    created_us: i64,
    queued_us: Option<i64>,
    started_us: Option<i64>,
    finished_us: Option<i64>,
}

fn job(row: Row) -> Result<Job, DbError> {
    Ok(Job {
        id: JobId(row.id),
        project: ProjectId(row.project),
        request: row.request.map(RequestId),
        spec: from_json("jobs.spec", &row.spec)?,
        state: parse("jobs.state", &row.state)?,
        stage: row.stage.map(|stage| parse("jobs.stage", &stage)).transpose()?,
        progress_done: row.progress_done,
        progress_total: row.progress_total,
        attempt: row.attempt,
        cancel_requested: row.cancel_requested,
        error: row.error,
        verdict: row
            .verdict
            .map(|verdict| from_json("jobs.verdict", &verdict))
            .transpose()?,
        model: row.model.map(ModelId),
        stage_times: stage_times(&row.stage_times)?,
        created_by: row.created_by.map(|name| parse("users.name", &name)).transpose()?,
        created_us: row.created_us,
        queued_us: row.queued_us,
        started_us: row.started_us,
        finished_us: row.finished_us,
    })
}

/// `fetch:12,extract:3400,`
fn stage_times(text: &str) -> Result<Vec<StageTime>, DbError> {
    let corrupt = || DbError::Corrupt {
        what: "jobs.stage_times",
        why: text.to_owned(),
    };
    let time = |entry: &str| {
        let (stage, duration_ms) = entry.split_once(':').ok_or_else(corrupt)?;
        Ok(StageTime {
            stage: parse("jobs.stage_times", stage)?,
            duration_ms: duration_ms.parse().map_err(|_| corrupt())?,
        })
    };
    text.split_terminator(',').map(time).collect()
}

/// A job by its id.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, id: &JobId) -> Result<Option<Job>, DbError> {
    const SQL: &str = select!("WHERE id = $1");
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_optional(pool).await)?;
    row.map(job).transpose()
}

/// Jobs of a project, newest first, 200 at most; all or those in one state.
///
/// # Errors
/// The database says no.
pub async fn list(db: &Db, project: &ProjectId, state: Option<JobState>) -> Result<Vec<Job>, DbError> {
    const SQL: &str =
        select!("WHERE project = $1 AND ($2 = '' OR state = $2) ORDER BY created_us DESC, id DESC LIMIT 200");
    let state = state.map_or("", JobState::as_str);
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&project.0).bind(state).fetch_all(pool).await)?;
    rows.into_iter().map(job).collect()
}

/// Jobs of a project that made a model which no channel ever pointed at, newest first, 20 at most.
///
/// # Errors
/// The database says no.
pub async fn to_review(db: &Db, project: &ProjectId) -> Result<Vec<Job>, DbError> {
    const SQL: &str = select!(
        "WHERE project = $1 AND state = 'succeeded' AND NOT EXISTS (SELECT 1 FROM releases \
         WHERE releases.model = jobs.model) ORDER BY finished_us DESC, id DESC LIMIT 20"
    );
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&project.0).fetch_all(pool).await)?;
    rows.into_iter().map(job).collect()
}

/// Changes a draft; false where the job is no draft any more.
///
/// # Errors
/// The database says no.
pub async fn patch_spec(db: &Db, id: &JobId, spec: &JobSpec, now_us: i64) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE jobs SET spec = $2, last_event = last_event + 1 WHERE id = $1 AND state = 'draft' \
        RETURNING project, last_event";
    // Whoever else looks at the draft sees that it is another one now.
    let event = EventKind::State {
        state: JobState::Draft,
        message: None,
    };
    let patched = in_transaction!(db, connection => {
        let row: Option<(String, i64)> =
            sqlx::query_as(SQL).bind(&id.0).bind(to_json(spec)).fetch_optional(&mut *connection).await?;
        let Some((project, seq)) = row else {
            return Ok(false);
        };
        write_event!(connection, &project, &id.0, seq, 0_i64, now_us, &event);
        true
    });
    Ok(patched)
}

/// Queues a draft; false where the job is no draft any more.
///
/// # Errors
/// The database says no.
pub async fn start(db: &Db, id: &JobId, by: Option<&UserId>, now_us: i64) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE jobs SET state = 'queued', queued_us = $2, started_by = $3, \
        last_event = last_event + 1 WHERE id = $1 AND state = 'draft' RETURNING project, last_event";
    let event = EventKind::State {
        state: JobState::Queued,
        message: None,
    };
    let started = in_transaction!(db, connection => {
        let row: Option<(String, i64)> =
            sqlx::query_as(SQL).bind(&id.0).bind(now_us).bind(by.map(|id| &id.0)).fetch_optional(&mut *connection).await?;
        let Some((project, seq)) = row else {
            return Ok(false);
        };
        write_event!(connection, &project, &id.0, seq, 0_i64, now_us, &event);
        true
    });
    Ok(started)
}

/// Whether somebody made or started a job, or one that it descends from: such a person does not override its verdict, and
/// does not come to by another's turning of the dial.
///
/// # Errors
/// The database says no.
pub async fn is_of(db: &Db, id: &JobId, user: &UserId) -> Result<bool, DbError> {
    const SQL: &str = "WITH RECURSIVE line (id) AS (SELECT id FROM jobs WHERE id = $1 UNION \
        SELECT jobs.source FROM jobs JOIN line ON jobs.id = line.id WHERE jobs.source IS NOT NULL) \
        SELECT COUNT(*) FROM jobs WHERE id IN (SELECT id FROM line) AND (created_by = $2 OR started_by = $2)";
    let n: i64 = on!(db, pool => sqlx::query_scalar(SQL).bind(&id.0).bind(&user.0).fetch_one(pool).await)?;
    Ok(n > 0)
}

/// Stops a job: at once where nothing runs yet, else by asking its worker. The state afterwards; none where there is no
/// such job.
///
/// # Errors
/// The database says no.
pub async fn request_cancel(db: &Db, id: &JobId, now_us: i64) -> Result<Option<JobState>, DbError> {
    const AT_ONCE: &str = "UPDATE jobs SET state = 'cancelled', finished_us = $2, cancel_requested = TRUE, \
        last_event = last_event + 1 WHERE id = $1 AND state IN ('draft', 'queued') \
        RETURNING project, attempt, last_event";
    const ASK: &str = "UPDATE jobs SET cancel_requested = TRUE WHERE id = $1 AND state = 'running'";
    let event = EventKind::State {
        state: JobState::Cancelled,
        message: None,
    };
    in_transaction!(db, connection => {
        let row: Option<(String, i64, i64)> =
            sqlx::query_as(AT_ONCE).bind(&id.0).bind(now_us).fetch_optional(&mut *connection).await?;
        if let Some((project, attempt, seq)) = row {
            write_event!(connection, &project, &id.0, seq, attempt, now_us, &event);
        } else {
            sqlx::query(ASK).bind(&id.0).execute(&mut *connection).await?;
        }
    });
    Ok(get(db, id).await?.map(|job| job.state))
}
