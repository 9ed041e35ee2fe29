//! Features: one row of numbers per image, computed once, ever, on all cores.
//!
//! Owns: the extraction pipeline and the content-addressed cache in the object store. Refuses to know: labels, splits,
//! and what is made of the rows. A row depends on the image's bytes and on the cache's space alone, never on threads,
//! interruptions or neighbours; values are those that half precision keeps, whether they were cached or not.

mod cache;
mod extract;
mod segment;

use std::collections::BTreeMap;

use domain::dataset::Finding;
use domain::ids::Digest;

use crate::artifacts::ArtifactError;

pub use cache::{Fetched, fetch, space};
pub use extract::{extract, extract_missing};

/// Feature rows by image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// Numbers per row.
    pub dim: usize,
    /// The row of each image; rows are in the order of the digests.
    pub rows: BTreeMap<Digest, usize>,
    /// (rows, dim), f32, rounded to half precision.
    pub data: Vec<f32>,
}

impl Features {
    /// An image's feature.
    #[must_use]
    pub fn get(&self, image: &Digest) -> Option<&[f32]> {
        let row = *self.rows.get(image)?;
        self.data.get(row * self.dim..(row + 1) * self.dim)
    }
}

/// What an extraction brought.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// A row of every image that could be had in time.
    pub features: Features,
    /// Rows that were cached.
    pub n_cached: usize,
    /// Rows that were computed.
    pub n_extracted: usize,
    /// Images that were left out because they are missing or damaged, in order; the observer was told of each.
    pub findings: Vec<Finding>,
    /// Every image has a row or a finding: time did not run out.
    pub complete: bool,
}

/// Features cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// The observer said stop; rows computed until then are cached.
    #[error("cancelled while features were extracted")]
    Cancelled,
    /// The object store failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}
