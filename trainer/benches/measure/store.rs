//! A local object store of a bench: photos, and cached rows that nobody computed.
//!
//! The only place here that calls what reads and writes the cache, and that knows how cached rows lie in a store.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use domain::ids::{Digest, ProjectId};
use engine::Backbone;
use half::f16;
use trainer::artifacts::{ArtifactKey, Artifacts};
use trainer::backbones::Backbones;
use trainer::features::{Cache, Extraction, Space, extract};
use trainer::pipeline::{JobInput, Outcome, run};

use crate::clock::Nobody;
use crate::{Failure, photos};

/// A store and the folder it lies in.
pub(crate) struct Store {
    pub(crate) folder: PathBuf,
    artifacts: Artifacts,
    cache: Cache,
    pub(crate) project: ProjectId,
    // Calls of the artefacts wait on it.
    _runtime: tokio::runtime::Runtime,
}

impl Store {
    /// An empty one.
    pub(crate) fn empty(work: &Path, name: &str) -> Result<Self, Failure> {
        let folder = work.join("stores").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Self::open(&folder)
    }

    /// The one that lies there.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Runtime::new()?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder)?;
        let artifacts = Artifacts::new(Arc::new(store), runtime.handle().clone());
        Ok(Self {
            folder: folder.to_owned(),
            cache: Cache::in_folder(artifacts.clone(), folder),
            artifacts,
            project: ProjectId("bench".to_owned()),
            _runtime: runtime,
        })
    }

    /// Stores the first `n` photos.
    pub(crate) fn put_photos(&self, work: &Path, n: usize) -> Result<Vec<Digest>, Failure> {
        let mut images = Vec::new();
        for photo in photos::read(work, n)? {
            let image = Digest::of(&photo);
            self.artifacts
                .put(&ArtifactKey::image(&self.project, &image), Bytes::from(photo))?;
            images.push(image);
        }
        Ok(images)
    }

    /// Rows of these images, cached or computed, on all cores.
    pub(crate) fn extract(&self, backbone: &Backbone, images: &[Digest]) -> Result<Extraction, Failure> {
        let nobody = Nobody::new();
        let extraction = extract(&self.cache, &self.project, backbone, images, u64::MAX, &nobody)?;
        if extraction.features.rows.len() == images.len() {
            Ok(extraction)
        } else {
            Err("a photo could not be read".into())
        }
    }

    /// Runs a job.
    pub(crate) fn run(&self, backbones: &Backbones, input: &JobInput) -> Result<Outcome, Failure> {
        Ok(run(&self.cache, backbones, input, &Nobody::new())?)
    }

    /// Caches rows as an extraction would have.
    pub(crate) fn put_rows(&self, backbone: &Backbone, rows: &mut [(Digest, Vec<f16>)]) -> Result<(), Failure> {
        rows.sort_by_key(|(image, _)| *image);
        let (name, bytes) = segment(u32::try_from(backbone.dim())?, rows)?;
        let key = ArtifactKey::feature_segment(&Space::of(backbone).digest(), &name);
        Ok(self.artifacts.replace(&key, bytes)?)
    }

    /// What is cached now.
    pub(crate) fn cached(&self) -> Result<BTreeSet<PathBuf>, Failure> {
        let mut files = BTreeSet::new();
        let mut folders = vec![self.folder.join("features")];
        while let Some(folder) = folders.pop() {
            if !folder.exists() {
                continue;
            }
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path);
                }
            }
        }
        Ok(files)
    }

    /// Forgets what was cached since.
    pub(crate) fn forget_but(&self, kept: &BTreeSet<PathBuf>) -> Result<(), Failure> {
        for file in self.cached()?.difference(kept) {
            fs::remove_file(file)?;
        }
        Ok(())
    }
}

/// The format of `trainer::features`: header, images, rows, checksum.
fn segment(dim: u32, rows: &[(Digest, Vec<f16>)]) -> Result<(Digest, Bytes), Failure> {
    let mut bytes = b"RHFEATS\0".to_vec();
    for number in [1, dim, u32::try_from(rows.len())?] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize(64, 0);
    for (image, _) in rows {
        bytes.extend_from_slice(image.as_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    for (_, row) in rows {
        bytes.extend(row.iter().flat_map(|value| value.to_le_bytes()));
    }
    let name = Digest::of(&bytes);
    bytes.extend_from_slice(name.as_bytes());
    Ok((name, bytes.into()))
}
