//! Which segment holds whose row: a hint that saves looking, behind a port.
//!
//! Losing an entry costs a listing of the store, and a wrong one a look at a segment that says otherwise; rows are taken
//! by what their segment itself says, so no entry can lead to a wrong one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::ids::Digest;

/// A segment and whose rows it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedSegment {
    /// Its name.
    pub segment: Digest,
    /// The images, in order; the place of each is its row.
    pub images: Vec<Digest>,
}

/// The index could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {source}")]
pub struct IndexError {
    /// What was attempted.
    pub action: String,
    /// Why it failed.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Key → (segment, row), where a key is a space and an image. Calls may block; they are made from blocking threads only.
pub trait FeatureIndex: Send + Sync {
    /// What it knows of a space, in order of the segments' names.
    ///
    /// # Errors
    /// The index cannot be reached.
    fn segments(&self, space: &Digest) -> Result<Vec<IndexedSegment>, IndexError>;

    /// Remembers segments, in place of what it knew of them.
    ///
    /// # Errors
    /// The index cannot be reached.
    fn add(&self, space: &Digest, segments: &[IndexedSegment]) -> Result<(), IndexError>;

    /// Forgets these segments; those that it does not know are no error.
    ///
    /// # Errors
    /// The index cannot be reached.
    fn remove(&self, space: &Digest, segments: &[Digest]) -> Result<(), IndexError>;

    /// The spaces of which it knows segments, in order.
    ///
    /// # Errors
    /// The index cannot be reached.
    fn spaces(&self) -> Result<Vec<Digest>, IndexError>;
}

/// An index that ends with its process: what it forgets is found in the store again.
#[derive(Debug, Default)]
pub struct MemoryIndex(Mutex<BTreeMap<Digest, BTreeMap<Digest, Vec<Digest>>>>);

impl FeatureIndex for MemoryIndex {
    fn segments(&self, space: &Digest) -> Result<Vec<IndexedSegment>, IndexError> {
        let spaces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let segments = spaces.get(space).into_iter().flatten();
        Ok(segments
            .map(|(segment, images)| IndexedSegment {
                segment: *segment,
                images: images.clone(),
            })
            .collect())
    }

    fn add(&self, space: &Digest, segments: &[IndexedSegment]) -> Result<(), IndexError> {
        let mut spaces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for segment in segments {
            let known = spaces.entry(*space).or_default();
            known.insert(segment.segment, segment.images.clone());
        }
        Ok(())
    }

    fn remove(&self, space: &Digest, segments: &[Digest]) -> Result<(), IndexError> {
        let mut spaces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = spaces.get_mut(space) {
            known.retain(|segment, _| !segments.contains(segment));
            if known.is_empty() {
                spaces.remove(space);
            }
        }
        Ok(())
    }

    fn spaces(&self) -> Result<Vec<Digest>, IndexError> {
        let spaces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(spaces.keys().copied().collect())
    }
}
