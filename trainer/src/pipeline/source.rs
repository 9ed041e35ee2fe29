//! Where a job has features and logits from: images and the cache, or whatever a test puts in their place.

use domain::ids::{Digest, ProjectId};
use domain::model::BackboneRef;
use engine::Backbone;

use crate::backbones::Backbones;
use crate::features::{Cache, Extraction, Features, Fetched, Space, derived, extract, extract_missing, fetch};
use crate::head::{Head, HeadError, Logits, Matrix, Rows};
use crate::observer::Observer;
use crate::pipeline::PipelineError;

/// Where features come from. A job sees no more of images and backbones than this, and a test puts tables in its place.
pub(super) trait Source: Sized {
    /// What is cached.
    type Fetched;

    /// The backbone.
    fn reference(&self) -> BackboneRef;

    /// Digests over the backbone's numbers in memory: when they were loaded, and now.
    fn frozen(&self) -> (Digest, Digest);

    /// What is cached of these images, in this order of priority.
    fn fetch(&self, images: &[Digest]) -> Result<Self::Fetched, PipelineError>;

    /// The rest, as much as there is time for.
    fn extract(&self, fetched: Self::Fetched, stop_at_ms: u64) -> Result<Extraction, PipelineError>;

    /// The logits of a head whose file has this digest, on every row of these features.
    fn logits(&self, head: &Head, digest: &Digest, features: &Features) -> Result<Logits, PipelineError>;

    /// The backbone by each recipe that it may be taken with, its usual one first.
    fn recipes(&self) -> Vec<BackboneRef>;

    /// Features of these images by all recipes, one behind the other.
    fn lineup(&self, images: &[Digest], stop_at_ms: u64, observer: &dyn Observer) -> Result<Extraction, PipelineError>;

    /// The same source by the recipe at this place.
    fn taking(&self, place: usize) -> Self;
}

/// Images and features in the object store.
pub(super) struct Stored<'a> {
    pub(super) cache: &'a Cache,
    pub(super) backbones: &'a Backbones,
    pub(super) backbone: &'a Backbone,
    pub(super) project: &'a ProjectId,
    pub(super) observer: &'a dyn Observer,
}

impl Source for Stored<'_> {
    type Fetched = Fetched;

    fn reference(&self) -> BackboneRef {
        self.backbone.reference()
    }

    fn frozen(&self) -> (Digest, Digest) {
        (self.backbone.loaded_digest(), self.backbone.current_digest())
    }

    fn fetch(&self, images: &[Digest]) -> Result<Fetched, PipelineError> {
        Ok(fetch(self.cache, self.backbone, images, self.observer)?)
    }

    fn extract(&self, fetched: Fetched, stop_at_ms: u64) -> Result<Extraction, PipelineError> {
        let (cache, project, backbone) = (self.cache, self.project, self.backbone);
        Ok(extract_missing(
            cache,
            project,
            backbone,
            fetched,
            stop_at_ms,
            self.observer,
        )?)
    }

    fn logits(&self, head: &Head, digest: &Digest, features: &Features) -> Result<Logits, PipelineError> {
        let (space, n_classes) = (Space::of(self.backbone).logits(digest), head.n_classes());
        let compute = |rows: &[usize]| Ok::<_, PipelineError>(computed(head, features, rows)?.data);
        let data = derived(self.cache, space, n_classes, features, self.observer, compute)?;
        Ok(Logits { n_classes, data })
    }

    fn recipes(&self) -> Vec<BackboneRef> {
        self.backbones.references()
    }

    fn lineup(&self, images: &[Digest], stop_at_ms: u64, observer: &dyn Observer) -> Result<Extraction, PipelineError> {
        let (cache, lineup) = (self.cache, self.backbones.lineup());
        Ok(extract(cache, self.project, lineup, images, stop_at_ms, observer)?)
    }

    fn taking(&self, place: usize) -> Self {
        Self {
            backbone: self.backbones.each().get(place).unwrap_or(self.backbone),
            ..*self
        }
    }
}

/// A head's logits on some rows of these features.
pub(super) fn computed(head: &Head, features: &Features, index: &[usize]) -> Result<Logits, HeadError> {
    head.logits(&Rows {
        data: Matrix::Halves(&features.halves()),
        dim: features.dim,
        index,
    })
}
