//! Cleaning and verifying a store in a folder.

use std::path::PathBuf;
use std::sync::Arc;

use domain::model::BackboneRef;
use half::f16;
use tempfile::TempDir;

use super::*;
use crate::artifacts::Artifacts;
use crate::features::{CacheFault, Space, Verified, stats, verify};

const DIM: usize = 4;

struct Store {
    folder: TempDir,
    _runtime: tokio::runtime::Runtime,
    cache: Cache,
    known: KnownSpaces,
    space: Digest,
}

fn backbone(name: &str) -> BackboneRef {
    BackboneRef {
        digest: Digest::of(name.as_bytes()),
        name: name.to_owned(),
        recipe: "all of it".to_owned(),
        dim: 4,
        preprocessing: Digest::of(b"none"),
        kernel: "table".to_owned(),
        tensors: Digest::of(b"tensors"),
    }
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let artifacts = Artifacts::new(Arc::new(store), runtime.handle().clone());
        let mut known = KnownSpaces::default();
        known.add_head(&backbone("known"), Digest::of(b"head"));
        Self {
            cache: Cache::in_folder(artifacts, folder.path()),
            space: Space::named(backbone("known")).digest(),
            folder,
            _runtime: runtime,
            known,
        }
    }

    /// A segment of rows for these numbers.
    fn put(&self, space: Digest, images: std::ops::Range<u16>) -> Digest {
        let mut rows: Vec<(Digest, Vec<f16>)> = images.map(|i| (image(i), row(i))).collect();
        rows.sort_by_key(|(image, _)| *image);
        let rows: Vec<(Digest, &[f16])> = rows.iter().map(|(image, row)| (*image, &row[..])).collect();
        let (segment, bytes) = segment::encode(DIM, &rows);
        let key = ArtifactKey::feature_segment(&space, &segment);
        self.cache.artifacts.put(&key, bytes).unwrap();
        let images = rows.iter().map(|(image, _)| *image).collect();
        self.cache
            .index
            .add(&space, &[IndexedSegment { segment, images }])
            .unwrap();
        segment
    }

    fn file(&self, space: &Digest, name: &Digest) -> PathBuf {
        ArtifactKey::feature_segment(space, name).file_below(self.folder.path())
    }

    /// As if so much time had gone by.
    fn gc(&self, older_than_us: i64, dry_run: bool) -> Cleaned {
        let far = i64::MAX / 2;
        let options = GcOptions {
            now_us: far,
            older_than_us: if older_than_us == 0 { 0 } else { far },
            dry_run,
        };
        gc(&self.cache, &self.known, options, &|_, _| {}).unwrap()
    }

    fn verify(&self) -> Verified {
        verify(&self.cache, &|_, _| {}).unwrap()
    }

    /// Every row of the space, by image.
    fn rows(&self) -> BTreeMap<Digest, Vec<f16>> {
        let mut rows = BTreeMap::new();
        let all = spaces(&self.cache).unwrap();
        for name in all[&self.space].keys() {
            let Opened::Whole(segment) = self.cache.open(&self.space, name).unwrap() else {
                continue;
            };
            for (row, image) in segment.images().enumerate() {
                rows.insert(image, segment.row::<f16>(row).to_vec());
            }
        }
        rows
    }
}

fn image(i: u16) -> Digest {
    Digest::of(&i.to_le_bytes())
}

fn row(i: u16) -> Vec<f16> {
    (0..DIM as u16).map(|at| f16::from_f32(f32::from(i + at))).collect()
}

#[test]
fn what_is_double_small_or_unused_goes_and_no_row_with_it() {
    let store = Store::new();
    for images in [0..40, 40..50, 30..45, 5..20] {
        store.put(store.space, images);
    }
    let other = Space::named(backbone("of nobody")).digest();
    let unused = store.put(other, 0..7);
    let logits = Space::named(backbone("known")).logits(&Digest::of(b"head"));
    store.put(logits, 0..3);
    let before = store.rows();
    assert_eq!(before.len(), 50);
    let told = stats(&store.cache, &store.known).unwrap();
    let of = |space: Digest| told.iter().find(|one| one.space == space).unwrap();
    let features = of(store.space);
    assert_eq!((features.n_segments, features.n_rows, features.n_images), (4, 80, 50));
    assert!((features.garbage_share - 30.0 / 80.0).abs() < 1e-9);
    assert_eq!(features.known.as_ref().unwrap().backbone, "known");
    assert_eq!((of(other).known.clone(), of(other).garbage_share), (None, 1.0));
    assert!(of(logits).known.as_ref().unwrap().logits_of.is_some());

    let Opened::Whole(mapped) = store.cache.open(&other, &unused).unwrap() else {
        panic!("it was just written");
    };
    let young = store.gc(1, false);
    assert_eq!(young, Cleaned::default(), "a running job may have written it");
    let would = store.gc(0, true);
    assert_eq!(store.rows(), before);
    let did = store.gc(0, false);
    assert_eq!(would, did, "a dry run says what happens");
    assert_eq!((did.n_unused, did.n_redundant), (1, 1), "{did:?}");
    assert_eq!((did.n_merged, did.n_merged_into), (3, 1), "{did:?}");
    assert!(did.freed_bytes > 0);
    assert_eq!(store.rows(), before, "no row is lost");
    assert_eq!(mapped.row::<f16>(0).len(), DIM, "who has it mapped keeps it");
    assert_eq!(store.gc(0, false), Cleaned::default(), "there is nothing left to do");
    let whole = store.verify();
    assert_eq!(
        (whole.n_segments, whole.n_rows, whole.findings.len()),
        (2, 53, 0),
        "{whole:?}"
    );
}

