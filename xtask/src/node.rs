//! Tools that come from npm. They make things smaller or test more; nothing that runs needs them.

use std::fs;
use std::path::PathBuf;

use color_eyre::eyre::{Result, WrapErr, bail};

use crate::process::{answer, program, run, target};

/// What the tools are, with exact versions.
const PACKAGE: &str = include_str!("../package.json");

/// Whether this machine has npm.
pub(crate) fn npm() -> bool {
    answer("npm", &["--version"]).is_some()
}

/// Path of `wasm-opt`, installed where it is missing.
///
/// # Errors
/// It cannot be had; the error says why in a few words.
pub(crate) fn wasm_opt() -> Result<PathBuf> {
    if !npm() {
        bail!("npm is not installed");
    }
    let dir = target().join("npm");
    let bin = dir.join("node_modules/.bin/wasm-opt");
    let package = dir.join("package.json");
    if fs::read_to_string(&package).is_ok_and(|text| text == PACKAGE) && bin.exists() {
        return Ok(bin);
    }
    println!("installing wasm-opt from npm: it makes what browsers load smaller");
    fs::create_dir_all(&dir).wrap_err_with(|| format!("could not make {}", dir.display()))?;
    fs::write(&package, PACKAGE).wrap_err_with(|| format!("could not write {}", package.display()))?;
    let mut install = program("npm");
    install
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock"])
        .current_dir(&dir);
    if run(&mut install).is_err() || !bin.exists() {
        bail!("npm could not install binaryen");
    }
    Ok(bin)
}
