//! What is cached already: the segments that hold wanted rows are mapped.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use domain::event::Progress;
use domain::ids::Digest;
use domain::job::Stage;
use engine::Backbone;
use half::f16;
use rayon::prelude::*;

use super::cache::{Cache, Opened};
use super::segment::{Number, Segment};
use super::{Block, FeatureError, Features, IndexedSegment, Place, Space};
use crate::artifacts::ArtifactKey;
use crate::observer::Observer;

/// Rows of some images, the cached ones found.
#[derive(Debug)]
pub struct Fetched {
    pub(super) space: Digest,
    pub(super) dim: usize,
    number_bytes: usize,
    /// All images that were asked for, in order.
    images: Vec<Digest>,
    /// Where each one's row lies.
    places: Vec<Option<Place>>,
    blocks: Vec<Block>,
    n_cached: usize,
    /// Images without a cached row, in the order in which they were asked for.
    missing: Vec<Digest>,
}

impl Fetched {
    /// Finds what is cached of these images in a space of rows of `dim` such numbers.
    pub(super) fn look_up<T: Number>(
        cache: &Cache,
        space: Digest,
        dim: usize,
        asked: &[Digest],
        observer: &dyn Observer,
    ) -> Result<Self, FeatureError> {
        let mut fetched = Self::new(space, dim, size_of::<T>(), asked);
        let named = from_index(cache, &mut fetched, observer)?;
        if !fetched.is_full() {
            from_store(cache, &mut fetched, &named, observer)?;
        }
        Ok(fetched)
    }

    fn new(space: Digest, dim: usize, number_bytes: usize, asked: &[Digest]) -> Self {
        let mut images = asked.to_vec();
        images.sort_unstable();
        images.dedup();
        Self {
            space,
            dim,
            number_bytes,
            places: vec![None; images.len()],
            images,
            blocks: Vec::new(),
            n_cached: 0,
            missing: Vec::new(),
        }
    }

    /// Images whose rows were cached.
    #[must_use]
    pub const fn n_cached(&self) -> usize {
        self.n_cached
    }

    /// Images that must be read and computed, in the order in which they were asked for.
    #[must_use]
    pub fn missing(&self) -> &[Digest] {
        &self.missing
    }

    /// Computes no other images than these.
    pub fn only(&mut self, images: &[Digest]) {
        let wanted: BTreeSet<&Digest> = images.iter().collect();
        self.missing.retain(|image| wanted.contains(image));
    }

    fn is_full(&self) -> bool {
        self.places.iter().all(Option::is_some)
    }

    /// The place of an image that has no row yet.
    fn empty(&self, image: &Digest) -> Option<usize> {
        let at = self.images.binary_search(image).ok()?;
        self.places[at].is_none().then_some(at)
    }

    /// Takes the rows that no earlier block had.
    pub(super) fn take(&mut self, images: impl Iterator<Item = Digest>, block: Block) {
        let number = self.blocks.len();
        let mut is_used = false;
        for (row, image) in images.enumerate() {
            if let Some(at) = self.empty(&image) {
                self.places[at] = Some(Place { block: number, row });
                is_used = true;
            }
        }
        if is_used {
            self.blocks.push(block);
        }
    }

    pub(super) fn take_segment(&mut self, segment: &Segment) {
        self.take(segment.images(), Block::Mapped(segment.clone()));
    }

    /// The row of the image at this place of the order, where it was found in a segment.
    pub(super) fn mapped_row<T: Number>(&self, at: usize) -> Option<&[T]> {
        let Place { block, row } = self.places[at]?;
        match &self.blocks[block] {
            Block::Mapped(segment) => Some(segment.row(row)),
            Block::Computed(_) => None,
        }
    }

    /// The rows that were found, in the order of their images.
    pub(super) fn into_features(self) -> Features {
        let found = self.images.into_iter().zip(self.places);
        let (images, places): (Vec<Digest>, Vec<Place>) =
            found.filter_map(|(image, place)| Some((image, place?))).unzip();
        Features {
            dim: self.dim,
            rows: images.into_iter().zip(0..).collect(),
            places,
            blocks: self.blocks,
        }
    }
}

