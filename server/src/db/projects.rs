//! Projects.

use domain::api::{DEFAULT_PROJECT, Project};
use domain::ids::{ProjectId, UserId};
use domain::names::ProjectName;

use super::{Db, DbError, parse};
use crate::clock::Clock;
use crate::ids::new_id;

/// Channels that every project has from the start.
const FIRST_CHANNELS: [&str; 2] = ["production", "staging"];

/// Makes a project with its first channels and its admin; false where the name is taken.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, project: &Project, admin: Option<&UserId>) -> Result<bool, DbError> {
    const ADMIN: &str = "INSERT INTO memberships (user_id, project, role, created_us) VALUES ($1, $2, 'admin', $3)";
    let made = in_transaction!(db, connection => {
        let made = sqlx::query("INSERT INTO projects (id, name, created_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(&project.id.0)
            .bind(project.name.as_str())
            .bind(project.created_us)
            .execute(&mut *connection)
            .await?
            .rows_affected()
            == 1;
        if made {
            for channel in FIRST_CHANNELS {
                sqlx::query("INSERT INTO channels (project, name) VALUES ($1, $2)")
                    .bind(&project.id.0)
                    .bind(channel)
                    .execute(&mut *connection)
                    .await?;
            }
            if let Some(admin) = admin {
                sqlx::query(ADMIN)
                    .bind(&admin.0)
                    .bind(&project.id.0)
                    .bind(project.created_us)
                    .execute(&mut *connection)
                    .await?;
            }
        }
        made
    });
    Ok(made)
}

type Row = (String, String, i64);

fn project((id, name, created_us): Row) -> Result<Project, DbError> {
    Ok(Project {
        id: ProjectId(id),
        name: parse("projects.name", &name)?,
        created_us,
    })
}

/// A project by its name.
///
/// # Errors
/// The database says no.
pub async fn by_name(db: &Db, name: &ProjectName) -> Result<Option<Project>, DbError> {
    const SQL: &str = "SELECT id, name, created_us FROM projects WHERE name = $1";
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(name.as_str()).fetch_optional(pool).await)?;
    row.map(project).transpose()
}

/// A project by its name; `main` is made when it is first asked for.
///
/// # Errors
/// The database says no.
pub async fn find(db: &Db, clock: &Clock, name: &ProjectName) -> Result<Option<Project>, DbError> {
    let found = by_name(db, name).await?;
    if found.is_some() || name.as_str() != DEFAULT_PROJECT {
        return Ok(found);
    }
    let made = Project {
        id: ProjectId(new_id(clock)),
        name: name.clone(),
        created_us: clock.now_us(),
    };
    insert(db, &made, None).await?;
    // Somebody else may have made it at the same moment; theirs then holds.
    by_name(db, name).await
}

/// A project by its id.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, id: &ProjectId) -> Result<Option<Project>, DbError> {
    const SQL: &str = "SELECT id, name, created_us FROM projects WHERE id = $1";
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_optional(pool).await)?;
    row.map(project).transpose()
}

/// How many dataset versions a project has made: who decides from what it holds reads this first, see
/// [`super::datasets::insert_version`].
///
/// # Errors
/// The database says no.
pub async fn n_versions(db: &Db, id: &ProjectId) -> Result<i64, DbError> {
    const SQL: &str = "SELECT n_versions FROM projects WHERE id = $1";
    Ok(on!(db, pool => sqlx::query_scalar(SQL).bind(&id.0).fetch_one(pool).await)?)
}

/// All projects, oldest first.
///
/// # Errors
/// The database says no.
pub async fn list(db: &Db) -> Result<Vec<Project>, DbError> {
    const SQL: &str = "SELECT id, name, created_us FROM projects ORDER BY created_us, id";
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await)?;
    rows.into_iter().map(project).collect()
}
