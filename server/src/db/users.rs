//! Accounts, and the role of each in a project.

use std::collections::BTreeMap;

use domain::api::people::User;
use domain::ids::{ProjectId, UserId};
use domain::names::{ProjectName, UserName};
use domain::people::Role;

use super::{Db, DbError, parse};

/// An account as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Identifier.
    pub id: UserId,
    /// Name.
    pub name: UserName,
    /// May do everything in every project.
    pub is_admin: bool,
    /// Argon2id string; none until the person has chosen a password.
    pub password_hash: Option<String>,
    /// When it was made.
    pub created_us: i64,
    /// Since when it can no longer sign in.
    pub disabled_us: Option<i64>,
}

/// Writes an account inside a transaction; how many rows that were: 0 where the name is taken.
macro_rules! insert_account {
    ($connection:expr, $account:expr) => {
        sqlx::query($crate::db::users::INSERT)
            .bind(&$account.id.0)
            .bind($account.name.as_str())
            .bind($account.name.key())
            .bind($account.is_admin)
            .bind($account.password_hash.as_deref())
            .bind($account.created_us)
            .bind($account.disabled_us)
            .execute(&mut *$connection)
            .await?
            .rows_affected()
    };
}
pub(super) use insert_account;

pub(super) const INSERT: &str = "INSERT INTO users (id, name, name_key, is_admin, password_hash, created_us, \
    disabled_us) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

const GRANT: &str = "INSERT INTO memberships (user_id, project, role, created_us) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (user_id, project) DO UPDATE SET role = excluded.role";

/// Makes an account, where wanted as a member of a project; false where the name is taken.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, account: &Account, member: Option<(&ProjectId, Role)>) -> Result<bool, DbError> {
    let made = in_transaction!(db, connection => {
        let made = insert_account!(connection, account) == 1;
        if made && let Some((project, role)) = member {
            sqlx::query(GRANT)
                .bind(&account.id.0)
                .bind(&project.0)
                .bind(role.as_str())
                .bind(account.created_us)
                .execute(&mut *connection)
                .await?;
        }
        made
    });
    Ok(made)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    is_admin: bool,
    password_hash: Option<String>,
    created_us: i64,
    disabled_us: Option<i64>,
}

fn account(row: Row) -> Result<Account, DbError> {
    Ok(Account {
        id: UserId(row.id),
        name: parse("users.name", &row.name)?,
        is_admin: row.is_admin,
        password_hash: row.password_hash,
        created_us: row.created_us,
        disabled_us: row.disabled_us,
    })
}

/// Whether there is any account at all.
///
/// # Errors
/// The database says no.
pub async fn exist(db: &Db) -> Result<bool, DbError> {
    const SQL: &str = "SELECT COUNT(*) FROM users";
    let n: i64 = on!(db, pool => sqlx::query_scalar(SQL).fetch_one(pool).await)?;
    Ok(n > 0)
}

/// An account by its id.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, id: &UserId) -> Result<Option<Account>, DbError> {
    const SQL: &str = "SELECT * FROM users WHERE id = $1";
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_optional(pool).await)?;
    row.map(account).transpose()
}

/// An account by its name, whatever the case of the letters.
///
/// # Errors
/// The database says no.
pub async fn by_name(db: &Db, name: &UserName) -> Result<Option<Account>, DbError> {
    const SQL: &str = "SELECT * FROM users WHERE name_key = $1";
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(name.key()).fetch_optional(pool).await)?;
    row.map(account).transpose()
}

/// The roles that somebody was given, by project.
///
/// # Errors
/// The database says no.
pub async fn roles(db: &Db, id: &UserId) -> Result<BTreeMap<ProjectId, Role>, DbError> {
    const SQL: &str = "SELECT project, role FROM memberships WHERE user_id = $1";
    let rows: Vec<(String, String)> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_all(pool).await)?;
    let role = |(project, role): (String, String)| Ok((ProjectId(project), parse("memberships.role", &role)?));
    rows.into_iter().map(role).collect()
}

/// The same with the projects' names, in their order.
///
/// # Errors
/// The database says no.
pub async fn named_roles(db: &Db, id: &UserId) -> Result<Vec<(ProjectName, Role)>, DbError> {
    const SQL: &str = "SELECT p.name, m.role FROM memberships m JOIN projects p ON p.id = m.project \
        WHERE m.user_id = $1 ORDER BY p.name";
    let rows: Vec<(String, String)> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_all(pool).await)?;
    let role = |(name, role): (String, String)| Ok((parse("projects.name", &name)?, parse("memberships.role", &role)?));
    rows.into_iter().map(role).collect()
}

