//! What the cache holds and whether it is whole: for whoever looks after it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use domain::ids::Digest;
use domain::model::BackboneRef;
use serde::Serialize;

use super::cache::{Cache, LocalCopies, Opened};
use super::{FeatureError, Space};
use crate::artifacts::{ArtifactKey, StoredObject};

/// The spaces that somebody uses, each with what it is for.
#[derive(Clone, Debug, Default)]
pub struct KnownSpaces(BTreeMap<Digest, KnownSpace>);

/// What a space is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownSpace {
    /// The backbone's name.
    pub backbone: String,
    /// Its feature recipe.
    pub recipe: String,
    /// The arithmetic.
    pub kernel: String,
    /// The head whose logits it holds; none for features.
    pub logits_of: Option<Digest>,
}

impl KnownSpaces {
    /// A backbone's features are used.
    pub fn add(&mut self, backbone: &BackboneRef) {
        let known = known(backbone, None);
        self.0.insert(Space::named(backbone.clone()).digest(), known);
    }

    /// The logits of a model's head, and the features that they are made of, are used.
    pub fn add_head(&mut self, backbone: &BackboneRef, head: Digest) {
        self.add(backbone);
        let logits = Space::named(backbone.clone()).logits(&head);
        self.0.insert(logits, known(backbone, Some(head)));
    }

    pub(super) fn get(&self, space: &Digest) -> Option<&KnownSpace> {
        self.0.get(space)
    }
}

fn known(backbone: &BackboneRef, logits_of: Option<Digest>) -> KnownSpace {
    KnownSpace {
        backbone: backbone.name.clone(),
        recipe: backbone.recipe.clone(),
        kernel: backbone.kernel.clone(),
        logits_of,
    }
}

/// A space, as store and index tell of it; no segment is opened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpaceStats {
    /// Its digest.
    pub space: Digest,
    /// What it is for; none where nobody uses it.
    pub known: Option<KnownSpace>,
    /// Segments in the store.
    pub n_segments: usize,
    /// Those of them that the index knows.
    pub n_indexed: usize,
    /// Rows in segments that the index knows.
    pub n_rows: usize,
    /// Images that have a row there.
    pub n_images: usize,
    /// Bytes in the store.
    pub size_bytes: u64,
    /// Share of the bytes that `gc` would free: all of a space that nobody uses, else rows that are there twice.
    pub garbage_share: f64,
    /// Files of this machine that are mapped instead of the objects; none where the objects themselves are.
    pub n_copies: usize,
    /// Their bytes.
    pub copies_bytes: u64,
}

/// What is where, in order of the spaces.
///
/// # Errors
/// Store or index cannot be asked.
pub fn stats(cache: &Cache, known: &KnownSpaces) -> Result<Vec<SpaceStats>, FeatureError> {
    let mut stats = Vec::new();
    for (space, objects) in spaces(cache)? {
        let mut one = SpaceStats {
            space,
            known: known.get(&space).cloned(),
            n_segments: objects.len(),
            n_indexed: 0,
            n_rows: 0,
            n_images: 0,
            size_bytes: objects.values().map(|object| object.size_bytes).sum(),
            garbage_share: 1.0,
            n_copies: 0,
            copies_bytes: 0,
        };
        let mut images: HashSet<Digest> = HashSet::new();
        for indexed in cache.index.segments(&space)? {
            if objects.contains_key(&indexed.segment) {
                one.n_indexed += 1;
                one.n_rows += indexed.images.len();
                images.extend(indexed.images);
            }
        }
        one.n_images = images.len();
        if one.known.is_some() {
            one.garbage_share = share(one.n_rows - one.n_images, one.n_rows);
        }
        if let LocalCopies::Folder(folder) = &cache.local {
            for object in objects.values() {
                if let Ok(file) = std::fs::metadata(object.key.file_below(folder)) {
                    one.n_copies += 1;
                    one.copies_bytes += file.len();
                }
            }
        }
        stats.push(one);
    }
    Ok(stats)
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^53")]
fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// What a look at every byte found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Segments that are whole.
    pub n_segments: usize,
    /// Their rows.
    pub n_rows: usize,
    /// Their bytes.
    pub size_bytes: u64,
    /// Segments that the index does not know: they are found by listing the store.
    pub n_unindexed: usize,
    /// What the index knows of segments that are gone, all of whose rows are elsewhere.
    pub n_stale: usize,
    /// What is wrong.
    pub findings: Vec<CacheFinding>,
}

