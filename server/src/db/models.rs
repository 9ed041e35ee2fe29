//! Models and what the gate said of them.

use domain::gate::verdict::Verdict;
use domain::ids::{ModelId, ProjectId};
use domain::model::Model;

use super::{Db, DbError, from_json};

/// A model by its id.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, id: &ModelId) -> Result<Option<Model>, DbError> {
    const SQL: &str = "SELECT body FROM models WHERE id = $1";
    let body: Option<String> = on!(db, pool => sqlx::query_scalar(SQL).bind(&id.0).fetch_optional(pool).await)?;
    body.map(|body| from_json("models.body", &body)).transpose()
}

/// Models of a project, newest first, 200 at most.
///
/// # Errors
/// The database says no.
pub async fn list(db: &Db, project: &ProjectId) -> Result<Vec<Model>, DbError> {
    const SQL: &str = "SELECT body FROM models WHERE project = $1 ORDER BY created_us DESC, id DESC LIMIT 200";
    let bodies: Vec<String> = on!(db, pool => sqlx::query_scalar(SQL).bind(&project.0).fetch_all(pool).await)?;
    bodies.iter().map(|body| from_json("models.body", body)).collect()
}

/// Every model of every project.
///
/// # Errors
/// The database says no.
pub async fn all(db: &Db) -> Result<Vec<Model>, DbError> {
    const SQL: &str = "SELECT body FROM models ORDER BY id";
    let bodies: Vec<String> = on!(db, pool => sqlx::query_scalar(SQL).fetch_all(pool).await)?;
    bodies.iter().map(|body| from_json("models.body", body)).collect()
}

/// The attempt under which a model's files lie.
///
/// # Errors
/// The database says no.
pub async fn attempt(db: &Db, id: &ModelId) -> Result<Option<i64>, DbError> {
    const SQL: &str = "SELECT attempt FROM models WHERE id = $1";
    Ok(on!(db, pool => sqlx::query_scalar(SQL).bind(&id.0).fetch_optional(pool).await)?)
}

/// What the gate said of a model, with its evidence.
///
/// # Errors
/// The database says no.
pub async fn verdict(db: &Db, id: &ModelId) -> Result<Option<Verdict>, DbError> {
    const SQL: &str = "SELECT verdict FROM evaluations WHERE model = $1";
    let verdict: Option<String> = on!(db, pool => sqlx::query_scalar(SQL).bind(&id.0).fetch_optional(pool).await)?;
    verdict
        .map(|verdict| from_json("evaluations.verdict", &verdict))
        .transpose()
}
