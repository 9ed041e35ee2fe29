//! One-time links: one makes the first account, others set the password of an account that is there.

use domain::ids::{Digest, UserId};

use super::users::{Account, END_SESSIONS, END_TOKENS, SET_PASSWORD, insert_account};
use super::{Db, DbError};

/// A link that can still be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupLinkRow {
    /// Whose password it sets; none where it makes the first account.
    pub user: Option<UserId>,
    /// Until when.
    pub expires_us: i64,
}

const USE: &str = "UPDATE setup_links SET used_us = $2 WHERE hash = $1 AND used_us IS NULL AND expires_us > $2";

/// Remembers a link. Earlier ones for the same that were not used are forgotten, so that the last one told is the only one.
///
/// # Errors
/// The database says no.
pub async fn insert(db: &Db, hash: &Digest, link: &SetupLinkRow, now_us: i64) -> Result<(), DbError> {
    const FORGET: &str = "DELETE FROM setup_links WHERE COALESCE(user_id, '') = $1 AND used_us IS NULL";
    const SQL: &str = "INSERT INTO setup_links (hash, user_id, created_us, expires_us) VALUES ($1, $2, $3, $4)";
    let user = link.user.as_ref().map(|id| &id.0);
    in_transaction!(db, connection => {
        sqlx::query(FORGET).bind(user.map_or("", String::as_str)).execute(&mut *connection).await?;
        sqlx::query(SQL)
            .bind(hash.to_string())
            .bind(user)
            .bind(now_us)
            .bind(link.expires_us)
            .execute(&mut *connection)
            .await?;
    });
    Ok(())
}

/// A link, while it can be used.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, hash: &Digest, now_us: i64) -> Result<Option<SetupLinkRow>, DbError> {
    const SQL: &str =
        "SELECT user_id, expires_us FROM setup_links WHERE hash = $1 AND used_us IS NULL AND expires_us > $2";
    let row: Option<(Option<String>, i64)> =
        on!(db, pool => sqlx::query_as(SQL).bind(hash.to_string()).bind(now_us).fetch_optional(pool).await)?;
    Ok(row.map(|(user, expires_us)| SetupLinkRow {
        user: user.map(UserId),
        expires_us,
    }))
}

/// Uses a link to make the first account; false, with nothing written, where the link is used up or there is an account.
///
/// # Errors
/// The database says no.
pub async fn make_first(db: &Db, hash: &Digest, account: &Account, now_us: i64) -> Result<bool, DbError> {
    const COUNT: &str = "SELECT COUNT(*) FROM users";
    let made = in_transaction!(db, connection => {
        // There is one such link at most, so its row keeps two first accounts from being made at once.
        let used = sqlx::query(USE).bind(hash.to_string()).bind(now_us).execute(&mut *connection).await?;
        let n_users: i64 = sqlx::query_scalar(COUNT).fetch_one(&mut *connection).await?;
        if used.rows_affected() == 0 || n_users > 0 {
            return Ok(false);
        }
        insert_account!(connection, account) == 1
    });
    Ok(made)
}

/// Uses a link to set its person's password and ends the sessions and tokens of the old one; false, with nothing written, where the
/// link is used up.
///
/// # Errors
/// The database says no.
pub async fn set_password(
    db: &Db,
    hash: &Digest,
    user: &UserId,
    password_hash: &str,
    now_us: i64,
) -> Result<bool, DbError> {
    in_transaction!(db, connection => {
        let used = sqlx::query(USE).bind(hash.to_string()).bind(now_us).execute(&mut *connection).await?;
        if used.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(END_TOKENS).bind(&user.0).bind(now_us).execute(&mut *connection).await?;
        sqlx::query(SET_PASSWORD).bind(&user.0).bind(password_hash).execute(&mut *connection).await?;
        sqlx::query(END_SESSIONS).bind(&user.0).execute(&mut *connection).await?;
    });
    Ok(true)
}
