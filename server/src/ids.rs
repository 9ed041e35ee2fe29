//! The one place that makes identifiers: UUIDs of version 7, so that they sort by the time they were made.

use uuid::{NoContext, Timestamp, Uuid};

use crate::clock::Clock;

/// A new identifier's text.
#[must_use]
pub(crate) fn new_id(clock: &Clock) -> String {
    let now_us = u64::try_from(clock.now_us()).unwrap_or_default();
    let nanos = u32::try_from(now_us % 1_000_000 * 1000).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, now_us / 1_000_000, nanos)).to_string()
}
