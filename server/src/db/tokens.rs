//! Tokens of scripts, by the digest of their secret.

use domain::api::people::Token;
use domain::ids::{Digest, TokenId, UserId};

use super::{Db, DbError};

/// How exact the time of the last use is: not every request writes.
const TOUCH_EVERY_US: i64 = 60 * 1_000_000;

/// Remembers a token.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, user: &UserId, token: &Token, hash: &Digest) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO tokens (id, user_id, name, hash, created_us, expires_us) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    on!(db, pool => sqlx::query(SQL)
        .bind(&token.id.0)
        .bind(&user.0)
        .bind(&token.name)
        .bind(hash.to_string())
        .bind(token.created_us)
        .bind(token.expires_us)
        .execute(pool)
        .await
        .map(drop))?;
    Ok(())
}

/// Whose token it is, while it is good; the use is noted.
///
/// # Errors
/// The database says no.
pub async fn used(db: &Db, hash: &Digest, now_us: i64) -> Result<Option<UserId>, DbError> {
    const SQL: &str = "SELECT id, user_id, last_used_us FROM tokens \
        WHERE hash = $1 AND revoked_us IS NULL AND expires_us > $2";
    const TOUCH: &str = "UPDATE tokens SET last_used_us = $2 WHERE id = $1";
    let row: Option<(String, String, Option<i64>)> =
        on!(db, pool => sqlx::query_as(SQL).bind(hash.to_string()).bind(now_us).fetch_optional(pool).await)?;
    let Some((id, user, last_used_us)) = row else {
        return Ok(None);
    };
    if last_used_us.is_none_or(|last| now_us - last >= TOUCH_EVERY_US) {
        on!(db, pool => sqlx::query(TOUCH).bind(&id).bind(now_us).execute(pool).await.map(drop))?;
    }
    Ok(Some(UserId(user)))
}

/// Somebody's tokens that are good, newest first.
///
/// # Errors
/// The database says no.
pub async fn list(db: &Db, user: &UserId, now_us: i64) -> Result<Vec<Token>, DbError> {
    const SQL: &str = "SELECT id, name, created_us, expires_us, last_used_us FROM tokens \
        WHERE user_id = $1 AND revoked_us IS NULL AND expires_us > $2 ORDER BY created_us DESC, id DESC";
    let rows: Vec<(String, String, i64, i64, Option<i64>)> =
        on!(db, pool => sqlx::query_as(SQL).bind(&user.0).bind(now_us).fetch_all(pool).await)?;
    let token = |(id, name, created_us, expires_us, last_used_us)| Token {
        id: TokenId(id),
        name,
        created_us,
        expires_us,
        last_used_us,
    };
    Ok(rows.into_iter().map(token).collect())
}

/// Ends a token of somebody's; false where there is none that is good.
///
/// # Errors
/// The database says no.
pub async fn revoke(db: &Db, user: &UserId, id: &TokenId, now_us: i64) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE tokens SET revoked_us = $3 WHERE user_id = $1 AND id = $2 AND revoked_us IS NULL";
    let n = on!(db, pool => sqlx::query(SQL)
        .bind(&user.0)
        .bind(&id.0)
        .bind(now_us)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(n == 1)
}

/// Ends all tokens of somebody's that have this name.
///
/// # Errors
/// The database says no.
pub async fn revoke_named(db: &Db, user: &UserId, name: &str, now_us: i64) -> Result<(), DbError> {
    const SQL: &str = "UPDATE tokens SET revoked_us = $3 WHERE user_id = $1 AND name = $2 AND revoked_us IS NULL";
    on!(db, pool => sqlx::query(SQL).bind(&user.0).bind(name).bind(now_us).execute(pool).await.map(drop))?;
    Ok(())
}
