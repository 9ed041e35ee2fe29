//! Extraction over a real store in a folder, by the bundled backbone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use domain::change::Look;
use domain::gate::verdict::Verdict;
use tempfile::TempDir;

use super::*;
use crate::bundled;
use crate::features::{Features, space};

/// A folder with images in it, and a door to it.
struct Store {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
    project: ProjectId,
    backbone: Backbone,
}

impl Store {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .worker_threads(1)
                .build()
                .unwrap(),
            project: ProjectId("p".into()),
            backbone: bundled::backbone(),
        }
    }

    fn artifacts(&self) -> Artifacts {
        let store = object_store::local::LocalFileSystem::new_with_prefix(self.folder.path()).unwrap();
        Artifacts::new(Arc::new(store), self.runtime.handle().clone())
    }

    fn put(&self, bytes: &[u8]) -> Digest {
        let image = Digest::of(bytes);
        let key = ArtifactKey::image(&self.project, &image);
        self.artifacts().put(&key, Bytes::copy_from_slice(bytes)).unwrap();
        image
    }

    fn put_photos(&self, n: u32) -> Vec<Digest> {
        (0..n).map(|seed| self.put(&photo(seed))).collect()
    }

    fn extract(&self, n_threads: usize, images: &[Digest], watch: &Watch) -> Result<Extraction, FeatureError> {
        let artifacts = self.artifacts();
        let fetched = fetch(&artifacts, &self.backbone, images, watch)?;
        let stop_at_ms = watch.stop_at_ms;
        extract_on(
            n_threads,
            &artifacts,
            &self.project,
            &self.backbone,
            fetched,
            stop_at_ms,
            watch,
        )
    }

    fn segments(&self) -> Vec<PathBuf> {
        let folder = self
            .folder
            .path()
            .join("features")
            .join(space(&self.backbone).to_string());
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn image_file(&self, image: &Digest) -> PathBuf {
        self.folder
            .path()
            .join(ArtifactKey::image(&self.project, image).to_string())
    }
}

