//! One-time links: how the first account is made, and how somebody chooses a password that nobody else knows.

use domain::ids::{Digest, UserId};

use crate::clock::Clock;
use crate::db;
use crate::db::Db;
use crate::db::setup_links::SetupLinkRow;
use crate::error::ApiError;
use crate::ids::new_secret;

/// How long a link is good.
const VALID_US: i64 = 24 * 3600 * 1_000_000;

/// Makes a link, to be put behind the server's address; earlier ones for the same person are good no more.
///
/// # Errors
/// The database says no.
pub(crate) async fn issue(db: &Db, clock: &Clock, user: Option<&UserId>) -> Result<String, ApiError> {
    let key = new_secret().map_err(ApiError::internal)?;
    let now_us = clock.now_us();
    let link = SetupLinkRow {
        user: user.cloned(),
        expires_us: now_us + VALID_US,
    };
    db::setup_links::insert(db, &hash(&key), &link, now_us).await?;
    Ok(format!("/setup?key={key}"))
}

/// Under which digest a link is stored.
pub(crate) fn hash(key: &str) -> Digest {
    Digest::of(key.as_bytes())
}
