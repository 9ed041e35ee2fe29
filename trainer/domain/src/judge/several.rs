//! Several models over the photos that all of them were judged on, whatever dataset versions each was trained on.
//!
//! Owns: which photos these are, and the same counts of each model over them. Refuses to know: verdicts; a bound here is of
//! one class of one model, and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::groups::Groups;
use super::{Judged, JudgedClass};
use crate::ids::{Digest, ModelId};
use crate::metrics::Reliability;
use crate::names::ClassName;
use crate::report::{CurvePoint, GroupCount, ModelMetrics};
use crate::scores::{Decision, SealedScores};
use crate::stats::upper_bound;

/// One-sided level of the bounds.
const ALPHA: f64 = 0.05;
/// The most points of a curve.
const MOST_POINTS: usize = 200;

/// A model that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Entrant<'a> {
    /// Its name.
    pub id: &'a ModelId,
    /// Digest of its head file.
    pub head: Digest,
    /// Its classes, at the thresholds to count with.
    pub classes: &'a [JudgedClass],
    /// What it said of its sealed photos.
    pub scores: &'a SealedScores,
}

/// What all models were counted over, and what was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Several {
    /// The classes of all models: the reference's first.
    pub classes: Vec<ClassName>,
    /// The photos.
    pub common: Common,
    /// One per model, in order.
    pub models: Vec<CountedModel>,
}

/// The photos that all models were judged on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Common {
    /// Photos counted.
    pub n_images: u64,
    /// Their near-duplicate groups: photos are together where any of the models' datasets has them together.
    pub n_groups: u64,
    /// Photos left out, since some models were judged on them and others were not.
    pub n_not_all: u64,
    /// Photos left out, since the models' datasets label them differently.
    pub n_relabelled: u64,
    /// Two models that share no photo, where there are some.
    pub apart: Option<[ModelId; 2]>,
}

/// One model over the common photos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CountedModel {
    /// Photos of its own sealed set.
    pub n_judged: u64,
    /// Its counts; `per_class` has its own classes alone, `confusion` all, and curves are apart.
    pub metrics: ModelMetrics,
    /// Per class of the reference: what that accepted rightly, and of it what this model loses; none for the reference.
    pub lost: Vec<ComparedLoss>,
    /// How far its probabilities are true, over photos of its own classes.
    pub reliability: Reliability,
    /// Precision and recall of its accepted answers as the threshold falls.
    pub curve: Vec<CurvePoint>,
}

/// What a model loses of a class that the reference has right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComparedLoss {
    /// The class.
    pub class: ClassName,
    /// Photos.
    pub images: GroupCount,
    /// Their near-duplicate groups.
    pub groups: GroupCount,
    /// With 95 % confidence no larger a share of groups is lost; none where there are none.
    pub upper: Option<f64>,
}

