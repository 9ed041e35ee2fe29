//! Everything about models: images, features, heads, evaluation, packages, and the pipeline that joins them.
//!
//! Owns: what a job does between its claim and its last file. Refuses to know: HTTP, SQL, where the object store lies,
//! what time it is.

pub mod artifacts;
pub mod backbone;
pub mod backbones;
pub mod bundled;
pub mod evaluate;
pub mod features;
pub mod head;
pub mod images;
pub mod observer;
pub mod package;
pub mod pipeline;
pub mod worker;
