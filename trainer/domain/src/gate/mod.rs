//! The gate between a candidate and a channel: pure, so that the same report and policy give the same verdict on any
//! machine.

pub mod decide;
pub mod headline;
pub mod policy;
pub mod shown;
pub mod verdict;
mod words;

pub use decide::{decide, judge_losses};
