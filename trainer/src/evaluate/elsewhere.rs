//! Two models trained anywhere, by their logits on the same images: what each old class lost.
//!
//! No heads and no features: whoever has logits can have them judged as a job's own.

use std::collections::BTreeMap;

use domain::report::GroupCount;

use crate::evaluate::Scores;
use crate::head::Logits;

/// What both models say of the same images. Classes are counted through: the baseline's, then the new ones.
#[derive(Clone, Debug)]
pub struct Answers {
    /// (images, k).
    pub baseline: Logits,
    /// (images, k + m): the baseline's classes first.
    pub candidate: Logits,
    /// Per image: its class below k + m; none for a picture of no class.
    pub labels: Vec<Option<usize>>,
    /// Per image: its near-duplicate group, any number.
    pub groups: Vec<i64>,
    /// Per class of the candidate: the probability from which it is accepted, between 0 and 1.
    pub taus: Vec<f64>,
}

impl Answers {
    /// Whether all parts fit together.
    ///
    /// # Errors
    /// One sentence that names what does not.
    pub fn check(&self) -> Result<(), String> {
        let (n, k, all) = (self.labels.len(), self.baseline.n_classes, self.candidate.n_classes);
        if k == 0 || all < k {
            return Err(format!(
                "the candidate has {all} classes and the baseline {k}: the candidate's are the baseline's, then new ones"
            ));
        }
        for (name, got) in [
            ("baseline_logits", self.baseline.len()),
            ("candidate_logits", self.candidate.len()),
            ("groups", self.groups.len()),
        ] {
            if got != n {
                return Err(format!("{name} is of {got} images, labels of {n}"));
            }
        }
        for (name, logits) in [
            ("baseline_logits", &self.baseline),
            ("candidate_logits", &self.candidate),
        ] {
            let usable =
                |z: &[f64]| z.iter().all(|z| !z.is_nan() && *z < f64::INFINITY) && z.iter().any(|z| z.is_finite());
            if let Some(row) = logits.iter().position(|z| !usable(z)) {
                return Err(format!("{name} has a row without a usable number: row {row}"));
            }
        }
        if let Some(label) = self.labels.iter().flatten().find(|label| **label >= all) {
            return Err(format!("label {label} is none of {all} classes"));
        }
        if self.taus.len() != all || self.taus.iter().any(|tau| !(*tau > 0.0 && *tau < 1.0)) {
            return Err(format!(
                "tau is one threshold, or one for each of {all} classes, between 0 and 1"
            ));
        }
        Ok(())
    }

