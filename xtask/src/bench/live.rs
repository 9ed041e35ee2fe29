//! A program that measures: it gets ready, then answers every line with one round.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use color_eyre::eyre::{Result, WrapErr, bail};
use serde_json::Value;

use crate::process::told;

/// A program that is ready. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Live {
    name: String,
    child: Child,
    /// Closed before the program is waited for.
    asked: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What it said when it was ready.
    pub(crate) ready: Value,
}

/// How a start ended.
pub(crate) enum Start {
    /// Rounds may begin.
    Ready(Live),
    /// It cannot measure here, and says why.
    Skipped(String),
}

/// What one round came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Round {
    /// In the bench's unit.
    pub(crate) value: f64,
    /// What it is compared with, where the same program measured it.
    pub(crate) peer: Option<f64>,
    /// Share of the core's f32 peak.
    pub(crate) share: Option<f64>,
    /// Where the time went.
    pub(crate) note: Option<String>,
}

impl Live {
    /// Starts a program and waits until it is ready.
    ///
    /// # Errors
    /// It could not be started, ended, or says something else.
    pub(crate) fn start(mut command: Command) -> Result<Start> {
        let name = told(&command);
        println!("$ {name}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .wrap_err_with(|| format!("could not start `{name}`"))?;
        let (Some(asked), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("`{name}` has no pipes");
        };
        let mut live = Self {
            name,
            child,
            asked: Some(asked),
            answers: BufReader::new(answers),
            ready: Value::Null,
        };
        let said = live.answer()?;
        if let Some(reason) = said.get("skipped").and_then(Value::as_str) {
            return Ok(Start::Skipped(reason.to_owned()));
        }
        match said.get("ready") {
            Some(ready) => live.ready = ready.clone(),
            None => bail!("`{}` said {said} before it was ready", live.name),
        }
        Ok(Start::Ready(live))
    }

    /// One round.
    ///
    /// # Errors
    /// The program ended, or its answer has no figure.
    pub(crate) fn round(&mut self) -> Result<Round> {
        if let Some(asked) = &mut self.asked {
            writeln!(asked, "round").wrap_err_with(|| format!("`{}` ended", self.name))?;
        }
        let said = self.answer()?;
        let number = |name: &str| said.get(name).and_then(Value::as_f64);
        match number("value") {
            Some(value) if value.is_finite() && value > 0.0 => Ok(Round {
                value,
                peer: number("peer"),
                share: number("share"),
                note: said.get("note").and_then(Value::as_str).map(str::to_owned),
            }),
            _ => bail!("`{}` measured {said}, which is no figure", self.name),
        }
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        if read.wrap_err_with(|| format!("could not read from `{}`", self.name))? == 0 {
            bail!("`{}` ended before it answered", self.name);
        }
        serde_json::from_str(&line).wrap_err_with(|| format!("`{}` said {:?}", self.name, line.trim_end()))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Nobody asks any more, which is how these programs are told to end.
        self.asked = None;
        if let Err(error) = self.child.wait() {
            eprintln!("could not wait for `{}`: {error}", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::program;

    fn start(script: &str) -> Result<Start> {
        let mut command = program("sh");
        command.args(["-c", script]);
        Live::start(command)
    }

    #[test]
    fn what_cannot_measure_says_why_and_what_is_broken_is_an_error() {
        let skipped = start(r#"echo '{"skipped": "no such system"}'"#).unwrap();
        assert!(matches!(skipped, Start::Skipped(reason) if reason == "no such system"));
        for script in ["exit 3", "echo nonsense", r#"echo '{"value": 1}'"#] {
            assert!(start(script).is_err(), "{script}");
        }
    }

    #[test]
    fn a_round_without_a_figure_is_an_error() {
        for answer in [r#"{"value": 0}"#, r#"{"value": null}"#, "{}", "[1]"] {
            let script = format!(r#"echo '{{"ready": {{}}}}'; read -r _; echo '{answer}'"#);
            let Start::Ready(mut live) = start(&script).unwrap() else {
                panic!("it is ready");
            };
            assert!(live.round().is_err(), "{answer}");
        }
    }
}
