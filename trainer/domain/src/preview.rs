//! What a draft can be told before it starts: what its sealed photos can prove, which new class stands in another's way, and
//! how long it will take.

mod certificate;

pub use certificate::Certificate;

use serde::{Deserialize, Serialize};

use crate::change::{Look, LookCount};
use crate::forecast::{Forecast, InTime, Span};
use crate::gate::policy::GatePolicy;
use crate::ids::DatasetVersionId;
use crate::names::{ClassName, DatasetName};

/// The answer of `GET /jobs/{id}/preview`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preview {
    /// What each class can come to in the best case.
    pub certificates: Vec<Certificate>,
    /// One for each class that is learned beside old ones; in a first model for each class.
    pub collisions: Vec<Collision>,
    /// Images that these rest on.
    pub n_seen: u64,
    /// Images that they would rest on once all are read; asking again reads on.
    pub n_wanted: u64,
    /// How long the job will take.
    pub forecast: Forecast,
    /// Which look at the sealed photos its verdict will be.
    pub look: NextLook,
    /// Where the deadline may be too short: what leaving out one dataset version comes to. Quickest first.
    pub without: Vec<Without>,
}

/// The look that judging a head yet to be made would be, see [`LookCount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NextLook {
    /// 1 for the first.
    pub ordinal: u32,
    /// Looks that the policy allows.
    pub allowed: u32,
    /// There is a look left: the verdict can be *pass*.
    pub can_pass: bool,
    /// Groups that the sealed photos still have to grow by before the count begins anew.
    pub n_groups_missing: u64,
}

impl NextLook {
    /// The look after those of `log` at what `look` will be judged on.
    #[must_use]
    pub fn of(look: &Look, log: &[Look], policy: &GatePolicy) -> Self {
        let count = LookCount::of(look, log);
        Self {
            ordinal: count.ordinal,
            allowed: policy.looks,
            can_pass: count.is_allowed(policy.looks, policy.alpha),
            n_groups_missing: count.n_groups_missing,
        }
    }
}

/// The job with one dataset version less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Without {
    /// The version.
    pub version: DatasetVersionId,
    /// Of which dataset.
    pub dataset: DatasetName,
    /// Its number.
    pub number: i64,
    /// Photos that nothing else needs and that would not have to be read.
    pub n_spared: u64,
    /// How long the job would take.
    pub total: Span,
    /// Whether the deadline would be kept.
    pub in_time: InTime,
}

/// What a class that is to be learned has in its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Collision {
    /// The class.
    pub class: ClassName,
    /// How bad it is.
    pub state: CollisionState,
    /// Its `calibration` photos that the probes answered.
    pub n: u64,
    /// Share of them that the joint probe gives this class.
    pub joint: Option<f64>,
    /// Share of them that are nearest to this class's mean.
    pub nearest_mean: Option<f64>,
    /// The classes it is mistaken for, worst first; at most three.
    pub look_alikes: Vec<LookAlike>,
    /// What the baseline accepts most of its photos as; none where it accepts none, and in a first model.
    pub accepted: Option<AcceptedAs>,
    /// Photos of it that another dataset version has under another name.
    pub n_relabelled: u64,
    /// Near-duplicate groups that hold photos of it and of another class.
    pub n_shared_groups: u64,
    /// One plain sentence.
    pub sentence: String,
    /// The same in Chinese.
    pub sentence_zh: String,
}

/// How well a class stands apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CollisionState {
    /// The probe tells it from all others.
    Clear,
    /// The probe mistakes some.
    Close,
    /// The backbone cannot tell it from another class, or photos carry two names.
    Collides,
    /// Too few of its photos were read.
    Unknown,
}

/// What the live model says of photos that it has never seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AcceptedAs {
    /// The old class.
    pub class: ClassName,
    /// Share of the photos.
    pub share: f64,
}

/// A class that another is mistaken for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LookAlike {
    /// The class.
    pub class: ClassName,
    /// Share of the new class's photos that the joint probe gives to it.
    pub taken: f64,
    /// Share of its own photos that the joint probe gives to the new class.
    pub given: f64,
}

impl LookAlike {
    /// How much the two are mistaken for each other: both ways, halved.
    #[must_use]
    pub const fn mutual(&self) -> f64 {
        f64::midpoint(self.taken, self.given)
    }
}

/// Mistaken for each other this often, two classes are one to the backbone. Names drawn at random would give a half.
const COLLIDES: f64 = 0.20;
/// From here on it is worth a look.
const CLOSE: f64 = 0.04;
/// A class that the live model accepts this often under another name is taken from that one: also worth a look.
const STOLEN: f64 = 0.20;

