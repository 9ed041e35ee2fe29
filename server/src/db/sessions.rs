//! Sessions of browsers, by the digest of the cookie's value.

use domain::ids::{Digest, UserId};

use super::{Db, DbError};

/// How often a session in use is moved on: not with every request.
const TOUCH_EVERY_US: i64 = 60 * 1_000_000;

/// A session as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Who is signed in.
    pub user: Option<UserId>,
    /// What it remembers, as JSON.
    pub data: String,
    /// When it ends unless it is used.
    pub expires_us: i64,
}

/// Begins a session, and forgets those that have ended; false where the digest is taken.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, hash: &Digest, row: &SessionRow, now_us: i64) -> Result<bool, DbError> {
    const SWEEP: &str = "DELETE FROM sessions WHERE expires_us <= $1";
    const SQL: &str = "INSERT INTO sessions (hash, user_id, data, created_us, last_seen_us, expires_us) \
        VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT DO NOTHING";
    let n = in_transaction!(db, connection => {
        sqlx::query(SWEEP).bind(now_us).execute(&mut *connection).await?;
        sqlx::query(SQL)
            .bind(hash.to_string())
            .bind(row.user.as_ref().map(|id| &id.0))
            .bind(&row.data)
            .bind(now_us)
            .bind(row.expires_us)
            .execute(&mut *connection)
            .await?
            .rows_affected()
    });
    Ok(n == 1)
}

/// Writes what a session remembers; one that has ended meanwhile stays so.
///
/// # Errors
/// The database says no.
pub async fn update(db: &Db, hash: &Digest, row: &SessionRow, now_us: i64) -> Result<(), DbError> {
    const SQL: &str = "UPDATE sessions SET user_id = $2, data = $3, last_seen_us = $4, expires_us = $5 \
        WHERE hash = $1 AND expires_us > $4";
    on!(db, pool => sqlx::query(SQL)
        .bind(hash.to_string())
        .bind(row.user.as_ref().map(|id| &id.0))
        .bind(&row.data)
        .bind(now_us)
        .bind(row.expires_us)
        .execute(pool)
        .await
        .map(drop))?;
    Ok(())
}

/// A session that has not ended. Being asked for, it lives on for `idle_us`.
///
/// # Errors
/// The database says no.
pub async fn seen(db: &Db, hash: &Digest, now_us: i64, idle_us: i64) -> Result<Option<SessionRow>, DbError> {
    const SQL: &str =
        "SELECT user_id, data, last_seen_us, expires_us FROM sessions WHERE hash = $1 AND expires_us > $2";
    const TOUCH: &str = "UPDATE sessions SET last_seen_us = $2, expires_us = $3 WHERE hash = $1";
    let hash = hash.to_string();
    let row: Option<(Option<String>, String, i64, i64)> =
        on!(db, pool => sqlx::query_as(SQL).bind(&hash).bind(now_us).fetch_optional(pool).await)?;
    let Some((user, data, last_seen_us, mut expires_us)) = row else {
        return Ok(None);
    };
    if now_us - last_seen_us >= TOUCH_EVERY_US {
        expires_us = now_us + idle_us;
        on!(db, pool => sqlx::query(TOUCH).bind(&hash).bind(now_us).bind(expires_us).execute(pool).await.map(drop))?;
    }
    Ok(Some(SessionRow {
        user: user.map(UserId),
        data,
        expires_us,
    }))
}

/// Ends a session; ending it twice changes nothing.
///
/// # Errors
/// The database says no.
pub async fn delete(db: &Db, hash: &Digest) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM sessions WHERE hash = $1";
    on!(db, pool => sqlx::query(SQL).bind(hash.to_string()).execute(pool).await.map(drop))?;
    Ok(())
}
