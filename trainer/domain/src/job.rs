//! A retraining run: what it is asked to do, and the states it may go through.

use serde::{Deserialize, Serialize};

use crate::gate::policy::GatePolicy;
use crate::gate::verdict::VerdictSummary;
use crate::ids::{DatasetVersionId, Digest, JobId, ModelId, ProjectId, RequestId};
use crate::names::{ClassName, UserName};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// May be edited; nothing runs.
    Draft,
    /// Waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Made a model and a verdict (whichever it is).
    Succeeded,
    /// Made no model; its error says why.
    Failed,
    /// Stopped by a person.
    Cancelled,
}

impl JobState {
    /// All, in the order of a job's life.
    pub const ALL: [Self; 6] = [
        Self::Draft,
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word used in JSON and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// No transition leaves this state.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether a job may go from this state to that one. `Running → Queued` is a lost lease.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Draft, Self::Queued | Self::Cancelled)
                | (Self::Queued, Self::Running | Self::Cancelled)
                | (
                    Self::Running,
                    Self::Succeeded | Self::Failed | Self::Cancelled | Self::Queued
                )
        )
    }
}

impl std::str::FromStr for JobState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a job state"))
    }
}

/// The stages of a running job, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Find what is cached and what must be read.
    Fetch,
    /// Decode and run the backbone on what is not cached.
    Extract,
    /// Fit the head.
    Train,
    /// Measure candidate and baseline on the same sealed images.
    Evaluate,
    /// Decide.
    Gate,
    /// Write the files of the model.
    Package,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 6] = [
        Self::Fetch,
        Self::Extract,
        Self::Train,
        Self::Evaluate,
        Self::Gate,
        Self::Package,
    ];

    /// The word used in JSON and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Extract => "extract",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Gate => "gate",
            Self::Package => "package",
        }
    }
}

impl std::str::FromStr for Stage {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a stage of a job"))
    }
}

/// How the head is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HeadMode {
    /// All classes from nothing.
    Cold,
    /// New rows beside frozen old ones: the default of every clone.
    Append,
    /// All rows of a clone anew, from where the old ones stand: no old answer is guaranteed.
    Refit,
}

/// How a refit is balanced over classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Every image weighs the same.
    None,
    /// Every class weighs the same.
    Weights,
    /// The loss sees logits raised by the logarithm of each class's share.
    #[default]
    LogitAdjustment,
}

/// What a refit may be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RefitConfig {
    /// Over classes.
    pub balance: Balance,
    /// Weight of keeping the baseline's shares among old classes on their images, 0 to 100; 0: none.
    pub distillation: f64,
}

/// Everything about training that a person may choose; frozen into the job when it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// How the head is made.
    pub mode: HeadMode,
    /// Kept with the job. No fit draws at random so far, and bounds are drawn from what is judged, so that nobody draws again
    /// until one suits.
    pub seed: u64,
    /// Acceptance threshold τ of classes without one of their own, in (0, 1).
    pub tau: f64,
    /// The recall at τ that each new class is to reach on `calibration` (append).
    pub recall_target: f64,
    /// L2 weights tried, in standardised feature space.
    pub l2_grid: Vec<f64>,
    /// Classes that mean "none of the others" (cold; a clone keeps its baseline's roles).
    pub reject_classes: Vec<ClassName>,
    /// Where the safety dial is to stand (append): the offset on all new logits after alignment; none: the middle of its
    /// interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// The feature recipe, by its name (cold; a clone keeps its baseline's); none: chosen by cross-validation on `train`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// How to refit (refit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<RefitConfig>,
    /// The whole job must end within this many milliseconds of its start.
    pub deadline_ms: u64,
}

/// A dial turned further changes nothing any more.
pub const MOST_OFFSET: f64 = 1_000.0;

/// Fifteen minutes.
pub const DEFAULT_DEADLINE_MS: u64 = 15 * 60 * 1000;

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            mode: HeadMode::Append,
            seed: 0,
            tau: 0.9,
            recall_target: 0.95,
            l2_grid: vec![1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
            reject_classes: Vec::new(),
            offset: None,
            recipe: None,
            refit: None,
            deadline_ms: DEFAULT_DEADLINE_MS,
        }
    }
}