/// Find the cached rows of `images`, given in the order in which the missing ones shall be computed. A segment that is
/// damaged or gone is logged and not used: its rows are computed again.
///
/// # Errors
/// The object store or the local copies failed, or the observer said stop.
pub fn fetch(
    cache: &Cache,
    backbone: &Backbone,
    images: &[Digest],
    observer: &dyn Observer,
) -> Result<Fetched, FeatureError> {
    let space = Space::of(backbone).digest();
    let mut fetched = Fetched::look_up::<f16>(cache, space, backbone.dim(), images, observer)?;
    fetched.n_cached = fetched.places.iter().flatten().count();
    let mut seen = BTreeSet::new();
    for image in images {
        if fetched.empty(image).is_some() && seen.insert(*image) {
            fetched.missing.push(*image);
        }
    }
    let n = i64::try_from(fetched.images.len()).unwrap_or(i64::MAX);
    observer.progress(Progress {
        stage: Stage::Fetch,
        done: n,
        total: n,
        rate_per_s: 0.0,
        left_ms: 0,
    });
    Ok(fetched)
}

/// Rows of segments that the index names, the largest first. Returns the segments that it named.
fn from_index(cache: &Cache, fetched: &mut Fetched, observer: &dyn Observer) -> Result<BTreeSet<Digest>, FeatureError> {
    let mut left = cache.indexed(&fetched.space);
    let named = left.iter().map(|indexed| indexed.segment).collect();
    left.sort_by_key(|indexed| Reverse(indexed.images.len()));
    // Where one turns out to be gone or damaged, another may hold the same rows.
    loop {
        let chosen = choose(fetched, &mut left);
        if chosen.is_empty() {
            return Ok(named);
        }
        let names: Vec<Digest> = chosen.keys().copied().collect();
        let opened = open_all(cache, fetched, &names, observer)?;
        let is_lie = |(name, segment): &(&Digest, &Segment)| !segment.images().eq(chosen[*name].iter().copied());
        cache.remember(&fetched.space, pairs(&opened).filter(is_lie));
        opened.iter().for_each(|(_, segment)| fetched.take_segment(segment));
    }
}

/// Rows of segments that lie in the store and that the index did not name: of a worker that was killed before it told it,
/// or of an index that was lost.
fn from_store(
    cache: &Cache,
    fetched: &mut Fetched,
    named: &BTreeSet<Digest>,
    observer: &dyn Observer,
) -> Result<(), FeatureError> {
    let objects = cache.artifacts.list(&ArtifactKey::feature_space(&fetched.space))?;
    let found = objects.iter().filter_map(|object| object.key.as_feature_segment());
    let names: Vec<Digest> = found
        .map(|(_, name)| name)
        .filter(|name| !named.contains(name))
        .collect();
    let opened = open_all(cache, fetched, &names, observer)?;
    cache.remember(&fetched.space, pairs(&opened));
    opened.iter().for_each(|(_, segment)| fetched.take_segment(segment));
    Ok(())
}

fn pairs(opened: &[(Digest, Segment)]) -> impl Iterator<Item = (&Digest, &Segment)> {
    opened.iter().map(|(name, segment)| (name, segment))
}

/// Maps segments on all cores; those that are gone, damaged or of another width are discarded.
fn open_all(
    cache: &Cache,
    fetched: &Fetched,
    names: &[Digest],
    observer: &dyn Observer,
) -> Result<Vec<(Digest, Segment)>, FeatureError> {
    let open = |name: &Digest| {
        if observer.cancelled() {
            return Err(FeatureError::Cancelled);
        }
        cache.open(&fetched.space, name)
    };
    let opened: Vec<Opened> = names.par_iter().map(open).collect::<Result<_, _>>()?;
    let mut whole = Vec::with_capacity(opened.len());
    for (name, opened) in names.iter().zip(opened) {
        let damage = match opened {
            Opened::Whole(segment) => match segment.check(fetched.dim, fetched.number_bytes) {
                Ok(()) => {
                    whole.push((*name, segment));
                    continue;
                }
                Err(reason) => Some(reason),
            },
            Opened::Damaged(reason) => Some(reason),
            Opened::Gone => None,
        };
        cache.discard(&fetched.space, name, damage)?;
    }
    Ok(whole)
}

/// Takes those segments out of `left` that are needed for all wanted rows that it knows of.
fn choose(fetched: &Fetched, left: &mut Vec<IndexedSegment>) -> BTreeMap<Digest, Vec<Digest>> {
    let mut is_promised: Vec<bool> = fetched.places.iter().map(Option::is_some).collect();
    let mut chosen = BTreeMap::new();
    left.retain_mut(|indexed| {
        let mut is_needed = false;
        for image in &indexed.images {
            if let Ok(at) = fetched.images.binary_search(image)
                && !is_promised[at]
            {
                is_promised[at] = true;
                is_needed = true;
            }
        }
        if is_needed {
            chosen.insert(indexed.segment, std::mem::take(&mut indexed.images));
        }
        !is_needed
    });
    chosen
}
