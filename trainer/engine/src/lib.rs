//! Frozen backbones: what a network looks like, what it costs, and how an image becomes a feature.
//!
//! Owns: the architecture as data ([`Spec`]), the feature recipe ([`Recipe`]), preprocessing ([`Preprocessing`]), weights
//! and the f32 forward pass on groups of 16 channels ([`Backbone`], [`Stream`]). Refuses to know: files, threads, clocks,
//! training. Compiles to wasm32, so the page and the server compute the same numbers by the same code.

mod arena;
mod backbone;
mod cost;
mod depthwise_map;
mod elsewhere;
mod error;
mod halves;
mod kernel;
mod kernels;
mod preprocess;
mod recipe;
mod spec;
mod stream;
#[cfg(test)]
mod tests;
mod weights;

pub use backbone::Backbone;
pub use cost::Cost;
pub use depthwise_map::{DepthwiseMap, MapSize};
pub use elsewhere::Elsewhere;
pub use error::EngineError;
pub use halves::widen;
pub use kernel::Kernel;
pub use preprocess::{Filter, Fit, Preprocessing};
pub use recipe::{Pool, Recipe, Tap};
pub use spec::{Activation, Block, Expansion, Layer, LayerKind, Padded, Padding, Spec, Squeeze, Stem};
pub use stream::Stream;
