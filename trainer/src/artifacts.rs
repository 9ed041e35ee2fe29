//! Where objects lie, and a blocking door to the store that holds them.
//!
//! Owns: every object path ([`ArtifactKey`] is the only place that makes one) and the calls that code outside the async
//! runtime makes. Refuses to know: which store it is, and what the bytes mean.
//!
//! Whatever stands in a path is either a digest or an encoded segment: a name like `../x` stays one segment.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use domain::ids::{Digest, JobId, ProjectId};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::runtime::Handle;

/// The path of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactKey(Path);

impl ArtifactKey {
    /// An image of a project, by the digest of its bytes.
    #[must_use]
    pub fn image(project: &ProjectId, image: &Digest) -> Self {
        let digest = image.to_string();
        // Two digits of fan-out keep folders small on file systems that mind.
        Self(Path::from_iter([
            "projects",
            &project.0,
            "images",
            &digest[..2],
            &digest,
        ]))
    }

    /// A segment of cached features: a space is everything that features depend on but the image.
    #[must_use]
    pub fn feature_segment(space: &Digest, segment: &Digest) -> Self {
        Self(Path::from_iter(["features", &space.to_string(), &segment.to_string()]))
    }

    /// The prefix under which a space's segments lie.
    #[must_use]
    pub fn feature_space(space: &Digest) -> Self {
        Self(Path::from_iter(["features", &space.to_string()]))
    }

    /// The prefix under which all feature spaces lie.
    #[must_use]
    pub fn feature_spaces() -> Self {
        Self(Path::from_iter(["features"]))
    }

    /// The space and the name of a feature segment; none for any other path.
    #[must_use]
    pub fn as_feature_segment(&self) -> Option<(Digest, Digest)> {
        let parts: Vec<_> = self.0.parts().collect();
        match &parts[..] {
            [root, space, segment] if root.as_ref() == "features" => {
                Some((space.as_ref().parse().ok()?, segment.as_ref().parse().ok()?))
            }
            _ => None,
        }
    }

    /// A file that an attempt of a job wrote.
    #[must_use]
    pub fn job_file(project: &ProjectId, job: &JobId, attempt: i64, name: &str) -> Self {
        Self(Path::from_iter([
            "projects",
            &project.0,
            "jobs",
            &job.0,
            &attempt.to_string(),
            name,
        ]))
    }

    /// The path inside the store.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.0
    }

    /// The last segment of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.filename().unwrap_or_default()
    }

    /// Where the object lies below a folder that is laid out like the store.
    #[must_use]
    pub fn file_below(&self, folder: &std::path::Path) -> PathBuf {
        let mut file = folder.to_path_buf();
        file.extend(self.0.parts().map(|part| part.as_ref().to_owned()));
        file
    }
}

impl std::fmt::Display for ArtifactKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// An object could not be read.
    #[error("cannot read {key} from the object store: {source}")]
    Read {
        /// The object.
        key: ArtifactKey,
        /// What the store said.
        source: object_store::Error,
    },
    /// An object could not be written.
    #[error("cannot write {key} to the object store: {source}")]
    Write {
        /// The object.
        key: ArtifactKey,
        /// What the store said.
        source: object_store::Error,
    },
    /// An object could not be deleted.
    #[error("cannot delete {key} from the object store: {source}")]
    Delete {
        /// The object.
        key: ArtifactKey,
        /// What the store said.
        source: object_store::Error,
    },
    /// A prefix could not be listed.
    #[error("cannot list {prefix} in the object store: {source}")]
    List {
        /// The prefix.
        prefix: ArtifactKey,
        /// What the store said.
        source: object_store::Error,
    },
}

/// What the store says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Where it lies.
    pub key: ArtifactKey,
    /// Its size.
    pub size_bytes: u64,
    /// When it was written, microseconds UTC.
    pub modified_us: i64,
}

/// A blocking door to an object store, for threads that are not the async runtime's own.
#[derive(Clone, Debug)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
}

impl Artifacts {
    /// A door to this store; its calls wait on this runtime and must not be made from one of its async tasks.
    #[must_use]
    pub const fn new(store: Arc<dyn ObjectStore>, runtime: Handle) -> Self {
        Self { store, runtime }
    }

    /// The store itself, for async callers.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The runtime that the calls wait on.
    pub(crate) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// An object's bytes; none where there is no such object.
    ///
    /// # Errors
    /// The store failed.
    pub fn get(&self, key: &ArtifactKey) -> Result<Option<Bytes>, ArtifactError> {
        self.runtime.block_on(get(&*self.store, key))
    }

    /// Write an object unless it is there already: keys are content digests, or fenced by an attempt.
    ///
    /// # Errors
    /// The store failed.
    pub fn put(&self, key: &ArtifactKey, bytes: Bytes) -> Result<(), ArtifactError> {
        match self.write(key, bytes, PutMode::Create) {
            Err(ArtifactError::Write {
                source: object_store::Error::AlreadyExists { .. },
                ..
            }) => Ok(()),
            other => other,
        }
    }

    /// Write an object, whatever is there: heals a damaged object whose key is the digest of its content.
    ///
    /// # Errors
    /// The store failed.
    pub fn replace(&self, key: &ArtifactKey, bytes: Bytes) -> Result<(), ArtifactError> {
        self.write(key, bytes, PutMode::Overwrite)
    }

    /// Whether there is such an object.
    ///
    /// # Errors
    /// The store failed.
    pub fn exists(&self, key: &ArtifactKey) -> Result<bool, ArtifactError> {
        match self.runtime.block_on(self.store.head(key.path())) {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(ArtifactError::Read {
                key: key.clone(),
                source,
            }),
        }
    }

