//! Tools that come from npm. They make things smaller or test more; nothing that runs needs them.

use std::fs;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Result, WrapErr, bail};

use crate::process::{answer, program, root, run, target};

/// Whether this machine has npm.
pub(crate) fn npm() -> bool {
    answer("npm", &["--version"]).is_some()
}

/// Path of `wasm-opt`, installed where it is missing.
///
/// # Errors
/// It cannot be had; the error says why in a few words.
pub(crate) fn wasm_opt() -> Result<PathBuf> {
    let dir = install(
        &root().join("xtask/package.json"),
        "npm",
        "binaryen",
        "makes what browsers load smaller",
    )?;
    Ok(dir.join("node_modules/.bin/wasm-opt"))
}

/// Installs what `package` names under `target/FOLDER`, where it is missing; that folder. `main` is the package that must
/// be there afterwards.
///
/// # Errors
/// It cannot be had; the error says why in a few words.
pub(crate) fn install(package: &Path, folder: &str, main: &str, why: &str) -> Result<PathBuf> {
    if !npm() {
        bail!("npm is not installed");
    }
    let wanted = fs::read_to_string(package).wrap_err_with(|| format!("could not read {}", package.display()))?;
    let dir = target().join(folder);
    let (known, there) = (dir.join("package.json"), dir.join("node_modules").join(main));
    if fs::read_to_string(&known).is_ok_and(|text| text == wanted) && there.exists() {
        return Ok(dir);
    }
    println!("installing {main} from npm: it {why}");
    fs::create_dir_all(&dir).wrap_err_with(|| format!("could not make {}", dir.display()))?;
    fs::write(&known, &wanted).wrap_err_with(|| format!("could not write {}", known.display()))?;
    let mut install = program("npm");
    install
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock"])
        .current_dir(&dir);
    if run(&mut install).is_err() || !there.exists() {
        bail!("npm could not install {main}");
    }
    Ok(dir)
}
