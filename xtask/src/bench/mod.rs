//! `cargo xtask bench`

use std::process::ExitCode;

use color_eyre::eyre::Result;
use walkdir::WalkDir;

use crate::process::{cargo, root, run};

/// Runs the trainer's benches.
///
/// # Errors
/// A bench failed.
pub(crate) fn run_benches() -> Result<ExitCode> {
    let any = WalkDir::new(root().join("trainer/benches"))
        .into_iter()
        .flatten()
        .any(|entry| entry.path().extension().is_some_and(|ext| ext == "rs"));
    if !any {
        eprintln!("there are no benches yet: trainer/benches has no Rust file");
        return Ok(ExitCode::FAILURE);
    }
    run(&mut cargo(&["bench", "--package", "trainer"]))?;
    Ok(ExitCode::SUCCESS)
}
