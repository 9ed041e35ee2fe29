//! What is cached already: segments are listed, verified and searched for the rows that are wanted.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domain::event::Progress;
use domain::ids::Digest;
use domain::job::Stage;
use engine::Backbone;
use futures::{StreamExt, TryStreamExt, stream};
use half::f16;

use super::{FeatureError, Features, segment};
use crate::artifacts::{self, ArtifactError, ArtifactKey, Artifacts};
use crate::images::DECODER;
use crate::observer::Observer;

/// Segments that are read at once.
const CONCURRENT_READS: usize = 4;

/// Everything that a feature depends on but the image: the backbone with its recipe, the preprocessing, the arithmetic,
/// the decoders, and which view of the image is taken.
#[must_use]
pub fn space(backbone: &Backbone) -> Digest {
    let view = "whole";
    let preprocessing = backbone.preprocessing().digest();
    Digest::of_json(&(
        "features",
        1,
        backbone.digest(),
        preprocessing,
        backbone.kernel(),
        DECODER,
        view,
    ))
}

/// Rows of some images, the cached ones filled in.
#[derive(Debug)]
pub struct Fetched {
    pub(super) space: Digest,
    pub(super) dim: usize,
    /// The place of each image in `data`.
    pub(super) places: BTreeMap<Digest, usize>,
    pub(super) filled: Vec<bool>,
    pub(super) data: Vec<f32>,
    /// Images without a cached row, in the order in which they were asked for.
    pub(super) missing: Vec<Digest>,
}

impl Fetched {
    /// Images whose rows were cached.
    #[must_use]
    pub fn n_cached(&self) -> usize {
        self.places.len() - self.missing.len()
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

    pub(super) fn fill(&mut self, image: &Digest, row: &[f16]) {
        use half::slice::HalfFloatSliceExt;
        if let Some(place) = self.places.get(image) {
            row.convert_to_f32_slice(&mut self.data[place * self.dim..][..self.dim]);
            self.filled[*place] = true;
        }
    }

    /// The rows that were filled, in the order of their images.
    pub(super) fn into_features(mut self) -> Features {
        let mut rows = BTreeMap::new();
        for (image, place) in self.places {
            if self.filled[place] {
                let row = rows.len();
                self.data
                    .copy_within(place * self.dim..(place + 1) * self.dim, row * self.dim);
                rows.insert(image, row);
            }
        }
        self.data.truncate(rows.len() * self.dim);
        Features {
            dim: self.dim,
            rows,
            data: self.data,
        }
    }
}

/// Find the cached rows of `images`, given in the order in which the missing ones shall be computed. A segment that is
/// damaged, truncated or gone is logged and ignored: its rows are computed again.
///
/// # Errors
/// The object store failed, or the observer said stop.
pub fn fetch(
    artifacts: &Artifacts,
    backbone: &Backbone,
    images: &[Digest],
    observer: &dyn Observer,
) -> Result<Fetched, FeatureError> {
    let wanted: BTreeSet<Digest> = images.iter().copied().collect();
    let (space, dim) = (space(backbone), backbone.dim());
    let mut fetched = Fetched {
        space,
        dim,
        filled: vec![false; wanted.len()],
        data: vec![0.0; wanted.len() * dim],
        places: wanted.into_iter().zip(0..).collect(),
        missing: Vec::new(),
    };
    let mut n_filled = 0;
    let keys = artifacts.list(&ArtifactKey::feature_space(&space))?;
    let segments = stream::iter(keys.into_iter().map(|key| read(artifacts, key))).buffered(CONCURRENT_READS);
    let mut segments = std::pin::pin!(segments);
    while n_filled < fetched.places.len() {
        if observer.cancelled() {
            return Err(FeatureError::Cancelled);
        }
        let Some((key, bytes)) = artifacts.runtime().block_on(segments.try_next())? else {
            break;
        };
        match bytes.as_deref().map(|bytes| segment::decode(key.name(), dim, bytes)) {
            Some(Ok(segment)) => n_filled += take(&mut fetched, &segment),
            Some(Err(reason)) => tracing::warn!(segment = %key, %reason, "a damaged feature segment was ignored"),
            None => tracing::warn!(segment = %key, "a feature segment went away while it was read"),
        }
    }
    let mut seen = BTreeSet::new();
    for image in images {
        if seen.insert(*image) && !fetched.filled[fetched.places[image]] {
            fetched.missing.push(*image);
        }
    }
    let n = i64::try_from(fetched.places.len()).unwrap_or(i64::MAX);
    observer.progress(Progress {
        stage: Stage::Fetch,
        done: n,
        total: n,
        rate_per_s: 0.0,
        left_ms: 0,
    });
    Ok(fetched)
}

async fn read(artifacts: &Artifacts, key: ArtifactKey) -> Result<(ArtifactKey, Option<Bytes>), ArtifactError> {
    let bytes = artifacts::get(&**artifacts.store(), &key).await?;
    Ok((key, bytes))
}

/// Copy the wanted rows that no earlier segment had; returns how many.
fn take(fetched: &mut Fetched, segment: &segment::Segment<'_>) -> usize {
    let dim = fetched.dim;
    let mut halves = vec![f16::ZERO; dim];
    let mut taken = 0;
    for (image, index) in segment.images() {
        if let Some(&place) = fetched.places.get(&image)
            && !fetched.filled[place]
        {
            segment.read_row(index, &mut halves, &mut fetched.data[place * dim..][..dim]);
            fetched.filled[place] = true;
            taken += 1;
        }
    }
    taken
}