    /// Per class of the baseline: groups with an image that the baseline accepts rightly, and of those the ones where the
    /// candidate no longer accepts such an image as its class.
    ///
    /// # Panics
    /// The parts do not pass [`Answers::check`].
    #[must_use]
    pub fn losses(&self) -> Vec<GroupCount> {
        let k = self.baseline.n_classes;
        let before = Scores::of(&self.baseline).top.decisions(&self.taus[..k]);
        let after = Scores::of(&self.candidate).top.decisions(&self.taus);
        let mut lost: Vec<BTreeMap<i64, bool>> = vec![BTreeMap::new(); k];
        for (image, label) in self.labels.iter().enumerate() {
            let Some(label) = label.filter(|label| before[image].is(*label)) else {
                continue;
            };
            *lost[label].entry(self.groups[image]).or_default() |= !after[image].is(label);
        }
        let count = |groups: &BTreeMap<i64, bool>| GroupCount {
            n: groups.len() as u64,
            x: groups.values().filter(|lost| **lost).count() as u64,
        };
        lost.iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::gate::judge_losses;
    use domain::gate::policy::{CheckId, GatePolicy};
    use domain::gate::verdict::VerdictState;
    use domain::names::ClassName;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

    use super::*;

    const K: usize = 3;

    struct World {
        rng: ChaCha8Rng,
    }

    impl World {
        fn chance(&mut self, p: f64) -> bool {
            (f64::from(self.rng.next_u32()) + 0.5) / 4_294_967_296.0 < p
        }

        /// `n` images a class in groups of `size` that share their fate; class c loses a group with chance `rates[c]`.
        fn answers(&mut self, n: usize, size: usize, rates: [f64; K]) -> Answers {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            let (mut labels, mut groups) = (Vec::new(), Vec::new());
            for (class, rate) in rates.into_iter().enumerate() {
                for group in 0..n / size {
                    let lost = self.chance(rate);
                    let to_new = self.chance(0.5);
                    // Some images the baseline itself does not accept: they can be lost by nobody.
                    let known = self.chance(0.9);
                    for _ in 0..size {
                        let mut old = [0.0; K];
                        old[class] = if known { 9.0 } else { 1.0 };
                        before.extend(old);
                        let new = if lost && to_new { 12.0 } else { -9.0 };
                        if lost && !to_new {
                            old[class] = 2.0;
                        }
                        after.extend(old.into_iter().chain([new]));
                        labels.push(Some(class));
                        groups.push(i64::try_from(class * 1_000_000 + group).unwrap());
                    }
                }
            }
            // Pictures of nothing count for nobody.
            before.extend([9.0, 0.0, 0.0]);
            after.extend([0.0, 0.0, 0.0, 9.0]);
            labels.push(None);
            groups.push(-1);
            Answers {
                baseline: Logits {
                    n_classes: K,
                    data: before,
                },
                candidate: Logits {
                    n_classes: K + 1,
                    data: after,
                },
                labels,
                groups,
                taus: vec![0.9; K + 1],
            }
        }
    }

    /// How many of `n_worlds` pass the policy.
    fn passes(seed: u64, n_worlds: u32, policy: &GatePolicy, n: usize, size: usize, rates: [f64; K]) -> u32 {
        let mut world = World {
            rng: ChaCha8Rng::seed_from_u64(seed),
        };
        let names: Vec<ClassName> = (0..K)
            .map(|class| ClassName::new(format!("c{class}")).unwrap())
            .collect();
        let passed = (0..n_worlds).filter(|_| {
            let answers = world.answers(n, size, rates);
            answers.check().unwrap();
            let losses: Vec<_> = names.iter().zip(answers.losses()).collect();
            judge_losses(&losses, policy).state == VerdictState::Pass
        });
        u32::try_from(passed.count()).unwrap()
    }

    /// `default` with a limit that needs fewer images: the rule is the same at any limit.
    fn policy(limit: f64) -> GatePolicy {
        let mut policy = GatePolicy::default_policy();
        policy.looks = 1;
        for check in policy
            .checks
            .iter_mut()
            .filter(|check| check.id == CheckId::OldClassLoss)
        {
            check.limit = limit;
        }
        policy
    }

    #[test]
    fn harm_at_the_budget_passes_as_seldom_as_promised() {
        // α = 5 % a look; 400 worlds, so 20 expected at most, and 37 is four standard deviations above.
        let harmed = [0.02, 0.0, 0.0];
        for size in [1, 10] {
            let passed = passes(1, 400, &policy(0.02), 400 * size, size, harmed);
            assert!(passed <= 37, "{passed} of 400 harmed worlds pass, groups of {size}");
        }
        let beyond = passes(2, 100, &policy(0.02), 400, 1, [0.06, 0.0, 0.0]);
        assert_eq!(beyond, 0, "three times the budget");
        let all = passes(3, 400, &policy(0.02), 400, 1, [0.02; K]);
        assert!(all <= 5, "each class has to pass: {all}");
    }

    #[test]
    fn a_tenth_of_the_budget_passes_nearly_always_and_too_few_images_never() {
        // The least n at α = 5 % and 2 % is 149; 0.9 of the groups are accepted.
        let harmless = [0.002; K];
        let enough = passes(4, 200, &policy(0.02), 6 * 149 * 10 / 9, 1, harmless);
        assert!(enough >= 190, "{enough} of 200 pass");
        assert_eq!(
            passes(5, 100, &policy(0.02), 148, 1, [0.0; K]),
            0,
            "148 can never show 2 %"
        );
        assert_eq!(
            passes(6, 100, &policy(0.02), 1_480, 10, [0.0; K]),
            0,
            "nor can ten copies of each"
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut world = World {
            rng: ChaCha8Rng::seed_from_u64(7),
        };
        let good = world.answers(10, 1, [0.0; K]);
        type Case = (&'static str, fn(&mut Answers));
        let broken: [Case; 6] = [
            ("groups is of 0 images", |answers| answers.groups.clear()),
            ("label 9 is none of 4", |answers| answers.labels[0] = Some(9)),
            ("tau is one threshold", |answers| answers.taus[0] = 1.0),
            ("row 0", |answers| answers.baseline.data[1] = f64::NAN),
            ("row 1", |answers| answers.candidate.data[4..8].fill(f64::NEG_INFINITY)),
            ("has 1 classes", |answers| answers.candidate.n_classes = 1),
        ];
        for (says, breaks) in broken {
            let mut answers = good.clone();
            breaks(&mut answers);
            let said = answers.check().unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        // A class that is switched off is no damage.
        let mut off = good;
        off.candidate.data[3] = f64::NEG_INFINITY;
        assert_eq!(off.check(), Ok(()));
    }
}
