//! The front build: pages to wasm, styles to one file, compressed twins; nothing is done where no input changed.
//!
//! Owns: the inputs and the outputs under `target/site/pkg`. Refuses to know: what is on the pages.

use std::fs;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Result, WrapErr, eyre};
use walkdir::WalkDir;

use crate::clock::Stopwatch;
use crate::compress::{self, Sizes};
use crate::machine::{self, WASM_TARGET};
use crate::process::{cargo, root, run, target};
use crate::{node, split, wasm};

/// The name that leptos is configured with: `/pkg/app.js`, `/pkg/app_bg.wasm`, `/pkg/app.css`.
const NAME: &str = "app";

/// The layers of the style, in the order in which later ones win.
const STYLE_LAYERS: [&str; 3] = ["tokens.css", "base.css", "components.css"];

/// What the wasm is made of, below the root; the code that makes it is part of it.
const PAGE_INPUTS: [&str; 11] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "Cargo.toml",
    "app",
    "rust-toolchain.toml",
    "trainer/domain",
    "xtask/package.json",
    "xtask/src/compress.rs",
    "xtask/src/front.rs",
    "xtask/src/split.rs",
    "xtask/src/wasm.rs",
];

/// Where the built site lies.
pub(crate) fn site() -> PathBuf {
    target().join("site")
}

/// What a front build left out, as lines for a summary.
#[derive(Debug, Default)]
pub(crate) struct Front {
    /// Reasons, each to be told as `skipped: …`.
    pub(crate) skipped: Vec<String>,
}

/// Builds what changed.
///
/// # Errors
/// A tool is missing and could not be installed, or a step failed.
pub(crate) fn build() -> Result<Front> {
    let mut front = Front::default();
    let dir = site().join("pkg");
    fs::create_dir_all(&dir).wrap_err_with(|| format!("could not make {}", dir.display()))?;
    build_pages(&dir, &mut front)?;
    build_style(&dir)?;
    for reason in &front.skipped {
        println!("skipped: {reason}");
    }
    Ok(front)
}

fn build_pages(dir: &Path, front: &mut Front) -> Result<()> {
    let digest = digest(&root(), &PAGE_INPUTS)?;
    // A build without wasm-opt is made anew once npm is there.
    let (small, plain) = (format!("{digest} small"), format!("{digest} plain"));
    let last = last_build("pages");
    let made = dir.join(format!("{NAME}_bg.wasm")).exists();
    if made && (last == small || (last == plain && !node::npm())) {
        println!("pages: unchanged");
        if last == plain {
            front.skipped.push("wasm-opt (npm is not installed)".to_owned());
        }
        return Ok(());
    }
    let watch = Stopwatch::start();
    forget_build("pages");
    machine::wasm_target()?;
    let features = ["--no-default-features", "--features", "hydrate"];
    let mut compile = cargo(&[
        "build",
        "--package",
        "app",
        "--lib",
        "--profile",
        "wasm",
        "--target",
        WASM_TARGET,
    ]);
    // The two flags are no stable ones, and touch what a browser loads alone: hosts and tests are built without.
    compile.env("RUSTC_BOOTSTRAP", "1");
    run(compile.args(features).args(["--config", &page_flags()?]))?;

    clear(dir, is_page)?;
    let compiled = target().join(WASM_TARGET).join("wasm/app.wasm");
    let main = split::split(&compiled, dir, NAME)?;
    wasm::bindings(&main, dir, NAME)?;
    let shrunk = shrink(dir);
    if let Err(error) = &shrunk {
        front.skipped.push(format!("wasm-opt ({error})"));
    }
    let sizes = compress::folder(dir, is_page)?;
    record_build("pages", if shrunk.is_ok() { &small } else { &plain })?;
    tell("pages", &sizes, watch);
    if shrunk.is_ok() {
        check_size(&sizes)?;
    }
    Ok(())
}

/// Makes the program and its pieces as small as they get.
fn shrink(dir: &Path) -> Result<()> {
    let tool = node::wasm_opt()?;
    // Listed before anything is written beside them.
    let files: Vec<_> = WalkDir::new(dir).sort_by_file_name().into_iter().collect();
    for file in files {
        let file = file.wrap_err_with(|| format!("could not list {}", dir.display()))?;
        if file.path().extension().is_some_and(|ext| ext == "wasm") {
            wasm::shrink(&tool, file.path())?;
        }
    }
    Ok(())
}

