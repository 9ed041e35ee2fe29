//! The port behind which a device computes the same features by an arithmetic of its own.

use crate::{EngineError, Recipe};

/// Another implementation of a backbone's forward pass. What it computes goes by its own kernel's name.
pub trait Elsewhere: Send + Sync {
    /// Names the arithmetic.
    fn kernel(&self) -> &'static str;

    /// The feature of `pixels`, (side, side, 3), u8, sRGB, by `recipes`, one behind the other, into `out` of as many numbers.
    /// Called from many threads at once; may wait for others, to compute many images in one go.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn features(&self, recipes: &[Recipe], pixels: &[u8], out: &mut [f32]) -> Result<(), EngineError>;
}
