//! What a draft can be told before it starts: what its sealed photos can prove, which new class stands in another's way, and
//! how long it will take.

use serde::{Deserialize, Serialize};

use crate::forecast::Forecast;
use crate::gate::policy::{CheckId, GatePolicy};
use crate::names::ClassName;
use crate::stats::{least_n, lower_bound, upper_bound};

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
}

/// The best case of a class: nothing lost, everything recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Certificate {
    /// The class.
    pub class: ClassName,
    /// The check that needs most.
    pub check: CheckId,
    /// Sealed groups that would count: for an old class those that the baseline accepts rightly.
    pub n: u64,
    /// The smallest loss, or the largest recall or precision, that so many groups can show.
    pub bound: f64,
    /// What the policy asks for.
    pub limit: f64,
    /// The bound is within the limit.
    pub can_pass: bool,
    /// Further groups with which it could pass; none where no number would.
    pub groups_needed: Option<u64>,
}

impl Certificate {
    /// Of `n` groups of an old class: the smallest loss they certify.
    #[must_use]
    pub fn of_old(class: &ClassName, n: u64, policy: &GatePolicy) -> Option<Self> {
        let alpha = policy.alpha_per_look();
        let check = policy.checks.iter().find(|check| check.id == CheckId::OldClassLoss)?;
        let limit = check.limit_for(class);
        Some(Self {
            class: class.clone(),
            check: check.id,
            n,
            bound: upper_bound(0, n, alpha),
            limit,
            can_pass: n > 0 && upper_bound(0, n, alpha) <= limit,
            groups_needed: (limit > 0.0).then(|| least_n(limit, alpha).saturating_sub(n)),
        })
    }

    /// Of `n` groups of a class with floors: the floor that needs most.
    #[must_use]
    pub fn of_new(class: &ClassName, n: u64, policy: &GatePolicy) -> Option<Self> {
        let alpha = policy.alpha_per_look();
        let is_floor = |id: CheckId| {
            matches!(
                id,
                CheckId::NewRecall | CheckId::NewPrecision | CheckId::ClassRecall | CheckId::ClassPrecision
            )
        };
        let floors = policy.checks.iter().filter(|check| is_floor(check.id));
        let check = floors.max_by(|a, b| a.limit_for(class).total_cmp(&b.limit_for(class)))?;
        let limit = check.limit_for(class);
        let bound = lower_bound(n, n, alpha);
        Some(Self {
            class: class.clone(),
            check: check.id,
            n,
            bound,
            limit,
            can_pass: n > 0 && bound >= limit,
            // All of n right is a miss rate of at most 1 − limit.
            groups_needed: (limit < 1.0).then(|| least_n(1.0 - limit, alpha).saturating_sub(n)),
        })
    }
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
    /// Share of the new class's photos that the baseline accepts as it; none in a first model.
    pub accepted: Option<f64>,
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

impl Collision {
    /// Says how bad it is, from what was counted.
    #[must_use]
    pub fn judged(mut self) -> Self {
        let worst = self.look_alikes.first();
        let mutual = worst.map_or(0.0, LookAlike::mutual);
        let two_names = self.n_relabelled + self.n_shared_groups;
        self.state = match self.joint {
            _ if two_names > 0 && mutual >= CLOSE => CollisionState::Collides,
            None => CollisionState::Unknown,
            Some(_) if mutual >= COLLIDES => CollisionState::Collides,
            Some(_) if mutual >= CLOSE || two_names > 0 => CollisionState::Close,
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
                    "{class} is close to {other}: a probe takes {} of its photos for {other}, and {} of {other} for {class}. \
                     The dial may have little room.",
                    percent(worst.taken),
                    percent(worst.given)
                ),
                format!(
                    "{class} 与 {other} 相近：探针把它 {} 的照片当成 {other}，把 {other} {} 的照片当成 {class}。安全旋钮的余地可能很小。",
                    percent(worst.taken),
                    percent(worst.given)
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
                accepted: Some(0.9),
            }],
            n_relabelled: 0,
            n_shared_groups,
            sentence: String::new(),
            sentence_zh: String::new(),
        }
        .judged()
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

    #[test]
    fn certificates_say_the_best_case() {
        let (class, pilot) = ("fu".parse().unwrap(), GatePolicy::pilot());
        let few = Certificate::of_old(&class, 40, &pilot).unwrap();
        assert_eq!((few.can_pass, few.groups_needed), (false, Some(4)));
        let enough = Certificate::of_old(&class, 44, &pilot).unwrap();
        assert_eq!((enough.can_pass, enough.groups_needed), (true, Some(0)));
        // A precision of 0.90 asks for more than a recall of 0.80.
        let new = Certificate::of_new(&class, 30, &pilot).unwrap();
        assert_eq!(
            (new.check, new.can_pass, new.groups_needed),
            (CheckId::NewPrecision, false, Some(14))
        );
        let root = Certificate::of_new(&class, 30, &GatePolicy::root()).unwrap();
        assert_eq!((root.check, root.can_pass), (CheckId::ClassPrecision, true));
    }
}