/// A browser loads no more of what only the authors of a panic would read: no line numbers, no fields of debug output. Paths
/// that remain are not those of this machine.
fn page_flags() -> Result<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let sources = home.unwrap_or_default().join("registry/src");
    let mut flags = vec![
        "-Zlocation-detail=none".to_owned(),
        "-Zfmt-debug=shallow".to_owned(),
        // What refers to what, by which the program is split.
        "-Clink-args=--emit-relocs".to_owned(),
        format!("--remap-path-prefix={}/=", root().display()),
    ];
    for registry in fs::read_dir(&sources).into_iter().flatten() {
        flags.push(format!("--remap-path-prefix={}/=", registry?.path().display()));
    }
    // Added to those of `.cargo/config.toml`.
    Ok(format!("build.rustflags={}", serde_json::to_string(&flags)?))
}

/// The largest that what every page loads may be, with brotli.
const MOST_PROGRAM_BYTES: usize = 450_000;

/// The largest that a piece may be, which some pages load besides, with brotli.
const MOST_PIECE_BYTES: usize = 150_000;

/// A page that loads slowly is a fault like any other.
fn check_size(sizes: &[Sizes]) -> Result<()> {
    for size in sizes.iter().filter(|size| size.name.ends_with(".wasm")) {
        let (most, advice) = if split::is_piece(&size.name) {
            (MOST_PIECE_BYTES, "look for what could be a piece of its own")
        } else {
            (
                MOST_PROGRAM_BYTES,
                "look for new types of views, and for what could come later",
            )
        };
        if size.brotli_bytes > most {
            let (name, n) = (&size.name, size.brotli_bytes);
            return Err(eyre!(
                "{name} has {n} bytes with brotli, at most {most} are allowed: {advice}"
            ));
        }
    }
    Ok(())
}

fn build_style(dir: &Path) -> Result<()> {
    let digest = digest(&root(), &["style", "xtask/src/front.rs"])?;
    let css = dir.join(format!("{NAME}.css"));
    if css.exists() && last_build("style") == digest {
        println!("style: unchanged");
        return Ok(());
    }
    let watch = Stopwatch::start();
    forget_build("style");
    let mut text = String::new();
    for layer in STYLE_LAYERS {
        let path = root().join("style").join(layer);
        text += &fs::read_to_string(&path).wrap_err_with(|| format!("could not read {}", path.display()))?;
        text.push('\n');
    }
    clear(dir, |name| !is_page(name))?;
    fs::write(&css, text).wrap_err_with(|| format!("could not write {}", css.display()))?;
    copy_assets(&root().join("style"), dir)?;
    let sizes = compress::folder(dir, |name| !is_page(name))?;
    record_build("style", &digest)?;
    tell("style", &sizes, watch);
    Ok(())
}