impl TrainConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// One sentence that names the field, its value and what it may be.
    ///
    /// Whether a recipe exists only a backbone knows.
    pub fn validate(&self) -> Result<(), String> {
        let open_unit = |name: &str, value: f64| {
            if value > 0.0 && value < 1.0 {
                Ok(())
            } else {
                Err(format!("{name} must lie between 0 and 1, got {value}"))
            }
        };
        open_unit("tau", self.tau)?;
        open_unit("recall_target", self.recall_target)?;
        if let Some(offset) = self.offset {
            if self.mode != HeadMode::Append {
                return Err(
                    "only a head that new rows are appended to has a dial, so offset must be left out".to_owned(),
                );
            }
            if !(-MOST_OFFSET..=MOST_OFFSET).contains(&offset) {
                return Err(format!(
                    "offset must lie between −{MOST_OFFSET} and {MOST_OFFSET}, got {offset}"
                ));
            }
        }
        if self.recipe.is_some() && self.mode != HeadMode::Cold {
            return Err("a clone keeps its baseline's feature recipe, so recipe must be left out".to_owned());
        }
        if let Some(refit) = &self.refit {
            if self.mode != HeadMode::Refit {
                return Err("only mode refit takes the settings of a refit".to_owned());
            }
            if !(0.0..=100.0).contains(&refit.distillation) {
                return Err(format!(
                    "distillation must lie between 0 and 100, got {}",
                    refit.distillation
                ));
            }
        }
        if self.l2_grid.is_empty() || self.l2_grid.len() > 16 {
            return Err(format!("l2_grid needs 1 to 16 values, got {}", self.l2_grid.len()));
        }
        if let Some(bad) = self.l2_grid.iter().find(|l2| !(l2.is_finite() && **l2 > 0.0)) {
            return Err(format!("every value of l2_grid must be a positive number, got {bad}"));
        }
        if !(1_000..=DEFAULT_DEADLINE_MS).contains(&self.deadline_ms) {
            return Err(format!(
                "deadline_ms must lie between 1000 and {DEFAULT_DEADLINE_MS} (15 minutes), got {}",
                self.deadline_ms
            ));
        }
        Ok(())
    }
}

/// What a job is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobSpec {
    /// The model it is cloned from; none for a cold fit of all classes.
    pub baseline: Option<ModelId>,
    /// The model that the channel's losses add up from, where it is not the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<ModelId>,
    /// The fitted model whose dial this job turns: its rows are taken as they are, and nothing is fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned_from: Option<ModelId>,
    /// Digest of the backbone, recipe included.
    pub backbone: Digest,
    /// Dataset versions, in order: the baseline's first, then what is new. Later labels win.
    pub dataset_versions: Vec<DatasetVersionId>,
    /// The job whose model had its dial turned or its rows refitted; none for all others. Whose job that was does not
    /// override this one's verdict either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<JobId>,
    /// How to train.
    pub config: TrainConfig,
    /// How to judge.
    pub policy: GatePolicy,
}

/// A job as pages and scripts see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// Identifier.
    pub id: JobId,
    /// Project.
    pub project: ProjectId,
    /// The rapid response it answers, if any.
    pub request: Option<RequestId>,
    /// What it is asked to do; frozen once it is queued.
    pub spec: JobSpec,
    /// Where it stands.
    pub state: JobState,
    /// The stage it is in, or was in when it ended.
    pub stage: Option<Stage>,
    /// Images done in this stage, where the stage counts them.
    pub progress_done: i64,
    /// Images to do in this stage.
    pub progress_total: i64,
    /// How many workers have begun it.
    pub attempt: i64,
    /// Someone asked it to stop.
    pub cancel_requested: bool,
    /// Why it failed, for a person.
    pub error: Option<String>,
    /// What the gate said.
    pub verdict: Option<VerdictSummary>,
    /// The model it made.
    pub model: Option<ModelId>,
    /// Stages that ended, with their times.
    pub stage_times: Vec<StageTime>,
    /// Who made it; none for jobs older than accounts.
    #[serde(default)]
    pub created_by: Option<UserName>,
    /// When the draft was made, microseconds since 1970, UTC.
    pub created_us: i64,
    /// When it was queued.
    pub queued_us: Option<i64>,
    /// When a worker first began it.
    pub started_us: Option<i64>,
    /// When it ended.
    pub finished_us: Option<i64>,
}

/// How long a stage took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Its duration.
    pub duration_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_are_final() {
        for from in JobState::ALL {
            assert_eq!(from.as_str().parse::<JobState>(), Ok(from));
            for to in JobState::ALL {
                if from.is_final() {
                    assert!(!from.may_become(to));
                }
            }
        }
        assert!(
            !JobState::Draft.may_become(JobState::Running),
            "nothing runs until Start"
        );
    }

    #[test]
    fn configurations_out_of_range_are_refused_by_name() {
        assert_eq!(TrainConfig::default().validate(), Ok(()));
        let cases = [
            (
                TrainConfig {
                    tau: 1.0,
                    ..TrainConfig::default()
                },
                "tau",
            ),
            (
                TrainConfig {
                    tau: f64::NAN,
                    ..TrainConfig::default()
                },
                "tau",
            ),
            (
                TrainConfig {
                    offset: Some(f64::INFINITY),
                    ..TrainConfig::default()
                },
                "offset",
            ),
            (
                TrainConfig {
                    offset: Some(0.0),
                    mode: HeadMode::Cold,
                    ..TrainConfig::default()
                },
                "offset",
            ),
            (
                TrainConfig {
                    l2_grid: vec![],
                    ..TrainConfig::default()
                },
                "l2_grid",
            ),
            (
                TrainConfig {
                    l2_grid: vec![0.0],
                    ..TrainConfig::default()
                },
                "l2_grid",
            ),
            (
                TrainConfig {
                    deadline_ms: 3_600_000,
                    ..TrainConfig::default()
                },
                "deadline_ms",
            ),
        ];
        for (config, field) in cases {
            let message = config.validate().unwrap_err();
            assert!(message.contains(field), "{message}");
        }
    }
}