/// Something wrong in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CacheFinding {
    /// What kind of fault it is.
    pub kind: CacheFault,
    /// The object.
    pub object: String,
    /// The fault in words.
    pub message: String,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheFault {
    /// A segment is not what was written.
    Damaged,
    /// Rows that the index knows are nowhere.
    Lost,
    /// The index says something else than the segment.
    Contradiction,
    /// No segment at all.
    Stranger,
}

/// Compares every segment with its checksum and the index with the segments. Changes nothing but copies on this machine,
/// which are fetched again where they are damaged.
///
/// # Errors
/// Store, index or copies cannot be read.
pub fn verify(cache: &Cache, progress: &dyn Fn(usize, usize)) -> Result<Verified, FeatureError> {
    let mut verified = Verified::default();
    let mut found = |kind, object: &ArtifactKey, message: String| {
        let object = object.to_string();
        verified.findings.push(CacheFinding { kind, object, message });
    };
    for object in cache.artifacts.list(&ArtifactKey::feature_spaces())? {
        if object.key.as_feature_segment().is_none() {
            let message = "it is no segment of cached rows; nobody reads it".to_owned();
            found(CacheFault::Stranger, &object.key, message);
        }
    }
    cache.distrust();
    let all = spaces(cache)?;
    let n_all = all.values().map(BTreeMap::len).sum();
    let (mut n_done, mut n_segments, mut n_rows, mut size_bytes) = (0, 0, 0, 0);
    let (mut n_unindexed, mut n_stale) = (0, 0);
    for (space, objects) in all {
        let mut indexed: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
        for one in cache.index.segments(&space)? {
            indexed.insert(one.segment, one.images);
        }
        let mut images: HashSet<Digest> = HashSet::new();
        for (name, object) in &objects {
            let told = indexed.remove(name);
            match cache.open(&space, name)? {
                Opened::Whole(segment) => {
                    n_segments += 1;
                    n_rows += segment.len();
                    size_bytes += segment.size_bytes() as u64;
                    images.extend(segment.images());
                    match told {
                        None => n_unindexed += 1,
                        Some(told) if told.iter().copied().eq(segment.images()) => {}
                        Some(_) => {
                            let message = "the index names other images than the segment holds; fetching heals it";
                            found(CacheFault::Contradiction, &object.key, message.to_owned());
                        }
                    }
                }
                Opened::Damaged(reason) => {
                    let message = format!("{reason}; its rows are computed again when they are wanted");
                    found(CacheFault::Damaged, &object.key, message);
                }
                // Merged by a worker in the meantime.
                Opened::Gone => {}
            }
            n_done += 1;
            progress(n_done, n_all);
        }
        for (name, told) in indexed {
            let n_lost = told.iter().filter(|image| !images.contains(*image)).count();
            if n_lost == 0 {
                n_stale += 1;
            } else {
                let message =
                    format!("it is gone and {n_lost} of its rows with it; they are computed again when wanted");
                found(CacheFault::Lost, &ArtifactKey::feature_segment(&space, &name), message);
            }
        }
    }
    Ok(Verified {
        n_segments,
        n_rows,
        size_bytes,
        n_unindexed,
        n_stale,
        ..verified
    })
}

/// Every space of store and index, with the segments in the store.
pub(super) fn spaces(cache: &Cache) -> Result<BTreeMap<Digest, BTreeMap<Digest, StoredObject>>, FeatureError> {
    let indexed: BTreeSet<Digest> = cache.index.spaces()?.into_iter().collect();
    let mut spaces: BTreeMap<Digest, BTreeMap<Digest, StoredObject>> =
        indexed.into_iter().map(|space| (space, BTreeMap::new())).collect();
    for object in cache.artifacts.list(&ArtifactKey::feature_spaces())? {
        if let Some((space, name)) = object.key.as_feature_segment() {
            spaces.entry(space).or_default().insert(name, object);
        }
    }
    Ok(spaces)
}