fn photo(seed: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(60 + seed % 7, 40, |x, y| {
        let value = (x * 31 + y * 17 + seed * 101).wrapping_mul(2_654_435_761);
        image::Rgb([(value >> 24) as u8, (x * 4) as u8, (y * 5 + seed) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// An observer whose clock moves with the work: as much with every image as makes the next one worth a report.
struct Watch {
    stop_at_ms: u64,
    cancel_at_ms: u64,
    clock: AtomicU64,
    progress: Mutex<Vec<Progress>>,
    findings: Mutex<Vec<Finding>>,
}

impl Watch {
    fn new() -> Self {
        Self {
            stop_at_ms: u64::MAX,
            cancel_at_ms: u64::MAX,
            clock: AtomicU64::new(0),
            progress: Mutex::default(),
            findings: Mutex::default(),
        }
    }
}

impl Observer for Watch {
    fn elapsed_ms(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }
    fn cancelled(&self) -> bool {
        self.elapsed_ms() >= self.cancel_at_ms
    }
    fn stage_started(&self, _: Stage) {}
    fn stage_finished(&self, _: Stage, _: i64) {}
    fn progress(&self, progress: Progress) {
        if progress.stage == Stage::Extract {
            self.clock.fetch_add(REPORT_EVERY_MS, Ordering::Relaxed);
        }
        self.progress.lock().unwrap().push(progress);
    }
    fn finding(&self, finding: Finding) {
        self.findings.lock().unwrap().push(finding);
    }
    fn look(&self, _: &Look) -> Option<Vec<Look>> {
        None
    }
    fn verdict(&self, _: &Verdict) {}
}

/// Bits, so that nothing hides behind a tolerance.
fn bits(features: &Features) -> Vec<u32> {
    features.data.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn rows_do_not_depend_on_threads_order_or_the_cache() {
    let (one, two) = (Store::new(), Store::new());
    let images = one.put_photos(9);
    two.put_photos(9);
    let first = one.extract(1, &images, &Watch::new()).unwrap();
    let turned: Vec<Digest> = images.iter().rev().copied().collect();
    let watch = Watch::new();
    let second = two.extract(2, &turned, &watch).unwrap();
    assert_eq!((first.n_cached, first.n_extracted, first.complete), (0, 9, true));
    assert_eq!(first.features.rows, second.features.rows);
    assert_eq!(bits(&first.features), bits(&second.features));
    assert_eq!(first.features.data.len(), 9 * 1792);
    let last = *watch.progress.lock().unwrap().last().unwrap();
    assert_eq!(
        (last.stage, last.done, last.total, last.left_ms),
        (Stage::Extract, 9, 9, 0)
    );

    let cached = one.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!((cached.n_cached, cached.n_extracted, cached.complete), (9, 0, true));
    assert_eq!(
        bits(&cached.features),
        bits(&first.features),
        "cached rows are the computed ones"
    );
    let some = one.extract(1, &images[3..5], &Watch::new()).unwrap();
    assert_eq!(some.features.rows.len(), 2);
    assert_eq!(
        some.features.get(&images[4]),
        first.features.get(&images[4]),
        "only what is wanted is loaded"
    );
}

#[test]
fn a_row_is_the_engines_rounded_to_half() {
    let store = Store::new();
    let images = store.put_photos(1);
    let decoded = images::decode(&photo(0)).unwrap();
    let prepared = store
        .backbone
        .preprocessing()
        .apply(&decoded.pixels, decoded.width, decoded.height)
        .unwrap();
    let mut row = vec![0.0; 1792];
    store.backbone.stream().features(&prepared, &mut row).unwrap();
    let rounded: Vec<f32> = row.iter().map(|value| f16::from_f32(*value).to_f32()).collect();
    let extraction = store.extract(1, &images, &Watch::new()).unwrap();
    assert_eq!(extraction.features.get(&images[0]), Some(&rounded[..]));
    assert!(rounded.iter().any(|value| value.abs() > 0.1), "the row says something");
}

#[test]
fn damaged_and_missing_images_are_findings() {
    let store = Store::new();
    let mut images = store.put_photos(4);
    let truncated = photo(7);
    images.push(store.put(&truncated[..truncated.len() / 2]));
    images.push(store.put(b"a letter"));
    images.push(Digest::of(b"never stored"));
    std::fs::write(store.image_file(&images[1]), b"flipped").unwrap();
    let watch = Watch::new();
    let extraction = store.extract(2, &images, &watch).unwrap();
    assert!(extraction.complete, "an image that is left out is no reason to stop");
    assert_eq!((extraction.n_extracted, extraction.features.rows.len()), (3, 3));
    let kind = |image: &Digest| {
        let finding = extraction.findings.iter().find(|finding| finding.image == Some(*image));
        finding.map(|finding| finding.kind)
    };
    let (undecodable, missing) = (Some(FindingKind::Undecodable), Some(FindingKind::Missing));
    let kinds: Vec<_> = images.iter().map(kind).collect();
    assert_eq!(kinds, [None, missing, None, None, undecodable, undecodable, missing]);
    assert_eq!(
        watch.findings.lock().unwrap().len(),
        4,
        "the observer hears of each once"
    );
}

#[test]
fn damaged_segments_are_recomputed_and_healed() {
    let store = Store::new();
    let images = store.put_photos(5);
    let first = store.extract(1, &images, &Watch::new()).unwrap();
    let segments = store.segments();
    assert_eq!(segments.len(), 1);
    let whole = std::fs::read(&segments[0]).unwrap();
    let mut flipped = whole.clone();
    flipped[500] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &flipped, b""] {
        std::fs::write(&segments[0], damaged).unwrap();
        let again = store.extract(2, &images, &Watch::new()).unwrap();
        assert_eq!((again.n_cached, again.n_extracted), (0, 5));
        assert_eq!(bits(&again.features), bits(&first.features));
        assert_eq!(
            std::fs::read(&segments[0]).unwrap(),
            whole,
            "the same rows make the same file"
        );
    }
    // A stray file among the segments disturbs nothing.
    std::fs::write(segments[0].with_file_name("stray"), b"?").unwrap();
    assert_eq!(store.extract(1, &images, &Watch::new()).unwrap().n_cached, 5);
}

#[test]
fn time_that_runs_out_leaves_what_there_is() {
    let store = Store::new();
    let images = store.put_photos(12);
    let watch = Watch {
        stop_at_ms: 4 * REPORT_EVERY_MS,
        ..Watch::new()
    };
    let extraction = store.extract(1, &images, &watch).unwrap();
    let n = extraction.n_extracted;
    assert!(!extraction.complete && (4..12).contains(&n), "{n}");
    assert_eq!(extraction.features.rows.len(), n);
    assert!(
        images[..n].iter().all(|image| extraction.features.get(image).is_some()),
        "the first ones first"
    );
    let rest = store.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!((rest.n_cached, rest.n_extracted, rest.complete), (n, 12 - n, true));
    let undisturbed = Store::new();
    undisturbed.put_photos(12);
    let whole = undisturbed.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!(
        bits(&rest.features),
        bits(&whole.features),
        "an interruption changes no bit"
    );
    let none = Watch {
        stop_at_ms: 0,
        ..Watch::new()
    };
    undisturbed.put(&photo(99));
    let late = undisturbed.extract(2, &[Digest::of(&photo(99))], &none).unwrap();
    assert_eq!((late.n_extracted, late.complete), (0, false));
}

#[test]
fn a_cancelled_extraction_ends_soon_and_keeps_its_rows() {
    let store = Store::new();
    let images = store.put_photos(12);
    let watch = Watch {
        cancel_at_ms: 4 * REPORT_EVERY_MS,
        ..Watch::new()
    };
    assert!(matches!(
        store.extract(2, &images, &watch),
        Err(FeatureError::Cancelled)
    ));
    let rest = store.extract(2, &images, &Watch::new()).unwrap();
    assert!(rest.n_cached == 4, "{}", rest.n_cached);
    assert!(rest.complete);
}

#[test]
fn rows_are_flushed_while_the_work_goes_on() {
    // What a killed worker leaves behind: whole segments of what was done, nothing half-written.
    let store = Store::new();
    let images = store.put_photos(u32::try_from(SEGMENT_ROWS).unwrap() + 3);
    let extraction = store.extract(2, &images, &Watch::new()).unwrap();
    assert!(extraction.complete);
    let segments = store.segments();
    assert_eq!(segments.len(), 2);
    let smaller = segments
        .iter()
        .min_by_key(|path| std::fs::metadata(path).unwrap().len())
        .unwrap();
    std::fs::remove_file(smaller).unwrap();
    let after_kill = store.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!((after_kill.n_cached, after_kill.n_extracted), (SEGMENT_ROWS, 3));
    assert_eq!(bits(&after_kill.features), bits(&extraction.features));
}

#[test]
fn several_workers_may_write_at_once() {
    let store = Store::new();
    let images = store.put_photos(8);
    let results: Vec<_> = std::thread::scope(|scope| {
        let work = || store.extract(1, &images, &Watch::new()).unwrap();
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert!(
        results
            .windows(2)
            .all(|pair| bits(&pair[0].features) == bits(&pair[1].features))
    );
    assert_eq!(store.extract(1, &images, &Watch::new()).unwrap().n_cached, 8);
}
