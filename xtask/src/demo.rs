//! `cargo xtask demo`: from photos on disk to a judged model, over a real server and its command line.
//!
//! What an earlier run left in the data folder is found through the command line's lists and used again.

mod facts;

use std::path::PathBuf;
use std::process::ExitCode;

use color_eyre::eyre::{Result, bail, eyre};
use serde_json::Value;

use crate::clock::Stopwatch;
use crate::process::{cargo, root, run};
use crate::rehead::{Rehead, admin};
use crate::server::Server;
use crate::{front, machine, server};

/// The baseline's eight classes: seven characters, and what is none of them.
const LUCKY: &str = "lucky";
/// The class that is added: one handwriting of 福.
const NEW: &str = "fu-ma";
/// The account that looks at it all.
const USER: &str = "demo";
const CHANNEL: &str = "production";
const REQUEST_TITLE: &str = "Recognise the fu-ma handwriting";

/// Options of the task.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// End when the verdict is there: exit code 0 only on pass.
    #[arg(long)]
    once: bool,
    /// The server's port on this machine.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The server's folder: database, photos, models and its log.
    #[arg(long, default_value = "target/demo")]
    data: PathBuf,
}

/// Runs the demo.
///
/// # Errors
/// A step failed; the steps before it stand in the data folder and are used again.
pub(crate) fn run_demo(options: &Options) -> Result<ExitCode> {
    let whole = Stopwatch::start();
    let mut steps = Steps::default();
    // Before minutes are spent on building.
    server::ensure_free(([127, 0, 0, 1], options.port).into())?;

    steps.run("What this machine must have", || {
        machine::c_compiler()?;
        machine::wasm_target()?;
        Ok("a C compiler, the wasm target".to_owned())
    })?;
    steps.run("Build the pages", || {
        front::build()?;
        Ok("target/site".to_owned())
    })?;
    steps.run("Build the server", || {
        // The whole workspace, as `cargo xtask test` does: one package alone would resolve other features of its
        // dependencies and build them a second time.
        run(&mut cargo(&["build", "--workspace", "--bins"]))?;
        Ok("target/debug/rehead".to_owned())
    })?;
    let mut server = None;
    steps.run("Start the server", || {
        let started = Server::start(options.port, &root().join(&options.data))?;
        let url = started.url();
        server = Some(started);
        Ok(url)
    })?;
    let mut server = server.ok_or_else(|| eyre!("the server was not started"))?;

    let (mut token, mut link) = (String::new(), String::new());
    steps.run("Make an account", || {
        (link, token) = account(&server)?;
        Ok(format!("{USER}, with a token for this command"))
    })?;

    let rehead = Rehead::new(&server, token);
    let result = match story(&rehead, &mut steps) {
        Ok(result) => result,
        // A server that died in the middle is the cause, and its log says more than the client's error.
        Err(error) => match server.ended()? {
            Some(status) => bail!("{error:#}\nthe server ended ({status})\n{}", server.last_words()),
            None => return Err(error),
        },
    };

    println!();
    print!("{}", facts::stage_table(&result));
    let verdict = facts::verdict(&result)?;
    println!("\nverdict: {} — {}", verdict.word, verdict.sentence);
    println!("{} ({:.1} s in all)", server.url(), whole.seconds());
    if !options.once {
        println!("Look at it as {USER}: {link}");
        println!("(this link sets a password and signs in, once, within 24 hours)");
        println!("The server stays up; Ctrl-C stops it.");
        let status = server.wait()?;
        bail!("the server ended ({status})\n{}", server.last_words());
    }
    Ok(if verdict.word == "pass" {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Baseline, release, new class, clone; the clone's result.
fn story(rehead: &Rehead, steps: &mut Steps) -> Result<Value> {
    steps.run("Upload the photos of the eight lucky-character classes", || {
        upload(rehead, LUCKY, "baseline.zip", None)
    })?;
    let mut baseline = String::new();
    steps.run("Train the baseline", || {
        let said;
        (baseline, said) = train_baseline(rehead)?;
        Ok(said)
    })?;
    let mut from = String::new();
    steps.run("Publish it to production", || {
        let said;
        (from, said) = publish(rehead, &baseline)?;
        Ok(said)
    })?;
    let mut request = String::new();
    steps.run("Open a rapid response", || {
        let said;
        (request, said) = open_request(rehead)?;
        Ok(said)
    })?;
    steps.run("Upload the photos of the new class", || {
        upload(rehead, NEW, "fu-ma.zip", Some(&request))
    })?;
    let mut result = Value::Null;
    steps.run("Clone, retrain, evaluate", || {
        let clone = [
            "jobs",
            "clone",
            "--baseline",
            &from,
            "--dataset",
            NEW,
            "--policy",
            "pilot",
        ];
        let follow = ["--request", &request, "--start", "--watch"];
        result = rehead.watch(&[clone.as_slice(), &follow].concat())?;
        facts::describe_job(&result)
    })?;
    Ok(result)
}

/// The account that may do everything: a link where its person chooses a password, and a token for commands.
///
/// # Errors
/// The server's database cannot be written.
pub(crate) fn account(server: &Server) -> Result<(String, String)> {
    let link = admin(server, &["user", USER, "--global-admin"])?;
    let token = admin(server, &["token", USER, "--name", "cargo xtask"])?;
    Ok((link, token))
}

/// A one-time link that makes the first account of an empty server.
///
/// # Errors
/// There is an account already.
pub(crate) fn first_link(server: &Server) -> Result<String> {
    admin(server, &["setup-link"])
}

fn upload(rehead: &Rehead, name: &str, file: &str, request: Option<&str>) -> Result<String> {
    let datasets = rehead.ask(&["datasets", "list"])?;
    let existing = facts::named(&datasets, name);
    if let Some(version) = existing.and_then(facts::latest) {
        return Ok(format!("{name}: {}, already there", facts::describe_version(version)));
    }
    if existing.is_none() {
        let mut create = vec!["datasets", "create", name];
        if let Some(request) = request {
            create.extend(["--request", request]);
        }
        rehead.ask(&create)?;
    }
    // Relative, as somebody would type it: the command line runs in the root.
    let path = format!("tests/data/photos/{file}");
    rehead.ask(&["datasets", "upload", name, &path])?;
    let datasets = rehead.ask(&["datasets", "list"])?;
    let version = facts::named(&datasets, name)
        .and_then(facts::latest)
        .ok_or_else(|| eyre!("dataset {name} has no version after the upload"))?;
    Ok(format!("{name}: {}", facts::describe_version(version)))
}

/// The baseline's model.
fn train_baseline(rehead: &Rehead) -> Result<(String, String)> {
    let jobs = rehead.ask(&["jobs", "list"])?;
    if let Some(model) = facts::baseline_model(&jobs) {
        return Ok((model.to_owned(), format!("model {model}, already there")));
    }
    let create = ["jobs", "create", "--dataset", LUCKY, "--policy", "root"];
    let follow = ["--reject", "none", "--start", "--watch"];
    let result = rehead.watch(&[create.as_slice(), &follow].concat())?;
    print!("{}", facts::stage_table(&result));
    let verdict = facts::verdict(&result)?;
    if verdict.word != "pass" {
        bail!("the baseline's verdict is {}: {}", verdict.word, verdict.sentence);
    }
    let model = facts::model(&result).ok_or_else(|| eyre!("the baseline's job made no model"))?;
    Ok((model.to_owned(), facts::describe_job(&result)?))
}

/// What to clone: the channel, or the baseline itself where somebody has published something else since.
fn publish(rehead: &Rehead, baseline: &str) -> Result<(String, String)> {
    let releases = rehead.ask(&["releases", "list", "--channel", CHANNEL])?;
    match facts::live(&releases) {
        None => {
            let note = "The baseline of the demo";
            rehead.ask(&["releases", "publish", baseline, "--channel", CHANNEL, "--note", note])?;
            Ok((CHANNEL.to_owned(), format!("model {baseline}")))
        }
        Some(live) if live == baseline => Ok((CHANNEL.to_owned(), format!("model {baseline}, already there"))),
        Some(live) => Ok((
            baseline.to_owned(),
            format!("{CHANNEL} points at model {live}; that stays, and the baseline is cloned by its id"),
        )),
    }
}

fn open_request(rehead: &Rehead) -> Result<(String, String)> {
    let requests = rehead.ask(&["requests", "list"])?;
    if let Some(id) = facts::open_request(&requests, REQUEST_TITLE) {
        return Ok((id.to_owned(), format!("request {id}, already open")));
    }
    let request = rehead.ask(&["requests", "open", REQUEST_TITLE, "--due-in", "1h"])?;
    let id = facts::id(&request).ok_or_else(|| eyre!("the new request has no id"))?;
    Ok((id.to_owned(), format!("request {id}, due in one hour")))
}

/// Numbers and times the steps.
#[derive(Debug, Default)]
struct Steps {
    n_done: u32,
}

impl Steps {
    fn run(&mut self, title: &str, step: impl FnOnce() -> Result<String>) -> Result<()> {
        self.n_done += 1;
        println!("\n{}. {title}", self.n_done);
        let watch = Stopwatch::start();
        let said = step()?;
        println!("   {said} ({:.1} s)", watch.seconds());
        Ok(())
    }
}
