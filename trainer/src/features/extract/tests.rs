//! Extraction over a real store in a folder, by the bundled backbone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use domain::change::Look;
use domain::gate::verdict::Verdict;
use engine::{Elsewhere, Recipe};
use tempfile::TempDir;

use super::*;
use crate::bundled;
use crate::features::write::FLUSH_ROWS;
use crate::features::{FeatureIndex, Features, IndexedSegment, LocalCopies, MemoryIndex, Space};

/// A folder with images in it, and a door to it.
struct Store {
    folder: TempDir,
    copies: Option<TempDir>,
    index: Arc<MemoryIndex>,
    runtime: tokio::runtime::Runtime,
    project: ProjectId,
    backbone: Backbone,
}

impl Store {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            copies: None,
            index: Arc::default(),
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

    /// As another process sees it: it has verified nothing yet.
    fn cache(&self) -> Cache {
        let local = match &self.copies {
            Some(copies) => LocalCopies::Folder(copies.path().to_path_buf()),
            None => LocalCopies::Store(self.folder.path().to_path_buf()),
        };
        Cache::new(self.artifacts(), self.index.clone(), local)
    }

    fn space(&self) -> Digest {
        Space::of(&self.backbone).digest()
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
        let cache = self.cache();
        let fetched = fetch(&cache, &self.backbone, images, watch)?;
        let stop_at_ms = watch.stop_at_ms;
        extract_on(
            n_threads,
            &cache,
            &self.project,
            &self.backbone,
            fetched,
            stop_at_ms,
            watch,
        )
    }

    fn segments(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join("features").join(self.space().to_string());
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    fn image_file(&self, image: &Digest) -> PathBuf {
        self.folder
            .path()
            .join(ArtifactKey::image(&self.project, image).to_string())
    }
}

/// Another file by this name: what is mapped of the one before stays as it is.
fn replace(path: &std::path::Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
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
fn bits(features: &Features) -> Vec<u16> {
    features.halves().concat().iter().map(|value| value.to_bits()).collect()
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
    assert_eq!(bits(&first.features).len(), 9 * 1792);
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
    let rounded: Vec<f16> = row.iter().copied().map(f16::from_f32).collect();
    let extraction = store.extract(1, &images, &Watch::new()).unwrap();
    assert_eq!(extraction.features.get(&images[0]), Some(&rounded[..]));
    assert!(
        rounded.iter().any(|value| value.to_f32().abs() > 0.1),
        "the row says something"
    );
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
        replace(&segments[0], damaged);
        let again = store.extract(2, &images, &Watch::new()).unwrap();
        assert_eq!((again.n_cached, again.n_extracted), (0, 5));
        assert_eq!(bits(&again.features), bits(&first.features));
        assert_eq!(
            std::fs::read(&segments[0]).unwrap(),
            whole,
            "the same rows make the same file"
        );
    }
    // One that was lost altogether, of which the index still knows.
    std::fs::remove_file(&segments[0]).unwrap();
    let again = store.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!((again.n_cached, again.n_extracted), (0, 5));
    assert_eq!(bits(&again.features), bits(&first.features));
    // A stray file among the segments disturbs nothing, nor does one of another width under a right name.
    std::fs::write(segments[0].with_file_name("stray"), b"?").unwrap();
    let row = [f16::ONE; 3];
    let (name, narrow) = crate::features::segment::encode(3, &[(images[0], &row[..])]);
    std::fs::write(segments[0].with_file_name(name.to_string()), narrow).unwrap();
    let known = IndexedSegment {
        segment: name,
        images: images.clone(),
    };
    store.index.add(&store.space(), &[known]).unwrap();
    let cached = store.extract(1, &images, &Watch::new()).unwrap();
    assert_eq!(cached.n_cached, 5);
    assert_eq!(bits(&cached.features), bits(&first.features));
}

#[test]
fn an_index_that_forgot_or_lies_changes_no_row() {
    let mut store = Store::new();
    let images = store.put_photos(6);
    let first = store.extract(2, &images[..3], &Watch::new()).unwrap();
    store.extract(2, &images[3..], &Watch::new()).unwrap();
    let all = store.extract(2, &images, &Watch::new()).unwrap();
    let known = store.index.segments(&store.space()).unwrap();
    assert_eq!((all.n_cached, known.len()), (6, 2));

    store.index = Arc::default();
    let again = store.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!(again.n_cached, 6, "the store is listed");
    assert_eq!(
        store.index.segments(&store.space()).unwrap(),
        known,
        "and the index made new"
    );

    let lie = |segment: Digest, of: &[Digest]| {
        let mut images = of.to_vec();
        images.sort();
        store
            .index
            .add(&store.space(), &[IndexedSegment { segment, images }])
            .unwrap();
    };
    lie(known[0].segment, &images);
    lie(known[1].segment, &images[..2]);
    lie(Digest::of(b"no such segment"), &images);
    let again = store.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!(bits(&again.features), bits(&all.features));
    assert_eq!(again.n_cached + again.n_extracted, 6);
    let honest = store.index.segments(&store.space()).unwrap();
    assert!(honest.iter().all(|one| one.segment != Digest::of(b"no such segment")));
    assert_eq!(first.features.get(&images[1]), again.features.get(&images[1]));
}

#[test]
fn rows_of_a_store_elsewhere_are_mapped_from_verified_copies() {
    let mut store = Store::new();
    store.copies = Some(tempfile::tempdir().unwrap());
    let images = store.put_photos(4);
    let first = store.extract(2, &images, &Watch::new()).unwrap();
    let copies = store.copies.as_ref().unwrap().path().to_path_buf();
    let copy = store.segments()[0]
        .strip_prefix(store.folder.path())
        .map(|path| copies.join(path))
        .unwrap();
    let whole = std::fs::read(&copy).unwrap();
    // What is mapped stays, whatever becomes of copy and object.
    let cached = store.extract(1, &images, &Watch::new()).unwrap();
    for damaged in [&whole[..100], &[&whole[..], b"?"].concat(), b""] {
        replace(&copy, damaged);
        let again = store.extract(1, &images, &Watch::new()).unwrap();
        assert_eq!((again.n_cached, bits(&again.features)), (4, bits(&first.features)));
        assert_eq!(std::fs::read(&copy).unwrap(), whole, "fetched again");
    }
    std::fs::remove_file(&copy).unwrap();
    std::fs::remove_file(&store.segments()[0]).unwrap();
    assert_eq!(bits(&cached.features), bits(&first.features));
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

/// A device that gives up.
struct Broken {
    left: AtomicU64,
}

impl Elsewhere for Broken {
    fn kernel(&self) -> &'static str {
        "broken-1"
    }

    fn features(&self, _: &[Recipe], _: &[u8], out: &mut [f32]) -> Result<(), EngineError> {
        let one_less = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
            Ok(left) => {
                out.fill(left as f32);
                Ok(())
            }
            Err(_) => Err(EngineError::Device {
                reason: "out of memory".into(),
            }),
        }
    }
}

