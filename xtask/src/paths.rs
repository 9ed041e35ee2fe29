//! `cargo xtask paths`: the engine's features by every path that this machine has, in one table of differences.
//!
//! The programs are `trainer/engine/examples/paths` (cases, this machine's kernels, the table) and `paths_wasm`, which Node
//! runs with `paths.mjs`; `trainer/examples/candle_path` answers the same cases by candle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use color_eyre::eyre::{Result, WrapErr, bail};

use crate::machine::{self, WASM_TARGET};
use crate::process::{answer, cargo, program, root, run, target};

/// What the table is made with, and what could not be had.
pub(crate) struct Table {
    /// Prints the table; fails where a path is off.
    pub(crate) command: Command,
    /// Paths without an answer: which, and why.
    pub(crate) skipped: Vec<String>,
}

/// Runs every path and prints the table.
///
/// # Errors
/// A path could not be built or run.
pub(crate) fn run_paths() -> Result<ExitCode> {
    let mut table = table()?;
    for reason in &table.skipped {
        println!("skipped: {reason}");
    }
    match table.command.status()?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

/// Builds and runs every path.
///
/// # Errors
/// A path could not be built or run.
pub(crate) fn table() -> Result<Table> {
    let program_path = build()?;
    let dir = fresh_cases(&program_path)?;
    run(program(&program_path).arg("run").arg(&dir))?;
    let mut skipped = Vec::new();
    if answer("node", &["--version"]).is_some() {
        in_node(&dir)?;
    } else {
        skipped.push("paths through WebAssembly (Node is not installed)".to_owned());
    }
    run(program(examples().join("candle_path")).arg(&dir))?;
    let mut command = program(&program_path);
    command.arg("table").arg(&dir);
    Ok(Table { command, skipped })
}

/// The cases, in a folder without answers of another day.
///
/// # Errors
/// The folder cannot be made, or the program failed.
pub(crate) fn fresh_cases(program_path: &Path) -> Result<PathBuf> {
    let dir = target().join("paths");
    if dir.exists() {
        fs::remove_dir_all(&dir).wrap_err_with(|| format!("could not empty {}", dir.display()))?;
    }
    run(program(program_path).arg("cases").arg(&dir))?;
    Ok(dir)
}

/// The host's programs; the one of the engine's own paths.
///
/// # Errors
/// They do not compile.
pub(crate) fn build() -> Result<PathBuf> {
    // With the whole workspace's features, so that what the tests were built from is not built again.
    run(&mut cargo(&[
        "build",
        "--workspace",
        "--example",
        "paths",
        "--example",
        "candle_path",
    ]))?;
    Ok(examples().join("paths"))
}

fn examples() -> PathBuf {
    target().join("debug/examples")
}

/// The module with and without the instructions that a browser may lack.
fn in_node(dir: &Path) -> Result<()> {
    machine::wasm_target()?;
    for (path, flags) in [("wasm-plain", ""), ("wasm-simd128", "-C target-feature=+simd128")] {
        let mut build = cargo(&[
            "build",
            "--package",
            "engine",
            "--example",
            "paths_wasm",
            "--target",
            WASM_TARGET,
        ]);
        run(build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags))?;
        let module = target().join(WASM_TARGET).join("debug/examples/paths_wasm.wasm");
        if !module.exists() {
            bail!("there is no {}", module.display());
        }
        let script = root().join("xtask/src/paths.mjs");
        run(program("node").arg(script).arg(module).arg(dir).arg(path))?;
    }
    Ok(())
}
