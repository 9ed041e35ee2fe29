//! The images that were read, by split, and the fit on them.

use std::cell::Cell;

use domain::api::dial::DialBudget;
use domain::dataset::{DatasetRow, Split};
use domain::gate::policy::GatePolicy;
use domain::job::{HeadMode, Stage};
use domain::report::{Dial, TrainingReport};
use half::f16;

use crate::features::Features;
use crate::head::{
    AppendInput, Budget, ColdInput, Head, JointFit, Logits, Matrix, RefitInput, Rows, fit_append, fit_cold, fit_refit,
};
use crate::observer::Observer;
use crate::pipeline::plan::Plan;
use crate::pipeline::stages::Stages;
use crate::pipeline::{JobInput, PipelineError};

/// Rows of one split in the feature matrix, and their classes.
#[derive(Default)]
struct Part {
    index: Vec<usize>,
    labels: Vec<usize>,
}

/// The images of a job whose features are there, in the order of their digests.
pub(super) struct Samples<'a> {
    dim: usize,
    /// All rows, where they lie.
    halves: Vec<&'a [f16]>,
    parts: [Part; 3],
    pub(super) sealed_rows: Vec<&'a DatasetRow>,
    /// The baseline's logits on all rows, where there is one.
    pub(super) baseline_logits: Option<Logits>,
}

impl<'a> Samples<'a> {
    pub(super) fn new(input: &'a JobInput, plan: &Plan, features: &'a Features) -> Self {
        let mut parts: [Part; 3] = Default::default();
        let mut sealed_rows = Vec::new();
        for row in &input.rows {
            let class = plan.classes.iter().position(|class| class.name == row.class);
            let (Some(class), Some(at)) = (class, features.rows.get(&row.image)) else {
                continue;
            };
            let part = &mut parts[row.split as usize];
            part.index.push(*at);
            part.labels.push(class);
            if row.split == Split::Sealed {
                sealed_rows.push(row);
            }
        }
        Self {
            dim: features.dim,
            halves: features.halves(),
            parts,
            sealed_rows,
            baseline_logits: None,
        }
    }

    pub(super) fn rows(&self, split: Split) -> Rows<'_> {
        Rows {
            data: Matrix::Halves(&self.halves),
            dim: self.dim,
            index: &self.parts[split as usize].index,
        }
    }

    pub(super) fn labels(&self, split: Split) -> &[usize] {
        &self.parts[split as usize].labels
    }

    pub(super) fn sealed(&self) -> Rows<'_> {
        self.rows(Split::Sealed)
    }

    /// Every class that is learned has an image that could be read in both splits that learning needs.
    pub(super) fn check(&self, plan: &Plan, complete: bool, stages: &Stages<'_>) -> Result<(), PipelineError> {
        for (class_idx, class) in plan.classes.iter().enumerate().skip(plan.n_kept) {
            for split in [Split::Train, Split::Calibration] {
                if self.labels(split).contains(&class_idx) {
                    continue;
                }
                if !complete {
                    return Err(stages.out_of_time(Stage::Extract));
                }
                return Err(PipelineError::Input(format!(
                    "no image of class {} in {} could be read (see the job's findings): upload them again",
                    class.name,
                    split.as_str()
                )));
            }
        }
        Ok(())
    }
}

/// A head and what the report says of its fit.
pub(super) struct Trained {
    pub(super) head: Head,
    pub(super) report: TrainingReport,
}

/// Fits the head until it is done or its time is over.
pub(super) fn train(
    input: &JobInput,
    plan: &Plan,
    samples: &Samples<'_>,
    complete: bool,
    observer: &dyn Observer,
) -> Result<Trained, PipelineError> {
    let stopped = Cell::new(false);
    let keep_going = || {
        let go_on = !observer.cancelled() && observer.elapsed_ms() < plan.budget.train_until_ms;
        stopped.set(stopped.get() || !go_on);
        go_on
    };
    if let Some(mut turned) = turn(input, plan) {
        turned.report.cut_short |= !complete;
        return Ok(turned);
    }
    let mut trained = match &plan.baseline_head {
        Some(baseline) if input.config.mode == HeadMode::Refit => refit(input, plan, samples, baseline, &keep_going)?,
        Some(baseline) => append(input, plan, samples, baseline, &keep_going)?,
        None => cold(input, plan, samples, &keep_going)?,
    };
    if observer.cancelled() {
        return Err(PipelineError::Cancelled);
    }
    trained.report.cut_short = stopped.get() || !complete;
    Ok(trained)
}