impl Collision {
    /// Says how bad it is, from what was counted. A first model has no dial that could have little room.
    #[must_use]
    pub fn judged(mut self, is_clone: bool) -> Self {
        let worst = self.look_alikes.first();
        let mutual = worst.map_or(0.0, LookAlike::mutual);
        let two_names = self.n_relabelled + self.n_shared_groups;
        let stolen = self.accepted.as_ref().is_some_and(|accepted| accepted.share >= STOLEN);
        self.state = match self.joint {
            _ if two_names > 0 && mutual >= CLOSE => CollisionState::Collides,
            None => CollisionState::Unknown,
            Some(_) if mutual >= COLLIDES => CollisionState::Collides,
            Some(_) if mutual >= CLOSE || two_names > 0 || stolen => CollisionState::Close,
            Some(_) => CollisionState::Clear,
        };
        let class = &self.class;
        let other = worst.map_or("", |worst| worst.class.as_str());
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let (mut en, mut zh) = match (self.state, worst) {
            (CollisionState::Collides, Some(worst)) => (
                format!(
                    "{class} looks like {other}: a probe takes {} of its photos for {other}, and {} of {other} for {class}. \
                     The backbone cannot tell them apart; check the labels.",
                    percent(worst.taken),
                    percent(worst.given)
                ),
                format!(
                    "{class} 与 {other} 难以区分：探针把它 {} 的照片当成 {other}，把 {other} {} 的照片当成 {class}。骨干网络分不开二者；请检查标签。",
                    percent(worst.taken),
                    percent(worst.given)
                ),
            ),
            (CollisionState::Close, Some(worst)) => (
                format!(
                    "{class} is close to {other}: a probe takes {} of its photos for {other}, and {} of {other} for {class}.{}",
                    percent(worst.taken),
                    percent(worst.given),
                    if is_clone {
                        " The dial may have little room."
                    } else {
                        ""
                    }
                ),
                format!(
                    "{class} 与 {other} 相近：探针把它 {} 的照片当成 {other}，把 {other} {} 的照片当成 {class}。{}",
                    percent(worst.taken),
                    percent(worst.given),
                    if is_clone {
                        "安全旋钮的余地可能很小。"
                    } else {
                        ""
                    }
                ),
            ),
            (CollisionState::Unknown, _) => (
                format!("Too few photos of {class} are read to say whether it stands apart."),
                format!("读取的 {class} 照片太少，无法判断它是否可区分。"),
            ),
            _ => {
                let own = percent(self.joint.unwrap_or_default());
                (
                    format!("{class} stands apart: a probe knows {own} of its photos from all other classes."),
                    format!("{class} 可区分：探针从所有其他类别中认出它 {own} 的照片。"),
                )
            }
        };
        if self.n_relabelled > 0 {
            en += &format!(" {} of its photos had another name before.", self.n_relabelled);
            zh += &format!("其中 {} 张照片以前用的是别的名称。", self.n_relabelled);
        }
        if self.n_shared_groups > 0 {
            en += &format!(
                " {} groups of near-duplicates hold photos of it and of another class.",
                self.n_shared_groups
            );
            zh += &format!("有 {} 组近似重复照片同时属于它和其他类别。", self.n_shared_groups);
        }
        (self.sentence, self.sentence_zh) = (en, zh);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collision(taken: f64, given: f64, n_shared_groups: u64) -> Collision {
        Collision {
            class: "fu-x".parse().unwrap(),
            state: CollisionState::Unknown,
            n: 30,
            joint: Some(1.0 - taken),
            nearest_mean: Some(1.0 - taken),
            look_alikes: vec![LookAlike {
                class: "fu".parse().unwrap(),
                taken,
                given,
            }],
            accepted: None,
            n_relabelled: 0,
            n_shared_groups,
            sentence: String::new(),
            sentence_zh: String::new(),
        }
        .judged(true)
    }

    #[test]
    fn one_class_under_two_names_collides() {
        let same = collision(0.5, 0.45, 0);
        assert_eq!(same.state, CollisionState::Collides);
        assert!(
            same.sentence.starts_with("fu-x looks like fu: a probe takes 50 %"),
            "{}",
            same.sentence
        );
        assert_eq!(collision(0.0, 0.02, 0).state, CollisionState::Clear);
        assert_eq!(collision(0.1, 0.0, 0).state, CollisionState::Close);
        let shared = collision(0.1, 0.0, 3);
        assert_eq!(shared.state, CollisionState::Collides);
        assert!(
            shared.sentence.contains("3 groups of near-duplicates"),
            "{}",
            shared.sentence
        );
        assert_eq!(
            collision(0.0, 0.0, 1).state,
            CollisionState::Close,
            "two names are worth a look"
        );
    }
}
