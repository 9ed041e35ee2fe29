//! Finds the photos in folders, archives and single files, and what their place says about them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use domain::api::LeftOut;
use domain::dataset::Split;
use domain::layout::{self, Kind};
use domain::names::ClassName;
use walkdir::WalkDir;

use super::super::datasets::Upload;
use super::super::error::ClientError;
use super::archive::{self, MAX_PHOTO_BYTES};

/// A file that may be a photo.
#[derive(Clone, Debug)]
pub(super) struct Photo {
    /// Where its bytes are.
    pub(super) source: Source,
    /// What people call it: its path below what was named on the command line.
    pub(super) name: String,
    /// Its class.
    pub(super) class: ClassName,
    /// The split of its folder.
    pub(super) split: Option<Split>,
}

/// Where bytes are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// In a file.
    File(PathBuf),
    /// In an archive.
    Entry {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        idx: usize,
    },
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Photos, in the order of the command line and then by name.
    pub(super) photos: Vec<Photo>,
    /// Files that cannot be used.
    pub(super) left_out: Vec<LeftOut>,
    /// Files that are no photos: lists, notes, hidden files.
    pub(super) n_skipped: usize,
}

/// A file before its class is settled.
struct Candidate {
    source: Source,
    name: String,
    class: Option<String>,
    split: Option<Split>,
}

/// Looks through all paths of the command line.
///
/// # Errors
/// A path that does not exist or cannot be listed: better to stop than to upload half of what was meant.
pub(super) fn collect(options: &Upload) -> Result<Collected, ClientError> {
    let mut collected = Collected::default();
    for path in &options.paths {
        let unreadable = |reason: String| ClientError::File {
            action: "read",
            path: path.clone(),
            reason,
        };
        let facts = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
        let mut candidates = if facts.is_dir() {
            from_folder(path, &mut collected)?
        } else if layout::kind(&file_name(path)) == Kind::Archive {
            from_archive(path, &mut collected).map_err(unreadable)?
        } else {
            let (class, split) = (None, None);
            let source = Source::File(path.clone());
            vec![Candidate {
                source,
                name: file_name(path),
                class,
                split,
            }]
        };
        candidates.sort_by(|a, b| a.name.cmp(&b.name));
        for candidate in candidates {
            settle(candidate, options, &mut collected);
        }
    }
    Ok(collected)
}

fn settle(candidate: Candidate, options: &Upload, collected: &mut Collected) {
    let class = match &options.class {
        Some(class) => Ok(class.clone()),
        None => class_of(candidate.class.as_deref()),
    };
    match class {
        Ok(class) => collected.photos.push(Photo {
            source: candidate.source,
            name: candidate.name,
            class,
            split: options.split.or(candidate.split),
        }),
        Err(reason) => collected.left_out.push(LeftOut {
            name: candidate.name,
            reason,
        }),
    }
}

