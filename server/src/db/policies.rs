//! A project's own gate policies. Versions are facts; the latest is what a name means.

use domain::gate::policy::GatePolicy;
use domain::ids::{ProjectId, UserId};

use super::{Db, DbError, from_json, to_json};

/// Writes a policy down as the next version of its name, and says which; `version` of the policy given is not read.
///
/// # Errors
/// The database says no.
pub async fn insert(
    db: &Db,
    project: &ProjectId,
    policy: &GatePolicy,
    by: Option<&UserId>,
    now_us: i64,
) -> Result<GatePolicy, DbError> {
    // The project's row is taken first: of two who save at once the later one comes after the earlier one.
    const LOCK: &str = "UPDATE projects SET n_looks = n_looks WHERE id = $1";
    const LAST: &str = "SELECT COALESCE(MAX(version), 0) FROM policies WHERE project = $1 AND name = $2";
    const SQL: &str = "INSERT INTO policies (project, name, version, digest, body, by_user, created_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let saved = in_transaction!(db, connection => {
        sqlx::query(LOCK).bind(&project.0).execute(&mut *connection).await?;
        let last: i64 = sqlx::query_scalar(LAST)
            .bind(&project.0)
            .bind(&policy.name)
            .fetch_one(&mut *connection)
            .await?;
        let saved = GatePolicy {
            version: u32::try_from(last + 1).unwrap_or(u32::MAX),
            ..policy.clone()
        };
        sqlx::query(SQL)
            .bind(&project.0)
            .bind(&saved.name)
            .bind(last + 1)
            .bind(saved.digest().to_string())
            .bind(to_json(&saved))
            .bind(by.map(|id| &id.0))
            .bind(now_us)
            .execute(&mut *connection)
            .await?;
        saved
    });
    Ok(saved)
}

/// The latest version of each policy of a project, by name.
///
/// # Errors
/// The database says no.
pub async fn latest(db: &Db, project: &ProjectId) -> Result<Vec<GatePolicy>, DbError> {
    const SQL: &str = "SELECT p.body FROM policies p WHERE p.project = $1 AND p.version = \
        (SELECT MAX(q.version) FROM policies q WHERE q.project = p.project AND q.name = p.name) ORDER BY p.name";
    let bodies: Vec<String> = on!(db, pool => sqlx::query_scalar(SQL).bind(&project.0).fetch_all(pool).await)?;
    bodies.iter().map(|body| from_json("policies.body", body)).collect()
}

/// Whether a policy is, number by number, some version of the project's own.
///
/// # Errors
/// The database says no.
pub async fn holds(db: &Db, project: &ProjectId, policy: &GatePolicy) -> Result<bool, DbError> {
    const SQL: &str = "SELECT COUNT(*) FROM policies WHERE project = $1 AND digest = $2";
    let digest = policy.digest().to_string();
    let n: i64 = on!(db, pool => sqlx::query_scalar(SQL).bind(&project.0).bind(&digest).fetch_one(pool).await)?;
    Ok(n > 0)
}
