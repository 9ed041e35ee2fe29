//! What a job can be told before it starts, from a part of its images: what its sealed photos can prove, and which classes
//! stand in each other's way.

use std::collections::{BTreeMap, BTreeSet};

use domain::change::Look;
use domain::dataset::{DatasetRow, Split};
use domain::forecast::Work;
use domain::ids::Digest;
use domain::model::{BackboneRef, ClassRole};
use domain::names::ClassName;
use domain::preview::{AcceptedAs, Certificate, Collision, CollisionState, LookAlike};

use crate::evaluate::Scores;
use crate::features::Features;
use crate::head::{Head, Matrix, Probe, ProbeInput, Rows, probe, real_u64};
use crate::pipeline::plan::Plan;
use crate::pipeline::recipe::compared;
use crate::pipeline::{JobInput, PipelineError};

/// Images of one class and split that a probe looks at: enough to tell a class from another, few enough for a second.
const MOST_OF_A_CLASS: usize = 80;
/// Classes that another is said to look like.
const MOST_LOOK_ALIKES: usize = 3;

/// A job that has not started.
pub struct Draft<'a> {
    input: &'a JobInput,
    plan: Plan,
    /// Images that the answers rest on; those first that are not likely to be cached.
    pub wanted: Vec<Digest>,
}

impl<'a> Draft<'a> {
    /// # Errors
    /// The job could not be run as it stands; says what to change.
    pub fn new(input: &'a JobInput, backbone: &BackboneRef) -> Result<Self, PipelineError> {
        let plan = Plan::new(input, backbone)?;
        let wanted = wanted(&input.rows, &plan);
        Ok(Self { input, plan, wanted })
    }

    /// Images that feature recipes are to be compared on.
    #[must_use]
    pub fn compared(&self) -> Vec<Digest> {
        let rows = compared(self.input, &self.plan);
        rows.into_iter().map(|row| row.image).collect()
    }

    /// What the job's times depend on, where so many images are not cached.
    #[must_use]
    pub fn work(&self, n_missing: usize) -> Work {
        self.plan.work(self.input, n_missing)
    }

    /// What each class can come to in the best case. Of old classes the groups count that the baseline accepts rightly and
    /// whose features are there.
    ///
    /// # Errors
    /// Features and heads do not fit together.
    pub fn certificates(&self, features: &Features) -> Result<Vec<Certificate>, PipelineError> {
        let mut certificates = Vec::new();
        if let Some(head) = &self.plan.baseline_head {
            let right = self.accepted_right(head, features)?;
            for (class, groups) in self.plan.classes.iter().zip(&right) {
                certificates.extend(Certificate::of_old(
                    &class.name,
                    groups.len() as u64,
                    &self.input.policy,
                ));
            }
        }
        let learned = self
            .plan
            .classes
            .iter()
            .zip(self.plan.sealed_groups(&self.input.rows))
            .skip(self.plan.n_old);
        for (class, groups) in learned.filter(|(class, _)| class.role == ClassRole::Accept) {
            let n = groups.len() as u64;
            certificates.extend(Certificate::of_new(&class.name, n, &self.input.policy));
        }
        Ok(certificates)
    }

    /// The look that judging the job's head will be.
    #[must_use]
    pub fn look(&self) -> Look {
        // No head that was judged has this name.
        self.plan.look(self.input, Digest::of(self.input.job.0.as_bytes()))
    }

