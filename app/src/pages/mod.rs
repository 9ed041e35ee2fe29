//! One file a screen.

pub(crate) mod home;
pub(crate) mod missing;
pub(crate) mod setup;
pub(crate) mod sign_in;
