//! Everything about models: images, features, heads, evaluation, gate, packages. Knows no HTTP and no SQL.

pub mod artifacts;
pub mod bundled;
pub mod features;
pub mod images;
pub mod observer;
