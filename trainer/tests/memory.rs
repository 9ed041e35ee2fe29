//! How much memory extraction takes, whatever the size of the images. Alone in its process, so that nobody else's is counted.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use domain::change::Look;
use domain::dataset::Finding;
use domain::event::Progress;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, ProjectId};
use domain::job::Stage;
use trainer::artifacts::{ArtifactKey, Artifacts};
use trainer::features::{Cache, extract};
use trainer::observer::Observer;

/// What a worker may take beside what is mapped.
const MOST_KB: u64 = 400_000;

struct Nobody;

impl Observer for Nobody {
    fn elapsed_ms(&self) -> u64 {
        0
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn stage_started(&self, _: Stage) {}
    fn stage_finished(&self, _: Stage, _: i64) {}
    fn progress(&self, _: Progress) {}
    fn finding(&self, _: Finding) {}
    fn look(&self, _: &Look) -> Option<Vec<Look>> {
        None
    }
    fn verdict(&self, _: &Verdict) {}
}

fn photo(width: u32, height: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x / 32) as u8, (y / 32) as u8, ((x ^ y) / 64) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// The most that was in memory at once.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn several_images_of_64_megapixels_take_no_more_than_one() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let artifacts = Artifacts::new(Arc::new(store), runtime.handle().clone());
    let cache = Cache::in_folder(artifacts.clone(), folder.path());
    let project = ProjectId("p".to_owned());
    let put = |photo: &[u8], number: u8| {
        // What follows a JPEG's end changes its digest and nothing else.
        let bytes = Bytes::from([photo, &[number]].concat());
        let image = Digest::of(&bytes);
        artifacts.put(&ArtifactKey::image(&project, &image), bytes).unwrap();
        image
    };
    let (large, small) = (photo(8000, 8000), photo(640, 480));
    let mut images = Vec::new();
    for number in 0..24 {
        images.push(put(if number % 4 == 0 { &large } else { &small }, number));
    }
    drop((large, small));
    let before_kb = peak_kb();
    assert!(before_kb < MOST_KB, "{before_kb} KB were taken to make the photos");
    let backbones = trainer::bundled::backbones();
    let done = extract(&cache, &project, backbones.first(), &images, u64::MAX, &Nobody).unwrap();
    assert_eq!((done.n_extracted, done.findings.len()), (24, 0));
    let same = |one: usize, other: usize| {
        done.features.get(&images[one]).unwrap() == done.features.get(&images[other]).unwrap()
    };
    assert!(same(0, 20) && same(1, 23) && !same(0, 1));
    let peak_kb = peak_kb();
    assert!(peak_kb < MOST_KB, "{peak_kb} KB");
}
