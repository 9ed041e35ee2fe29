//! Photos as cameras write them, 640 × 480, made from the bundled ones: a user's machine has no others.
//!
//! Each is a bundled photo scaled up, its part and its light changed a little, with the noise of a sensor, so that the files
//! are as large and as laborious to decode as real ones. The same bytes on every machine.

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ImageReader, RgbImage};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use rayon::prelude::*;

use crate::Failure;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const QUALITY: u8 = 90;
/// Two classes that the bundled baseline does not know.
const ARCHIVES: [&str; 2] = ["fu-ma", "fu-merchant"];

/// Where the photos lie.
pub(crate) fn folder(work: &Path) -> PathBuf {
    work.join("photos")
}

/// The first `n` photos, in order.
///
/// # Errors
/// They were not made.
pub(crate) fn read(work: &Path, n: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let name = |number: usize| folder(work).join(format!("{number:04}.jpg"));
    let read = |number| fs::read(name(number)).map_err(Failure::from);
    (0..n).map(read).collect()
}

/// Makes `n` photos, unless they are there.
pub(crate) fn make(work: &Path, n: usize) -> Result<(), Failure> {
    let folder = folder(work);
    let stamp = folder.join("made");
    if fs::read_to_string(&stamp).is_ok_and(|made| made.parse() == Ok(n)) {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    let mut sources = Vec::new();
    for archive in ARCHIVES {
        sources.extend(bundled(archive)?.into_iter().map(|(_, bytes)| bytes));
    }
    (0..n).into_par_iter().try_for_each(|number| {
        let photo = varied(&sources[number % sources.len()], number as u64)?;
        fs::write(folder.join(format!("{number:04}.jpg")), photo).map_err(Failure::from)
    })?;
    Ok(fs::write(stamp, n.to_string())?)
}

/// The photos of a bundled archive with their paths in it, `SPLIT/CLASS/FILE`, in order.
pub(crate) fn bundled(archive: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let file = fs::File::open(format!("tests/data/photos/{archive}.zip"))?;
    let mut archive = zip::ZipArchive::new(file)?;
    let mut photos = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = entry.name()?.into_owned();
        if name.ends_with(".jpg") {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            photos.push((name, bytes));
        }
    }
    photos.sort();
    Ok(photos)
}

fn varied(jpeg: &[u8], seed: u64) -> Result<Vec<u8>, Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let photo = ImageReader::new(Cursor::new(jpeg)).with_guessed_format()?.decode()?;
    let (width, height) = (photo.width(), photo.height());
    let mut share = |most: u32| rng.next_u32() % most.max(1);
    let (left, top) = (share(width / 10), share(height / 10));
    let part = photo.crop_imm(left, top, width - width / 10, height - height / 10);
    let mut photo: RgbImage = part.resize_exact(WIDTH, HEIGHT, FilterType::CatmullRom).into_rgb8();
    let light = 0.85 + 0.3 * (rng.next_u32() as f32 / u32::MAX as f32);
    for value in photo.iter_mut() {
        // The sum of four uniform draws is nearly normal, here with a deviation of about four steps.
        let noise: f32 = rng
            .next_u32()
            .to_le_bytes()
            .map(|byte| f32::from(byte) / 255.0 - 0.5)
            .iter()
            .sum();
        *value = (light * f32::from(*value) + 7.0 * noise).round().clamp(0.0, 255.0) as u8;
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&photo)?;
    Ok(bytes)
}