/// Counts all of `entrants` over the photos that they have in common; `reference` is one of them. Curves are those of
/// `class`, or of all classes together.
///
/// # Errors
/// Scores that are not those of their model.
pub fn several(entrants: &[Entrant<'_>], reference: usize, class: Option<&ClassName>) -> Result<Several, String> {
    for entrant in entrants {
        let Entrant {
            id, classes, scores, ..
        } = entrant;
        let named = || classes.iter().map(|class| &class.name);
        scores
            .check()
            .map_err(|error| format!("the scores of model {id}: {error}"))?;
        if !named().eq(&scores.classes) {
            return Err(format!("the scores of model {id} are of other classes than it has"));
        }
    }
    let classes = all_classes(entrants, reference);
    let common = InCommon::of(entrants, &classes);
    let judged = Judged {
        classes: &classes,
        images: &common.images,
        labels: &common.labels,
        groups: Groups::new(&common.groups),
    };
    let answers: Vec<Vec<Decision>> = entrants
        .iter()
        .zip(&common.places)
        .map(|(entrant, places)| answers(entrant, places, &classes))
        .collect();
    let class_idx = class.and_then(|class| classes.iter().position(|other| other.name == *class));
    let models = entrants.iter().zip(&answers).enumerate();
    let models = models.map(|(at, (entrant, decisions))| {
        let is_own = |idx: usize| entrant.classes.iter().any(|class| class.name == classes[idx].name);
        let own: Vec<bool> = (0..classes.len()).map(is_own).collect();
        CountedModel {
            n_judged: entrant.scores.images.len() as u64,
            metrics: metrics(&judged, entrant, decisions, &own),
            lost: if at == reference {
                Vec::new()
            } else {
                losses(
                    &judged,
                    &answers[reference],
                    decisions,
                    entrants[reference].classes.len(),
                )
            },
            reliability: reliability(judged.labels, decisions, &own),
            curve: curve(judged.labels, decisions, class_idx),
        }
    });
    Ok(Several {
        models: models.collect(),
        common: common.told(entrants, judged.groups.len()),
        classes: classes.iter().map(|class| class.name.clone()).collect(),
    })
}

/// The reference's classes, then those of the others as they come. What a class means, its first model says.
fn all_classes(entrants: &[Entrant<'_>], reference: usize) -> Vec<JudgedClass> {
    let mut all: Vec<JudgedClass> = Vec::new();
    let others = entrants.iter().enumerate().filter(|(at, _)| *at != reference);
    for entrant in entrants
        .get(reference)
        .into_iter()
        .chain(others.map(|(_, other)| other))
    {
        for class in entrant.classes {
            if all.iter().all(|other| other.name != class.name) {
                all.push(class.clone());
            }
        }
    }
    all
}

/// The common photos in the order of their digests.
#[derive(Default)]
struct InCommon {
    images: Vec<Digest>,
    labels: Vec<usize>,
    groups: Vec<usize>,
    /// Per model: where each of them stands in its scores.
    places: Vec<Vec<usize>>,
    n_not_all: u64,
    n_relabelled: u64,
}

impl InCommon {
    fn of(entrants: &[Entrant<'_>], classes: &[JudgedClass]) -> Self {
        let known: Vec<BTreeMap<Digest, usize>> = entrants
            .iter()
            .map(|entrant| entrant.scores.images.iter().copied().zip(0..).collect())
            .collect();
        let any: BTreeSet<Digest> = known.iter().flat_map(|known| known.keys().copied()).collect();
        let mut common = Self {
            places: vec![Vec::new(); entrants.len()],
            ..Self::default()
        };
        let mut together = Together::default();
        for image in any {
            let places: Option<Vec<usize>> = known.iter().map(|known| known.get(&image).copied()).collect();
            let Some(places) = places else {
                common.n_not_all += 1;
                continue;
            };
            let labels = entrants
                .iter()
                .zip(&places)
                .map(|(entrant, at)| &entrant.scores.classes[entrant.scores.labels[*at]]);
            let labels: BTreeSet<&ClassName> = labels.collect();
            let label = classes.iter().position(|class| labels.contains(&class.name));
            let (1, Some(label)) = (labels.len(), label) else {
                common.n_relabelled += 1;
                continue;
            };
            for (model, (entrant, at)) in entrants.iter().zip(&places).enumerate() {
                together.join(common.images.len(), (model, entrant.scores.groups[*at]));
                common.places[model].push(*at);
            }
            common.images.push(image);
            common.labels.push(label);
        }
        common.groups = together.groups(common.images.len());
        common
    }

    fn told(&self, entrants: &[Entrant<'_>], n_groups: usize) -> Common {
        let sets: Vec<BTreeSet<&Digest>> = entrants
            .iter()
            .map(|entrant| entrant.scores.images.iter().collect())
            .collect();
        let pairs = (0..sets.len()).flat_map(|a| (a + 1..sets.len()).map(move |b| (a, b)));
        let mut apart = pairs.filter(|(a, b)| sets[*a].is_disjoint(&sets[*b]));
        Common {
            n_images: self.images.len() as u64,
            n_groups: n_groups as u64,
            n_not_all: self.n_not_all,
            n_relabelled: self.n_relabelled,
            apart: apart
                .next()
                .map(|(a, b)| [entrants[a].id.clone(), entrants[b].id.clone()]),
        }
    }
}

/// Photos that one model's groups or another's hold together.
#[derive(Default)]
struct Together {
    /// Per photo: one that it is together with, itself at the end of each chain.
    parent: Vec<usize>,
    /// The first photo of a model's group.
    first: BTreeMap<(usize, usize), usize>,
}

impl Together {
    fn join(&mut self, image: usize, group: (usize, usize)) {
        if image == self.parent.len() {
            self.parent.push(image);
        }
        let first = *self.first.entry(group).or_insert(image);
        let (a, b) = (self.end(first), self.end(image));
        // The smaller one stays, so that an end is never after its photos.
        self.parent[a.max(b)] = a.min(b);
    }

    fn end(&self, mut image: usize) -> usize {
        while self.parent[image] != image {
            image = self.parent[image];
        }
        image
    }

    /// Counted through from 0, in the order of the photos.
    fn groups(&self, n_images: usize) -> Vec<usize> {
        let mut numbers = BTreeMap::new();
        (0..n_images)
            .map(|image| {
                let next = numbers.len();
                *numbers.entry(self.end(image)).or_insert(next)
            })
            .collect()
    }
}

/// A model's answers to the common photos, in the numbering of all classes.
fn answers(entrant: &Entrant<'_>, places: &[usize], classes: &[JudgedClass]) -> Vec<Decision> {
    let taus: Vec<f64> = entrant.classes.iter().map(|class| class.tau).collect();
    let number = |name: &ClassName| classes.iter().position(|class| class.name == *name).unwrap_or_default();
    let numbers: Vec<usize> = entrant.scores.classes.iter().map(number).collect();
    let decisions = entrant.scores.candidate.decisions(&taus);
    places
        .iter()
        .map(|at| Decision {
            class_idx: numbers[decisions[*at].class_idx],
            ..decisions[*at]
        })
        .collect()
}

fn metrics(judged: &Judged<'_>, entrant: &Entrant<'_>, decisions: &[Decision], own: &[bool]) -> ModelMetrics {
    let mut metrics = judged.metrics(entrant.head, judged.classes.len(), decisions);
    // Photos of classes that the model does not have say nothing of how well it tells its own apart.
    metrics.n_known = judged.labels.iter().filter(|label| own[**label]).count() as u64;
    let answers = judged.labels.iter().zip(decisions);
    let n_top = answers
        .filter(|(label, decision)| **label == decision.class_idx)
        .count() as u64;
    metrics.top1 = super::metrics::share(n_top, metrics.n_known).unwrap_or(0.0);
    metrics.per_class = metrics
        .per_class
        .into_iter()
        .zip(own)
        .filter_map(|(class, own)| own.then_some(class))
        .collect();
    metrics
}

fn losses(judged: &Judged<'_>, before: &[Decision], after: &[Decision], n_reference: usize) -> Vec<ComparedLoss> {
    let losses = judged.losses(0..n_reference, &judged.pairs(before, after));
    losses
        .into_iter()
        .map(|loss| ComparedLoss {
            upper: (loss.groups.n > 0).then(|| upper_bound(loss.groups.x, loss.groups.n, ALPHA)),
            class: loss.class,
            images: loss.images,
            groups: loss.groups,
        })
        .collect()
}

fn reliability(labels: &[usize], decisions: &[Decision], own: &[bool]) -> Reliability {
    let known = labels.iter().zip(decisions).filter(|(label, _)| own[**label]);
    Reliability::of(
        known
            .map(|(label, decision)| (decision.probability, decision.class_idx == *label))
            .collect(),
    )
}

/// Every distinct probability as the threshold, falling: what is then accepted as the class, or at all.
fn curve(labels: &[usize], decisions: &[Decision], class: Option<usize>) -> Vec<CurvePoint> {
    let is_of = |idx: usize| class.is_none_or(|class| class == idx);
    let n = labels.iter().filter(|label| is_of(**label)).count();
    let answered = labels
        .iter()
        .zip(decisions)
        .filter(|(_, decision)| is_of(decision.class_idx));
    let mut ranked: Vec<(f64, bool)> = answered
        .map(|(label, decision)| (decision.probability, decision.class_idx == *label))
        .collect();
    if n == 0 {
        return Vec::new();
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut points = Vec::new();
    let mut n_right = 0_u64;
    for (at, (threshold, right)) in ranked.iter().enumerate() {
        n_right += u64::from(*right);
        let is_last_of_equals = ranked.get(at + 1).is_none_or(|next| next.0 < *threshold);
        if is_last_of_equals {
            let share = |whole: usize| super::metrics::share(n_right, whole as u64).unwrap_or(0.0);
            points.push(CurvePoint {
                threshold: *threshold,
                precision: share(at + 1),
                recall: share(n),
            });
        }
    }
    thinned(points)
}

/// Evenly, the first and the last point among them.
fn thinned(points: Vec<CurvePoint>) -> Vec<CurvePoint> {
    let n = points.len();
    if n <= MOST_POINTS {
        return points;
    }
    (0..MOST_POINTS)
        .map(|at| points[at * (n - 1) / (MOST_POINTS - 1)])
        .collect()
}

#[cfg(test)]
mod tests;
