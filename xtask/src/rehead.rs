//! The product's own command line, as a script uses it: arguments in, one JSON document out.

use std::process::Stdio;

use color_eyre::eyre::{Result, WrapErr, bail};
use serde_json::Value;

use crate::process::{program, told};
use crate::server::{Server, binary};

/// Exit codes of a watched job that ended with a verdict: pass, fail, unproven.
const VERDICTS: [i32; 3] = [0, 10, 11];

/// The command line, pointed at a server, as somebody whom it knows.
pub(crate) struct Rehead {
    url: String,
    token: String,
}

/// What `rehead admin …` prints when it works on a server's folder.
///
/// # Errors
/// It did not succeed: its own words.
pub(crate) fn admin(server: &Server, args: &[&str]) -> Result<String> {
    let mut command = program(binary());
    command
        .arg("admin")
        .args(args)
        .arg("--data")
        .arg(server.data())
        .env("REHEAD_SERVER", server.url())
        .env_remove("REHEAD_DATABASE_URL")
        .env_remove("REHEAD_STORE")
        .stdin(Stdio::null());
    let text = told(&command);
    let output = command.output().wrap_err_with(|| format!("could not start `{text}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{text}` failed ({}): {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Rehead {
    /// Of this server, with a token of somebody's.
    pub(crate) fn new(server: &Server, token: String) -> Self {
        Self {
            url: server.url(),
            token,
        }
    }

    /// Runs a command.
    ///
    /// # Errors
    /// It did not succeed; its own words were printed.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<Value> {
        self.answer(args, &[0])
    }

    /// Runs a command that follows a job to its verdict, whichever it is.
    ///
    /// # Errors
    /// The job made no model.
    pub(crate) fn watch(&self, args: &[&str]) -> Result<Value> {
        self.answer(args, &VERDICTS)
    }

    fn answer(&self, args: &[&str], good: &[i32]) -> Result<Value> {
        let mut command = program(binary());
        command
            .args(args)
            .arg("--json")
            .env("REHEAD_SERVER", &self.url)
            .env("REHEAD_TOKEN", &self.token)
            .env_remove("REHEAD_PROJECT")
            .stderr(Stdio::inherit());
        let text = told(&command);
        let output = command.output().wrap_err_with(|| format!("could not start `{text}`"))?;
        if !output.status.code().is_some_and(|code| good.contains(&code)) {
            bail!("`{text}` failed ({})", output.status);
        }
        serde_json::from_slice(&output.stdout).wrap_err_with(|| format!("`{text}` did not print one JSON document"))
    }
}
