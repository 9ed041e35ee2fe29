//! Tools that come from npm. They make things smaller or test more; nothing that runs needs them.

use std::fs;
use std::path::PathBuf;

use color_eyre::eyre::{Result, WrapErr};

use crate::process::{answer, program, run, target};

/// What the tools are, with exact versions.
const PACKAGE: &str = include_str!("../package.json");

/// Whether this machine has npm.
pub(crate) fn npm() -> bool {
    answer("npm", &["--version"]).is_some()
}

/// Path of `wasm-opt`, installed where it is missing; the reason where it cannot be had.
///
/// # Errors
/// The folder for the tools could not be written.
pub(crate) fn wasm_opt() -> Result<Result<PathBuf, String>> {
    if !npm() {
        return Ok(Err("npm is not installed".to_owned()));
    }
    let dir = target().join("npm");
    let bin = dir.join("node_modules/.bin/wasm-opt");
    let package = dir.join("package.json");
    let installed = fs::read_to_string(&package).is_ok_and(|text| text == PACKAGE) && bin.exists();
    if !installed {
        println!("installing wasm-opt from npm: it makes what browsers load about a third smaller");
        fs::create_dir_all(&dir).wrap_err_with(|| format!("could not make {}", dir.display()))?;
        fs::write(&package, PACKAGE).wrap_err_with(|| format!("could not write {}", package.display()))?;
        let mut install = program("npm");
        install
            .args(["install", "--no-audit", "--no-fund", "--no-package-lock"])
            .current_dir(&dir);
        if run(&mut install).is_err() || !bin.exists() {
            return Ok(Err("npm could not install binaryen".to_owned()));
        }
    }
    Ok(Ok(bin))
}
