//! The object store behind an address.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use trainer::features::LocalCopies;

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Not an address that this program knows.
    #[error("{0:?} is no store's address: this version knows file:///absolute/path")]
    Address(String),
    /// The folder cannot be made.
    #[error("cannot make the folder {path} for the store: {source}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error("cannot open the store at {path}: {source}", path = path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: object_store::Error,
    },
}

/// Opens the store at `url`, or the folder `objects` in the data folder.
///
/// # Errors
/// The address is unknown or the folder cannot be made.
pub fn open(url: Option<&str>, data: &Path) -> Result<Arc<dyn ObjectStore>, StorageError> {
    let path = folder(url, data)?;
    if let Err(source) = std::fs::create_dir_all(&path) {
        return Err(StorageError::Folder { path, source });
    }
    match LocalFileSystem::new_with_prefix(&path) {
        // Written bytes are on the disk before a row names them.
        Ok(store) => Ok(Arc::new(store.with_fsync(true))),
        Err(source) => Err(StorageError::Open { path, source }),
    }
}

/// Where segments of features are mapped from: such a store's own files.
///
/// # Errors
/// The address is unknown.
pub fn local_copies(url: Option<&str>, data: &Path) -> Result<LocalCopies, StorageError> {
    folder(url, data).map(LocalCopies::Store)
}

fn folder(url: Option<&str>, data: &Path) -> Result<PathBuf, StorageError> {
    match url {
        None => Ok(data.join("objects")),
        Some(url) => match url.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
            _ => Err(StorageError::Address(url.to_owned())),
        },
    }
}
