//! The engine's architectures as candle modules: the same spec, the same tensors by the same names, with gradients, on a CPU
//! or a GPU.
//!
//! Owns: [`Network`], the depthwise operation with its backward pass, and which device computes. Refuses to know: files,
//! caches, labels, optimisers.
//!
//! Maps are (batch, row, column, channel) everywhere, as the engine's features are. A 1×1 convolution, where most of the
//! work is, is then one matrix product over all positions of all images with nothing moved; the threads of a GPU's warp read
//! neighbouring channels of a depthwise map in one piece; and rows of features need no turning. That is reasoned, not
//! measured: no GPU was at hand when it was written.

mod depthwise;
mod device;
mod error;
mod features;
mod layers;
mod weights;

#[cfg(test)]
mod tests;

use candle_core::{DType, Tensor};
use engine::{Recipe, Spec, Tap};

pub use depthwise::Depthwise;
#[cfg(feature = "cuda")]
pub use depthwise::kernels_ptx;
pub use device::{Compute, ComputeDevice};
pub use error::BackboneError;
pub use features::{BATCH, Batches, Shared, on_device};
pub use weights::read;

use error::Doing;
use layers::{Block, Dense, Stem};
use weights::Tensors;

/// A network from a spec. Its numbers are the tensors that it was given, which may be variables of a training.
#[derive(Clone, Debug)]
pub struct Network {
    spec: Spec,
    stem: Stem,
    blocks: Vec<Block>,
    head: Dense,
}

impl Network {
    /// From tensors by the names and shapes of [`Spec::layers`], all of one type and on one device, as [`read`] makes them.
    /// Others are ignored.
    ///
    /// # Errors
    /// The architecture contradicts itself, or a tensor is missing or of another shape.
    pub fn new(spec: Spec, tensors: &Tensors) -> Result<Self, BackboneError> {
        let layers = weights::Layers::new(&spec, tensors)?;
        let mut blocks = Vec::with_capacity(spec.blocks.len());
        for (index, block) in spec.blocks.iter().enumerate() {
            blocks.push(Block::new(&layers, spec.padding, index, block.residual)?);
        }
        Ok(Self {
            stem: Stem::new(&layers, spec.padding)?,
            blocks,
            head: Dense::new(layers.take("head")?),
            spec,
        })
    }

    /// The architecture.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The features of `images`, (batch, side, side, 3), normalised: (batch, dim) by each recipe, f32, in the recipes' order.
    /// Nothing past the deepest tap is computed.
    ///
    /// # Errors
    /// A recipe does not fit the architecture, or candle failed.
    pub fn features(&self, images: &Tensor, recipes: &[Recipe]) -> Result<Vec<Tensor>, BackboneError> {
        let mut rows: Vec<Option<Tensor>> = Vec::with_capacity(recipes.len());
        for recipe in recipes {
            recipe.dim(&self.spec)?;
            rows.push(None);
        }
        let mut fill = |map: &Tensor, tap: Tap| -> Result<(), BackboneError> {
            for (row, recipe) in rows.iter_mut().zip(recipes) {
                if recipe.tap == tap {
                    *row = Some(layers::pool(map, recipe.pool).doing("pool a tapped map")?);
                }
            }
            Ok(())
        };
        let deepest = recipes.iter().map(|recipe| self.n_blocks(recipe.tap)).max();
        let mut map = self.stem.forward(images).doing("compute the stem")?;
        for (index, block) in (0_u32..).zip(&self.blocks).take(deepest.unwrap_or_default()) {
            map = block
                .forward(&map)
                .doing_with(|| format!("compute block {index} of {}", self.spec.name))?;
            fill(&map, Tap::Block(index))?;
        }
        if recipes.iter().any(|recipe| recipe.tap == Tap::Head) {
            fill(&self.head.forward(&map).doing("compute the last layer")?, Tap::Head)?;
        }
        Ok(rows
            .into_iter()
            .map(|row| row.expect("every recipe's tap is computed, since it fits the architecture"))
            .collect())
    }

    /// The type of its numbers.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.head.dtype()
    }

    fn n_blocks(&self, tap: Tap) -> usize {
        match tap {
            Tap::Block(block) => block as usize + 1,
            Tap::Head => self.blocks.len(),
        }
    }
}
