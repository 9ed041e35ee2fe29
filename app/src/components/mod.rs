//! Small pieces that pages are made of; pure functions of domain types.

pub(crate) mod charts;
pub(crate) mod error;
pub(crate) mod form;
pub(crate) mod hour;
pub(crate) mod job;
pub(crate) mod loaded;
pub(crate) mod number;
pub(crate) mod panel;
pub(crate) mod photos;
pub(crate) mod time;
pub(crate) mod verdict;

/// The end of an identifier: enough for a person to tell two apart. (Identifiers begin with their time.)
pub(crate) fn short(id: &str) -> String {
    let skipped = id.chars().count().saturating_sub(8);
    id.chars().skip(skipped).collect()
}
