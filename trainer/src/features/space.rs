//! What a feature depends on but the image: its digest names the room in the cache where such rows lie.

use domain::ids::Digest;
use domain::model::BackboneRef;
use engine::Backbone;
use serde::{Deserialize, Serialize};

use crate::images::DECODER;

/// Which look at an image a row was computed from. A row of augmented training images is another view of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// The image as it is.
    #[default]
    Whole,
}

/// Everything that a feature depends on but the image: the backbone with its recipe, the preprocessing, the arithmetic,
/// the decoders, and which view of the image is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// The backbone with its recipe, its preprocessing and its kernel.
    pub backbone: BackboneRef,
    /// The decoders.
    pub decoder: String,
    /// The view.
    pub view: View,
}

impl Space {
    /// Where this program keeps the rows of images as they are.
    #[must_use]
    pub fn of(backbone: &Backbone) -> Self {
        Self::named(backbone.reference())
    }

    /// The same by the name that a model has for its backbone.
    #[must_use]
    pub fn named(backbone: BackboneRef) -> Self {
        Self {
            backbone,
            decoder: DECODER.to_owned(),
            view: View::Whole,
        }
    }

    /// Names the space.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let backbone = &self.backbone;
        Digest::of_json(&(
            "features",
            1,
            backbone.digest,
            backbone.preprocessing,
            &backbone.kernel,
            &self.decoder,
            self.view,
        ))
    }

    /// Where this space's rows have their logits by a head: the rows of a head with this digest, in f64.
    #[must_use]
    pub fn logits(&self, head: &Digest) -> Digest {
        Digest::of_json(&("logits", 1, self.digest(), head))
    }
}
