//! Reviewers' words on models: facts, like the releases that rest on them.

use domain::ids::{ModelId, OverrideId, ProjectId, UserId};
use domain::overrides::Override;

use super::{Db, DbError, from_json, parse};

/// Writes a word down, inside of whatever else is written with it.
macro_rules! write_override {
    ($connection:expr, $project:expr, $given:expr, $by:expr) => {{
        let (project, given, by): (&str, &domain::overrides::Override, &domain::ids::UserId) = ($project, $given, $by);
        sqlx::query(
            "INSERT INTO overrides (id, project, model, by_user, reason, verdict, grounds, created_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&given.id.0)
        .bind(project)
        .bind(&given.model.0)
        .bind(&by.0)
        .bind(&given.reason)
        .bind(given.verdict.as_str())
        .bind($crate::db::to_json(&given.grounds))
        .bind(given.created_us)
        .execute(&mut *$connection)
        .await?;
    }};
}
pub(super) use write_override;

/// Writes a word down.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, project: &ProjectId, given: &Override, by: &UserId) -> Result<(), DbError> {
    in_transaction!(db, connection => write_override!(connection, &project.0, given, by));
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    model: String,
    by_name: String,
    reason: String,
    verdict: String,
    grounds: String,
    created_us: i64,
}

/// The words on a model, newest first, 100 at most.
///
/// # Errors
/// The database says no.
pub async fn of_model(db: &Db, model: &ModelId) -> Result<Vec<Override>, DbError> {
    const SQL: &str = "SELECT o.id, o.model, u.name AS by_name, o.reason, o.verdict, o.grounds, o.created_us \
        FROM overrides o JOIN users u ON u.id = o.by_user WHERE o.model = $1 \
        ORDER BY o.created_us DESC, o.id DESC LIMIT 100";
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&model.0).fetch_all(pool).await)?;
    let word = |row: Row| {
        Ok(Override {
            id: OverrideId(row.id),
            model: ModelId(row.model),
            by: parse("users.name", &row.by_name)?,
            reason: row.reason,
            verdict: parse("overrides.verdict", &row.verdict)?,
            grounds: from_json("overrides.grounds", &row.grounds)?,
            created_us: row.created_us,
        })
    };
    rows.into_iter().map(word).collect()
}
