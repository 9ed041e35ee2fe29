//! Which checks run, and their limits. Hashed and frozen into a job before it starts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::names::ClassName;

/// A named set of checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GatePolicy {
    /// Name: `default`, `pilot`, `root`, or a project's own.
    pub name: String,
    /// Rises with every edit.
    pub version: u32,
    /// α: the chance of passing a head that harms some class beyond its limit, over all looks together.
    pub alpha: f64,
    /// How many heads may be judged on one sealed set; each is judged at α′ = α / looks.
    pub looks: u32,
    /// The checks that run, in order.
    pub checks: Vec<PolicyCheck>,
}

/// One check and its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyCheck {
    /// Which.
    pub id: CheckId,
    /// Its limit: a proportion, for `latency` milliseconds, for `size` bytes; unused by `structural` and `coverage`.
    pub limit: f64,
    /// Limits of single classes that differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub per_class: BTreeMap<ClassName, f64>,
}

impl PolicyCheck {
    /// The limit for a class.
    #[must_use]
    pub fn limit_for(&self, class: &ClassName) -> f64 {
        self.per_class.get(class).copied().unwrap_or(self.limit)
    }
}

/// The checks that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckId {
    /// Digests, shapes, frozen rows, allowed growth. Never overridable.
    Structural,
    /// Every sealed image was judged.
    Coverage,
    /// Per old class: right by the baseline, lost by the candidate. Upper bound ≤ limit.
    OldClassLoss,
    /// Per old class: paired bootstrap bound on the change of recall ≥ −limit.
    RecallChange,
    /// Groups of old classes that were right and now are not. Upper bound ≤ limit.
    NegativeFlips,
    /// Per new class: accepted as itself. Lower bound ≥ limit.
    NewRecall,
    /// Per new class: of what is accepted as it, rightly. Lower bound ≥ limit.
    NewPrecision,
    /// Old and negative groups accepted as new. Upper bound ≤ limit.
    FalseNew,
    /// Rise of the expected calibration error on old classes ≤ limit.
    Calibration,
    /// Per class of the channel's anchor release: right by it, lost by the candidate. Upper bound ≤ limit.
    AnchorLoss,
    /// Per class of a channel's first model: accepted as itself. Lower bound ≥ limit.
    ClassRecall,
    /// Per class of a channel's first model: of what was accepted as it, rightly. Lower bound ≥ limit.
    ClassPrecision,
    /// Milliseconds an image on a device ≤ limit.
    Latency,
    /// Bytes on a device ≤ limit.
    Size,
    /// Heads judged on the sealed set ≤ the policy's looks. Always judged, never listed.
    Looks,
}

impl CheckId {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Structural => "structural",
            Self::Coverage => "coverage",
            Self::OldClassLoss => "old_class_loss",
            Self::RecallChange => "recall_change",
            Self::NegativeFlips => "negative_flips",
            Self::NewRecall => "new_recall",
            Self::NewPrecision => "new_precision",
            Self::FalseNew => "false_new",
            Self::Calibration => "calibration",
            Self::AnchorLoss => "anchor_loss",
            Self::ClassRecall => "class_recall",
            Self::ClassPrecision => "class_precision",
            Self::Latency => "latency",
            Self::Size => "size",
            Self::Looks => "looks",
        }
    }
}

impl CheckId {
    /// What a policy may list, in the order in which it is judged.
    pub const LISTED: [Self; 14] = [
        Self::Structural,
        Self::Coverage,
        Self::OldClassLoss,
        Self::RecallChange,
        Self::NegativeFlips,
        Self::NewRecall,
        Self::NewPrecision,
        Self::FalseNew,
        Self::Calibration,
        Self::AnchorLoss,
        Self::ClassRecall,
        Self::ClassPrecision,
        Self::Latency,
        Self::Size,
    ];

    /// Whether it is made class by class, so that a class can have a limit of its own.
    #[must_use]
    pub const fn is_per_class(self) -> bool {
        matches!(
            self,
            Self::OldClassLoss
                | Self::RecallChange
                | Self::NewRecall
                | Self::NewPrecision
                | Self::AnchorLoss
                | Self::ClassRecall
                | Self::ClassPrecision
        )
    }
}

impl GatePolicy {
    /// The policies that come with the product.
    #[must_use]
    pub fn shipped() -> [Self; 3] {
        [Self::default_policy(), Self::pilot(), Self::root()]
    }

