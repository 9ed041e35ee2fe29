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
    /// The middle of it, this share of each side, whatever its proportions.
    Stretch {
        /// In (0, 1].
        share: f32,
    },
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
    /// The middle four fifths of each side at 224 × 224, bicubic, (x − 127) / 128. The network was judged on ImageNet with
    /// seven eighths; on photos of characters four fifths accept more rightly (57.5 % against 55.0 % of the bundled ones,
    /// 51.5 % for the whole photo). Photos that are not square are stretched, so that their sides are seen as well.
    #[must_use]
    pub const fn efficientnet_lite0() -> Self {
        Self {
            side: 224,
            fit: Fit::Stretch { share: 0.8 },
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
        if width == 0 || height == 0 {
            return Err(failed("it has no pixels".into()));
        }
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
        let shorter = width.min(height);
        let (part, across, down) = match self.fit {
            Fit::Stretch { share } => (share, width, height),
            Fit::CentreCrop { share } => (share, shorter, shorter),
        };
        if !(part > 0.0 && part <= 1.0) {
            return Err(failed(format!("its share is {part}, which is not in (0, 1]")));
        }
        let (across, down) = (f64::from(across) * f64::from(part), f64::from(down) * f64::from(part));
        let (left, top) = ((f64::from(width) - across) / 2.0, (f64::from(height) - down) / 2.0);
        let options = options.crop(left, top, across, down);
        Resizer::new()
            .resize(&source, &mut result, &options)
            .map_err(|error| failed(error.to_string()))?;
        Ok(result.into_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prep(fit: Fit) -> Preprocessing {
        Preprocessing {
            side: 16,
            fit,
            ..Preprocessing::efficientnet_lite0()
        }
    }

    /// Left half black, right half white.
    fn halves(width: u32, height: u32) -> Vec<u8> {
        (0..width * height)
            .flat_map(|i| [if i % width < width / 2 { 0 } else { 255 }; 3])
            .collect()
    }

    #[test]
    fn the_whole_image_or_its_middle() {
        let stretched = prep(Fit::Stretch { share: 1.0 })
            .apply(&halves(64, 20), 64, 20)
            .unwrap();
        assert_eq!(stretched.len(), 16 * 16 * 3);
        assert_eq!((stretched[0], stretched[15 * 3]), (0, 255));
        // The middle 20 of 64 columns: the edge is still in the middle.
        let cropped = prep(Fit::CentreCrop { share: 1.0 })
            .apply(&halves(64, 20), 64, 20)
            .unwrap();
        assert_eq!((cropped[4 * 3], cropped[11 * 3]), (0, 255));
        // A border that a crop leaves out.
        let mut framed = vec![255; 32 * 32 * 3];
        for y in 4..28 {
            framed[(y * 32 + 4) * 3..(y * 32 + 28) * 3].fill(10);
        }
        for fit in [Fit::CentreCrop { share: 0.5 }, Fit::Stretch { share: 0.5 }] {
            let inner = prep(fit).apply(&framed, 32, 32).unwrap();
            assert!(inner.iter().all(|value| *value == 10), "{fit:?}");
        }
        // Three quarters of each side: of 64 columns 48, of 20 rows 15.
        let most = prep(Fit::Stretch { share: 0.75 })
            .apply(&halves(64, 20), 64, 20)
            .unwrap();
        assert_eq!((most[0], most[15 * 3]), (0, 255));
    }

    #[test]
    fn instruction_sets_resize_to_the_same_bytes() {
        use fast_image_resize::CpuExtensions;
        let (width, height) = (320_u32, 213_u32);
        let rgb: Vec<u8> = (0..width * height * 3)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let source = ImageRef::new(width, height, &rgb, PixelType::U8x3).unwrap();
        let with = |extensions: CpuExtensions| {
            let mut resizer = Resizer::new();
            #[expect(unsafe_code, reason = "the crate's only door to its copies")]
            // SAFETY: only extensions that the machine supports are set.
            unsafe {
                resizer.set_cpu_extensions(extensions);
            }
            let mut result = Image::new(224, 224, PixelType::U8x3);
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
            resizer.resize(&source, &mut result, &options).unwrap();
            result.into_vec()
        };
        let plain = with(CpuExtensions::None);
        #[cfg(target_arch = "x86_64")]
        for extensions in [CpuExtensions::Sse4_1, CpuExtensions::Avx2] {
            if extensions.is_supported() {
                assert!(with(extensions) == plain, "{extensions:?}");
            }
        }
        assert_eq!(plain.len(), 224 * 224 * 3);
    }

    #[test]
    fn nonsense_is_refused_and_names_differ() {
        let prep = prep(Fit::Stretch { share: 1.0 });
        assert!(matches!(
            prep.apply(&[0; 10], 2, 2),
            Err(EngineError::Length {
                expected: 12,
                got: 10,
                ..
            })
        ));
        assert!(prep.apply(&[], 0, 0).is_err());
        for share in [0.0, -1.0, 2.0, f32::NAN] {
            let fit = Fit::Stretch { share };
            assert!(Preprocessing { fit, ..prep }.apply(&[7; 48], 4, 4).is_err(), "{share}");
        }
        let other = Preprocessing {
            fit: Fit::CentreCrop { share: 0.875 },
            ..prep
        };
        assert_ne!(prep.digest(), other.digest());
    }
}
