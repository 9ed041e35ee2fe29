//! One file a screen.

pub(crate) mod home;
pub(crate) mod missing;
