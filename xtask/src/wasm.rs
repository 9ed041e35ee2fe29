//! From the compiled page to what a browser loads: bindings, then fewer bytes.

use std::fs;
use std::path::Path;

use color_eyre::eyre::{Result, WrapErr, eyre};
use wasm_bindgen_cli_support::Bindgen;

use crate::process::{program, run};

/// What the compiler emits and every current browser runs; `wasm-opt` refuses what it is not told of.
const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Writes `NAME.js` and `NAME_bg.wasm` (the names that leptos' hydration script loads) into a folder.
///
/// The library has the version of the crate in the lock file, so the two can never disagree.
///
/// # Errors
/// The input is no wasm of the same version, or a file could not be written.
pub(crate) fn bindings(input: &Path, dir: &Path, name: &str) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(input)
        .out_name(name)
        .typescript(false)
        // By them, and by their names as the linker has them, the pieces find what they share with this file.
        .keep_lld_exports(true)
        .demangle(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(dir))
        .map_err(|error| eyre!("{error:#}"))
        .wrap_err_with(|| format!("could not make the bindings of {}", input.display()))
}

/// Rewrites a wasm file as small as `wasm-opt` can.
///
/// # Errors
/// The tool failed; the file is as it was.
pub(crate) fn shrink(wasm_opt: &Path, file: &Path) -> Result<()> {
    let out = file.with_extension("wasm.opt");
    let mut command = program(wasm_opt);
    command
        .args(["-Oz", "--converge"])
        .args(FEATURES)
        .arg(file)
        .arg("-o")
        .arg(&out);
    run(&mut command)?;
    fs::rename(&out, file).wrap_err_with(|| format!("could not replace {}", file.display()))
}
