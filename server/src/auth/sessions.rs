//! Sessions of browsers: the cookie, and `tower-sessions`' store over the database.
//!
//! The store decides by the server's own clock when a session has ended; the cookie itself lasts as long as the browser is
//! open, so that nothing but the store has to be believed.

use async_trait::async_trait;
use domain::ids::{Digest, UserId};
use time::OffsetDateTime;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Expiry, SessionManagerLayer, SessionStore};

use crate::clock::Clock;
use crate::db::Db;
use crate::db::sessions::{self, SessionRow};
use crate::ids::random_bytes;
use crate::state::AppState;

/// The cookie's name.
pub(crate) const COOKIE: &str = "rehead_session";
/// Under which key a session remembers who it is of.
pub(crate) const USER: &str = "user";
/// How long a session lives without a request.
const IDLE_US: i64 = 12 * 3600 * 1_000_000;

/// The layer that gives each request its session.
pub(crate) fn layer(state: &AppState) -> SessionManagerLayer<DbSessions> {
    let store = DbSessions {
        db: state.db.clone(),
        clock: state.clock.clone(),
    };
    SessionManagerLayer::new(store)
        .with_name(COOKIE)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_secure(state.config.behind_tls)
        .with_expiry(Expiry::OnSessionEnd)
}

/// Sessions as rows.
#[derive(Clone, Debug)]
pub(crate) struct DbSessions {
    db: Db,
    clock: Clock,
}

impl DbSessions {
    fn row(&self, record: &Record) -> Result<SessionRow> {
        let data = serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))?;
        let user = record.data.get(USER).and_then(serde_json::Value::as_str);
        Ok(SessionRow {
            user: user.map(|id| UserId(id.to_owned())),
            data,
            expires_us: self.clock.now_us() + IDLE_US,
        })
    }
}

/// Only the digest of a cookie is stored: who reads the database cannot sign in with what is there.
fn hash(id: &Id) -> Digest {
    Digest::of(id.to_string().as_bytes())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Backend(error.to_string())
}

#[async_trait]
impl SessionStore for DbSessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let row = self.row(record)?;
        let bytes = random_bytes::<16>().map_err(failed)?;
        record.id = Id(i128::from_le_bytes(bytes));
        let made = sessions::insert(&self.db, &hash(&record.id), &row, self.clock.now_us()).await;
        if made.map_err(failed)? {
            Ok(())
        } else {
            Err(failed("two sessions were given one random id"))
        }
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let row = self.row(record)?;
        let saved = sessions::update(&self.db, &hash(&record.id), &row, self.clock.now_us()).await;
        saved.map_err(failed)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let found = sessions::seen(&self.db, &hash(id), self.clock.now_us(), IDLE_US).await;
        let Some(row) = found.map_err(failed)? else {
            return Ok(None);
        };
        let data = serde_json::from_str(&row.data).map_err(|error| Error::Decode(error.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(row.expires_us) * 1000);
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: expiry_date.map_err(|error| Error::Decode(error.to_string()))?,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        sessions::delete(&self.db, &hash(id)).await.map_err(failed)
    }
}
