//! The queue of jobs as workers see it: leases, fencing, endings.
//!
//! A claim, a heartbeat and an ending are each one fenced statement; no claim is held by an open transaction. The engines
//! differ in the claim alone: PostgreSQL skips rows that another worker is just claiming.

use domain::event::EventKind;
use domain::gate::verdict::Verdict;
use domain::ids::{JobId, ProjectId, WorkerId};
use domain::job::{JobSpec, JobState};
use domain::model::Model;

use super::events::write_event;
use super::{Db, DbError, from_json, parse, to_json};
use crate::clock::Clock;

/// How often a job may be begun before it counts as one that kills its workers.
pub const MAX_ATTEMPTS: i64 = 3;

/// How long a job that was begun waits for a worker of the kind that began it, microseconds.
const STRANDED_US: i64 = 10 * 60 * 1_000_000;

/// A job that a worker just claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// Its project.
    pub project: ProjectId,
    /// What it is asked to do.
    pub spec: JobSpec,
    /// Which attempt this is.
    pub attempt: i64,
}

/// Whether there is anything to claim or to sweep for a worker with this kernel. Idle workers ask this, so that they never wait for the write lock
/// that uploads need.
///
/// # Errors
/// The database says no.
pub async fn is_waiting(db: &Db, now_us: i64, kernel: &str) -> Result<bool, DbError> {
    const SQL: &str = "SELECT COUNT(*) FROM jobs WHERE (state = 'queued' OR (state = 'running' AND lease_until_us < $1)) \
        AND (kernel IS NULL OR kernel = $2 OR lease_until_us < $3 OR cancel_requested)";
    let n: i64 = on!(db, pool => sqlx::query_scalar(SQL)
        .bind(now_us)
        .bind(kernel)
        .bind(now_us - STRANDED_US)
        .fetch_one(pool)
        .await)?;
    Ok(n > 0)
}

/// Takes the oldest queued job, or one whose lease has run out, unless it was begun on another kernel. The clock is read once the lock is held: a job's time
/// begins with its claim, not with the wait before it.
///
/// # Errors
/// The database says no.
pub async fn claim(
    db: &Db,
    worker: &WorkerId,
    kernel: &str,
    clock: &Clock,
    lease_us: i64,
) -> Result<Option<Claim>, DbError> {
    const SQLITE: &str = "UPDATE jobs SET state = 'running', worker = $1, attempt = attempt + 1, \
        lease_until_us = $3, started_us = COALESCE(started_us, $2), stage = NULL, progress_done = 0, \
        progress_total = 0, stage_times = '', kernel = $5, last_event = last_event + 1 WHERE id = (SELECT id FROM jobs \
        WHERE (state = 'queued' OR (state = 'running' AND lease_until_us < $2)) AND attempt < $4 \
        AND NOT cancel_requested AND (kernel IS NULL OR kernel = $5) ORDER BY queued_us, id LIMIT 1) RETURNING id, project, spec, attempt, last_event";
    const POSTGRES: &str = "UPDATE jobs SET state = 'running', worker = $1, attempt = attempt + 1, \
        lease_until_us = $3, started_us = COALESCE(started_us, $2), stage = NULL, progress_done = 0, \
        progress_total = 0, stage_times = '', kernel = $5, last_event = last_event + 1 WHERE id = (SELECT id FROM jobs \
        WHERE (state = 'queued' OR (state = 'running' AND lease_until_us < $2)) AND attempt < $4 \
        AND NOT cancel_requested AND (kernel IS NULL OR kernel = $5) ORDER BY queued_us, id LIMIT 1 FOR UPDATE SKIP LOCKED) \
        RETURNING id, project, spec, attempt, last_event";
    let sql = match db {
        Db::Sqlite(_) => SQLITE,
        Db::Postgres(_) => POSTGRES,
    };
    let row: Option<(String, String, String, i64)> = in_transaction!(db, connection => {
        let now_us = clock.now_us();
        let row: Option<(String, String, String, i64, i64)> = sqlx::query_as(sql)
            .bind(&worker.0)
            .bind(now_us)
            .bind(now_us + lease_us)
            .bind(MAX_ATTEMPTS)
            .bind(kernel)
            .fetch_optional(&mut *connection)
            .await?;
        match row {
            Some((id, project, spec, attempt, seq)) => {
                let message = (attempt > 1).then(|| format!("attempt {attempt}: the worker before was lost"));
                let event = EventKind::State { state: JobState::Running, message };
                write_event!(connection, &project, &id, seq, attempt, now_us, &event);
                Some((id, project, spec, attempt))
            }
            None => None,
        }
    });
    row.map(|(id, project, spec, attempt)| {
        Ok(Claim {
            job: JobId(id),
            project: ProjectId(project),
            spec: from_json("jobs.spec", &spec)?,
            attempt,
        })
    })
    .transpose()
}

