//! Features: one row of numbers per image, computed once, ever, on all cores.
//!
//! Owns: the extraction pipeline and the content-addressed cache: segments of f16 rows in the object store, mapped from
//! files of this machine, found through an index that is but a hint. Refuses to know: labels, splits, and what is made of
//! the rows. A row depends on the image's bytes and on the cache's space alone, never on threads, interruptions or
//! neighbours; values are those that half precision keeps, whether they were cached or not.

mod budget;
mod cache;
mod derived;
mod extract;
mod fetch;
mod gc;
mod index;
mod map;
mod segment;
mod space;
mod survey;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use domain::dataset::Finding;
use domain::ids::Digest;
use engine::EngineError;
use half::f16;

use crate::artifacts::ArtifactError;
use segment::Segment;

pub use cache::{Cache, LocalCopies};
pub use derived::derived;
pub use extract::{extract, extract_missing};
pub use fetch::{Fetched, fetch};
pub use gc::{Cleaned, GcOptions, gc};
pub use index::{FeatureIndex, IndexError, IndexedSegment, MemoryIndex};
pub use segment::SegmentError;
pub use space::{Space, View};
pub use survey::{CacheFault, CacheFinding, KnownSpace, KnownSpaces, SpaceStats, Verified, stats, verify};

/// Feature rows by image, where they lie: mapped, or as they were computed.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// Numbers per row.
    pub dim: usize,
    /// The row of each image; rows are in the order of the digests.
    pub rows: BTreeMap<Digest, usize>,
    places: Vec<Place>,
    blocks: Vec<Block>,
}

/// Where a row lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    block: usize,
    row: usize,
}

/// Rows that lie together.
#[derive(Clone, Debug)]
enum Block {
    Mapped(Segment),
    Computed(Arc<[f16]>),
}

impl Features {
    /// Rows of these numbers, rounded to half precision; all as long as the first.
    #[must_use]
    pub fn of(rows: &BTreeMap<Digest, Vec<f32>>) -> Self {
        let values = rows.values().flatten().map(|value| f16::from_f32(*value));
        Self {
            dim: rows.values().next().map_or(0, Vec::len),
            rows: rows.keys().copied().zip(0..).collect(),
            places: (0..rows.len()).map(|row| Place { block: 0, row }).collect(),
            blocks: vec![Block::Computed(values.collect())],
        }
    }

    /// A row, f16, where it lies.
    ///
    /// # Panics
    /// Never for a number that stands in [`Self::rows`].
    #[must_use]
    pub fn row(&self, row: usize) -> &[f16] {
        let Place { block, row } = self.places[row];
        match &self.blocks[block] {
            Block::Mapped(segment) => segment.row(row),
            Block::Computed(values) => &values[row * self.dim..(row + 1) * self.dim],
        }
    }

    /// All rows in order, (rows, dim), f16, where they lie: nothing is copied.
    #[must_use]
    pub fn halves(&self) -> Vec<&[f16]> {
        (0..self.places.len()).map(|row| self.row(row)).collect()
    }

    /// An image's feature.
    #[must_use]
    pub fn get(&self, image: &Digest) -> Option<&[f16]> {
        Some(self.row(*self.rows.get(image)?))
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
    /// The index failed where it is not but a hint.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file of this machine that holds cached rows cannot be opened or written.
    #[error("cannot use the local copy {path} of cached features: {source}", path = path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The device that computes failed; rows computed until then are cached.
    #[error("cannot extract features: {0}")]
    Device(#[from] EngineError),
}