#[test]
fn a_device_that_fails_ends_the_extraction_and_blames_no_image() {
    let mut store = Store::new();
    let images = store.put_photos(6);
    let broken = Broken {
        left: AtomicU64::new(3),
    };
    store.backbone = store.backbone.computed_by(Arc::new(broken));
    let watch = Watch::new();
    let error = store.extract(1, &images, &watch).unwrap_err().to_string();
    assert!(error.contains("out of memory"), "{error}");
    assert!(watch.findings.lock().unwrap().is_empty());
    // What it computed is kept, under its own name.
    let kept = fetch(&store.cache(), &store.backbone, &images, &watch).unwrap();
    assert_eq!(kept.n_cached(), 3);
    let engine = bundled::backbone();
    assert_eq!(fetch(&store.cache(), &engine, &images, &watch).unwrap().n_cached(), 0);
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
fn rows_are_written_while_the_work_goes_on_and_merged_at_its_end() {
    let mut store = Store::new();
    let n = u32::try_from(FLUSH_ROWS).unwrap() + 40;
    let images = store.put_photos(n);
    // What a killed worker leaves behind: small segments of what was done.
    let watch = Watch {
        cancel_at_ms: u64::from(n - 10) * REPORT_EVERY_MS,
        ..Watch::new()
    };
    assert!(store.extract(2, &images, &watch).is_err());
    let small = store.segments();
    // One is due after so much time, and the clock moves with every image.
    assert!(small.len() > n as usize / 25, "{}", small.len());
    // It was killed before it told the index of all of them.
    let known = store.index.segments(&store.space()).unwrap();
    store
        .index
        .remove(&store.space(), &[known[0].segment, known[2].segment])
        .unwrap();
    let rest = store.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!((rest.n_cached, rest.complete), (n as usize - 10, true));
    assert_eq!(store.segments().len(), small.len() + 1, "those of this run are one now");
    store.index = Arc::default();
    let again = store.extract(2, &images, &Watch::new()).unwrap();
    assert_eq!(again.n_cached, n as usize);
    assert_eq!(bits(&again.features), bits(&rest.features));
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
