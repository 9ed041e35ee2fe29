//! Taking out of the cache what nobody needs: spaces that nobody uses, damaged segments, rows that are there twice; and
//! making few large segments of many small ones.
//!
//! What is younger than a grace period is left alone, for a running job may just have written it. Who has a segment mapped
//! keeps it, whatever happens to its object.

use std::collections::{BTreeMap, HashSet};

use domain::ids::Digest;
use serde::Serialize;

use super::cache::{Cache, LocalCopies, Opened};
use super::segment::{self, Segment};
use super::survey::{KnownSpaces, spaces};
use super::write::MERGED_ROWS;
use super::{FeatureError, IndexedSegment};
use crate::artifacts::{ArtifactKey, StoredObject};

/// How to clean.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// The present, microseconds UTC.
    pub now_us: i64,
    /// Objects younger than this stay.
    pub older_than_us: i64,
    /// Change nothing, only say what would be done.
    pub dry_run: bool,
}

/// What was taken out, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Segments of spaces that nobody uses.
    pub n_unused: usize,
    /// Damaged segments.
    pub n_damaged: usize,
    /// Segments whose rows are elsewhere too.
    pub n_redundant: usize,
    /// Segments that were merged …
    pub n_merged: usize,
    /// … into so many.
    pub n_merged_into: usize,
    /// What the index knew of segments that are gone.
    pub n_stale: usize,
    /// Segments that the index did not know.
    pub n_reindexed: usize,
    /// Files on this machine that no object belongs to.
    pub n_files: usize,
    /// Bytes that were freed in the store.
    pub freed_bytes: u64,
}

/// A segment that is whole.
struct Kept {
    name: Digest,
    segment: Segment,
    is_old: bool,
}

/// Cleans every space.
///
/// # Errors
/// Store, index or copies cannot be read or written.
pub fn gc(
    cache: &Cache,
    known: &KnownSpaces,
    options: GcOptions,
    progress: &dyn Fn(usize, usize),
) -> Result<Cleaned, FeatureError> {
    let all = spaces(cache)?;
    let mut cleaned = Cleaned::default();
    let n_all = all.len();
    for (n_done, (space, objects)) in all.iter().enumerate() {
        let cleaner = Cleaner {
            cache,
            options,
            space: *space,
        };
        if known.get(space).is_some() {
            cleaner.tidy(objects, &mut cleaned)?;
        } else {
            cleaner.empty(objects, &mut cleaned)?;
        }
        progress(n_done + 1, n_all);
    }
    cleaned.n_files = stray_files(cache, &all, options)?;
    Ok(cleaned)
}

struct Cleaner<'a> {
    cache: &'a Cache,
    options: GcOptions,
    space: Digest,
}

