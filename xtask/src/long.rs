//! The suites that take long, of `cargo xtask test --long`: one function each, all in [`SUITES`].

use std::process::Command;

use color_eyre::eyre::{Result, WrapErr};

use crate::machine::{self, AARCH64_EMULATOR, AARCH64_LINKER, AARCH64_TARGET};
use crate::paths;
use crate::process::{cargo, program, run, target};

/// A suite. Where what it needs cannot be had it is skipped; whatever fails afterwards is a failure.
pub(crate) struct Suite {
    /// What it shows.
    pub(crate) name: &'static str,
    /// Gets what it needs onto this machine.
    pub(crate) needs: fn() -> Result<()>,
    /// Prepares it; the commands whose output is counted.
    pub(crate) commands: fn() -> Result<Vec<Command>>,
}

/// All of them, in the order in which they are run.
pub(crate) const SUITES: [Suite; 3] = [
    Suite {
        name: "kernels in Miri",
        needs: machine::miri,
        commands: miri,
    },
    Suite {
        name: "kernels on aarch64",
        needs: machine::aarch64,
        commands: aarch64,
    },
    Suite {
        name: "twenty kills of two workers",
        needs: || Ok(()),
        commands: kills,
    },
];

/// The kernels' tests in an interpreter that sees every read and write outside of what a pointer may touch.
fn miri() -> Result<Vec<Command>> {
    let mut command = program("cargo");
    command
        .args(["+nightly", "miri", "test", "--package", "engine", "--lib", "kernels"])
        .args(["--", "--show-output"])
        // The toolchain that runs this would win over the one that is asked for.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env("MIRIFLAGS", "-Zmiri-disable-isolation");
    Ok(vec![command])
}

/// NEON in an emulator: the kernels' tests, and the table of paths with its answers beside this machine's.
fn aarch64() -> Result<Vec<Command>> {
    let cross = |args: &[&str]| {
        let mut command = cargo(args);
        command
            .args(["--package", "engine", "--target", AARCH64_TARGET])
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", AARCH64_LINKER)
            .env(
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
                format!("{AARCH64_EMULATOR} -L /usr/aarch64-linux-gnu"),
            );
        command
    };
    let host = paths::build()?;
    let dir = paths::fresh_cases(&host)?;
    run(program(&host).arg("run").arg(&dir))?;
    let mut answers = cross(&["run", "--example", "paths"]);
    run(answers.args(["--", "run"]).arg(&dir).arg("aarch64-")).wrap_err("the answers of aarch64")?;
    let mut tests = cross(&["test", "--lib"]);
    tests.args(["kernels", "--", "--show-output"]);
    let mut table = program(target().join("debug/examples/paths"));
    table.arg("table").arg(&dir);
    Ok(vec![tests, table])
}

/// Two workers that extract at once, killed twenty times; the short form of this is among the tests.
fn kills() -> Result<Vec<Command>> {
    let mut tests = cargo(&["test", "--workspace", "--test", "it", "--", "killed again"]);
    tests.env("REHEAD_KILLS", "20");
    Ok(vec![tests])
}