    /// A shipped policy by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::shipped().into_iter().find(|policy| policy.name == name)
    }

    /// Whether it is one of [`GatePolicy::shipped`] or came with an earlier release, number by number.
    #[must_use]
    pub fn is_shipped(&self) -> bool {
        Self::shipped().contains(self) || Self::shipped_before().contains(self)
    }

    /// What came with earlier releases: jobs judged by these were judged by nobody's own policy.
    fn shipped_before() -> [Self; 2] {
        [("default", 10, 0.005), ("pilot", 5, 0.10)].map(|(name, looks, limit)| {
            let checks = [
                (CheckId::Structural, 0.0),
                (CheckId::Coverage, 0.0),
                (CheckId::OldClassLoss, limit),
                (CheckId::NewRecall, 0.80),
                (CheckId::FalseNew, limit),
            ];
            Self::with_checks(name, 1, looks, &checks)
        })
    }

    /// `default`: 0.5 % loss, ten looks; can pass from 1,058 accepted groups a class on.
    #[must_use]
    pub fn default_policy() -> Self {
        Self::clone_policy("default", 10, 0.005, [0.01, 0.95, 0.02])
    }

    /// `pilot`: 10 % loss, five looks, for young datasets; can pass from 44 accepted groups a class on, and the checks that
    /// `default` holds to 1 % and 95 % are held to what 44 groups can show.
    #[must_use]
    pub fn pilot() -> Self {
        Self::clone_policy("pilot", 5, 0.10, [0.10, 0.90, 0.20])
    }

    fn clone_policy(name: &str, looks: u32, limit: f64, [recall, precision, anchor]: [f64; 3]) -> Self {
        let checks = [
            (CheckId::Structural, 0.0),
            (CheckId::Coverage, 0.0),
            (CheckId::OldClassLoss, limit),
            (CheckId::RecallChange, recall),
            (CheckId::NegativeFlips, limit),
            (CheckId::NewRecall, 0.80),
            (CheckId::NewPrecision, precision),
            (CheckId::FalseNew, limit),
            (CheckId::Calibration, 0.02),
            (CheckId::AnchorLoss, anchor),
        ];
        Self::with_checks(name, 2, looks, &checks)
    }

    /// `root`: for a channel's first release, where there is no baseline to harm.
    ///
    /// The floors are low on purpose: at τ = 0.9 a class that answers *unknown* to two of three pictures still harms
    /// nobody, while one that accepts wrongly does.
    #[must_use]
    pub fn root() -> Self {
        let checks = [
            (CheckId::Structural, 0.0),
            (CheckId::Coverage, 0.0),
            (CheckId::ClassRecall, 0.20),
            (CheckId::ClassPrecision, 0.80),
        ];
        Self::with_checks("root", 1, 10, &checks)
    }

    fn with_checks(name: &str, version: u32, looks: u32, checks: &[(CheckId, f64)]) -> Self {
        let check = |&(id, limit): &(CheckId, f64)| PolicyCheck {
            id,
            limit,
            per_class: BTreeMap::new(),
        };
        Self {
            name: name.to_owned(),
            version,
            alpha: 0.05,
            looks,
            checks: checks.iter().map(check).collect(),
        }
    }

    /// α′, the level of one look.
    #[must_use]
    pub fn alpha_per_look(&self) -> f64 {
        self.alpha / f64::from(self.looks.max(1))
    }

    /// The digest that is frozen into jobs and manifests.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }

    /// Checks what a job's policy must be: [`GatePolicy::validate_numbers`], and the structure is judged.
    ///
    /// # Errors
    /// One sentence that names what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        self.validate_numbers()?;
        if !self.checks.iter().any(|check| check.id == CheckId::Structural) {
            return Err("a policy must list the check structural".to_owned());
        }
        Ok(())
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// One sentence that names what is wrong.
    pub fn validate_numbers(&self) -> Result<(), String> {
        if !(self.alpha > 0.0 && self.alpha < 0.5) {
            return Err(format!("alpha must lie between 0 and 0.5, got {}", self.alpha));
        }
        if self.looks == 0 {
            return Err("looks must be at least 1".to_owned());
        }
        for (idx, check) in self.checks.iter().enumerate() {
            if check.id == CheckId::Looks {
                return Err(
                    "looks are always counted: say how many with the policy's looks, not with a check".to_owned(),
                );
            }
            if self.checks[..idx].iter().any(|other| other.id == check.id) {
                return Err(format!("the check {} is listed twice", check.id.as_str()));
            }
            if let Some(class) = check.per_class.keys().next().filter(|_| !check.id.is_per_class()) {
                return Err(format!(
                    "{} is judged over all classes together, so {class} cannot have a limit of its own",
                    check.id.as_str()
                ));
            }
            let is_measure = matches!(check.id, CheckId::Latency | CheckId::Size);
            if is_measure && !(check.limit > 0.0 && check.limit.is_finite()) {
                return Err(format!(
                    "the limit of {} must be a positive number, got {}",
                    check.id.as_str(),
                    check.limit
                ));
            }
            let limits = std::iter::once(&check.limit).chain(check.per_class.values());
            if let Some(limit) = limits
                .into_iter()
                .find(|limit| !is_measure && !(0.0..=1.0).contains(*limit))
            {
                return Err(format!(
                    "the limit of {} must lie between 0 and 1, got {limit}",
                    check.id.as_str()
                ));
            }
        }
        Ok(())
    }
}