/// The rows of the model whose dial is turned, as they are, and its offset elsewhere. Nothing is chosen again: the report says
/// how those rows came to be.
fn turn(input: &JobInput, plan: &Plan) -> Option<Trained> {
    let (source, head) = input.turned.as_ref().zip(plan.turned.as_ref())?;
    let dial = source.training.dial.as_ref()?;
    let offset = input.config.offset?;
    let report = TrainingReport {
        dial: Some(Dial { offset, ..dial.clone() }),
        turned_from: Some(source.model.manifest_digest),
        ..source.training.clone()
    };
    Some(Trained {
        head: head.turned(plan.n_old, offset - dial.offset),
        report,
    })
}

fn cold(
    input: &JobInput,
    plan: &Plan,
    samples: &Samples<'_>,
    keep_going: &dyn Fn() -> bool,
) -> Result<Trained, PipelineError> {
    let cold = ColdInput {
        train: samples.rows(Split::Train),
        train_labels: samples.labels(Split::Train),
        calibration: samples.rows(Split::Calibration),
        calibration_labels: samples.labels(Split::Calibration),
        n_classes: plan.classes.len(),
        l2_grid: &input.config.l2_grid,
    };
    Ok(joint(input, plan, samples, fit_cold(&cold, keep_going)?))
}

fn refit(
    input: &JobInput,
    plan: &Plan,
    samples: &Samples<'_>,
    baseline: &Head,
    keep_going: &dyn Fn() -> bool,
) -> Result<Trained, PipelineError> {
    let refit = RefitInput {
        baseline,
        baseline_logits: samples.baseline_logits.as_ref(),
        train: samples.rows(Split::Train),
        train_labels: samples.labels(Split::Train),
        calibration: samples.rows(Split::Calibration),
        calibration_labels: samples.labels(Split::Calibration),
        n_classes: plan.classes.len(),
        l2_grid: &input.config.l2_grid,
        config: input.config.refit.unwrap_or_default(),
    };
    Ok(joint(input, plan, samples, fit_refit(&refit, keep_going)?))
}

fn joint(input: &JobInput, plan: &Plan, samples: &Samples<'_>, fit: JointFit) -> Trained {
    let report = TrainingReport {
        trials: fit.trials,
        l2: fit.l2,
        temperature: fit.temperature,
        ..blank(input, plan, samples)
    };
    Trained { head: fit.head, report }
}

fn append(
    input: &JobInput,
    plan: &Plan,
    samples: &Samples<'_>,
    baseline: &Head,
    keep_going: &dyn Fn() -> bool,
) -> Result<Trained, PipelineError> {
    let taus: Vec<f64> = plan.classes.iter().map(|class| class.tau).collect();
    let rejects: Vec<bool> = (0..plan.n_old).map(|class| plan.is_reject(class)).collect();
    let budget = budget(&input.policy, plan);
    let append = AppendInput {
        baseline,
        baseline_logits: samples.baseline_logits.as_ref(),
        train: samples.rows(Split::Train),
        train_labels: samples.labels(Split::Train),
        calibration: samples.rows(Split::Calibration),
        calibration_labels: samples.labels(Split::Calibration),
        taus: &taus,
        rejects: &rejects,
        l2_grid: &input.config.l2_grid,
        recall_target: input.config.recall_target,
        budget: &budget,
        offset: input.config.offset,
    };
    let fit = fit_append(&append, keep_going)?;
    let dial = Dial {
        offset: fit.offset,
        b_need: fit.b_need,
        b_safe: fit.b_safe,
        feasible: fit.feasible,
        alignment: fit.alignment,
        unbounded_classes: fit
            .unbounded
            .iter()
            .map(|class| plan.classes[*class].name.clone())
            .collect(),
    };
    let report = TrainingReport {
        trials: fit.trials,
        l2: fit.l2,
        dial: Some(dial),
        ..blank(input, plan, samples)
    };
    Ok(Trained { head: fit.head, report })
}

/// What the policy lets be lost.
fn budget(policy: &GatePolicy, plan: &Plan) -> Budget {
    let DialBudget { loss, false_new } =
        DialBudget::of(policy, plan.classes.iter().take(plan.n_old).map(|class| &class.name));
    Budget { loss, false_new }
}

fn blank(input: &JobInput, plan: &Plan, samples: &Samples<'_>) -> TrainingReport {
    TrainingReport {
        mode: input.config.mode,
        n_train: samples.labels(Split::Train).len() as u64,
        n_train_expected: plan.n_train as u64,
        n_calibration: samples.labels(Split::Calibration).len() as u64,
        recipes: None,
        trials: Vec::new(),
        l2: 0.0,
        temperature: 1.0,
        dial: None,
        cut_short: false,
        turned_from: None,
    }
}
