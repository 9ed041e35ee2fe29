//! What the gate says.

use serde::{Deserialize, Serialize};

use crate::gate::policy::CheckId;
use crate::ids::Digest;
use crate::names::ClassName;

/// Of a check, or of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerdictState {
    /// Shown to be within the limit.
    Pass,
    /// Shown to be beyond it.
    Fail,
    /// Neither could be shown.
    Unproven,
}

impl VerdictState {
    /// The word used in JSON, the database and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unproven => "unproven",
        }
    }
}

impl std::str::FromStr for VerdictState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Pass, Self::Fail, Self::Unproven]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a verdict"))
    }
}

/// The verdict on a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// All checks together.
    pub state: VerdictState,
    /// One plain sentence.
    pub sentence: String,
    /// The same in Chinese.
    #[serde(default)]
    pub sentence_zh: String,
    /// Digest of the policy.
    pub policy: Digest,
    /// α′, the level each check was made at.
    pub alpha_per_look: f64,
    /// Every check that the policy lists, in its order, classes in the order of the model.
    pub checks: Vec<Check>,
}

/// The verdict without its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerdictSummary {
    /// The verdict.
    pub state: VerdictState,
    /// Its sentence.
    pub sentence: String,
    /// The same in Chinese; empty for verdicts that are older than it.
    #[serde(default)]
    pub sentence_zh: String,
    /// The structure failed its check or was not fully measured: nobody can override this.
    pub structural_failure: bool,
}

impl Verdict {
    /// Without the evidence.
    #[must_use]
    pub fn summary(&self) -> VerdictSummary {
        let structural_failure = self
            .checks
            .iter()
            .any(|check| check.id == CheckId::Structural && check.verdict != VerdictState::Pass);
        VerdictSummary {
            state: self.state,
            sentence: self.sentence.clone(),
            sentence_zh: self.sentence_zh.clone(),
            structural_failure,
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    /// Which.
    pub id: CheckId,
    /// Of which class, for checks per class.
    pub class: Option<ClassName>,
    /// What was observed: x / n, or the change; none where n = 0.
    pub value: Option<f64>,
    /// Lower bound: of a floor at α′, where it passes; of a loss at α′/K over its K classes, where it fails.
    pub lower: Option<f64>,
    /// Upper bound: of a loss at α′, where it passes; of a floor at α′/K over its K classes, where it fails.
    pub upper: Option<f64>,
    /// The limit.
    pub limit: f64,
    /// Groups with the event (lost, falsely new, recalled, right).
    pub x: u64,
    /// Groups in all.
    pub n: u64,
    /// What follows.
    pub verdict: VerdictState,
    /// For an unproven check: further groups that would settle it at the observed rate; none where more would not.
    pub groups_needed: Option<u64>,
    /// One plain sentence.
    pub sentence: String,
    /// The same in Chinese.
    #[serde(default)]
    pub sentence_zh: String,
}
