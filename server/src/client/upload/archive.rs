//! Zip archives from strangers. Declared sizes are the stranger's: bytes are counted while they inflate.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

/// Entries of one archive.
const MAX_ENTRIES: usize = 200_000;
/// Bytes of one photo, inflated. The server's own limit is lower; this one only keeps memory small.
pub(super) const MAX_PHOTO_BYTES: u64 = 64 << 20;
/// Bytes of all photos of one archive, inflated.
const MAX_TOTAL_BYTES: u64 = 64 << 30;
/// How often larger an entry may become; photos hardly compress. Small entries may exceed it: they cost nothing.
const MAX_RATIO: u64 = 200;
const RATIO_FROM_BYTES: u64 = 1 << 20;

/// An open archive.
pub(super) type Open = ZipArchive<BufReader<File>>;

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its place in the archive.
    pub(super) idx: usize,
    /// Its name, as the archive has it.
    pub(super) name: String,
    /// Why it must not be read.
    pub(super) refused: Option<&'static str>,
}

/// Opens an archive.
///
/// # Errors
/// Why it cannot be read, or should not be.
pub(super) fn open(path: &Path) -> Result<Open, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| format!("not a zip archive: {error}"))?;
    if archive.len() > MAX_ENTRIES {
        return Err(format!(
            "it holds {} entries; at most {MAX_ENTRIES} are read",
            archive.len()
        ));
    }
    match archive.has_overlapping_files() {
        Ok(false) => Ok(archive),
        Ok(true) => Err("its entries overlap, as only a decompression bomb's do".to_owned()),
        Err(error) => Err(format!("not a zip archive: {error}")),
    }
}

/// The files of an archive, folders aside.
///
/// # Errors
/// A directory that cannot be read, or one that declares more than is ever read.
pub(super) fn entries(archive: &mut Open) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut declared_bytes: u64 = 0;
    for idx in 0..archive.len() {
        let entry = archive
            .by_index_data(idx)
            .map_err(|error| format!("entry {idx}: {error}"))?;
        if entry.is_dir() {
            continue;
        }
        declared_bytes = declared_bytes.saturating_add(entry.size());
        let name = match entry.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
        };
        let refused = if domain::layout::is_hostile(&name) || entry.enclosed_name().is_none() {
            Some("its path leaves the archive")
        } else if entry.is_symlink() {
            Some("it is a symbolic link")
        } else if entry.encrypted() {
            Some("it is encrypted")
        } else {
            None
        };
        entries.push(Entry { idx, name, refused });
    }
    if declared_bytes > MAX_TOTAL_BYTES {
        return Err(format!(
            "it declares {declared_bytes} bytes; at most {MAX_TOTAL_BYTES} are read"
        ));
    }
    Ok(entries)
}

/// The bytes of an entry.
///
/// # Errors
/// Damaged, too large, or inflating as only a decompression bomb does.
pub(super) fn read(archive: &mut Open, idx: usize) -> Result<Vec<u8>, String> {
    let entry = archive.by_index(idx).map_err(|error| error.to_string())?;
    let packed_bytes = entry.compressed_size().max(1);
    let by_ratio = packed_bytes.saturating_mul(MAX_RATIO).max(RATIO_FROM_BYTES);
    let limit = by_ratio.min(MAX_PHOTO_BYTES);
    let mut bytes = Vec::new();
    entry
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("damaged in the archive: {error}"))?;
    if bytes.len() as u64 <= limit {
        Ok(bytes)
    } else if limit == MAX_PHOTO_BYTES {
        Err(format!("it is larger than {MAX_PHOTO_BYTES} bytes"))
    } else {
        Err(format!(
            "it inflates to more than {MAX_RATIO} times its size, as no photo does"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn write(dir: &Path, entries: &[(&str, &[u8])]) -> PathBuf {
        let path = dir.join("test.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.add_symlink("fu/link.jpg", "/etc/passwd", SimpleFileOptions::default())
            .unwrap();
        zip.finish().unwrap();
        path
    }

    #[test]
    fn honest_entries_are_read_and_hostile_ones_named() {
        let dir = tempfile::tempdir().unwrap();
        let zeros = vec![0_u8; 4 << 20];
        let path = write(
            dir.path(),
            &[
                ("fu/1.jpg", b"one"),
                ("../../etc/passwd", b"root"),
                ("fu/bomb.jpg", &zeros),
            ],
        );
        let mut archive = open(&path).unwrap();
        let entries = entries(&mut archive).unwrap();
        let refused: Vec<(&str, bool)> = entries.iter().map(|e| (e.name.as_str(), e.refused.is_some())).collect();
        assert_eq!(
            refused,
            [
                ("fu/1.jpg", false),
                ("../../etc/passwd", true),
                ("fu/bomb.jpg", false),
                ("fu/link.jpg", true)
            ]
        );
        assert_eq!(read(&mut archive, entries[0].idx).unwrap(), b"one");
        let bomb = read(&mut archive, entries[2].idx).unwrap_err();
        assert!(bomb.contains("200 times"), "{bomb}");
    }

    #[test]
    fn what_is_no_archive_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.zip");
        std::fs::write(&path, b"PK\x03\x04 and then nothing").unwrap();
        assert!(open(&path).unwrap_err().contains("not a zip archive"));
    }
}
