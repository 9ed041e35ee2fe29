//! All SQL of the repository, one file an aggregate, behind functions that read the same for SQLite and PostgreSQL.
//!
//! The text is portable (`$1`, identifiers and JSON as TEXT, times as BIGINT) and written once; [`on!`] and
//! [`in_transaction!`] expand it for both pools. Lists travel as one JSON document through `json_each`, so that a
//! statement's text never depends on how many rows it is about. Knows nothing of HTTP.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

/// Runs one expression on whichever pool there is.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite($pool) => $body,
            $crate::db::Db::Postgres($pool) => $body,
        }
    };
}

/// Runs one block inside a transaction of a few statements; `?` inside rolls back. On SQLite the transaction takes the
/// write lock at its start, so that it can wait for it instead of failing half-way.
macro_rules! in_transaction {
    ($db:expr, $connection:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite(pool) => {
                let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                let outcome = {
                    let $connection = &mut *transaction;
                    $body
                };
                transaction.commit().await?;
                outcome
            }
            $crate::db::Db::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                let outcome = {
                    let $connection = &mut *transaction;
                    $body
                };
                transaction.commit().await?;
                outcome
            }
        }
    };
}

pub mod datasets;
pub mod events;
pub mod feature_segments;
pub mod images;
pub mod jobs;
pub mod looks;
pub mod models;
pub mod overrides;
pub mod policies;
pub mod projects;
pub mod queue;
pub mod releases;
pub mod requests;
pub mod sessions;
pub mod setup_links;
pub mod stage_rates;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod users;

/// The database, on either engine.
#[derive(Clone, Debug)]
pub enum Db {
    /// One file (or memory), for one machine.
    Sqlite(SqlitePool),
    /// A server, for many.
    Postgres(PgPool),
}

/// The database could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The engine says no.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("bringing the database's schema up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row does not mean what it must.
    #[error("the database holds a {what} that cannot be read: {why}")]
    Corrupt {
        /// Which column of which table.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The address has no engine.
    #[error("{0:?} is no database address: it starts with sqlite: or postgres:")]
    Address(String),
}

impl Db {
    /// Connects and brings the schema up to date. `sqlite:PATH` makes the file where it is missing.
    ///
    /// # Errors
    /// The address is unknown, nothing answers there, or a migration fails.
    pub async fn connect(url: &str) -> Result<Self, DbError> {
        let db = if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .create_if_missing(true)
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                // Releases and the log of moves live in this file: a commit survives a power cut.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(15));
            // Each connection to `:memory:` would be a database of its own.
            let n_connections = if url.contains(":memory:") { 1 } else { 8 };
            let pool = SqlitePoolOptions::new().max_connections(n_connections);
            Self::Sqlite(first_connection(&pool, &options).await?)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url)?;
            Self::Postgres(PgPoolOptions::new().max_connections(16).connect_with(options).await?)
        } else {
            return Err(DbError::Address(url.split(':').next().unwrap_or_default().to_owned()));
        };
        db.migrate().await?;
        Ok(db)
    }

    async fn migrate(&self) -> Result<(), DbError> {
        // PostgreSQL takes a lock for this; of two programs that meet on an empty SQLite file, the later one finds tables
        // that were not there when it looked, and looks again.
        const TRIES: usize = 5;
        match self {
            Self::Sqlite(pool) => {
                for _ in 1..TRIES {
                    if sqlx::migrate!("../migrations/sqlite").run(pool).await.is_ok() {
                        return Ok(());
                    }
                }
                Ok(sqlx::migrate!("../migrations/sqlite").run(pool).await?)
            }
            Self::Postgres(pool) => Ok(sqlx::migrate!("../migrations/postgres").run(pool).await?),
        }
    }

    /// Closes every connection; on SQLite the write-ahead log is folded into the file.
    pub async fn close(&self) {
        on!(self, pool => pool.close().await);
    }
}

/// Of programs that open one new file at once, all but one are refused the switch to the write-ahead log at once, without
/// the patience of `busy_timeout`: they try again for as long.
async fn first_connection(pool: &SqlitePoolOptions, options: &SqliteConnectOptions) -> Result<SqlitePool, DbError> {
    const PAUSE: Duration = Duration::from_millis(50);
    const TRIES: u32 = 300;
    for _ in 1..TRIES {
        match pool.clone().connect_with(options.clone()).await {
            Err(error) if is_busy(&error) => tokio::time::sleep(PAUSE).await,
            connected => return Ok(connected?),
        }
    }
    Ok(pool.clone().connect_with(options.clone()).await?)
}

/// SQLITE_BUSY, with any of its extensions.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

/// A text column that holds something else.
fn parse<T>(what: &'static str, text: &str) -> Result<T, DbError>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| DbError::Corrupt {
        what,
        why: error.to_string(),
    })
}

/// A JSON column.
fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|error| DbError::Corrupt {
        what,
        why: error.to_string(),
    })
}

/// A value for a JSON column.
fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("domain types serialise to JSON")
}

/// A list of texts for `SELECT key FROM json_each($n)`.
fn keys<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let object: serde_json::Map<String, serde_json::Value> = values
        .into_iter()
        .map(|value| (value.to_string(), serde_json::Value::Null))
        .collect();
    serde_json::Value::Object(object).to_string()
}

/// A list of records for `SELECT value ->> 'field' FROM json_each($n)`: an object with numbers as keys, since
/// PostgreSQL's `json_each` takes no arrays.
fn records(values: impl Iterator<Item = serde_json::Value>) -> String {
    let object: serde_json::Map<String, serde_json::Value> = values
        .enumerate()
        .map(|(index, value)| (index.to_string(), value))
        .collect();
    serde_json::Value::Object(object).to_string()
}
