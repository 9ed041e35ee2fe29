//! From the compiled page to its pieces: what every page loads, and what comes with the first visit to some.
//!
//! Owns: the pieces' names and the two files by which browser and server find them. Refuses to know: which page is in
//! which piece; `app/src/pieces.rs` says so.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Result, WrapErr, eyre};
use wasm_split_cli_support::{Options, transform};

/// Under these names leptos looks for what loads the pieces, and for what belongs to each.
const LOADER: &str = "__wasm_split.______________________.js";
const MANIFEST: &str = "__wasm_split_manifest.json";

/// Whether a file of the site is one of those that are written here; the tool calls pieces after their pages, and what
/// several of them share a chunk.
pub(crate) fn is_ours(name: &str) -> bool {
    is_piece(name) || name.starts_with("__wasm_split")
}

/// Whether a file of the site is a piece, or a twin of one.
pub(crate) fn is_piece(name: &str) -> bool {
    name.starts_with("split_") || name.starts_with("chunk_")
}

/// Writes the pieces of a compiled page into a folder, and beside the input what is to be bound to `NAME.js`; the path of
/// the latter.
///
/// # Errors
/// The input was not linked with its relocations, or a file could not be written.
pub(crate) fn split(input: &Path, dir: &Path, name: &str) -> Result<PathBuf> {
    let main = input.with_extension("main.wasm");
    let compiled = fs::read(input).wrap_err_with(|| format!("could not read {}", input.display()))?;
    let script = format!("./{name}.js");
    let loader = format!("./{LOADER}");
    let mut options = Options::new(&compiled);
    options.output_dir = dir;
    options.main_out_path = &main;
    options.main_module = &script;
    options.link_name = &loader;
    let pieces = transform(options).wrap_err_with(|| format!("could not split {}", input.display()))?;
    rename(dir, &pieces.split_modules, &pieces.prefetch_map)?;
    Ok(main)
}

/// Puts a digest into the pieces' names. A page that was opened before the server changed must not get a piece of the new
/// program: the two do not fit, and nothing else would tell.
fn rename(dir: &Path, pieces: &[PathBuf], needed: &HashMap<String, Vec<String>>) -> Result<()> {
    let loader = dir.join(LOADER);
    let mut script = fs::read_to_string(&loader).wrap_err_with(|| format!("could not read {}", loader.display()))?;
    let mut names = BTreeMap::new();
    for path in pieces {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(path).wrap_err_with(|| format!("could not read {}", path.display()))?;
        let bytes = bare(&bytes).ok_or_else(|| eyre!("{} is no wasm", path.display()))?;
        let digest = blake3::hash(&bytes).to_hex();
        let name = format!("{stem}.{}", &digest[..16]);
        let renamed = dir.join(format!("{name}.wasm"));
        fs::write(&renamed, bytes).wrap_err_with(|| format!("could not write {}", renamed.display()))?;
        fs::remove_file(path).wrap_err_with(|| format!("could not remove {}", path.display()))?;
        script = script.replace(&format!("\"./{stem}.wasm\""), &format!("\"./{name}.wasm\""));
        names.insert(stem, name);
    }
    fs::write(&loader, script).wrap_err_with(|| format!("could not write {}", loader.display()))?;

    let mut manifest = BTreeMap::new();
    for (piece, files) in needed {
        let files: Result<Vec<&String>> = files
            .iter()
            .map(|file| {
                names
                    .get(file)
                    .ok_or_else(|| eyre!("{piece} needs {file}, which is not there"))
            })
            .collect();
        manifest.insert(piece, files?);
    }
    let path = dir.join(MANIFEST);
    fs::write(&path, serde_json::to_string(&manifest)?).wrap_err_with(|| format!("could not write {}", path.display()))
}

/// A wasm file without its custom sections: names and the like, which nobody reads in a browser. None where it is none.
fn bare(wasm: &[u8]) -> Option<Vec<u8>> {
    const HEAD: usize = 8;
    const CUSTOM: u8 = 0;
    let mut kept = wasm.get(..HEAD)?.to_vec();
    let mut rest = &wasm[HEAD..];
    while let Some(&kind) = rest.first() {
        let (len, begin) = length(rest, 1)?;
        let section = rest.get(..begin.checked_add(len)?)?;
        if kind != CUSTOM {
            kept.extend_from_slice(section);
        }
        rest = &rest[section.len()..];
    }
    Some(kept)
}

/// The number at a place of a wasm file (seven bits a byte, the lowest first) and the place behind it.
fn length(wasm: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let byte = *wasm.get(at)?;
        at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((number, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_left_out() {
        let head = b"\0asm\x01\0\0\0".as_slice();
        let (types, names) = ([1, 0x81, 0, 7].as_slice(), [0, 5, 4, b'n', b'a', b'm', b'e'].as_slice());
        assert_eq!(
            bare(&[head, names, types, names].concat()).unwrap(),
            [head, types].concat()
        );
        assert_eq!(bare(head).unwrap(), head);
        assert!(
            bare(&[head, &types[..3]].concat()).is_none(),
            "a section that ends early"
        );
        assert!(bare(b"\0asm").is_none());
    }

    #[test]
    fn pieces_get_names_of_their_own_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        let wasm = b"\0asm\x01\0\0\0".as_slice();
        write("split_a.wasm", wasm);
        write("chunk_1.wasm", &[wasm, &[1, 1, 7]].concat());
        write(LOADER, b"load(\"./chunk_1.wasm\"); load(\"./split_a.wasm\");");
        let paths = ["split_a.wasm", "chunk_1.wasm"].map(|name| dir.path().join(name));
        let needed = ["chunk_1", "split_a"].map(str::to_owned).to_vec();
        rename(dir.path(), &paths, &[("a".to_owned(), needed)].into()).unwrap();

        let script = fs::read_to_string(dir.path().join(LOADER)).unwrap();
        let manifest = fs::read(dir.path().join(MANIFEST)).unwrap();
        let manifest: BTreeMap<String, Vec<String>> = serde_json::from_slice(&manifest).unwrap();
        for name in &manifest["a"] {
            assert!(script.contains(&format!("\"./{name}.wasm\"")), "{name} in {script}");
            assert!(is_piece(name) && dir.path().join(format!("{name}.wasm")).exists());
        }
        assert!(
            paths.iter().all(|path| !path.exists()),
            "nothing is left under an old name"
        );
    }
}
