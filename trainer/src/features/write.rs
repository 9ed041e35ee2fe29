//! Computed rows on their way into the cache: small segments soon, so that a kill loses little, merged into large ones.

use domain::ids::Digest;
use half::f16;

use super::cache::{Cache, Opened, hint};
use super::segment::{self, Number};
use super::{Block, FeatureError, Fetched, IndexedSegment};
use crate::artifacts::ArtifactKey;

/// Rows of a segment while the work goes on.
pub(super) const FLUSH_ROWS: usize = 256;
/// Rows are written after so long, however few they are.
pub(super) const FLUSH_AFTER_MS: u64 = 5_000;
/// Rows of a segment that is worth keeping.
pub(super) const MERGED_ROWS: usize = 8_192;

type Row = (Digest, Vec<f16>);

/// Writes rows of one space.
pub(super) struct Writer<'a> {
    cache: &'a Cache,
    space: Digest,
    dim: usize,
    /// Rows that lie nowhere else.
    unsaved: Vec<Row>,
    /// When the first of them came.
    since_ms: u64,
    /// Rows of `small`.
    saved: Vec<Row>,
    /// Segments that wait to be merged.
    small: Vec<Digest>,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(cache: &'a Cache, space: Digest, dim: usize) -> Self {
        Self {
            cache,
            space,
            dim,
            unsaved: Vec::new(),
            since_ms: 0,
            saved: Vec::new(),
            small: Vec::new(),
        }
    }

    /// Takes a row, and writes those that are due. Rows of a large segment are mapped from there and no longer held.
    pub(super) fn push(
        &mut self,
        image: Digest,
        row: Vec<f16>,
        now_ms: u64,
        fetched: &mut Fetched,
    ) -> Result<(), FeatureError> {
        if self.unsaved.is_empty() {
            self.since_ms = now_ms;
        }
        self.unsaved.push((image, row));
        if self.unsaved.len() >= FLUSH_ROWS || now_ms.saturating_sub(self.since_ms) >= FLUSH_AFTER_MS {
            self.flush()?;
        }
        if self.saved.len() >= MERGED_ROWS {
            self.merge(fetched)?;
        }
        Ok(())
    }

    /// Writes what lies nowhere else.
    pub(super) fn flush(&mut self) -> Result<(), FeatureError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        self.unsaved.sort_by_key(|(image, _)| *image);
        let name = self.put(&self.unsaved)?;
        self.small.push(name);
        self.saved.append(&mut self.unsaved);
        Ok(())
    }

    /// Writes everything and merges it.
    pub(super) fn finish(mut self, fetched: &mut Fetched) -> Result<(), FeatureError> {
        self.flush()?;
        self.merge(fetched)
    }

    /// One segment instead of the small ones. It is there before they go, so a kill leaves a row twice but never nowhere.
    fn merge(&mut self, fetched: &mut Fetched) -> Result<(), FeatureError> {
        let mut rows = std::mem::take(&mut self.saved);
        let small = std::mem::take(&mut self.small);
        rows.sort_by_key(|(image, _)| *image);
        let name = match &small[..] {
            [] => return Ok(()),
            [only] => *only,
            _ => self.put(&rows)?,
        };
        match self.cache.open(&self.space, &name)? {
            Opened::Whole(segment) => fetched.take_segment(&segment),
            // Somebody's cleaning or a bad disk: the rows are as good as before.
            Opened::Gone | Opened::Damaged(_) => {
                let block = rows.iter().flat_map(|(_, row)| row).copied().collect();
                fetched.take(rows.iter().map(|(image, _)| *image), Block::Computed(block));
            }
        }
        if small.len() > 1 {
            hint(self.cache.index.remove(&self.space, &small));
            for name in &small {
                self.cache.delete(&self.space, name)?;
            }
        }
        Ok(())
    }

    fn put(&self, rows: &[Row]) -> Result<Digest, FeatureError> {
        let rows: Vec<(Digest, &[f16])> = rows.iter().map(|(image, row)| (*image, &row[..])).collect();
        put_segment(self.cache, &self.space, self.dim, &rows)
    }
}

/// Writes a segment of these rows, which are in the order of their images, and tells the index. Its name is its content's
/// digest: whoever writes it writes the same, and a damaged one is healed.
pub(super) fn put_segment<T: Number>(
    cache: &Cache,
    space: &Digest,
    dim: usize,
    rows: &[(Digest, &[T])],
) -> Result<Digest, FeatureError> {
    let (segment, bytes) = segment::encode(dim, rows);
    cache
        .artifacts
        .replace(&ArtifactKey::feature_segment(space, &segment), bytes)?;
    let images = rows.iter().map(|(image, _)| *image).collect();
    hint(cache.index.add(space, &[IndexedSegment { segment, images }]));
    Ok(segment)
}
