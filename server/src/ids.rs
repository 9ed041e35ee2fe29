//! The one place that makes identifiers and secrets. Identifiers are UUIDs of version 7, so that they sort by the time they
//! were made; secrets are random bytes of the operating system.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::{NoContext, Timestamp, Uuid};

use crate::clock::Clock;

/// A new identifier's text.
#[must_use]
pub(crate) fn new_id(clock: &Clock) -> String {
    let now_us = u64::try_from(clock.now_us()).unwrap_or_default();
    let nanos = u32::try_from(now_us % 1_000_000 * 1000).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, now_us / 1_000_000, nanos)).to_string()
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub(crate) struct NoRandomness(getrandom::Error);

/// Bytes that nobody can guess.
///
/// # Errors
/// The operating system has none.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

/// A text that nobody can guess: 256 random bits as 43 characters that stand in addresses and headers as they are.
///
/// # Errors
/// The operating system has no random bytes.
pub(crate) fn new_secret() -> Result<String, NoRandomness> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))
}
