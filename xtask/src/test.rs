//! `cargo xtask test`

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};

use color_eyre::eyre::{Result, WrapErr, bail};

use crate::browser;
use crate::clock::Stopwatch;
use crate::front;
use crate::long::{self, Suite};
use crate::machine::{self, WASM_TARGET};
use crate::paths;
use crate::process::{cargo, run, told};
use crate::tally::Tally;

/// Options of the task.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Also the suites that take long.
    #[arg(long)]
    long: bool,
}

/// A stage that was run, or could not be.
struct Stage {
    name: &'static str,
    minutes: f64,
    outcome: &'static str,
}

/// Stages and counts so far.
#[derive(Default)]
pub(crate) struct Run {
    stages: Vec<Stage>,
    tally: Tally,
}

/// Runs every check; a failed one does not hide the next.
///
/// # Errors
/// None of its own: what fails is told in the table and by the exit code.
pub(crate) fn run_all(options: &Options) -> Result<ExitCode> {
    let mut all = Run::default();
    all.stage("format", |_| run(&mut cargo(&["fmt", "--all", "--check"])));
    all.stage("clippy, host", |_| {
        machine::c_compiler()?;
        run(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    });
    all.stage("clippy, wasm32", |_| clippy_wasm());
    let built = all.stage("build", build);
    if built {
        all.stage("tests", tests);
    } else {
        all.not_run("tests");
    }
    if built {
        all.stage("browser", in_browser);
    } else {
        all.not_run("browser");
    }
    all.stage("paths", every_path);
    if options.long {
        for suite in &long::SUITES {
            all.stage(suite.name, |all| long_suite(all, suite));
        }
    }
    Ok(all.finish())
}

fn clippy_wasm() -> Result<()> {
    machine::wasm_target()?;
    let packages: [&[&str]; 3] = [
        &[
            "--package",
            "app",
            "--lib",
            "--no-default-features",
            "--features",
            "hydrate",
        ],
        &["--package", "engine", "--lib"],
        &["--package", "domain", "--lib"],
    ];
    for package in packages {
        let mut command = cargo(&["clippy", "--target", WASM_TARGET]);
        run(command.args(package).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn build(all: &mut Run) -> Result<()> {
    for reason in front::build()?.skipped {
        all.count(Tally::of(&format!("skipped: {reason}")));
    }
    run(&mut cargo(&["build", "--workspace", "--all-targets"]))
}

fn tests(all: &mut Run) -> Result<()> {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    match machine::crosscheck_python() {
        Ok(python) => {
            command.env("REHEAD_CROSSCHECK_PYTHON", python);
        }
        Err(error) => all.skip(&format!("a Python for the cross-checks ({error:#})")),
    }
    match machine::postgres() {
        Ok(bin) => {
            command.env("REHEAD_TEST_POSTGRES_BIN", bin);
        }
        Err(error) => all.skip(&format!("Postgres ({error:#})")),
    }
    let (tally, succeeded) = counted(&mut command, &mut std::io::stdout())?;
    all.count(tally);
    match (succeeded, tally.failed) {
        (true, _) => Ok(()),
        (false, 0) => bail!("the tests could not be run to their end"),
        (false, n) => bail!("{n} tests failed"),
    }
}

/// The table of differences between the engine's paths.
fn every_path(all: &mut Run) -> Result<()> {
    let mut table = paths::table()?;
    for reason in &table.skipped {
        all.skip(reason);
    }
    all.run_counted(&mut table.command)
}

fn long_suite(all: &mut Run, suite: &Suite) -> Result<()> {
    if let Err(error) = (suite.needs)() {
        all.skip(&format!("{} ({error:#})", suite.name));
        return Ok(());
    }
    let mut result = Ok(());
    for mut command in (suite.commands)()? {
        // The first error is told; a failed command does not hide the next.
        result = result.and(all.run_counted(&mut command));
    }
    result
}

fn in_browser(all: &mut Run) -> Result<()> {
    let tools = match browser::tools() {
        Ok(tools) => tools,
        Err(error) => {
            all.skip(&format!("the story in a browser ({error:#})"));
            return Ok(());
        }
    };
    let (server, mut story) = browser::story(&tools)?;
    let (tally, succeeded) = counted(&mut story, &mut std::io::stdout())?;
    drop(server);
    all.count(tally);
    match (succeeded, tally.failed) {
        (true, _) => Ok(()),
        (false, 0) => bail!("the story could not be told to its end"),
        (false, n) => bail!("{n} cases failed; screenshots are under target/browser/screens"),
    }
}

/// Runs a command, passes its output on line by line and counts what it says; whether it succeeded.
pub(crate) fn counted(command: &mut Command, out: &mut dyn Write) -> Result<(Tally, bool)> {
    let text = told(command);
    writeln!(out, "$ {text}")?;
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .wrap_err_with(|| format!("could not start `{text}`"))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        let mut bytes = Vec::new();
        while lines.read_until(b'\n', &mut bytes)? > 0 {
            let line = String::from_utf8_lossy(&bytes);
            out.write_all(&bytes)?;
            tally += Tally::of(&line);
            bytes.clear();
        }
    }
    let status = child.wait()?;
    Ok((tally, status.success()))
}

impl Run {
    /// Runs a stage and keeps its time; whether it succeeded.
    pub(crate) fn stage(&mut self, name: &'static str, stage: impl FnOnce(&mut Self) -> Result<()>) -> bool {
        println!("\n== {name}");
        let watch = Stopwatch::start();
        let n_failed = self.tally.failed;
        let result = stage(self);
        if let Err(error) = &result {
            println!("{name} failed: {error:#}");
            // A stage whose failure no test stands for counts as one.
            if self.tally.failed == n_failed {
                self.tally.failed += 1;
            }
        }
        self.stages.push(Stage {
            name,
            minutes: watch.seconds() / 60.0,
            outcome: if result.is_ok() { "ok" } else { "FAILED" },
        });
        result.is_ok()
    }

    /// Notes a stage that an earlier one is in the way of.
    pub(crate) fn not_run(&mut self, name: &'static str) {
        self.stages.push(Stage {
            name,
            minutes: 0.0,
            outcome: "not run",
        });
    }

    /// Runs a command and counts what it says.
    fn run_counted(&mut self, command: &mut Command) -> Result<()> {
        let (tally, succeeded) = counted(command, &mut std::io::stdout())?;
        self.count(tally);
        match (succeeded, tally.failed) {
            (true, _) => Ok(()),
            (false, 0) => bail!("`{}` did not come to its end", told(command)),
            (false, n) => bail!("{n} failed"),
        }
    }

    /// Adds what a stage's tests say.
    pub(crate) fn count(&mut self, tally: Tally) {
        self.tally += tally;
    }

    fn skip(&mut self, what: &str) {
        let line = format!("skipped: {what}");
        println!("{line}");
        self.count(Tally::of(&line));
    }

    /// Prints the table, and answers with what the process shall.
    pub(crate) fn finish(self) -> ExitCode {
        let minutes: f64 = self.stages.iter().map(|stage| stage.minutes).sum();
        println!("\n{:<20}{:>8}", "stage", "minutes");
        for stage in &self.stages {
            println!("{:<20}{:>8.1}  {}", stage.name, stage.minutes, stage.outcome);
        }
        println!("{:<20}{minutes:>8.1}", "together");
        println!("{}", self.tally.line());
        if self.tally.failed == 0 && self.stages.iter().all(|stage| stage.outcome == "ok") {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::program;

    #[test]
    fn output_is_counted_and_failure_is_seen() {
        let script = "echo 'test result: ok. 4 passed; 0 failed; 0 ignored;'; echo 'skipped: x (y)'; exit 3";
        let mut out = Vec::new();
        let (tally, ok) = counted(program("sh").args(["-c", script]), &mut out).unwrap();
        assert!(out.ends_with(b"skipped: x (y)\n"), "everything is passed on");
        assert_eq!(tally.line(), "4 passed, 0 failed, 1 skipped");
        assert!(!ok);
    }

    #[test]
    fn a_failed_stage_counts_once_and_fails_the_run() {
        let mut all = Run::default();
        assert!(all.stage("good", |_| Ok(())));
        assert!(!all.stage("bad", |_| bail!("no")));
        assert!(!all.stage("tests", |all| {
            all.count(Tally::of("test result: FAILED. 1 passed; 2 failed; 0 ignored;"));
            bail!("2 tests failed")
        }));
        assert_eq!(all.tally.line(), "1 passed, 3 failed, 0 skipped");
        assert_eq!(all.finish(), ExitCode::FAILURE);
    }
}