    /// What each class that is to be learned has in its way, worst first.
    ///
    /// # Errors
    /// Features are not finite.
    pub fn collisions(&self, features: &Features) -> Result<Vec<Collision>, PipelineError> {
        let (train, calibration) = (
            self.seen(Split::Train, features),
            self.seen(Split::Calibration, features),
        );
        let has_both = |class: &usize| train.of(*class) && calibration.of(*class);
        let probed: Vec<usize> = (0..self.plan.classes.len()).filter(has_both).collect();
        let found = if probed.len() < 2 {
            None
        } else {
            let (train_index, train_labels) = train.renumbered(&probed);
            let (calibration_index, calibration_labels) = calibration.renumbered(&probed);
            let halves = features.halves();
            let rows = |index| Rows {
                data: Matrix::Halves(&halves),
                dim: features.dim,
                index,
            };
            Some(probe(&ProbeInput {
                train: rows(&train_index),
                train_labels: &train_labels,
                calibration: rows(&calibration_index),
                calibration_labels: &calibration_labels,
                n_classes: probed.len(),
            })?)
        };
        let mut collisions = Vec::new();
        for class_idx in self.plan.n_old..self.plan.classes.len() {
            let place = probed.iter().position(|class| *class == class_idx);
            let answers = found.as_ref().zip(place);
            let accepted = self.accepted_as_old(class_idx, features)?;
            collisions.push(self.collision(class_idx, answers, &probed, &accepted));
        }
        collisions.sort_by_key(|collision| match collision.state {
            CollisionState::Collides => 0,
            CollisionState::Close => 1,
            CollisionState::Unknown => 2,
            CollisionState::Clear => 3,
        });
        Ok(collisions)
    }

    fn collision(
        &self,
        class_idx: usize,
        answers: Option<(&Probe, usize)>,
        probed: &[usize],
        accepted: &BTreeMap<usize, f64>,
    ) -> Collision {
        let class = &self.plan.classes[class_idx].name;
        let share = |row: &[u64], place: usize| {
            let n: u64 = row.iter().sum();
            (n > 0).then(|| real_u64(row[place]) / real_u64(n))
        };
        let mut look_alikes = Vec::new();
        if let Some((found, place)) = answers {
            for (other_place, other) in probed.iter().enumerate().filter(|(other, _)| *other != place) {
                look_alikes.push(LookAlike {
                    class: self.plan.classes[*other].name.clone(),
                    taken: share(&found.joint[place], other_place).unwrap_or_default(),
                    given: share(&found.joint[other_place], place).unwrap_or_default(),
                });
            }
            look_alikes.sort_by(|a, b| b.mutual().total_cmp(&a.mutual()));
            look_alikes.truncate(MOST_LOOK_ALIKES);
        }
        let of_class = |matrix: fn(&Probe) -> &Vec<Vec<u64>>| {
            answers.and_then(|(found, place)| share(&matrix(found)[place], place))
        };
        let most = accepted.iter().max_by(|a, b| a.1.total_cmp(b.1));
        let most_accepted = most.map(|(old, share)| AcceptedAs {
            class: self.plan.classes[*old].name.clone(),
            share: *share,
        });
        let n = answers.map_or(0, |(found, place)| found.joint[place].iter().sum());
        Collision {
            class: class.clone(),
            state: CollisionState::Unknown,
            n,
            joint: of_class(|found| &found.joint),
            nearest_mean: of_class(|found| &found.nearest_mean),
            look_alikes,
            accepted: most_accepted,
            n_relabelled: self
                .input
                .relabelled
                .iter()
                .filter(|change| change.to == *class)
                .count() as u64,
            n_shared_groups: self.n_shared_groups(class),
            sentence: String::new(),
            sentence_zh: String::new(),
        }
        .judged(self.plan.n_old > 0)
    }

    /// Groups that hold photos of the class and of another one.
    fn n_shared_groups(&self, class: &ClassName) -> u64 {
        let mine: BTreeSet<Digest> = self
            .input
            .rows
            .iter()
            .filter(|row| row.class == *class)
            .map(|row| row.group)
            .collect();
        let others = self
            .input
            .rows
            .iter()
            .filter(|row| row.class != *class && mine.contains(&row.group));
        others.map(|row| row.group).collect::<BTreeSet<_>>().len() as u64
    }

    /// Per old class the sealed groups with an image that the baseline accepts rightly.
    fn accepted_right(&self, head: &Head, features: &Features) -> Result<Vec<BTreeSet<Digest>>, PipelineError> {
        let (mut rows, mut index) = (Vec::new(), Vec::new());
        for row in self.input.rows.iter().filter(|row| row.split == Split::Sealed) {
            let label = self
                .plan
                .classes
                .iter()
                .take(self.plan.n_old)
                .position(|class| class.name == row.class);
            if let (Some(label), Some(at)) = (label, features.rows.get(&row.image)) {
                rows.push((label, row.group));
                index.push(*at);
            }
        }
        let decisions = self.baseline_decisions(head, features, &index)?;
        let mut right = vec![BTreeSet::new(); self.plan.n_old];
        for ((label, group), decision) in rows.into_iter().zip(decisions) {
            if decision.is(label) {
                right[label].insert(group);
            }
        }
        Ok(right)
    }