/// Ends jobs whose lease ran out and that nobody shall begin again: cancelled ones, those that lost too many workers, and
/// those that wait for long for a worker with the kernel that they were begun on, which this one's is not. How many were
/// ended.
///
/// # Errors
/// The database says no.
pub async fn sweep(db: &Db, now_us: i64, kernel: &str) -> Result<u64, DbError> {
    const CANCELLED: &str = "UPDATE jobs SET state = 'cancelled', finished_us = $1, last_event = last_event + 1 \
        WHERE state = 'running' AND lease_until_us < $1 AND cancel_requested \
        RETURNING id, project, attempt, last_event";
    const FAILED: &str = "UPDATE jobs SET state = 'failed', finished_us = $1, error = $3, \
        last_event = last_event + 1 WHERE state = 'running' AND lease_until_us < $1 AND NOT cancel_requested \
        AND attempt >= $2 RETURNING id, project, attempt, last_event";
    const STRANDED: &str = "UPDATE jobs SET state = 'failed', finished_us = $1, last_event = last_event + 1, \
        error = 'the job was begun with the arithmetic ' || kernel || ' and no worker that has it came for 10 minutes; \
this one has ' || $2 || '. Start a worker on a machine like the one before, or clone the job and start it again' \
        WHERE state IN ('queued', 'running') AND lease_until_us < $3 AND kernel <> $2 AND NOT cancel_requested \
        RETURNING id, project, attempt, last_event, error";
    type Ended = Vec<(String, String, i64, i64)>;
    let error = format!(
        "{MAX_ATTEMPTS} workers in turn were lost while they ran this job; look at the workers' logs and memory, then \
         clone the job and start it again"
    );
    let cancelled_event = EventKind::State {
        state: JobState::Cancelled,
        message: None,
    };
    let failed_event = EventKind::State {
        state: JobState::Failed,
        message: Some(error.clone()),
    };
    let n = in_transaction!(db, connection => {
        let cancelled: Ended = sqlx::query_as(CANCELLED).bind(now_us).fetch_all(&mut *connection).await?;
        let failed: Ended = sqlx::query_as(FAILED)
            .bind(now_us)
            .bind(MAX_ATTEMPTS)
            .bind(&error)
            .fetch_all(&mut *connection)
            .await?;
        for (ended, event) in [(&cancelled, &cancelled_event), (&failed, &failed_event)] {
            for (id, project, attempt, seq) in ended {
                write_event!(connection, project, id, seq, attempt, now_us, event);
            }
        }
        let stranded: Vec<(String, String, i64, i64, String)> = sqlx::query_as(STRANDED)
            .bind(now_us)
            .bind(kernel)
            .bind(now_us - STRANDED_US)
            .fetch_all(&mut *connection)
            .await?;
        for (id, project, attempt, seq, error) in &stranded {
            let event = EventKind::State { state: JobState::Failed, message: Some(error.clone()) };
            write_event!(connection, project, id, *seq, *attempt, now_us, &event);
        }
        (cancelled.len() + failed.len() + stranded.len()) as u64
    });
    Ok(n)
}

/// Extends the lease; whether the job was asked to stop, or none where the lease is lost.
///
/// # Errors
/// The database says no.
pub async fn heartbeat(
    db: &Db,
    worker: &WorkerId,
    job: &JobId,
    attempt: i64,
    lease_until_us: i64,
) -> Result<Option<bool>, DbError> {
    const SQL: &str = "UPDATE jobs SET lease_until_us = $4 WHERE id = $1 AND worker = $2 AND attempt = $3 \
        AND state = 'running' RETURNING cancel_requested";
    Ok(on!(db, pool => sqlx::query_scalar(SQL)
        .bind(&job.0)
        .bind(&worker.0)
        .bind(attempt)
        .bind(lease_until_us)
        .fetch_optional(pool)
        .await)?)
}

