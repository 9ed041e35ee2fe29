//! Bodies of `/api/v1/models/{id}/dial`: what the safety dial would cost and bring elsewhere, and turning it.

use serde::{Deserialize, Serialize};

use crate::names::ClassName;
use crate::report::GroupCount;

/// The dial of a model, and what is true at some of its places. Counted on `calibration`: the sealed photos choose nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DialPlaces {
    /// Where the model stands: the offset on all new logits.
    pub offset: f64,
    /// The smallest offset at which each new class reaches its recall target; none where no offset does.
    pub b_need: Option<f64>,
    /// The largest offset that keeps every budget; none where nothing bounds it.
    pub b_safe: Option<f64>,
    /// Calibration photos counted.
    pub n_images: usize,
    /// In the order asked for.
    pub places: Vec<DialPlace>,
}

/// What is true at one offset. Photos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DialPlace {
    /// The offset.
    pub offset: f64,
    /// Per old class, what the baseline accepts rightly, and of that the lost.
    pub old: Vec<DialCount>,
    /// Photos of old classes, and of these the ones accepted as new.
    pub false_new: GroupCount,
    /// Per new class, its photos, and of these the ones accepted as it.
    pub new: Vec<DialCount>,
}

/// `x` of `n` of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DialCount {
    /// The class.
    pub class: ClassName,
    /// All.
    pub n: u64,
    /// The ones meant.
    pub x: u64,
}

/// Turn the dial: a job that makes the same model with the dial elsewhere, judged like any other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDial {
    /// The offset on all new logits.
    pub offset: f64,
}
