//! What a machine must have, and getting it: each with the reason, so that nobody wonders what was installed.

use std::fs;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Result, WrapErr, bail, eyre};

use crate::process::{answer, program, root, run, target};

/// The target that browsers run.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The target whose kernels are tested in an emulator.
pub(crate) const AARCH64_TARGET: &str = "aarch64-unknown-linux-gnu";
/// Its linker.
pub(crate) const AARCH64_LINKER: &str = "aarch64-linux-gnu-gcc";
/// Its emulator.
pub(crate) const AARCH64_EMULATOR: &str = "qemu-aarch64";

/// The compiler's standard library for browsers.
///
/// # Errors
/// It is missing, and rustup could not add it.
pub(crate) fn wasm_target() -> Result<()> {
    rust_target(WASM_TARGET, "the pages are compiled to wasm for browsers")
}

/// The compiler's standard library for a target.
fn rust_target(target: &str, why: &str) -> Result<()> {
    let libs = answer("rustc", &["--print", "target-libdir", "--target", target]);
    if libs.is_some_and(|dir| has_std(Path::new(&dir))) {
        return Ok(());
    }
    println!("adding the Rust target {target}: {why}");
    run(program("rustup").args(["target", "add", target]))
        .wrap_err_with(|| format!("the Rust target {target} is needed; is rustup installed and the network there?"))
}

/// Linker and emulator for [`AARCH64_TARGET`], and its standard library; the reason where they cannot be had.
pub(crate) fn aarch64() -> Result<()> {
    rust_target(AARCH64_TARGET, "its kernels are tested in an emulator")?;
    if [AARCH64_LINKER, AARCH64_EMULATOR]
        .iter()
        .any(|name| answer(name, &["--version"]).is_none())
    {
        println!("installing an emulator and a linker for aarch64: NEON kernels are tested in them");
        apt(&["qemu-user", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"])?;
    }
    Ok(())
}

/// Miri, which is a part of nightly; the reason where it cannot be had.
pub(crate) fn miri() -> Result<()> {
    if answer("rustup", &["run", "nightly", "cargo-miri", "--version"]).is_some() {
        return Ok(());
    }
    println!("installing Miri: the kernels' tests are interpreted, every read and write checked");
    let args = ["toolchain", "install", "nightly", "--profile", "minimal"];
    run(program("rustup").args(args).args(["--component", "miri,rust-src"]))
}

fn has_std(libs: &Path) -> bool {
    let Ok(entries) = fs::read_dir(libs) else { return false };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

/// A C compiler: SQLite and the TLS library are compiled from their C sources.
///
/// # Errors
/// There is none, and it could not be installed.
pub(crate) fn c_compiler() -> Result<()> {
    let found = |name: &str| answer(name, &["--version"]).is_some();
    if std::env::var_os("CC").is_some() || found("cc") {
        return Ok(());
    }
    println!("installing gcc: SQLite and the TLS library are compiled from their C sources");
    apt(&["gcc", "libc6-dev"]).wrap_err("a C compiler named `cc` is needed")
}

/// A Python of its own with the packages of the cross-checks; the reason where it cannot be had.
pub(crate) fn crosscheck_python() -> Result<PathBuf> {
    python_with(
        &target().join("venv"),
        &root().join("tests/crosscheck/requirements.txt"),
        "reports are recomputed by scikit-learn and scipy",
    )
}

/// A Python of its own with the packages of a requirements file beside what it has already; the reason where it cannot be had.
pub(crate) fn python_with(venv: &Path, requirements: &Path, why: &str) -> Result<PathBuf> {
    let wanted =
        fs::read_to_string(requirements).wrap_err_with(|| format!("could not read {}", requirements.display()))?;
    let python = venv.join("bin/python");
    let name = requirements.file_name().unwrap_or_default().to_string_lossy();
    let stamp = venv.join(format!("rehead-{name}"));
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    let place = venv.strip_prefix(root()).unwrap_or(venv);
    println!("installing Python packages under {}: {why}", place.display());
    let make = || run(program("python3").args(["-m", "venv", "--clear"]).arg(venv));
    if !venv.join("bin/pip").exists() && make().is_err() {
        apt(&["python3", "python3-venv"])?;
        make()?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(program(&python).args(pip).arg(requirements))?;
    fs::write(&stamp, wanted).wrap_err_with(|| format!("could not write {}", stamp.display()))?;
    Ok(python)
}

/// Chromium's name or path; the reason where it cannot be had.
pub(crate) fn chromium() -> Result<String> {
    let found = || {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let works = |name: &&str| answer(name, &["--version"]).is_some();
        names.into_iter().find(works).and_then(|name| answer("which", &[name]))
    };
    if let Some(path) = found() {
        return Ok(path);
    }
    println!("installing chromium and a font for Chinese: the pages are tested in a real browser");
    apt(&["chromium", "fonts-noto-cjk"])?;
    found().ok_or_else(|| eyre!("apt installed no chromium"))
}

/// The folder of Postgres' server programs (the newest); the reason where they cannot be had.
pub(crate) fn postgres() -> Result<PathBuf> {
    if let Some(bin) = std::env::var_os("REHEAD_TEST_POSTGRES_BIN") {
        return Ok(bin.into());
    }
    if let Some(bin) = newest_postgres(Path::new("/usr/lib/postgresql")) {
        return Ok(bin);
    }
    println!("installing postgresql: every query is tested on it as well");
    apt(&["postgresql"])?;
    newest_postgres(Path::new("/usr/lib/postgresql"))
        .ok_or_else(|| eyre!("apt installed no server programs under /usr/lib/postgresql"))
}

/// The highest version below Debian's folder that can make and run a database.
fn newest_postgres(versions: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(versions).ok()?;
    versions
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            (bin.join("initdb").exists() && bin.join("postgres").exists()).then_some((version, bin))
        })
        .max()
        .map(|(_, bin)| bin)
}

fn apt(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if answer("apt-get", &["--version"]).is_none() {
        bail!("this machine has no apt; install by hand: {names}");
    }
    if answer("id", &["-u"]).as_deref() != Some("0") {
        bail!("only root may install; run `sudo apt-get install {names}`");
    }
    let mut update = program("apt-get");
    run(update.args(["update", "-qq"]))?;
    let mut install = program("apt-get");
    install
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut install)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_postgres_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        for (version, files) in [
            ("9", ["initdb", "postgres"].as_slice()),
            ("15", &["initdb", "postgres"]),
            ("16", &["psql"]),
            ("common", &["initdb", "postgres"]),
        ] {
            let bin = dir.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for file in files {
                fs::write(bin.join(file), "").unwrap();
            }
        }
        assert_eq!(newest_postgres(dir.path()), Some(dir.path().join("15/bin")));
        assert_eq!(newest_postgres(&dir.path().join("none")), None);
    }
}
