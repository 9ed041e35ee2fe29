//! Compressed twins beside every file of the site, made once so that the server only has to send them.

use std::fs;
use std::io::Write;
use std::path::Path;

use color_eyre::eyre::{Result, WrapErr};
use walkdir::WalkDir;

/// Sizes of a file and its twins.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    /// Path below the folder.
    pub(crate) name: String,
    /// As it is.
    pub(crate) raw_bytes: usize,
    /// With gzip.
    pub(crate) gzip_bytes: usize,
    /// With brotli.
    pub(crate) brotli_bytes: usize,
}

/// Writes `FILE.br` and `FILE.gz` beside every file below a folder whose name is wanted.
///
/// # Errors
/// A file could not be read or written.
pub(crate) fn folder(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Sizes>> {
    let mut sizes = Vec::new();
    for entry in WalkDir::new(dir).sort_by_file_name() {
        let entry = entry.wrap_err_with(|| format!("could not list {}", dir.display()))?;
        let path = entry.path();
        let name = path.strip_prefix(dir).unwrap_or(path).display().to_string();
        if entry.file_type().is_file() && !is_twin(path) && wanted(&name) {
            sizes.push(file(path, name)?);
        }
    }
    Ok(sizes)
}

fn is_twin(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "br" || ext == "gz")
}

fn file(path: &Path, name: String) -> Result<Sizes> {
    let raw = fs::read(path).wrap_err_with(|| format!("could not read {}", path.display()))?;
    let brotli = brotli(&raw)?;
    let gzip = gzip(&raw)?;
    for (ext, bytes) in [("br", &brotli), ("gz", &gzip)] {
        let mut twin = path.as_os_str().to_owned();
        twin.push(".");
        twin.push(ext);
        fs::write(&twin, bytes).wrap_err_with(|| format!("could not write {}", twin.display()))?;
    }
    Ok(Sizes {
        name,
        raw_bytes: raw.len(),
        gzip_bytes: gzip.len(),
        brotli_bytes: brotli.len(),
    })
}

fn brotli(raw: &[u8]) -> Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: 11,
        size_hint: raw.len(),
        ..brotli::enc::BrotliEncoderParams::default()
    };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &raw[..], &mut out, &params).wrap_err("could not compress with brotli")?;
    Ok(out)
}

fn gzip(raw: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(raw).wrap_err("could not compress with gzip")?;
    encoder.finish().wrap_err("could not compress with gzip")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn both_forms_come_back_to_the_same_bytes() {
        let raw: Vec<u8> = b"function hydrate() {}\n".repeat(400);
        let (br, gz) = (brotli(&raw).unwrap(), gzip(&raw).unwrap());
        assert!(br.len() < raw.len() / 10 && gz.len() < raw.len() / 10);
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &br[..], &mut back).unwrap();
        assert_eq!(back, raw);
        back.clear();
        flate2::read::GzDecoder::new(&gz[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, raw);
    }
}
