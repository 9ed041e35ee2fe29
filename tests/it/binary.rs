//! The real binary `rehead`, as a person or a script runs it.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Output};

use color_eyre::eyre::{Context, Result, ensure, eyre};
use serde_json::Value;

use crate::rest::Rest;

/// The binary of this very build: it lies beside the folder of the test's own executable.
///
/// # Errors
/// It is not there and cannot be built.
pub(crate) fn path() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let dir = own
        .parent()
        .and_then(|deps| deps.parent())
        .ok_or_else(|| eyre!("{} lies nowhere", own.display()))?;
    let binary = dir.join("rehead");
    // Always asked for: cargo does nothing where it is up to date, and a stale binary would be tested otherwise. The whole
    // workspace, as everything else builds it: one package alone has other features, and half of the dependencies anew.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = if dir.ends_with("release") { "release" } else { "dev" };
    let build = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bins", "--profile", profile])
        .output()?;
    ensure!(
        build.status.success(),
        "the binary could not be built: {}",
        String::from_utf8_lossy(&build.stderr)
    );
    ensure!(binary.is_file(), "{} is not there after building", binary.display());
    Ok(binary)
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = |text: &str| text.chars().take(1_500).collect::<String>();
        write!(f, "exit code {}\n{}\n{}", self.code, start(&self.err), start(&self.out))
    }
}

impl Said {
    /// Standard output as the one JSON document it must be.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("not one JSON document: {self:?}"))
    }
}

/// Runs a client command against a server, as whoever asks there.
pub(crate) async fn run(binary: &std::path::Path, rest: &Rest, args: &[&str]) -> Result<Said> {
    let mut command = tokio::process::Command::new(binary);
    command
        .args(args)
        .env("REHEAD_SERVER", &rest.server)
        // Whoever runs the tests may be signed in somewhere.
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env_remove("REHEAD_PROJECT")
        .env_remove("REHEAD_TOKEN")
        .kill_on_drop(true);
    if let Some(token) = &rest.token {
        command.env("REHEAD_TOKEN", token);
    }
    said(command.output().await?)
}

/// What a command that ended said.
pub(crate) fn said(output: Output) -> Result<Said> {
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}