fn from_folder(root: &Path, collected: &mut Collected) -> Result<Vec<Candidate>, ClientError> {
    let mut candidates = Vec::new();
    // Links are not followed: a folder must not lead out of itself.
    for entry in WalkDir::new(root).min_depth(1) {
        let entry = entry.map_err(|error| ClientError::File {
            action: "read",
            path: error.path().unwrap_or(root).to_path_buf(),
            reason: error.to_string(),
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let name = below
            .components()
            .map(|c| c.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/");
        match layout::kind(&name) {
            Kind::Sidecar => collected.n_skipped += 1,
            Kind::Archive => collected.left_out.push(LeftOut {
                name,
                reason: "archives inside folders are not opened; name it on the command line".to_owned(),
            }),
            Kind::Photo => candidates.push(candidate(Source::File(entry.into_path()), name)),
        }
    }
    // A folder of photos without folders in it is itself the class; beside class folders a stray photo has none.
    if candidates.iter().all(|candidate| candidate.class.is_none()) {
        let own = root
            .canonicalize()
            .ok()
            .and_then(|root| root.file_name().map(|n| n.to_string_lossy().into_owned()));
        let own = own.filter(|name| Split::from_folder(name).is_none());
        for candidate in &mut candidates {
            candidate.class.clone_from(&own);
        }
    }
    Ok(candidates)
}

fn from_archive(path: &Path, collected: &mut Collected) -> Result<Vec<Candidate>, String> {
    let mut archive = archive::open(path)?;
    let mut candidates = Vec::new();
    for entry in archive::entries(&mut archive)? {
        if let Some(reason) = entry.refused {
            collected.left_out.push(LeftOut {
                name: entry.name,
                reason: reason.to_owned(),
            });
            continue;
        }
        match layout::kind(&entry.name) {
            Kind::Sidecar => collected.n_skipped += 1,
            Kind::Archive => collected.left_out.push(LeftOut {
                name: entry.name,
                reason: "archives inside archives are not opened; unpack it first".to_owned(),
            }),
            Kind::Photo => {
                let source = Source::Entry {
                    archive: path.to_path_buf(),
                    idx: entry.idx,
                };
                candidates.push(candidate(source, entry.name));
            }
        }
    }
    Ok(candidates)
}

fn candidate(source: Source, name: String) -> Candidate {
    let folders: Vec<&str> = name.split('/').collect();
    let (class, split) = layout::place(&folders[..folders.len() - 1]);
    Candidate {
        source,
        name,
        class,
        split,
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Reads photos; keeps the archives it has opened.
#[derive(Default)]
pub(super) struct Reader {
    archives: HashMap<PathBuf, archive::Open>,
}

impl Reader {
    /// The bytes of a photo.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(super) fn read(&mut self, source: &Source) -> Result<Vec<u8>, String> {
        let (path, idx) = match source {
            Source::File(path) => return read_file(path),
            Source::Entry { archive, idx } => (archive, *idx),
        };
        if !self.archives.contains_key(path) {
            self.archives.insert(path.clone(), archive::open(path)?);
        }
        let archive = self.archives.get_mut(path).expect("it was opened above");
        archive::read(archive, idx)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_PHOTO_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_PHOTO_BYTES {
        return Err(format!("it is larger than {MAX_PHOTO_BYTES} bytes"));
    }
    Ok(bytes)
}

/// The class of a file, or why it has none.
fn class_of(folder: Option<&str>) -> Result<ClassName, String> {
    match folder {
        None => Err("it lies in no folder that names its class; name one with --class".to_owned()),
        Some(name) => ClassName::new(name).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(paths: Vec<PathBuf>) -> Upload {
        Upload {
            dataset: "x".to_owned(),
            paths,
            class: None,
            split: None,
            proof_only: false,
            create: false,
            request: None,
        }
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join("photos").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        dir
    }

    #[test]
    fn folders_become_classes_and_strays_are_left_out() {
        let dir = folder(&["train/fu/1.jpg", "val/lu/2.jpg", "stray.jpg", "list.csv", "fu/more.zip"]);
        let collected = collect(&options(vec![dir.path().join("photos")])).unwrap();
        let found: Vec<(&str, &str, Option<Split>)> = collected
            .photos
            .iter()
            .map(|p| (p.name.as_str(), p.class.as_str(), p.split))
            .collect();
        assert_eq!(
            found,
            [
                ("train/fu/1.jpg", "fu", Some(Split::Train)),
                ("val/lu/2.jpg", "lu", Some(Split::Calibration))
            ]
        );
        let left: Vec<&str> = collected.left_out.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(left, ["fu/more.zip", "stray.jpg"]);
        assert_eq!(collected.n_skipped, 1);
    }

    #[test]
    fn a_folder_of_photos_is_its_own_class_and_an_option_overrides_all() {
        let dir = folder(&["train/1.jpg", "2.jpg"]);
        let mut options = options(vec![dir.path().join("photos")]);
        let classes = |options: &Upload| -> Vec<String> {
            collect(options)
                .unwrap()
                .photos
                .iter()
                .map(|photo| photo.class.to_string())
                .collect()
        };
        assert_eq!(classes(&options), ["photos", "photos"]);
        options.class = Some(ClassName::new("fu-ma").unwrap());
        options.paths.push(dir.path().join("photos/2.jpg"));
        assert_eq!(classes(&options), ["fu-ma", "fu-ma", "fu-ma"]);
    }

    #[test]
    fn a_path_that_is_not_there_stops_the_upload() {
        let error = collect(&options(vec![PathBuf::from("/nowhere/at/all")])).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
