//! The answer of `/api/v1/compare`: several models over the photos that all of them were judged on.

use serde::{Deserialize, Serialize};

use crate::gate::verdict::VerdictSummary;
use crate::ids::ModelId;
use crate::job::HeadMode;
use crate::judge::several::{Common, CountedModel};
use crate::names::ClassName;

/// The most models at once: more lines cannot be told apart.
pub const MOST_COMPARED: usize = 10;

/// Models side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelComparison {
    /// In the order asked for.
    pub models: Vec<ComparedModel>,
    /// What was asked for and is not shown.
    pub left_out: Vec<LeftOut>,
    /// The model that losses are counted against.
    pub reference: ModelId,
    /// The threshold of all classes; none: each model's own.
    pub tau: Option<f64>,
    /// Whose curves these are; none: of all classes together.
    pub class: Option<ClassName>,
    /// The photos that were counted.
    pub common: Common,
    /// The classes of all models: the reference's first. Rows of each confusion; its columns are these and then unknown.
    pub classes: Vec<ClassName>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComparedModel {
    /// The model.
    pub id: ModelId,
    /// How its head was made.
    pub mode: HeadMode,
    /// The classes that its own baseline did not have.
    pub new_classes: Vec<ClassName>,
    /// What its own gate said, on its own sealed photos against its own baseline.
    pub verdict: VerdictSummary,
    /// What it says of the photos.
    pub counted: CountedModel,
}

/// A model that was named and is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeftOut {
    /// As it was named.
    pub model: String,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why a model is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// There is no such model here.
    Missing,
    /// It was named before.
    Twice,
    /// There are ten before it.
    TooMany,
    /// Its package has no answers photo by photo.
    NoScores,
}