impl Cleaner<'_> {
    fn is_old(&self, object: &StoredObject) -> bool {
        self.options.now_us - object.modified_us >= self.options.older_than_us
    }

    /// Takes everything old out of a space that nobody uses.
    fn empty(&self, objects: &BTreeMap<Digest, StoredObject>, cleaned: &mut Cleaned) -> Result<(), FeatureError> {
        for (name, object) in objects.iter().filter(|(_, object)| self.is_old(object)) {
            cleaned.n_unused += 1;
            cleaned.freed_bytes += object.size_bytes;
            self.remove(name)?;
        }
        self.forget_gone(objects, cleaned).map(drop)
    }

    /// Takes out what is damaged or double, and merges what is small.
    fn tidy(&self, objects: &BTreeMap<Digest, StoredObject>, cleaned: &mut Cleaned) -> Result<(), FeatureError> {
        let known = self.forget_gone(objects, cleaned)?;
        let mut kept = Vec::new();
        for (name, object) in objects {
            match self.cache.open(&self.space, name)? {
                Opened::Whole(segment) => {
                    if !known.contains(name) {
                        cleaned.n_reindexed += 1;
                        if !self.options.dry_run {
                            self.cache.remember(&self.space, std::iter::once((name, &segment)));
                        }
                    }
                    let (name, is_old) = (*name, self.is_old(object));
                    kept.push(Kept { name, segment, is_old });
                }
                Opened::Damaged(reason) => {
                    cleaned.n_damaged += 1;
                    cleaned.freed_bytes += object.size_bytes;
                    if !self.options.dry_run {
                        self.cache.discard(&self.space, name, Some(reason))?;
                    }
                }
                Opened::Gone => {}
            }
        }
        // Rows of one space are of one width; a stranger among them is not merged with the others.
        let Some(width) = kept.iter().map(|kept| kept.segment.width()).next() else {
            return Ok(());
        };
        kept.retain(|kept| kept.segment.width() == width);
        self.merge(width, kept, cleaned)
    }

    fn merge(&self, width: (usize, usize), mut kept: Vec<Kept>, cleaned: &mut Cleaned) -> Result<(), FeatureError> {
        // Young ones stay, so theirs are the rows that others hold twice; then the largest come first.
        kept.sort_by_key(|kept| (kept.is_old, std::cmp::Reverse(kept.segment.len()), kept.name));
        let mut held: HashSet<Digest> = HashSet::new();
        let mut small: Vec<&Kept> = Vec::new();
        let mut rows: BTreeMap<Digest, &[u8]> = BTreeMap::new();
        let mut is_double = false;
        for one in &kept {
            let n = one.segment.len();
            let own: Vec<(usize, Digest)> = one
                .segment
                .images()
                .enumerate()
                .filter(|(_, image)| !held.contains(image))
                .collect();
            held.extend(own.iter().map(|(_, image)| *image));
            if !one.is_old {
                continue;
            }
            if own.is_empty() {
                cleaned.n_redundant += 1;
                cleaned.freed_bytes += one.segment.size_bytes() as u64;
                self.remove(&one.name)?;
            } else if own.len() < n || n < MERGED_ROWS / 2 {
                is_double |= own.len() < n;
                rows.extend(own.into_iter().map(|(row, image)| (image, one.segment.raw_row(row))));
                small.push(one);
            }
        }
        if small.len() < 2 && !is_double {
            return Ok(());
        }
        let rows: Vec<(Digest, &[u8])> = rows.into_iter().collect();
        let mut written = HashSet::new();
        for rows in rows.chunks(MERGED_ROWS) {
            let (name, bytes) = segment::encode_raw(width, rows);
            cleaned.n_merged_into += 1;
            cleaned.freed_bytes = cleaned.freed_bytes.saturating_sub(bytes.len() as u64);
            if !self.options.dry_run {
                let key = ArtifactKey::feature_segment(&self.space, &name);
                self.cache.artifacts.replace(&key, bytes)?;
                let images = rows.iter().map(|(image, _)| *image).collect();
                self.cache
                    .index
                    .add(&self.space, &[IndexedSegment { segment: name, images }])?;
            }
            written.insert(name);
        }
        for one in small {
            cleaned.n_merged += 1;
            cleaned.freed_bytes += one.segment.size_bytes() as u64;
            if !written.contains(&one.name) {
                self.remove(&one.name)?;
            }
        }
        Ok(())
    }

    /// Out of the index first, so that nobody is sent to what is gone.
    fn remove(&self, name: &Digest) -> Result<(), FeatureError> {
        if self.options.dry_run {
            return Ok(());
        }
        self.cache.index.remove(&self.space, &[*name])?;
        self.cache.delete(&self.space, name)
    }

    /// Makes the index forget segments that are not in the store; those that it knows.
    fn forget_gone(
        &self,
        objects: &BTreeMap<Digest, StoredObject>,
        cleaned: &mut Cleaned,
    ) -> Result<HashSet<Digest>, FeatureError> {
        let known = self.cache.index.segments(&self.space)?;
        let mut known: HashSet<Digest> = known.into_iter().map(|indexed| indexed.segment).collect();
        let mut gone = Vec::new();
        for name in &known {
            // Written since the store was listed, perhaps.
            let key = ArtifactKey::feature_segment(&self.space, name);
            if !objects.contains_key(name) && !self.cache.artifacts.exists(&key)? {
                gone.push(*name);
            }
        }
        cleaned.n_stale += gone.len();
        if !self.options.dry_run {
            self.cache.index.remove(&self.space, &gone)?;
        }
        known.retain(|name| !gone.contains(name));
        Ok(known)
    }
}

/// Removes files that no object belongs to: copies of what is gone, and what killed writers left half-written.
fn stray_files(
    cache: &Cache,
    all: &BTreeMap<Digest, BTreeMap<Digest, StoredObject>>,
    options: GcOptions,
) -> Result<usize, FeatureError> {
    let (folder, is_store) = match &cache.local {
        LocalCopies::Store(folder) => (folder, true),
        LocalCopies::Folder(folder) => (folder, false),
    };
    let root = ArtifactKey::feature_spaces().file_below(folder);
    let failed = |source| FeatureError::Local {
        path: root.clone(),
        source,
    };
    let mut n_files = 0;
    for file in files_below(&root).map_err(failed)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let space = file.parent().and_then(std::path::Path::file_name).unwrap_or_default();
        let belongs = || {
            let space: Digest = space.to_string_lossy().parse().ok()?;
            all.get(&space)?.get(&name.parse().ok()?)
        };
        // In a store everything is an object but what is still being written.
        let is_stray = if is_store {
            name.contains('#')
        } else {
            belongs().is_none()
        };
        if is_stray && age_us(&file, options.now_us).is_some_and(|age_us| age_us >= options.older_than_us) {
            n_files += 1;
            if !options.dry_run {
                std::fs::remove_file(&file).map_err(failed)?;
            }
        }
    }
    Ok(n_files)
}

/// Files two levels below: `SPACE/SEGMENT`.
fn files_below(root: &std::path::Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    let spaces = match std::fs::read_dir(root) {
        Ok(spaces) => spaces,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(error),
    };
    for space in spaces {
        let space = space?.path();
        if space.is_dir() {
            for file in std::fs::read_dir(space)? {
                files.push(file?.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn age_us(file: &std::path::Path, now_us: i64) -> Option<i64> {
    let modified = std::fs::metadata(file).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(now_us - i64::try_from(since.as_micros()).ok()?)
}

#[cfg(test)]
mod tests;