type Listed = (String, String, bool, i64, Option<i64>, Option<String>);

/// All accounts by name, each with its role in a project.
///
/// # Errors
/// The database says no.
pub async fn list(db: &Db, project: &ProjectId) -> Result<Vec<User>, DbError> {
    const SQL: &str = "SELECT u.id, u.name, u.is_admin, u.created_us, u.disabled_us, m.role FROM users u \
        LEFT JOIN memberships m ON m.user_id = u.id AND m.project = $1 ORDER BY u.name_key";
    let rows: Vec<Listed> = on!(db, pool => sqlx::query_as(SQL).bind(&project.0).fetch_all(pool).await)?;
    let user = |(id, name, global_admin, created_us, disabled_us, role): Listed| {
        Ok(User {
            id: UserId(id),
            name: parse("users.name", &name)?,
            global_admin,
            role: role.map(|role| parse("memberships.role", &role)).transpose()?,
            disabled: disabled_us.is_some(),
            created_us,
        })
    };
    rows.into_iter().map(user).collect()
}

/// Gives somebody a role in a project, instead of the one that the person had.
///
/// # Errors
/// The database says no.
pub async fn grant(db: &Db, id: &UserId, project: &ProjectId, role: Role, now_us: i64) -> Result<(), DbError> {
    on!(db, pool => sqlx::query(GRANT)
        .bind(&id.0)
        .bind(&project.0)
        .bind(role.as_str())
        .bind(now_us)
        .execute(pool)
        .await
        .map(drop))?;
    Ok(())
}

/// Takes somebody out of a project; false where the person is no member.
///
/// # Errors
/// The database says no.
pub async fn expel(db: &Db, id: &UserId, project: &ProjectId) -> Result<bool, DbError> {
    const SQL: &str = "DELETE FROM memberships WHERE user_id = $1 AND project = $2";
    let n = on!(db, pool => sqlx::query(SQL)
        .bind(&id.0)
        .bind(&project.0)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(n == 1)
}

/// Makes somebody an admin of everything.
///
/// # Errors
/// The database says no.
pub async fn make_admin(db: &Db, id: &UserId) -> Result<(), DbError> {
    const SQL: &str = "UPDATE users SET is_admin = TRUE WHERE id = $1";
    on!(db, pool => sqlx::query(SQL).bind(&id.0).execute(pool).await.map(drop))?;
    Ok(())
}

pub(super) const SET_PASSWORD: &str = "UPDATE users SET password_hash = $2 WHERE id = $1";
pub(super) const END_SESSIONS: &str = "DELETE FROM sessions WHERE user_id = $1";
/// Where a password follows another, the old one may be in somebody's hands, and what was made with it as well. Runs before
/// the new one is set: tokens that an account had before its first password came from this machine's own hand.
pub(super) const END_TOKENS: &str = "UPDATE tokens SET revoked_us = $2 WHERE user_id = $1 AND revoked_us IS NULL \
    AND EXISTS (SELECT 1 FROM users WHERE id = $1 AND password_hash IS NOT NULL)";

/// Sets somebody's password; whoever is signed in with the old one, or holds a token from its time, is so no longer.
///
/// # Errors
/// The database says no.
pub async fn set_password(db: &Db, id: &UserId, hash: &str, now_us: i64) -> Result<(), DbError> {
    in_transaction!(db, connection => {
        sqlx::query(END_TOKENS).bind(&id.0).bind(now_us).execute(&mut *connection).await?;
        sqlx::query(SET_PASSWORD).bind(&id.0).bind(hash).execute(&mut *connection).await?;
        sqlx::query(END_SESSIONS).bind(&id.0).execute(&mut *connection).await?;
    });
    Ok(())
}

/// Disables an account since then, and ends its sessions; or with none enables it again. Its tokens rest meanwhile.
///
/// # Errors
/// The database says no.
pub async fn set_disabled(db: &Db, id: &UserId, since_us: Option<i64>) -> Result<(), DbError> {
    const SQL: &str = "UPDATE users SET disabled_us = $2 WHERE id = $1";
    in_transaction!(db, connection => {
        sqlx::query(SQL).bind(&id.0).bind(since_us).execute(&mut *connection).await?;
        if since_us.is_some() {
            sqlx::query(END_SESSIONS).bind(&id.0).execute(&mut *connection).await?;
        }
    });
    Ok(())
}
