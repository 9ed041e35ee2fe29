//! `cargo xtask bench`: our figures beside those of peers on the same work, and whether they reach their targets.
//!
//! Owns: that rounds of ours and of the peer take turns between processes that stay warm, and what becomes of a bench that
//! cannot be run. Refuses to know: what is measured; programs under `trainer/benches` do, ours and the peers', and all of
//! them speak alike.

mod catalogue;
mod live;
mod peers;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use color_eyre::eyre::{Result, WrapErr, bail};
use serde_json::Value;

use crate::bench::catalogue::{Against, Agreement, BENCHES, Bench};
use crate::bench::live::{Live, Start};
use crate::bench::peers::Peers;
use crate::bench::table::{Measured, Outcome, Table};
use crate::process::{answer, cargo, program, run, target};

/// Rounds of each side.
const ROUNDS: usize = 7;
/// The same with `--quick`.
const QUICK_ROUNDS: usize = 3;
/// Photos that are made; no bench reads more.
const PHOTOS: usize = 1_000;

/// Options of the task.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this one, merged into what was measured before; may be given several times.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Fewer and smaller rounds, for development; kept apart from real figures.
    #[arg(long)]
    quick: bool,
    /// Print what there is to measure.
    #[arg(long)]
    list: bool,
}

/// Measures, prints the table and writes it down.
///
/// # Errors
/// There is no such bench, or ours could not be built. A bench that fails is told in the table and by the exit code.
pub(crate) fn run_benches(options: &Options) -> Result<ExitCode> {
    if options.list {
        for bench in &BENCHES {
            println!("{:<28}{}", bench.id, bench.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = options
        .only
        .iter()
        .find(|id| BENCHES.iter().all(|bench| bench.id != **id))
    {
        bail!("there is no bench {unknown:?}; `cargo xtask bench --list` says which there are");
    }
    let mut machine = Machine::new(options.quick)?;
    let mut table = Table::default();
    for bench in &BENCHES {
        if !options.only.is_empty() && options.only.iter().all(|id| id != bench.id) {
            continue;
        }
        println!("\n== {}: {}", bench.id, bench.what);
        let outcome = machine.measure(bench).unwrap_or_else(Outcome::Failed);
        if let Outcome::Failed(error) = &outcome {
            println!("{} failed: {error:#}", bench.id);
        }
        if let Outcome::Skipped(reason) = &outcome {
            println!("skipped: {} ({reason})", bench.id);
        }
        table.push(bench, outcome);
    }
    print!("\n{table}");
    let file = machine
        .work
        .join(if options.quick { "quick.json" } else { "latest.json" });
    let before = if options.only.is_empty() {
        Vec::new()
    } else {
        kept(&file)?
    };
    let all = Value::Array(table.merged(before));
    fs::write(&file, format!("{all:#}\n")).wrap_err_with(|| format!("could not write {}", file.display()))?;
    println!("{}", table.line());
    Ok(if table.has_failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What an earlier run measured.
fn kept(file: &Path) -> Result<Vec<Value>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(file).wrap_err_with(|| format!("could not read {}", file.display()))?;
    serde_json::from_str(&text).wrap_err_with(|| format!("{} is not what a bench wrote; remove it", file.display()))
}

/// What benches are run with.
struct Machine {
    /// Where everything that is made lies.
    work: PathBuf,
    ours: PathBuf,
    peers: Peers,
    /// What puts a process on one core; none where this system has no such program.
    on_one_core: Option<[String; 3]>,
    quick: bool,
}

impl Machine {
    fn new(quick: bool) -> Result<Self> {
        let work = target().join("bench");
        fs::create_dir_all(&work).wrap_err_with(|| format!("could not make {}", work.display()))?;
        let args = ["build", "--release", "--package", "trainer", "--example", "measure"];
        run(&mut cargo(&args))?;
        let ours = target().join("release/examples/measure");
        run(program(&ours).arg("photos").arg(&work).arg(PHOTOS.to_string()))?;
        Ok(Self {
            peers: Peers::new(&work),
            on_one_core: one_core(),
            work,
            ours,
            quick,
        })
    }

    fn measure(&mut self, bench: &Bench) -> Result<Outcome> {
        let n_rounds = if self.quick { QUICK_ROUNDS } else { ROUNDS };
        // Found before ours prepares: where there is no peer, there is nothing to measure.
        let python = match bench.against {
            Against::Script { packages, .. } => match self.peers.python(packages) {
                Ok(python) => Some(python),
                Err(reason) => return Ok(Outcome::Skipped(reason)),
            },
            _ => None,
        };
        let mut ours = match Live::start(self.ours(bench))? {
            Start::Ready(ours) => ours,
            Start::Skipped(reason) => return Ok(Outcome::Skipped(reason)),
        };
        let mut measured = Measured::new(bench);
        match (bench.against, python) {
            (Against::Script { script, agreement, .. }, Some(python)) => {
                let mut peer = match Live::start(self.peer(bench, &python, script))? {
                    Start::Ready(peer) => peer,
                    Start::Skipped(reason) => return Ok(Outcome::Skipped(reason)),
                };
                measured.notes.extend(agreement.check(&peer.ready)?);
                for round in 0..n_rounds {
                    // Whoever comes second finds a warmer or a busier machine: each does as often.
                    let (own, other) = if round % 2 == 0 {
                        let own = ours.round()?;
                        (own, peer.round()?)
                    } else {
                        let other = peer.round()?;
                        (ours.round()?, other)
                    };
                    measured.push(own, other.value);
                }
            }
            (Against::Figure(figure), _) => {
                for _ in 0..n_rounds {
                    measured.push(ours.round()?, figure);
                }
            }
            (Against::Beside | Against::Script { .. }, _) => {
                for _ in 0..n_rounds {
                    let own = ours.round()?;
                    let Some(other) = own.peer else {
                        bail!("ours said nothing of what it is compared with");
                    };
                    measured.push(own, other);
                }
            }
        }
        if bench.on_one_core && self.on_one_core.is_none() {
            measured
                .notes
                .push("not bound to one core: there is no taskset here".to_owned());
        }
        Ok(Outcome::Measured(measured))
    }

    fn ours(&self, bench: &Bench) -> Command {
        let mut command = self.on(bench, self.ours.as_os_str().to_owned());
        command.arg(bench.ours);
        self.arguments(bench, command)
    }

    fn peer(&self, bench: &Bench, python: &Path, script: &str) -> Command {
        let mut command = self.on(bench, python.as_os_str().to_owned());
        // Without compiled files beside the sources.
        command.arg("-B").arg(format!("trainer/benches/peers/{script}"));
        self.arguments(bench, command)
    }

    fn arguments(&self, bench: &Bench, mut command: Command) -> Command {
        command.arg(&self.work).args(bench.arguments);
        if let Some(images) = &bench.images {
            let n = if self.quick { images.quick } else { images.full };
            command.arg(n.to_string());
        }
        command
    }

    fn on(&self, bench: &Bench, name: std::ffi::OsString) -> Command {
        match &self.on_one_core {
            Some([first, rest @ ..]) if bench.on_one_core => {
                let mut command = program(first);
                command.args(rest).arg(name);
                command
            }
            _ => program(name),
        }
    }
}

/// The last core: the first ones serve interrupts.
fn one_core() -> Option<[String; 3]> {
    let last = std::thread::available_parallelism().ok()?.get() - 1;
    let words = ["taskset".to_owned(), "-c".to_owned(), last.to_string()];
    answer(&words[0], &["-c", &words[2], "true"])?;
    Some(words)
}

impl Agreement {
    /// Whether the peer computes what we do, as it says when it is ready; what to tell of it.
    ///
    /// # Errors
    /// It computes something else, so that comparing times would mean nothing.
    fn check(self, ready: &Value) -> Result<Option<String>> {
        let number = |name: &str| {
            let number = ready.get(name).and_then(Value::as_f64);
            number.ok_or_else(|| color_eyre::eyre::eyre!("the peer did not say its {name}"))
        };
        match self {
            Self::Features { cosine, error } => {
                let (got_cosine, got_error) = (number("cosine")?, number("error")?);
                if got_cosine < cosine || got_error > error {
                    bail!(
                        "the peer's features are not ours: cosine {got_cosine:.6} (at least {cosine}), error {got_error:.1e} \
                         (at most {error:.0e})"
                    );
                }
                Ok(Some(format!(
                    "features agree: cosine {got_cosine:.6}, largest error {got_error:.1e} of the largest number"
                )))
            }
            Self::Loss { within } => {
                let excess = number("excess")?;
                if excess.abs() > within {
                    bail!("the peer's loss is {excess:+.1e} of ours, at most {within:.0e} either way");
                }
                Ok(Some(format!("the peer's loss is {excess:+.1e} of ours")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::live::Round;

    #[test]
    fn a_peer_that_computes_something_else_is_refused() {
        let features = Agreement::Features {
            cosine: 0.9999,
            error: 1e-3,
        };
        assert!(features.check(&json!({"cosine": 0.99999, "error": 1e-5})).is_ok());
        assert!(features.check(&json!({"cosine": 0.9990, "error": 1e-5})).is_err());
        assert!(features.check(&json!({"cosine": 1.0, "error": 1e-2})).is_err());
        assert!(features.check(&json!({"cosine": 1.0})).is_err(), "nothing said");
        let loss = Agreement::Loss { within: 1e-6 };
        assert!(loss.check(&json!({"excess": -5e-7})).is_ok());
        assert!(loss.check(&json!({"excess": 2e-6})).is_err());
        assert!(
            loss.check(&json!({"excess": -2e-6})).is_err(),
            "ours stopped short of it"
        );
    }

    #[test]
    fn what_was_measured_before_is_read_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("latest.json");
        assert!(kept(&file).unwrap().is_empty());
        fs::write(&file, r#"[{"id": "a"}]"#).unwrap();
        assert_eq!(kept(&file).unwrap().len(), 1);
        fs::write(&file, "[{").unwrap();
        assert!(kept(&file).is_err());
    }

    #[test]
    fn a_round_passes_what_ours_said_on() {
        let script = r#"echo '{"ready": {"cosine": 1}}'; read -r _; echo '{"value": 2.5, "peer": 4, "share": 0.5, "note": "n"}'"#;
        let mut command = program("sh");
        command.args(["-c", script]);
        let Start::Ready(mut live) = Live::start(command).unwrap() else {
            panic!("it is ready");
        };
        assert_eq!(live.ready, json!({"cosine": 1}));
        let expected = Round {
            value: 2.5,
            peer: Some(4.0),
            share: Some(0.5),
            note: Some("n".to_owned()),
        };
        assert_eq!(live.round().unwrap(), expected);
        assert!(live.round().is_err(), "it ended");
    }
}