/// Icons and whatever else the style refers to: everything beside the layers, at the top of `style/`.
fn copy_assets(style: &Path, dir: &Path) -> Result<()> {
    for entry in fs::read_dir(style).wrap_err_with(|| format!("could not list {}", style.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else {
            continue;
        };
        if path.extension().is_none_or(|ext| ext != "css") {
            fs::copy(&path, dir.join(name)).wrap_err_with(|| format!("could not copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// Whether a file or folder of the site comes from the build of the pages; the others come from the style.
fn is_page(name: &str) -> bool {
    let bound = ["app.js", "app_bg.wasm", "snippets"];
    bound.iter().any(|page| name.starts_with(page)) || split::is_ours(name)
}

/// Takes away what an earlier build left: a snippet that is gone must not be served.
fn clear(dir: &Path, ours: impl Fn(&str) -> bool) -> Result<()> {
    for entry in fs::read_dir(dir).wrap_err_with(|| format!("could not list {}", dir.display()))? {
        let entry = entry?;
        let path = entry.path();
        if !ours(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let removed = if entry.file_type()?.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.wrap_err_with(|| format!("could not remove {}", path.display()))?;
    }
    Ok(())
}

fn tell(what: &str, sizes: &[Sizes], watch: Stopwatch) {
    println!("{what}: built in {:.1} s", watch.seconds());
    for size in sizes {
        println!(
            "  {:<42}{:>10} bytes, gzip {:>9}, brotli {:>9}",
            size.name, size.raw_bytes, size.gzip_bytes, size.brotli_bytes
        );
    }
}

/// One digest over the names and contents of all files below some paths.
fn digest(root: &Path, inputs: &[&str]) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for input in inputs {
        for entry in WalkDir::new(root.join(input)).sort_by_file_name() {
            let entry = entry.wrap_err_with(|| format!("could not read {input}, which the front is built from"))?;
            if !entry.file_type().is_file() {
                continue;
            }
            let path = entry.path();
            let bytes = fs::read(path).wrap_err_with(|| format!("could not read {}", path.display()))?;
            let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
            hasher
                .update(&(name.len() as u64).to_le_bytes())
                .update(name.as_bytes());
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn stamp(what: &str) -> PathBuf {
    site().join(format!(".{what}.digest"))
}

/// Digest of what was built last; empty where nothing was, or a build broke off.
fn last_build(what: &str) -> String {
    fs::read_to_string(stamp(what)).unwrap_or_default()
}

fn forget_build(what: &str) {
    // Where there is no stamp there is nothing to forget.
    let _ = fs::remove_file(stamp(what));
}

fn record_build(what: &str, digest: &str) -> Result<()> {
    let path = stamp(what);
    fs::write(&path, digest).wrap_err_with(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_changes_with_every_name_and_byte_and_with_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        let now = || digest(dir.path(), &["src", "lock"]).unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        write("lock", "1");
        write("src/a.rs", "a");
        let first = now();
        write("elsewhere", "x");
        write("src/a.rs", "a");
        assert_eq!(now(), first);
        write("src/a.rs", "b");
        assert_ne!(now(), first);
        write("src/a.rs", "a");
        write("src/b.rs", "");
        assert_ne!(now(), first, "an empty file is a file");
        fs::rename(dir.path().join("src/b.rs"), dir.path().join("src/c.rs")).unwrap();
        assert_ne!(now(), first);
        assert!(digest(dir.path(), &["gone"]).unwrap_err().to_string().contains("gone"));
    }

    #[test]
    fn what_every_page_loads_may_be_larger_than_a_piece() {
        let check = |name: &str, brotli_bytes: usize| {
            let (name, raw_bytes, gzip_bytes) = (name.to_owned(), 0, 0);
            check_size(&[Sizes {
                name,
                raw_bytes,
                gzip_bytes,
                brotli_bytes,
            }])
        };
        assert!(check("app_bg.wasm", MOST_PROGRAM_BYTES).is_ok());
        assert!(check("app_bg.wasm", MOST_PROGRAM_BYTES + 1).is_err());
        for piece in ["split_review.0123456789abcdef.wasm", "chunk_5.0123456789abcdef.wasm"] {
            assert!(check(piece, MOST_PIECE_BYTES).is_ok());
            let error = check(piece, MOST_PIECE_BYTES + 1).unwrap_err().to_string();
            assert!(error.starts_with(piece), "{error}");
        }
        assert!(
            check("app.js", MOST_PROGRAM_BYTES + 1).is_ok(),
            "only programs are judged"
        );
    }

    #[test]
    fn pages_and_style_clear_only_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let left = || {
            let mut left: Vec<_> = fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            left.sort();
            left
        };
        fs::create_dir_all(dir.path().join("snippets/old")).unwrap();
        for name in [
            "app.js",
            "app_bg.wasm.br",
            "app.css",
            "app.css.gz",
            "favicon.svg",
            "snippets/old/inline0.js",
            "split_review.0123456789abcdef.wasm.br",
            "chunk_5.0123456789abcdef.wasm",
            "__wasm_split_manifest.json",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        clear(dir.path(), is_page).unwrap();
        assert_eq!(left(), ["app.css", "app.css.gz", "favicon.svg"]);
        fs::write(dir.path().join("app.js"), "").unwrap();
        clear(dir.path(), |name| !is_page(name)).unwrap();
        assert_eq!(left(), ["app.js"]);
    }
}