    /// Which share of the class's photos the baseline accepts as which old class.
    fn accepted_as_old(&self, class_idx: usize, features: &Features) -> Result<BTreeMap<usize, f64>, PipelineError> {
        let Some(head) = &self.plan.baseline_head else {
            return Ok(BTreeMap::new());
        };
        let class = &self.plan.classes[class_idx].name;
        let mine = self.input.rows.iter().filter(|row| row.class == *class);
        let index: Vec<usize> = mine.filter_map(|row| features.rows.get(&row.image).copied()).collect();
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        for decision in self.baseline_decisions(head, features, &index)? {
            if decision.accepted {
                *counts.entry(decision.class_idx).or_default() += 1;
            }
        }
        let n = index.len() as u64;
        Ok(counts
            .into_iter()
            .map(|(class, count)| (class, real_u64(count) / real_u64(n)))
            .collect())
    }

    fn baseline_decisions(
        &self,
        head: &Head,
        features: &Features,
        index: &[usize],
    ) -> Result<Vec<domain::scores::Decision>, PipelineError> {
        if index.is_empty() {
            return Ok(Vec::new());
        }
        let taus: Vec<f64> = self
            .plan
            .classes
            .iter()
            .take(self.plan.n_old)
            .map(|class| class.tau)
            .collect();
        let halves = features.halves();
        let rows = Rows {
            data: Matrix::Halves(&halves),
            dim: features.dim,
            index,
        };
        Ok(Scores::of(&head.logits(&rows)?).top.decisions(&taus))
    }

    fn seen(&self, split: Split, features: &Features) -> Seen {
        let mut seen = Seen::default();
        let mut counts = vec![0_usize; self.plan.classes.len()];
        for row in self.input.rows.iter().filter(|row| row.split == split) {
            let label = self.plan.classes.iter().position(|class| class.name == row.class);
            let (Some(label), Some(at)) = (label, features.rows.get(&row.image)) else {
                continue;
            };
            if counts[label] < MOST_OF_A_CLASS {
                counts[label] += 1;
                seen.index.push(*at);
                seen.labels.push(label);
            }
        }
        seen
    }
}

/// Images of a split whose features are there.
#[derive(Default)]
struct Seen {
    index: Vec<usize>,
    labels: Vec<usize>,
}

impl Seen {
    fn of(&self, class_idx: usize) -> bool {
        self.labels.contains(&class_idx)
    }

    /// Images of these classes alone, and their classes counted through.
    fn renumbered(&self, classes: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let place = |label: &usize| classes.iter().position(|class| class == label);
        let kept = self.index.iter().zip(&self.labels);
        kept.filter_map(|(at, label)| place(label).map(|place| (*at, place)))
            .unzip()
    }
}

/// A few images a class and split for the probe, all classes advancing together, those that are learned first; then what old
/// classes can be certified by.
fn wanted(rows: &[DatasetRow], plan: &Plan) -> Vec<Digest> {
    let mut ranks: BTreeMap<(&ClassName, Split), usize> = BTreeMap::new();
    let mut keyed: Vec<(bool, usize, Digest)> = Vec::new();
    let mut sealed = Vec::new();
    for row in rows {
        let Some(class_idx) = plan.classes.iter().position(|class| class.name == row.class) else {
            continue;
        };
        let is_old = class_idx < plan.n_old;
        if row.split == Split::Sealed {
            if is_old {
                sealed.push(row.image);
            }
            continue;
        }
        let rank = ranks.entry((&row.class, row.split)).or_default();
        if *rank < MOST_OF_A_CLASS {
            keyed.push((is_old, *rank, row.image));
        }
        *rank += 1;
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, _, image)| image).chain(sealed).collect()
}
