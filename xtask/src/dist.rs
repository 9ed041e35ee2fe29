//! `cargo xtask dist`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use color_eyre::eyre::{Result, WrapErr, eyre};

use crate::process::{answer, cargo, program, root, run, target};
use crate::{front, machine};

/// Builds `target/dist/rehead-VERSION-TARGET.tar.gz`: the binary, the site, the licence and the credits.
///
/// # Errors
/// A build failed, or a file could not be written.
pub(crate) fn run_dist() -> Result<ExitCode> {
    machine::c_compiler()?;
    front::build()?;
    run(&mut cargo(&[
        "build",
        "--package",
        "server",
        "--bin",
        "rehead",
        "--release",
    ]))?;

    let version = answer("rustc", &["-vV"]).ok_or_else(|| eyre!("rustc does not tell its version"))?;
    let host = host(&version).ok_or_else(|| eyre!("rustc does not tell its host:\n{version}"))?;
    let name = format!("rehead-{}-{host}", env!("CARGO_PKG_VERSION"));
    let dist = target().join("dist");
    let stage = dist.join(&name);
    if stage.exists() {
        fs::remove_dir_all(&stage).wrap_err_with(|| format!("could not remove {}", stage.display()))?;
    }
    fs::create_dir_all(&stage).wrap_err_with(|| format!("could not make {}", stage.display()))?;
    copy(&target().join("release/rehead"), &stage.join("rehead"))?;
    for file in ["LICENSE", "NOTICE", "README.md"] {
        copy(&root().join(file), &stage.join(file))?;
    }
    run(program("cp").arg("-r").arg(front::site()).arg(stage.join("site")))?;

    let archive = dist.join(format!("{name}.tar.gz"));
    let mut tar = program("tar");
    tar.args([
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--exclude=.*.digest",
        "-czf",
    ]);
    run(tar.arg(&archive).arg("-C").arg(&dist).arg(&name))?;
    let size_bytes = fs::metadata(&archive)?.len();
    println!("{} ({:.1} MB)", archive.display(), size_bytes as f64 / 1e6);
    Ok(ExitCode::SUCCESS)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).wrap_err_with(|| format!("could not copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// The target triple in what `rustc -vV` prints.
fn host(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("host: "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_host_is_read_from_the_compilers_version() {
        let text = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0";
        assert_eq!(super::host(text), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(super::host("rustc 1.95.0"), None);
    }
}
