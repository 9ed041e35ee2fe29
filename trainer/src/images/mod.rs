//! Photos: from bytes of unknown origin to upright RGB pixels, and which of them show the same thing.
//!
//! Owns: decoding with limits that are checked before pixels are allocated, EXIF orientation, the perceptual hash and
//! near-duplicate groups. Refuses to know: where bytes come from, sizes that a network wants (that is `engine`'s).

mod decode;
mod hash;
mod jpeg;
mod near_duplicates;
mod thumbnail;

pub use decode::{DECODER, ImageError, MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, Rgb, decode, decode_held};
pub use hash::{InvalidHash, PerceptualHash};
pub use near_duplicates::{Grouped, group_near_duplicates};
pub use thumbnail::thumbnail;

/// What is kept of an image when it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// Pixels across, upright.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// What it looks like.
    pub hash: PerceptualHash,
}

/// Decode an image whole, to know that it can be used, and keep its facts.
///
/// # Errors
/// It cannot be decoded; see [`decode`].
pub fn inspect(bytes: &[u8]) -> Result<ImageFacts, ImageError> {
    let image = decode(bytes)?;
    Ok(ImageFacts {
        width: image.width,
        height: image.height,
        hash: PerceptualHash::of(&image),
    })
}