#[test]
fn verify_names_what_is_wrong() {
    let store = Store::new();
    let (damaged, lost) = (store.put(store.space, 0..9), store.put(store.space, 9..12));
    let (lied, twin) = (store.put(store.space, 12..20), store.put(store.space, 12..16));
    let unindexed = store.put(store.space, 20..21);
    assert_eq!(store.verify().findings, []);
    let mut bytes = std::fs::read(store.file(&store.space, &damaged)).unwrap();
    bytes[100] ^= 1;
    std::fs::remove_file(store.file(&store.space, &damaged)).unwrap();
    std::fs::write(store.file(&store.space, &damaged), bytes).unwrap();
    std::fs::remove_file(store.file(&store.space, &lost)).unwrap();
    std::fs::remove_file(store.file(&store.space, &twin)).unwrap();
    std::fs::write(store.file(&store.space, &damaged).with_file_name("notes.txt"), "?").unwrap();
    let lie = IndexedSegment {
        segment: lied,
        images: vec![image(1)],
    };
    store.cache.index.add(&store.space, &[lie]).unwrap();
    store.cache.index.remove(&store.space, &[unindexed]).unwrap();
    let found = store.verify();
    let mut kinds: Vec<CacheFault> = found.findings.iter().map(|finding| finding.kind).collect();
    kinds.sort_by_key(|kind| format!("{kind:?}"));
    let expected = [
        CacheFault::Contradiction,
        CacheFault::Damaged,
        CacheFault::Lost,
        CacheFault::Stranger,
    ];
    assert_eq!(kinds, expected);
    assert_eq!((found.n_stale, found.n_unindexed), (1, 1), "harmless");
    assert!(
        found
            .findings
            .iter()
            .all(|finding| finding.object.starts_with("features/"))
    );
    let named = |kind| found.findings.iter().find(|finding| finding.kind == kind).unwrap();
    assert!(named(CacheFault::Damaged).object.ends_with(&damaged.to_string()));
    assert!(named(CacheFault::Lost).message.contains("3 of its rows"));

    let cleaned = store.gc(0, false);
    assert_eq!(
        (cleaned.n_damaged, cleaned.n_stale, cleaned.n_reindexed),
        (1, 2, 1),
        "{cleaned:?}"
    );
    let kinds: Vec<CacheFault> = store.verify().findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(
        kinds,
        [CacheFault::Stranger],
        "what is no segment is nobody's to remove"
    );
}

#[test]
fn files_that_no_object_belongs_to_go() {
    let mut store = Store::new();
    let name = store.put(store.space, 0..5);
    // A writer that was killed before it renamed.
    let half = store.file(&store.space, &name).with_file_name(format!("{name}#1"));
    std::fs::write(&half, "half").unwrap();
    assert_eq!((store.gc(1, false).n_files, store.gc(0, true).n_files), (0, 1));
    assert_eq!(store.gc(0, false).n_files, 1);
    assert!(!half.exists() && store.file(&store.space, &name).exists());

    let copies = tempfile::tempdir().unwrap();
    store.cache.local = LocalCopies::Folder(copies.path().to_path_buf());
    assert_eq!(store.rows().len(), 5);
    let copy = ArtifactKey::feature_segment(&store.space, &name).file_below(copies.path());
    let told = stats(&store.cache, &store.known).unwrap();
    assert_eq!(
        (told[0].n_copies, told[0].copies_bytes),
        (1, std::fs::metadata(&copy).unwrap().len())
    );
    let old = copy.with_file_name(Digest::of(b"gone").to_string());
    std::fs::copy(&copy, &old).unwrap();
    assert_eq!(store.gc(0, false).n_files, 1);
    assert!(!old.exists() && copy.exists());
}

#[test]
fn large_segments_are_made_of_small_ones() {
    let store = Store::new();
    let n = u16::try_from(MERGED_ROWS).unwrap();
    store.put(store.space, 0..n);
    for start in 0..20 {
        store.put(store.space, n + start * 500..n + (start + 1) * 500);
    }
    let before = store.rows();
    let cleaned = store.gc(0, false);
    assert_eq!((cleaned.n_merged, cleaned.n_merged_into), (20, 2), "{cleaned:?}");
    assert_eq!(store.rows(), before);
    assert_eq!(store.verify().n_segments, 3);
}