/// How a job ended.
#[derive(Clone, Debug)]
pub enum Ending<'a> {
    /// It made a model.
    Succeeded {
        /// The model.
        model: &'a Model,
        /// What the gate said of it.
        verdict: &'a Verdict,
    },
    /// It made none.
    Failed {
        /// Why, for a person.
        error: &'a str,
    },
    /// It was asked to stop.
    Cancelled,
    /// Its worker shuts down; the job waits for another.
    Released,
}

/// Ends a job that the worker still holds: job, model, evaluation and event together. False, with nothing written, where
/// the lease is lost.
///
/// # Errors
/// The database says no.
pub async fn finish(
    db: &Db,
    worker: &WorkerId,
    job: &JobId,
    attempt: i64,
    now_us: i64,
    ending: &Ending<'_>,
) -> Result<bool, DbError> {
    // A worker that shuts down in an orderly way gives its attempt back; a job that was asked to stop meanwhile stops.
    const SQL: &str = "UPDATE jobs SET \
        state = CASE WHEN $4 = 'queued' AND cancel_requested THEN 'cancelled' ELSE $4 END, \
        finished_us = CASE WHEN $4 = 'queued' AND NOT cancel_requested THEN NULL ELSE $5 END, \
        attempt = CASE WHEN $4 = 'queued' AND NOT cancel_requested THEN attempt - 1 ELSE attempt END, \
        error = $6, model = $7, verdict = $8, \
        lease_until_us = CASE WHEN $4 = 'queued' AND NOT cancel_requested THEN $5 ELSE NULL END, worker = NULL, last_event = last_event + 1 \
        WHERE id = $1 AND worker = $2 AND attempt = $3 AND state = 'running' RETURNING project, last_event, state";
    const MODEL: &str = "INSERT INTO models (id, project, job, attempt, digest, body, created_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    const EVALUATION: &str = "INSERT INTO evaluations (model, project, policy, state, verdict, created_us) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let (state, error, made) = match ending {
        Ending::Succeeded { model, verdict } => (JobState::Succeeded, None, Some((model, verdict))),
        Ending::Failed { error } => (JobState::Failed, Some(*error), None),
        Ending::Cancelled => (JobState::Cancelled, None, None),
        Ending::Released => (JobState::Queued, None, None),
    };
    let message = match ending {
        Ending::Released => Some("the worker shut down; the job waits for another".to_owned()),
        _ => error.map(ToOwned::to_owned),
    };
    let ended = in_transaction!(db, connection => {
        let row: Option<(String, i64, String)> = sqlx::query_as(SQL)
            .bind(&job.0)
            .bind(&worker.0)
            .bind(attempt)
            .bind(state.as_str())
            .bind(now_us)
            .bind(error)
            .bind(made.map(|(model, _)| &model.id.0))
            .bind(made.map(|(model, _)| to_json(&model.verdict)))
            .fetch_optional(&mut *connection)
            .await?;
        let Some((project, seq, state)) = row else {
            return Ok(false);
        };
        let state: JobState = parse("jobs.state", &state)?;
        let message = message.filter(|_| state != JobState::Cancelled);
        let event = EventKind::State { state, message };
        if let Some((model, verdict)) = made {
            sqlx::query(MODEL)
                .bind(&model.id.0)
                .bind(&project)
                .bind(&job.0)
                .bind(attempt)
                .bind(model.digest.to_string())
                .bind(to_json(model))
                .bind(now_us)
                .execute(&mut *connection)
                .await?;
            sqlx::query(EVALUATION)
                .bind(&model.id.0)
                .bind(&project)
                .bind(verdict.policy.to_string())
                .bind(verdict.state.as_str())
                .bind(to_json(verdict))
                .bind(now_us)
                .execute(&mut *connection)
                .await?;
        }
        write_event!(connection, &project, &job.0, seq, attempt, now_us, &event);
        true
    });
    Ok(ended)
}
