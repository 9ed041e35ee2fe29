//! Who asks, and whether they may.
//!
//! Owns: the permission table, the check before every handler, passwords, browser sessions, tokens, one-time links. Refuses
//! to know: SQL (that is `crate::db`) and what any handler does with the permission it was given.

pub(crate) mod caller;
pub(crate) mod guard;
pub(crate) mod links;
pub(crate) mod passwords;
pub(crate) mod permissions;
pub(crate) mod sessions;
pub(crate) mod throttle;
pub(crate) mod tokens;

use std::sync::Arc;

use passwords::Passwords;
use throttle::Throttle;

/// What signing in needs and shares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Auth {
    /// Hashes passwords, few at once.
    pub passwords: Passwords,
    /// Counts failures.
    pub throttle: Arc<Throttle>,
}
