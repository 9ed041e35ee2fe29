//! The bundled photos, whole or a few of each class, and files that are no photos.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Context, Result, eyre};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// A photo and its place.
#[derive(Clone, Debug)]
pub(crate) struct Photo {
    pub(crate) class: String,
    pub(crate) split: String,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// How many photos of each class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Few {
    pub(crate) train: usize,
    pub(crate) calibration: usize,
    pub(crate) sealed: usize,
}

impl Few {
    /// Enough for a head that works and little enough for two cores.
    pub(crate) const SMALL: Self = Self {
        train: 12,
        calibration: 8,
        sealed: 16,
    };

    fn of(self, split: &str) -> usize {
        match split {
            "train" => self.train,
            "calibration" => self.calibration,
            _ => self.sealed,
        }
    }
}

/// The archive of that name in `tests/data/photos`.
pub(crate) fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/photos").join(name)
}

/// The first few photos of each class and split of a bundled archive, in order of their names, after `skip` of them.
pub(crate) fn few(archive: &str, few: Few, skip: usize) -> Result<Vec<Photo>> {
    let path = bundled(archive);
    let mut zip = ZipArchive::new(File::open(&path).with_context(|| path.display().to_string())?)?;
    let mut names: Vec<String> = zip
        .file_names()
        .map(|name| Ok(name?.into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut photos = Vec::new();
    for name in names {
        let parts: Vec<&str> = name.split('/').collect();
        let [split, class, file] = parts[..] else { continue };
        if file.is_empty() {
            continue;
        }
        let n = taken.entry(format!("{split}/{class}")).or_default();
        *n += 1;
        if *n <= skip || *n > skip + few.of(split) {
            continue;
        }
        let mut bytes = Vec::new();
        zip.by_name(&name)?.read_to_end(&mut bytes)?;
        photos.push(Photo {
            class: class.to_owned(),
            split: split.to_owned(),
            name: name.clone(),
            bytes,
        });
    }
    if photos.is_empty() {
        Err(eyre!("{archive} holds no photos"))
    } else {
        Ok(photos)
    }
}

/// Writes photos as an archive, folders as the command line reads them.
pub(crate) fn write_zip(path: &Path, photos: &[Photo]) -> Result<()> {
    let mut zip = ZipWriter::new(File::create(path)?);
    for photo in photos {
        zip.start_file(photo.name.as_str(), SimpleFileOptions::default())?;
        zip.write_all(&photo.bytes)?;
    }
    zip.finish()?;
    Ok(())
}

/// A small picture of one colour, unlike any other seed's bytes.
pub(crate) fn plain(seed: u8) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(64, 48, |x, y| {
        let stripe = (x / 8 + y / (4 + u32::from(seed % 13))) % 2 == 0;
        if stripe {
            image::Rgb([seed, 40, 200])
        } else {
            image::Rgb([240, seed, 10])
        }
    });
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("a picture in memory encodes");
    bytes.into_inner()
}

/// A valid JPEG whose header claims 65,535 × 65,535 pixels.
pub(crate) fn huge_header(jpeg: &[u8]) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    // The frame header: marker FFC0 to FFC2, length, precision, height, width.
    let start = (2..bytes.len() - 9)
        .find(|idx| bytes[*idx] == 0xff && matches!(bytes[idx + 1], 0xc0..=0xc2))
        .expect("a JPEG has a frame header");
    bytes[start + 5..start + 9].fill(0xff);
    bytes
}
