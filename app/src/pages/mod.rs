//! One file a screen.

pub(crate) mod compare;
pub(crate) mod datasets;
#[cfg(all(feature = "ssr", debug_assertions))]
pub(crate) mod design;
pub(crate) mod home;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod missing;
pub(crate) mod models;
pub(crate) mod policies;
pub(crate) mod releases;
pub(crate) mod review;
pub(crate) mod setup;
pub(crate) mod sign_in;
