//! Running other programs: always from the workspace's root, never with the terminal's standard input.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use color_eyre::eyre::{Result, WrapErr, bail};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    // cargo tells where the package lies now; the compiled-in path is where it lay when it was built.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut path = PathBuf::from(manifest);
    path.pop();
    path
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A program, to be run from the root.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// cargo, the one that runs this.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    // leptos compiles the name of the wasm file in, and this variable would change it (and rebuild leptos).
    command.env_remove("LEPTOS_OUTPUT_NAME");
    command
}

/// Runs a program to its end, its output going where ours goes.
///
/// # Errors
/// It could not be started, or did not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let text = told(command);
    println!("$ {text}");
    let status = command.status().wrap_err_with(|| format!("could not start `{text}`"))?;
    if !status.success() {
        bail!("`{text}` failed ({status})");
    }
    Ok(())
}

/// What a program prints, or none where it is missing or does not succeed.
pub(crate) fn answer(name: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = program(name).args(args).stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as one would type it.
pub(crate) fn told(command: &Command) -> String {
    let root = root();
    let program = PathBuf::from(command.get_program());
    // cargo names itself with its full path, which says nothing.
    let name = match program.strip_prefix(&root) {
        Ok(below) => below.display().to_string(),
        Err(_) => program
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    };
    let mut words = vec![name];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
