//! Decoding: JPEG, PNG and WebP to upright RGB, or an error that a person can act on.

use std::io::Cursor;
use std::panic::AssertUnwindSafe;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::jpeg;

/// Names the decoders, since features depend on what they make of a file. It changes with their versions.
pub const DECODER: &str = "image-0.25 zune-jpeg-0.5 png-0.18 image-webp-0.2";

/// Largest file that is looked at: 64 MiB.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;
/// Largest width or height, pixels.
pub const MAX_SIDE: u32 = 16_384;
/// Most pixels of an image: 64 million.
pub const MAX_PIXELS: u64 = 64_000_000;

/// An upright image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb {
    /// (height, width, 3), u8, sRGB.
    pub pixels: Vec<u8>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Why a file is not an image that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Nothing in it.
    #[error("the file is empty; send the photo again")]
    Empty,
    /// More bytes than are looked at.
    #[error(
        "the file has {size_bytes} bytes, at most {} are allowed; save it smaller or at a lower quality",
        MAX_FILE_BYTES
    )]
    TooManyBytes {
        /// Its size.
        size_bytes: usize,
    },
    /// No known image format.
    #[error("the file is not an image; JPEG, PNG and WebP are understood")]
    NotAnImage,
    /// An image format that is not decoded here.
    #[error("{format} images are not understood; save it as JPEG, PNG or WebP")]
    UnsupportedFormat {
        /// The format.
        format: String,
    },
    /// The header promises more pixels than are allowed; nothing was decoded.
    #[error(
        "the image is {width} x {height} pixels by its header, at most {} a side and {} million in all are allowed; \
         save it smaller",
        MAX_SIDE,
        MAX_PIXELS / 1_000_000
    )]
    TooManyPixels {
        /// Pixels across, by the header.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// The file ends before the image does.
    #[error("the {format} file ends before its image does; send it again whole")]
    Truncated {
        /// The format.
        format: &'static str,
    },
    /// The decoder gave up.
    #[error("the {format} file is damaged and cannot be decoded ({reason}); save it again")]
    Damaged {
        /// The format.
        format: &'static str,
        /// What the decoder said.
        reason: String,
    },
}

/// Decode a file to upright RGB. Limits are checked on the file's size and on its header before pixels are allocated.
/// What is transparent is put on white.
///
/// # Errors
/// The file is empty, too large, no image, of another format, truncated or damaged.
pub fn decode(bytes: &[u8]) -> Result<Rgb, ImageError> {
    decode_held(bytes, |_| ()).map(|(image, ())| image)
}

/// As [`decode`], asking for room first: `hold` is told how many bytes decoding will take at once before any is allocated, may
/// wait, and what it returns comes back with the image, to be dropped with it.
///
/// # Errors
/// As [`decode`].
pub fn decode_held<H>(bytes: &[u8], hold: impl FnOnce(u64) -> H) -> Result<(Rgb, H), ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    if bytes.len() > MAX_FILE_BYTES {
        return Err(ImageError::TooManyBytes {
            size_bytes: bytes.len(),
        });
    }
    let (format, name) = format_of(bytes)?;
    let failed = |error: image::ImageError| match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::Truncated { format: name }
        }
        error => ImageError::Damaged {
            format: name,
            reason: error.to_string(),
        },
    };
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format)
        .into_decoder()
        .map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooManyPixels { width, height });
    }
    if width == 0 || height == 0 {
        return Err(ImageError::Damaged {
            format: name,
            reason: "it has no pixels".into(),
        });
    }
    // The JPEG decoder fills what is missing with grey, as browsers do; a photo that arrived in part is refused here.
    if format == ImageFormat::Jpeg && !jpeg::reaches_its_end(bytes) {
        return Err(ImageError::Truncated { format: name });
    }
    // An orientation that cannot be read is one that nobody else applies either.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let whole = decoder.total_bytes();
    // Turning an image on its side needs it twice, and so does a decoder that keeps coefficients until all scans are there.
    let is_double = turns(orientation) || (format == ImageFormat::Jpeg && jpeg::is_progressive(bytes));
    let held = hold(if is_double { whole.saturating_mul(2) } else { whole });
    // Decoders promise not to panic; one that breaks the promise must not take a worker with it.
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| DynamicImage::from_decoder(decoder)));
    let mut image = match decoded {
        Ok(decoded) => decoded.map_err(failed)?,
        Err(_) => {
            return Err(ImageError::Damaged {
                format: name,
                reason: "the decoder broke off".into(),
            });
        }
    };
    image.apply_orientation(orientation);
    let rgb = if image.color().has_alpha() {
        on_white(image)
    } else {
        image.into_rgb8()
    };
    let (width, height) = rgb.dimensions();
    let image = Rgb {
        pixels: rgb.into_raw(),
        width,
        height,
    };
    Ok((image, held))
}

/// The format by the file's first bytes; its name says nothing.
fn format_of(bytes: &[u8]) -> Result<(ImageFormat, &'static str), ImageError> {
    let unsupported = |format: &str| {
        Err(ImageError::UnsupportedFormat {
            format: format.to_owned(),
        })
    };
    // Phones' HEIC and AVIF are boxes of the ISO base media format, which starts with a box of this type.
    if bytes.get(4..8) == Some(b"ftyp") {
        return unsupported("HEIC and AVIF");
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => Ok((ImageFormat::Jpeg, "JPEG")),
        Ok(ImageFormat::Png) => Ok((ImageFormat::Png, "PNG")),
        Ok(ImageFormat::WebP) => Ok((ImageFormat::WebP, "WebP")),
        Ok(other) => unsupported(&format!("{other:?}").to_uppercase()),
        Err(_) => Err(ImageError::NotAnImage),
    }
}

