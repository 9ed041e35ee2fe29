//! The story in a real browser: Debian's Chromium, driven by playwright-core, against a real server on the bundled photos.
//!
//! Owns: the stage that prepares server, data and tools. What is clicked and looked at is in `tests/browser`.

use std::fs;
use std::path::Path;
use std::process::Command;

use color_eyre::eyre::{Result, WrapErr};

use crate::process::{program, root, target};
use crate::server::{self, Server};
use crate::{demo, machine, node};

/// The scripts; they run from the folder where their packages are installed.
const SCRIPTS: [&str; 3] = ["harness.mjs", "story.mjs", "verdicts.mjs"];

/// What the browser's stage needs of the machine.
pub(crate) struct Tools {
    chromium: String,
}

/// Finds or installs them.
///
/// # Errors
/// They cannot be had; the error says why in a few words.
pub(crate) fn tools() -> Result<Tools> {
    let chromium = machine::chromium()?;
    node::install(
        &root().join("tests/browser/package.json"),
        "browser",
        "playwright-core",
        "clicks through the pages",
    )?;
    Ok(Tools { chromium })
}

/// An empty server and the command that tells the story to it; the server stops when it is dropped.
///
/// # Errors
/// The server does not start.
pub(crate) fn story(tools: &Tools) -> Result<(Server, Command)> {
    let dir = target().join("browser");
    let data = dir.join("data");
    if data.exists() {
        fs::remove_dir_all(&data).wrap_err_with(|| format!("could not empty {}", data.display()))?;
    }
    let server = Server::start(server::free_port()?, &data)?;
    let link = demo::first_link(&server)?;
    for script in SCRIPTS {
        copy(&root().join("tests/browser").join(script), &dir.join(script))?;
    }
    let mut story = program("node");
    story
        .arg("story.mjs")
        .current_dir(&dir)
        .env("REHEAD_URL", server.url())
        .env("REHEAD_LINK", link)
        .env("REHEAD_CHROMIUM", &tools.chromium)
        .env("REHEAD_PHOTOS", root().join("tests/data/photos"))
        .env("REHEAD_SCREENS", dir.join("screens"));
    Ok((server, story))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).wrap_err_with(|| format!("could not copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