    /// Delete an object; one that is gone already is no error.
    ///
    /// # Errors
    /// The store failed.
    pub fn delete(&self, key: &ArtifactKey) -> Result<(), ArtifactError> {
        match self.runtime.block_on(self.store.delete(key.path())) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(ArtifactError::Delete {
                key: key.clone(),
                source,
            }),
        }
    }

    /// All objects under a prefix, in order of their paths.
    ///
    /// # Errors
    /// The store failed.
    pub fn list(&self, prefix: &ArtifactKey) -> Result<Vec<StoredObject>, ArtifactError> {
        let found = self.store.list(Some(prefix.path())).try_collect::<Vec<_>>();
        let objects = self.runtime.block_on(found).map_err(|source| ArtifactError::List {
            prefix: prefix.clone(),
            source,
        })?;
        let mut objects: Vec<_> = objects
            .into_iter()
            .map(|object| StoredObject {
                key: ArtifactKey(object.location),
                size_bytes: object.size,
                modified_us: object.last_modified.timestamp_micros(),
            })
            .collect();
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn write(&self, key: &ArtifactKey, bytes: Bytes, mode: PutMode) -> Result<(), ArtifactError> {
        let options = PutOptions {
            mode,
            ..PutOptions::default()
        };
        let written = self.store.put_opts(key.path(), bytes.into(), options);
        self.runtime
            .block_on(written)
            .map(|_| ())
            .map_err(|source| ArtifactError::Write {
                key: key.clone(),
                source,
            })
    }
}

/// An object whose size is known and whose bytes are still to come.
pub(crate) struct OpenObject {
    key: ArtifactKey,
    object: GetResult,
}

impl OpenObject {
    pub(crate) const fn size_bytes(&self) -> u64 {
        self.object.meta.size
    }

    pub(crate) async fn bytes(self) -> Result<Bytes, ArtifactError> {
        let Self { key, object } = self;
        object
            .bytes()
            .await
            .map_err(|source| ArtifactError::Read { key, source })
    }
}

/// An object; none where there is no such one. For async callers inside this crate.
pub(crate) async fn open(store: &dyn ObjectStore, key: &ArtifactKey) -> Result<Option<OpenObject>, ArtifactError> {
    let key = key.clone();
    match store.get(key.path()).await {
        Ok(object) => Ok(Some(OpenObject { key, object })),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(ArtifactError::Read { key, source }),
    }
}

async fn get(store: &dyn ObjectStore, key: &ArtifactKey) -> Result<Option<Bytes>, ArtifactError> {
    match open(store, key).await? {
        Some(object) => object.bytes().await.map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> (tokio::runtime::Runtime, tempfile::TempDir, Artifacts) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let artifacts = Artifacts::new(Arc::new(store), runtime.handle().clone());
        (runtime, folder, artifacts)
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        let project = ProjectId("../../etc".into());
        for name in ["../x", "a/b", "..", ".", "福", "a\0b"] {
            let key = ArtifactKey::job_file(&project, &JobId("j/../k".into()), 1, name);
            assert_eq!(key.path().parts_count(), 6, "{key}");
            assert!(
                key.path().parts().all(|part| !matches!(part.as_ref(), ".." | "." | "")),
                "{key}"
            );
        }
    }

    #[test]
    fn the_first_write_stays_until_it_is_replaced() {
        let (_runtime, folder, artifacts) = door();
        let key = ArtifactKey::job_file(&ProjectId("p".into()), &JobId("j".into()), 1, "head.safetensors");
        assert!(artifacts.get(&key).unwrap().is_none());
        assert!(!artifacts.exists(&key).unwrap());
        artifacts.put(&key, Bytes::from_static(b"first")).unwrap();
        artifacts.put(&key, Bytes::from_static(b"second")).unwrap();
        assert_eq!(artifacts.get(&key).unwrap().unwrap(), "first");
        artifacts.replace(&key, Bytes::from_static(b"third")).unwrap();
        assert_eq!(artifacts.get(&key).unwrap().unwrap(), "third");
        assert!(artifacts.exists(&key).unwrap());
        assert!(key.file_below(folder.path()).is_file());
        artifacts.delete(&key).unwrap();
        artifacts.delete(&key).unwrap();
        assert!(!artifacts.exists(&key).unwrap());
    }

    #[test]
    fn a_listing_is_sorted_and_stays_under_its_prefix() {
        let (_runtime, _folder, artifacts) = door();
        let (here, there) = (Digest::of(b"here"), Digest::of(b"there"));
        let mut expected: Vec<_> = (0_u8..5)
            .map(|i| ArtifactKey::feature_segment(&here, &Digest::of(&[i])))
            .collect();
        for key in &expected {
            artifacts.put(key, Bytes::from_static(b"x")).unwrap();
        }
        artifacts
            .put(&ArtifactKey::feature_segment(&there, &here), Bytes::from_static(b"x"))
            .unwrap();
        expected.sort();
        let listed = |prefix: &ArtifactKey| -> Vec<ArtifactKey> {
            let objects = artifacts.list(prefix).unwrap();
            assert!(
                objects
                    .iter()
                    .all(|object| object.size_bytes == 1 && object.modified_us > 0)
            );
            objects.into_iter().map(|object| object.key).collect()
        };
        assert_eq!(listed(&ArtifactKey::feature_space(&here)), expected);
        assert_eq!(listed(&ArtifactKey::feature_spaces()).len(), 6);
        let named = ArtifactKey::feature_segment(&here, &there);
        assert_eq!(named.as_feature_segment(), Some((here, there)));
        assert_eq!(ArtifactKey::feature_space(&here).as_feature_segment(), None);
        assert!(
            artifacts
                .list(&ArtifactKey::feature_space(&Digest::of(b"none")))
                .unwrap()
                .is_empty()
        );
    }
}
