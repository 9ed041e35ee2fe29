//! A small JPEG of a photo, for what carries pictures with it.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage, imageops};

use super::decode::{ImageError, decode};

/// Encoder's quality, 1 to 100: what is looked at, not measured.
const QUALITY: u8 = 82;

/// The photo upright and no larger than `max_side` pixels either way, as JPEG.
///
/// # Errors
/// It cannot be decoded; see [`decode`].
pub fn thumbnail(bytes: &[u8], max_side: u32) -> Result<Vec<u8>, ImageError> {
    let image = decode(bytes)?;
    let damaged = |reason: String| ImageError::Damaged {
        format: "small",
        reason,
    };
    let (width, height) = (image.width, image.height);
    let pixels = RgbImage::from_raw(width, height, image.pixels)
        .ok_or_else(|| damaged(format!("{width} x {height} is not its size")))?;
    let longest = u64::from(width.max(height));
    let small = if longest <= u64::from(max_side) {
        pixels
    } else {
        let scaled = |side: u32| u32::try_from(u64::from(side) * u64::from(max_side) / longest).unwrap_or(max_side);
        imageops::thumbnail(&pixels, scaled(width).max(1), scaled(height).max(1))
    };
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, QUALITY)
        .encode(small.as_raw(), small.width(), small.height(), ExtendedColorType::Rgb8)
        .map_err(|error| damaged(error.to_string()))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_photo_becomes_small_and_keeps_its_shape() {
        for ((width, height), expected) in [
            ((1_200, 600), (300, 150)),
            ((600, 1_200), (150, 300)),
            ((40, 30), (40, 30)),
            ((1_200, 1), (300, 1)),
        ] {
            let photo = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 251) as u8, (y % 241) as u8, 7]));
            let mut png = Cursor::new(Vec::new());
            photo.write_to(&mut png, image::ImageFormat::Png).unwrap();
            let small = thumbnail(png.get_ref(), 300).unwrap();
            assert!(small.starts_with(&[0xff, 0xd8]), "a JPEG");
            let read = decode(&small).unwrap();
            assert_eq!((read.width, read.height), expected);
        }
        assert!(thumbnail(b"no photo", 300).is_err());
    }
}