/// Whether width and height change places.
const fn turns(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

/// In the place of the pixels that there are.
fn on_white(image: DynamicImage) -> image::RgbImage {
    let (width, height) = (image.width(), image.height());
    let mut bytes = image.into_rgba8().into_raw();
    let n = bytes.len() / 4;
    for at in 0..n {
        let alpha = u32::from(bytes[at * 4 + 3]);
        for colour in 0..3 {
            let mixed = (u32::from(bytes[at * 4 + colour]) * alpha + 255 * (255 - alpha) + 127) / 255;
            bytes[at * 3 + colour] = u8::try_from(mixed).expect("a mean of two bytes is a byte");
        }
    }
    bytes.truncate(n * 3);
    image::RgbImage::from_raw(width, height, bytes).expect("three bytes are left of every four")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(width: u32, height: u32) -> DynamicImage {
        DynamicImage::ImageRgb8(image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 5 % 256) as u8, (y * 3 % 256) as u8, ((x * y) % 251) as u8])
        }))
    }

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// An APP1 segment with an EXIF block of one entry, put behind the start of a JPEG.
    fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1];
        bytes.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        bytes.extend(exif);
        bytes.extend(&jpeg[2..]);
        bytes
    }

    #[test]
    fn the_three_formats_decode() {
        let image = photo(50, 30);
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let decoded = decode(&encoded(&image, format)).unwrap();
            assert_eq!((decoded.width, decoded.height), (50, 30));
            assert_eq!(decoded.pixels, image.as_bytes(), "{format:?} keeps every value");
        }
        let decoded = decode(&encoded(&image, ImageFormat::Jpeg)).unwrap();
        assert_eq!(decoded.pixels.len(), 50 * 30 * 3);
        let grey = decode(&encoded(&image.grayscale(), ImageFormat::Jpeg)).unwrap();
        assert_eq!(grey.pixels.len(), 50 * 30 * 3);
    }

    #[test]
    fn photos_are_turned_upright() {
        let jpeg = encoded(&photo(48, 32), ImageFormat::Jpeg);
        let upright = decode(&jpeg).unwrap();
        let turned = decode(&with_orientation(&jpeg, 6)).unwrap();
        assert_eq!((turned.width, turned.height), (32, 48));
        // Orientation 6: the first row is the picture's right side.
        let at = |image: &Rgb, x: usize, y: usize| image.pixels[(y * image.width as usize + x) * 3..][..3].to_vec();
        assert_eq!(at(&turned, 31, 0), at(&upright, 0, 0));
        assert_eq!(at(&turned, 31, 47), at(&upright, 47, 0));
        assert_eq!(decode(&with_orientation(&jpeg, 1)).unwrap(), upright);
        assert_eq!(
            decode(&with_orientation(&jpeg, 99)).unwrap(),
            upright,
            "nonsense is ignored"
        );
    }

    #[test]
    fn transparency_is_white() {
        let image = image::RgbaImage::from_fn(2, 1, |x, _| image::Rgba([10, 20, 30, if x == 0 { 0 } else { 255 }]));
        let decoded = decode(&encoded(&DynamicImage::ImageRgba8(image), ImageFormat::Png)).unwrap();
        assert_eq!(decoded.pixels, [255, 255, 255, 10, 20, 30]);
    }

    #[test]
    fn a_truncated_file_is_refused_wherever_it_ends() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let bytes = encoded(&photo(64, 64), format);
            for end in [
                13,
                bytes.len() / 10,
                bytes.len() / 2,
                bytes.len() * 9 / 10,
                bytes.len() - 13,
            ] {
                let error = decode(&bytes[..end]).expect_err(&format!("{format:?} cut at {end}"));
                assert!(!error.to_string().is_empty());
            }
        }
        let jpeg = encoded(&photo(64, 64), ImageFormat::Jpeg);
        assert_eq!(
            decode(&jpeg[..jpeg.len() / 2]),
            Err(ImageError::Truncated { format: "JPEG" })
        );
    }

    #[test]
    fn what_is_no_image_says_so() {
        assert_eq!(decode(b""), Err(ImageError::Empty));
        assert_eq!(decode(b"this is a letter to nobody"), Err(ImageError::NotAnImage));
        assert_eq!(
            decode(&vec![0; MAX_FILE_BYTES + 1]),
            Err(ImageError::TooManyBytes {
                size_bytes: MAX_FILE_BYTES + 1
            })
        );
        let gif = decode(b"GIF89a\x01\0\x01\0\0\0\0;").unwrap_err().to_string();
        assert!(gif.contains("GIF") && gif.contains("JPEG"), "{gif}");
        let heic = decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap_err().to_string();
        assert!(heic.contains("HEIC"), "{heic}");
    }

    #[test]
    fn a_huge_header_allocates_nothing() {
        // A baseline JPEG's frame header of 65,535 x 65,535.
        let mut jpeg = encoded(&photo(16, 16), ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xFF);
        let huge = ImageError::TooManyPixels {
            width: 65_535,
            height: 65_535,
        };
        assert_eq!(decode(&jpeg), Err(huge.clone()));
        assert!(huge.to_string().contains("65535 x 65535"), "{huge}");
        // The same in a PNG's first chunk, its checksum made to fit.
        let mut png = encoded(&photo(16, 16), ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
        let sum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(decode(&png), Err(huge));
        // Sides within the limit, the product not.
        png[16..24].copy_from_slice(&[0, 0, 0x3F, 0xFF, 0, 0, 0x3F, 0xFF]);
        let sum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        assert!(matches!(
            decode(&png),
            Err(ImageError::TooManyPixels { width: 16_383, .. })
        ));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
            })
        })
    }
}
