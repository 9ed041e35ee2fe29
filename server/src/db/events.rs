//! Events of jobs: rows that pages and scripts follow.
//!
//! A number is given out by the job's own row, in the transaction that writes the event, so that numbers are dense and a
//! reader never sees a later event before an earlier one.

use domain::event::{EventKind, JobEvent};
use domain::ids::{JobId, WorkerId};

use super::{Db, DbError, from_json};

/// Writes the event that belongs to a change of a job: within the transaction that made the change and took the number.
macro_rules! write_event {
    ($connection:expr, $project:expr, $job:expr, $seq:expr, $attempt:expr, $at_us:expr, $kind:expr) => {
        sqlx::query($crate::db::events::INSERT)
            .bind($project)
            .bind($job)
            .bind($seq)
            .bind($attempt)
            .bind($at_us)
            .bind($crate::db::to_json($kind))
            .execute(&mut *$connection)
            .await?
    };
}
pub(super) use write_event;

pub(super) const INSERT: &str =
    "INSERT INTO job_events (project, job, seq, attempt, at_us, kind) VALUES ($1, $2, $3, $4, $5, $6)";

/// Appends an event of a worker that still holds the job; none where it does not. What the event says of stage and
/// progress is written into the job's row as well.
///
/// # Errors
/// The database says no.
pub async fn append_fenced(
    db: &Db,
    worker: &WorkerId,
    job: &JobId,
    attempt: i64,
    now_us: i64,
    kind: &EventKind,
) -> Result<Option<i64>, DbError> {
    const TOUCH: &str = "UPDATE jobs SET last_event = last_event + 1, stage = COALESCE($4, stage), \
        progress_done = COALESCE($5, progress_done), progress_total = COALESCE($6, progress_total), \
        stage_times = stage_times || $7 \
        WHERE id = $1 AND worker = $2 AND attempt = $3 AND state = 'running' RETURNING project, last_event";
    let (stage, done, total, time) = match kind {
        EventKind::StageStarted { stage } => (Some(stage.as_str()), Some(0), Some(0), String::new()),
        EventKind::Progress(progress) => (None, Some(progress.done), Some(progress.total), String::new()),
        EventKind::StageFinished { stage, duration_ms } => {
            (None, None, None, format!("{}:{duration_ms},", stage.as_str()))
        }
        _ => (None, None, None, String::new()),
    };
    let seq = in_transaction!(db, connection => {
        let touched: Option<(String, i64)> = sqlx::query_as(TOUCH)
            .bind(&job.0)
            .bind(&worker.0)
            .bind(attempt)
            .bind(stage)
            .bind(done)
            .bind(total)
            .bind(&time)
            .fetch_optional(&mut *connection)
            .await?;
        let Some((project, seq)) = touched else {
            return Ok(None);
        };
        write_event!(connection, &project, &job.0, seq, attempt, now_us, kind);
        seq
    });
    Ok(Some(seq))
}

/// Events of a job after `seq`, in order, 1,000 at most.
///
/// # Errors
/// The database says no.
pub async fn after(db: &Db, job: &JobId, seq: i64) -> Result<Vec<JobEvent>, DbError> {
    const SQL: &str =
        "SELECT seq, attempt, at_us, kind FROM job_events WHERE job = $1 AND seq > $2 ORDER BY seq LIMIT 1000";
    let rows: Vec<(i64, i64, i64, String)> =
        on!(db, pool => sqlx::query_as(SQL).bind(&job.0).bind(seq).fetch_all(pool).await)?;
    let event = |(seq, attempt, at_us, kind): (i64, i64, i64, String)| {
        let kind: EventKind = from_json("job_events.kind", &kind)?;
        Ok(JobEvent {
            job: job.clone(),
            seq,
            attempt,
            at_us,
            kind,
        })
    };
    rows.into_iter().map(event).collect()
}
