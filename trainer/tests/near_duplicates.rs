//! Near-duplicate groups on the bundled photos: characters on red paper look alike, and still each is its own photo.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use domain::ids::Digest;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};
use trainer::images::{self, PerceptualHash};

const PHOTOS: [&[u8]; 3] = [
    include_bytes!("../../tests/data/photos/baseline.zip"),
    include_bytes!("../../tests/data/photos/fu-ma.zip"),
    include_bytes!("../../tests/data/photos/fu-merchant.zip"),
];

fn photos() -> Vec<Vec<u8>> {
    let mut photos = Vec::new();
    for archive in PHOTOS {
        let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).unwrap();
            if entry.name().unwrap().ends_with(".jpg") {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                photos.push(bytes);
            }
        }
    }
    photos
}

fn hashed(bytes: &[u8]) -> (Digest, PerceptualHash) {
    (Digest::of(bytes), images::inspect(bytes).unwrap().hash)
}

/// The same photo as another programme or phone would pass it on.
fn copies(bytes: &[u8]) -> [Vec<u8>; 4] {
    let rgb = images::decode(bytes).unwrap();
    let photo = DynamicImage::ImageRgb8(RgbImage::from_raw(rgb.width, rgb.height, rgb.pixels).unwrap());
    let encode = |image: &DynamicImage, quality| {
        let mut jpeg = Vec::new();
        image
            .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, quality))
            .unwrap();
        jpeg
    };
    let (width, height) = (photo.width(), photo.height());
    [
        encode(&photo, 90),
        encode(&photo, 40),
        encode(&photo.resize_exact(width / 2, height / 2, FilterType::CatmullRom), 80),
        encode(&photo.brighten(15), 80),
    ]
}

#[test]
fn every_bundled_photo_is_its_own_and_its_copies_are_found() {
    let photos = photos();
    assert_eq!(photos.len(), 2180);
    let known: Vec<_> = photos.iter().map(|photo| hashed(photo)).collect();
    let groups: BTreeSet<_> = images::group_near_duplicates(&known, &[])
        .iter()
        .map(|grouped| grouped.group)
        .collect();
    assert_eq!(groups.len(), photos.len(), "no two photos are taken for one");

    let sources: Vec<usize> = (0..photos.len()).step_by(29).collect();
    let (mut found, mut n) = (0, 0);
    for source in sources {
        for copy in copies(&photos[source]) {
            let grouped = images::group_near_duplicates(&[hashed(&copy)], &known);
            assert!(
                grouped[0].known.iter().all(|index| *index == source),
                "a copy is near its own source only"
            );
            found += usize::from(grouped[0].group == known[source].0);
            n += 1;
        }
    }
    assert!(found * 100 >= n * 98, "{found} of {n} copies were found");
    println!("{found} of {n} copies were found");
}
