//! How long stages of jobs took, for all projects alike: a time says nothing of whose photos were read.

use domain::forecast::{MOST_RUNS, Rate};
use domain::ids::JobId;
use domain::job::Stage;

use super::{Db, DbError, records};

/// Keeps the rates of a job that ended.
///
/// # Errors
/// The database says no.
pub async fn add(db: &Db, job: &JobId, now_us: i64, rates: &[Rate]) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO stage_rates (project, job, kind, units, duration_ms, created_us) \
        SELECT (SELECT project FROM jobs WHERE id = $1), $1, value ->> 'kind', CAST(value ->> 'units' AS BIGINT), \
        CAST(value ->> 'duration_ms' AS BIGINT), $2 FROM json_each($3)";
    let record =
        |rate: &Rate| serde_json::json!({ "kind": rate.kind, "units": rate.units, "duration_ms": rate.duration_ms });
    let rows = records(rates.iter().map(record));
    on!(db, pool => sqlx::query(SQL).bind(&job.0).bind(now_us).bind(&rows).execute(pool).await.map(drop))?;
    Ok(())
}

/// The latest rates of every kind of stage, newest first.
///
/// # Errors
/// The database says no.
pub async fn latest(db: &Db) -> Result<Vec<Rate>, DbError> {
    const SQL: &str = "SELECT kind, units, duration_ms FROM stage_rates WHERE kind = $1 \
        ORDER BY created_us DESC LIMIT $2";
    let kinds = Stage::ALL
        .iter()
        .map(|stage| stage.as_str())
        .chain(["append", "cold", "refit"]);
    let most = i64::try_from(MOST_RUNS).unwrap_or(i64::MAX);
    let mut rates = Vec::new();
    for kind in kinds {
        let rows: Vec<(String, i64, i64)> =
            on!(db, pool => sqlx::query_as(SQL).bind(kind).bind(most).fetch_all(pool).await)?;
        rates.extend(rows.into_iter().map(|(kind, units, duration_ms)| Rate {
            kind,
            units: u64::try_from(units).unwrap_or_default(),
            duration_ms,
        }));
    }
    Ok(rates)
}
