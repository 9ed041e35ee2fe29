//! From decoded pixels to what the first convolution reads. Defined once, for training, serving and the page alike.

use domain::ids::Digest;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use crate::EngineError;

/// How an image of any size becomes (side, side, 3), u8, sRGB, and how its values become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Side of the square result, pixels.
    pub side: u32,
    /// Which part of the image is used.
    pub fit: Fit,
    /// Resampling filter.
    pub filter: Filter,
    /// Subtracted from each of red, green, blue (0–255).
    pub mean: [f32; 3],
    /// Then divided by this.
    pub std: [f32; 3],
}

/// Which part of the image is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of it, whatever its proportions.
    Stretch,
    /// The middle square, this share of the shorter side.
    CentreCrop {
        /// In (0, 1].
        share: f32,
    },
}

/// Resampling filter, its support scaled with the reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Triangle.
    Bilinear,
    /// Bicubic with a = −0.5.
    CatmullRom,
}

impl Preprocessing {
    /// What EfficientNet-Lite0 was trained with, on the whole image: 224 × 224, (x − 127) / 128.
    #[must_use]
    pub const fn efficientnet_lite0() -> Self {
        Self {
            side: 224,
            fit: Fit::Stretch,
            filter: Filter::CatmullRom,
            mean: [127.0; 3],
            std: [128.0; 3],
        }
    }

    /// Names everything here that changes a feature.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // The number rises when the arithmetic behind a name changes.
        Digest::of_json(&("preprocessing", 1, self))
    }

    /// Resize `rgb`, (height, width, 3), u8, sRGB, to (side, side, 3), u8, sRGB.
    ///
    /// # Errors
    /// `rgb` has another length than its size says, or a side is zero.
    pub fn apply(&self, rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, EngineError> {
        let failed = |reason: String| EngineError::Resize { width, height, reason };
        let expected = width as usize * height as usize * 3;
        if rgb.len() != expected {
            return Err(EngineError::Length {
                what: "an RGB image",
                expected,
                got: rgb.len(),
            });
        }
        let source = ImageRef::new(width, height, rgb, PixelType::U8x3).map_err(|error| failed(error.to_string()))?;
        let mut result = Image::new(self.side, self.side, PixelType::U8x3);
        let filter = match self.filter {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::CatmullRom => FilterType::CatmullRom,
        };
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .use_alpha(false);
        let options = match self.fit {
            Fit::Stretch => options,
            Fit::CentreCrop { share } => {
                let side = f64::from(width.min(height)) * f64::from(share);
                options.crop(
                    (f64::from(width) - side) / 2.0,
                    (f64::from(height) - side) / 2.0,
                    side,
                    side,
                )
            }
        };
        Resizer::new()
            .resize(&source, &mut result, &options)
            .map_err(|error| failed(error.to_string()))?;
        Ok(result.into_vec())
    }

    /// The number of each byte value, per channel.
    pub(crate) fn table(&self) -> Vec<[f32; 3]> {
        (0_u8..=255)
            .map(|value| std::array::from_fn(|c| (f32::from(value) - self.mean[c]) / self.std[c]))
            .collect()
    }
}
