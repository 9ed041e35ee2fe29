//! The rooms that cached rows lie in: the store that keeps segments, the index that finds them, the files that are mapped.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use domain::ids::Digest;

use super::segment::{self, Segment, SegmentError};
use super::{FeatureError, FeatureIndex, IndexError, IndexedSegment, MemoryIndex, map};
use crate::artifacts::{ArtifactKey, Artifacts};

/// The cache of features and of logits. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Cache {
    /// Where segments lie, and where images are read from.
    pub artifacts: Artifacts,
    /// Which segment holds whose row.
    pub index: Arc<dyn FeatureIndex>,
    /// Where segments lie as files of this machine.
    pub local: LocalCopies,
    /// Files whose checksum was right when this process first opened them.
    verified: Arc<Mutex<HashMap<PathBuf, Stamp>>>,
}

/// Where segments lie as files of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalCopies {
    /// The store is this folder, and its objects are mapped where they lie: it gives an object a new content by renaming
    /// another file to its name, so what is mapped never changes.
    Store(PathBuf),
    /// Copies are kept under this folder, laid out like the store.
    Folder(PathBuf),
}

/// A file as it was when it was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size_bytes: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

/// What became of opening a segment.
pub(super) enum Opened {
    /// It is as it was written.
    Whole(Segment),
    /// There is no such object any more.
    Gone,
    /// It is not to be trusted.
    Damaged(SegmentError),
}

impl Cache {
    /// A cache of these parts.
    #[must_use]
    pub fn new(artifacts: Artifacts, index: Arc<dyn FeatureIndex>, local: LocalCopies) -> Self {
        Self {
            artifacts,
            index,
            local,
            verified: Arc::default(),
        }
    }

    /// A cache on a store that is this folder, with an index that ends with this process.
    #[must_use]
    pub fn in_folder(artifacts: Artifacts, store: &Path) -> Self {
        let index = Arc::new(MemoryIndex::default());
        Self::new(artifacts, index, LocalCopies::Store(store.to_path_buf()))
    }

    /// Map a segment. Its checksum is compared when this process sees the file for the first time.
    pub(super) fn open(&self, space: &Digest, name: &Digest) -> Result<Opened, FeatureError> {
        let key = ArtifactKey::feature_segment(space, name);
        let (file, is_copy) = match &self.local {
            LocalCopies::Store(folder) => (key.file_below(folder), false),
            LocalCopies::Folder(folder) => (key.file_below(folder), true),
        };
        if is_copy {
            match self.mapped(&file, name)? {
                Opened::Whole(segment) => return Ok(Opened::Whole(segment)),
                Opened::Damaged(reason) => {
                    tracing::warn!(file = %file.display(), %reason, "a damaged copy of a feature segment is replaced");
                }
                Opened::Gone => {}
            }
            let Some(bytes) = self.artifacts.get(&key)? else {
                return Ok(Opened::Gone);
            };
            keep_copy(&file, &bytes).map_err(|source| FeatureError::Local {
                path: file.clone(),
                source,
            })?;
        }
        self.mapped(&file, name)
    }

    fn mapped(&self, path: &Path, name: &Digest) -> Result<Opened, FeatureError> {
        let (bytes, stamp) = match open_file(path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Opened::Gone),
            Err(source) => {
                return Err(FeatureError::Local {
                    path: path.to_path_buf(),
                    source,
                });
            }
        };
        let known = self
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
            .copied();
        if known != Some(stamp) {
            if let Err(reason) = segment::verify(name, &bytes) {
                return Ok(Opened::Damaged(reason));
            }
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.insert(path.to_path_buf(), stamp);
        }
        Ok(match Segment::new(bytes) {
            Ok(segment) => Opened::Whole(segment),
            Err(reason) => Opened::Damaged(reason),
        })
    }

    /// Forgets what was verified, so that everything that is opened from now on is compared with its checksum again.
    pub(super) fn distrust(&self) {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What the index knows of a space; nothing where it cannot be reached, for it is but a hint.
    pub(super) fn indexed(&self, space: &Digest) -> Vec<IndexedSegment> {
        self.index.segments(space).unwrap_or_else(|error| {
            tracing::warn!(%space, %error, "the index of features cannot be asked; the store is listed instead");
            Vec::new()
        })
    }

    /// Tells the index of segments.
    pub(super) fn remember<'a>(&self, space: &Digest, segments: impl Iterator<Item = (&'a Digest, &'a Segment)>) {
        let indexed: Vec<IndexedSegment> = segments
            .map(|(name, segment)| IndexedSegment {
                segment: *name,
                images: segment.images().collect(),
            })
            .collect();
        if !indexed.is_empty() {
            hint(self.index.add(space, &indexed));
        }
    }

    /// Takes a segment that is gone or damaged out of the index. A damaged one is taken out of the store too, so that
    /// nobody meets it again.
    pub(super) fn discard(
        &self,
        space: &Digest,
        name: &Digest,
        damage: Option<SegmentError>,
    ) -> Result<(), FeatureError> {
        let key = ArtifactKey::feature_segment(space, name);
        hint(self.index.remove(space, &[*name]));
        match damage {
            None => tracing::info!(segment = %key, "a feature segment is gone; what it held is looked for elsewhere"),
            Some(reason) => {
                tracing::warn!(segment = %key, %reason, "a damaged feature segment is not used; its rows are computed again");
                // One that is whole may be a later version's.
                if matches!(reason, SegmentError::Checksum | SegmentError::TooShort) {
                    self.delete(space, name)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a segment out of the store, and its copy.
    pub(super) fn delete(&self, space: &Digest, name: &Digest) -> Result<(), FeatureError> {
        let key = ArtifactKey::feature_segment(space, name);
        self.artifacts.delete(&key)?;
        if let LocalCopies::Folder(folder) = &self.local {
            // Whoever has it mapped keeps it.
            let _ = std::fs::remove_file(key.file_below(folder));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("artifacts", &self.artifacts)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

/// The index is but a hint: that it could not be told is no reason to stop.
pub(super) fn hint(told: Result<(), IndexError>) {
    if let Err(error) = told {
        tracing::warn!(%error, "the index of features could not be told");
    }
}

fn open_file(path: &Path) -> std::io::Result<(Bytes, Stamp)> {
    let file = std::fs::File::open(path)?;
    let facts = file.metadata()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&facts);
    #[cfg(not(unix))]
    let inode = 0;
    let stamp = Stamp {
        size_bytes: facts.len(),
        modified: facts.modified().ok(),
        inode,
    };
    // Nothing cannot be mapped.
    let bytes = if facts.len() == 0 {
        Bytes::new()
    } else {
        map::map(&file)?
    };
    Ok((bytes, stamp))
}

/// Written under another name and renamed, so that a file of this name is whole whenever the writer is killed.
fn keep_copy(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
