//! The gate over models that were trained elsewhere: their logits in, the verdict on every old class out.

use std::path::Path;
use std::process::ExitCode;

use domain::gate::judge_losses;
use domain::gate::policy::{CheckId, GatePolicy};
use domain::gate::verdict::{Check, Verdict, VerdictState};
use domain::names::ClassName;
use serde::Serialize;
use trainer::evaluate::Answers;
use trainer::head::Logits;

use super::npz::{Array, Npz};
use super::policies;
use crate::client::error::ClientError;
use crate::client::output::{Output, percent};

/// One file's answer, a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    verdict: VerdictState,
    checks: Vec<Judged<'a>>,
}

/// What a script needs of a check.
#[derive(Serialize)]
struct Judged<'a> {
    id: CheckId,
    class: Option<&'a ClassName>,
    value: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    limit: f64,
    n: u64,
    verdict: VerdictState,
}

impl<'a> From<&'a Check> for Judged<'a> {
    fn from(check: &'a Check) -> Self {
        Self {
            id: check.id,
            class: check.class.as_ref(),
            value: check.value,
            lower: check.lower,
            upper: check.upper,
            limit: check.limit,
            n: check.n,
            verdict: check.verdict,
        }
    }
}

/// Judges each file and prints as it goes. A file that cannot be judged is told and keeps no other from its answer; the exit
/// code is 1 then.
pub(super) fn run(files: &[std::path::PathBuf], policy: &str, output: &Output) -> Result<ExitCode, ClientError> {
    let policy = read_policy(policy)?;
    let mut code = ExitCode::SUCCESS;
    for path in files {
        let verdict = match judge(path, &policy) {
            Ok(verdict) => verdict,
            Err(reason) => {
                let error = ClientError::File {
                    action: "judge",
                    path: path.clone(),
                    reason,
                };
                code = error.exit_code();
                output.error(&error);
                continue;
            }
        };
        let file = path.display().to_string();
        if output.json {
            let line = Line {
                file: &file,
                verdict: verdict.state,
                checks: verdict.checks.iter().map(Judged::from).collect(),
            };
            let line = serde_json::to_string(&line).expect("answers serialise to JSON");
            output.line(&line);
        } else {
            print(&file, &verdict, output);
        }
    }
    Ok(code)
}

fn judge(path: &Path, policy: &GatePolicy) -> Result<Verdict, String> {
    let answers = read(path)?;
    answers.check()?;
    let names: Vec<ClassName> = (0..answers.baseline.n_classes)
        .map(|class| ClassName::new(class.to_string()).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let losses: Vec<_> = names.iter().zip(answers.losses()).collect();
    Ok(judge_losses(&losses, policy))
}

fn read(path: &Path) -> Result<Answers, String> {
    let mut npz = Npz::open(path)?;
    let baseline = logits("baseline_logits", npz.reals("baseline_logits")?)?;
    let candidate = logits("candidate_logits", npz.reals("candidate_logits")?)?;
    let labels = column("labels", npz.integers("labels")?)?;
    let labels = labels.into_iter().map(|label| match label {
        -1 => Ok(None),
        label => usize::try_from(label)
            .map(Some)
            .map_err(|_| format!("label {label} is neither a class nor −1")),
    });
    let tau = npz.reals("tau")?;
    let taus = match (tau.shape.as_slice(), tau.values.as_slice()) {
        ([] | [1], [tau]) => vec![*tau; candidate.n_classes],
        ([n], taus) if *n == candidate.n_classes => taus.to_vec(),
        // New classes' thresholds decide nothing about the old ones.
        ([n], taus) if *n == baseline.n_classes => {
            let mut taus = taus.to_vec();
            let last = taus.last().copied().unwrap_or(0.5);
            taus.resize(candidate.n_classes, last);
            taus
        }
        (shape, _) => return Err(format!("tau has the shape {shape:?}: it is one number, or one a class")),
    };
    Ok(Answers {
        labels: labels.collect::<Result<_, _>>()?,
        groups: column("groups", npz.integers("groups")?)?,
        baseline,
        candidate,
        taus,
    })
}

fn logits(name: &str, array: Array<f64>) -> Result<Logits, String> {
    match array.shape[..] {
        [_, n_classes] if n_classes > 0 => Ok(Logits {
            n_classes,
            data: array.values,
        }),
        _ => Err(format!("{name} has the shape {:?}, not (images, classes)", array.shape)),
    }
}

fn column(name: &str, array: Array<i64>) -> Result<Vec<i64>, String> {
    match array.shape[..] {
        [_] => Ok(array.values),
        _ => Err(format!("{name} has the shape {:?}, not (images,)", array.shape)),
    }
}

/// A shipped policy by its name, else a file.
fn read_policy(name: &str) -> Result<GatePolicy, ClientError> {
    let policy = match GatePolicy::named(name) {
        Some(policy) => policy,
        None => policies::from_file(Path::new(name))?,
    };
    if policy.checks.iter().all(|check| check.id != CheckId::OldClassLoss) {
        return Err(policies::unusable(
            name,
            "it does not list old_class_loss, the check that is judged here".to_owned(),
        ));
    }
    Ok(policy)
}

fn print(file: &str, verdict: &Verdict, output: &Output) {
    output.line(&format!("{file}: {}", output.verdict(verdict.state)));
    let row = |check: &Check| {
        vec![
            check.class.as_ref().map_or_else(String::new, ToString::to_string),
            format!("{} of {}", check.x, check.n),
            percent(check.upper.map(|upper| (upper * 1_000.0).ceil() / 1_000.0)),
            percent(Some(check.limit)),
            output.verdict(check.verdict),
        ]
    };
    let rows: Vec<Vec<String>> = verdict.checks.iter().map(row).collect();
    output.table(&["class", "lost groups", "at most", "limit", "verdict"], &rows);
    output.line("");
}
