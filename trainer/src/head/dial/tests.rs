//! Every closed form against the probabilities it stands for, on random logits.

use domain::report::GroupCount;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use super::*;
use crate::head::Logits;

struct Draw(ChaCha8Rng);

impl Draw {
    /// Uniform between these.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.0.next_u32()) / f64::from(u32::MAX)
    }

    fn logits(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.between(-4.0, 4.0)).collect()
    }
}

/// The accepted class by softmax over all logits, the new ones `b` higher; old classes win ties.
fn accepted(old: &[f64], new: &[f64], b: f64, taus: &[f64]) -> Option<usize> {
    let all: Vec<f64> = old.iter().copied().chain(new.iter().map(|z| z + b)).collect();
    let top = (1..all.len()).fold(0, |best, idx| if all[idx] > all[best] { idx } else { best });
    let probability = (all[top] - log_sum_exp(&all)).exp();
    (probability >= taus[top]).then_some(top)
}

fn top(z: &[f64]) -> f64 {
    z.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn offsets_are_where_the_probabilities_say() {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(7));
    let (mut n_lost, mut n_accepted) = (0, 0);
    for _ in 0..2_000 {
        let (old, new) = (draw.logits(3), draw.logits(2));
        let tau = draw.between(0.2, 0.95);
        let taus = [tau; 5];
        let lse_old = log_sum_exp(&old);
        if let Some(own) = accepted(&old, &[], 0.0, &taus) {
            let b = loss_offset(old[own], lse_old, tau, &new);
            assert_eq!(accepted(&old, &new, b - 1e-7, &taus), Some(own), "kept below {b}");
            assert_ne!(accepted(&old, &new, b + 1e-7, &taus), Some(own), "lost above {b}");
            n_lost += 1;
        }
        for n in 0..2 {
            match accept_offset(n, tau, lse_old, top(&old), &new) {
                Some(b) => {
                    assert_ne!(accepted(&old, &new, b - 1e-7, &taus), Some(3 + n), "not yet below {b}");
                    assert_eq!(accepted(&old, &new, b + 1e-7, &taus), Some(3 + n), "accepted above {b}");
                    n_accepted += 1;
                }
                None => assert_ne!(accepted(&old, &new, 50.0, &taus), Some(3 + n)),
            }
        }
    }
    assert!(n_lost > 500 && n_accepted > 500, "both were met: {n_lost} {n_accepted}");
}

/// What is lost, falsely new and recalled at an offset, counted from the probabilities.
struct Counts {
    lost: Vec<usize>,
    right: Vec<usize>,
    false_new: usize,
    recalled: Vec<usize>,
}

/// A class, old logits and new ones.
type Image = (usize, Vec<f64>, Vec<f64>);

struct World {
    old: Vec<Image>,
    new: Vec<Image>,
    taus: [f64; 5],
    rejects: [bool; 3],
}

impl World {
    fn new(seed: u64) -> Self {
        let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
        let mut old = Vec::new();
        for idx in 0..120 {
            let (mut z, n) = (draw.logits(3), draw.logits(2));
            z[idx % 3] += 5.0;
            old.push((idx % 3, z, n));
        }
        let mut new = Vec::new();
        for idx in 0..60 {
            let (z, mut n) = (draw.logits(3), draw.logits(2));
            n[idx % 2] += 7.0;
            new.push((idx % 2, z, n));
        }
        Self {
            old,
            new,
            taus: [0.6, 0.7, 0.8, 0.6, 0.7],
            rejects: [false, false, seed.is_multiple_of(2)],
        }
    }

    fn counts(&self, alignment: &[f64], b: f64) -> Counts {
        let answer = |z: &[f64], n: &[f64]| {
            let aligned: Vec<f64> = n.iter().zip(alignment).map(|(z, shift)| z + shift).collect();
            accepted(z, &aligned, b, &self.taus)
        };
        let mut counts = Counts {
            lost: vec![0; 3],
            right: vec![0; 3],
            false_new: 0,
            recalled: vec![0; 2],
        };
        for (class, z, n) in &self.old {
            let after = answer(z, n);
            let is_new = after.is_some_and(|class| class >= 3);
            counts.false_new += usize::from(is_new);
            if accepted(z, &[], 0.0, &self.taus) == Some(*class) {
                counts.right[*class] += 1;
                let harmed = if self.rejects[*class] {
                    is_new
                } else {
                    after != Some(*class)
                };
                counts.lost[*class] += usize::from(harmed);
            }
        }
        for (class, z, n) in &self.new {
            counts.recalled[*class] += usize::from(answer(z, n) == Some(3 + class));
        }
        counts
    }
}

#[test]
fn both_ends_of_the_interval_are_where_counting_says() {
    for seed in 0..20 {
        let world = World::new(seed);
        let old: Vec<OldImage> = world
            .old
            .iter()
            .map(|(class_idx, z, _)| OldImage {
                class_idx: *class_idx,
                lse_old: log_sum_exp(z),
                top: top(z),
                right: (accepted(z, &[], 0.0, &world.taus) == Some(*class_idx)).then_some(z[*class_idx]),
            })
            .collect();
        let new: Vec<NewImage> = world
            .new
            .iter()
            .map(|(new_idx, z, _)| NewImage {
                new_idx: *new_idx,
                lse_old: log_sum_exp(z),
                top: top(z),
            })
            .collect();
        let mut table = Table {
            old: &old,
            old_logits: world.old.iter().map(|(_, _, n)| n.clone()).collect(),
            new: &new,
            new_logits: world.new.iter().map(|(_, _, n)| n.clone()).collect(),
        };
        let (loss, false_new, recall) = ([0.1; 3], 0.05, 0.8);
        let limits = Limits {
            taus: &world.taus,
            rejects: &world.rejects,
            loss: &loss,
            false_new,
            recall,
        };
        let interval = interval(&mut table, &limits);
        let within = |counts: &Counts| {
            let per_class = counts.lost.iter().zip(&counts.right).zip(loss);
            let mut kept = per_class.map(|((lost, right), budget)| real(*lost) <= budget * real(*right) + 1e-9);
            kept.all(|kept| kept) && real(counts.false_new) <= false_new * real(world.old.len()) + 1e-9
        };
        let reaches = |counts: &Counts| counts.recalled.iter().all(|n| real(*n) >= recall * 30.0 - 1e-9);
        let safe = interval.b_safe.expect("something bounds it");
        assert!(within(&world.counts(&interval.alignment, safe - 1e-6)), "seed {seed}");
        assert!(!within(&world.counts(&interval.alignment, safe + 1e-6)), "seed {seed}");
        let need = interval.b_need.expect("every class can be reached");
        assert!(reaches(&world.counts(&interval.alignment, need + 1e-6)), "seed {seed}");
        assert!(!reaches(&world.counts(&interval.alignment, need - 1e-6)), "seed {seed}");
    }
}

#[test]
fn the_offset_is_the_middle_and_one_logit_stands_for_an_open_end() {
    let interval = |b_need, b_safe| Interval {
        alignment: Vec::new(),
        b_need,
        b_safe,
    };
    let chosen = |b_need, b_safe| {
        let interval = interval(b_need, b_safe);
        (interval.feasible(), interval.offset())
    };
    assert_eq!(chosen(Some(-2.0), Some(4.0)), (true, 1.0));
    assert_eq!(chosen(Some(-2.0), None), (true, -1.5));
    assert_eq!(chosen(Some(3.0), Some(1.0)), (false, 1.0));
    assert_eq!(chosen(None, Some(1.0)), (false, 1.0));
    assert_eq!(chosen(None, None), (false, 0.0));
}

#[test]
fn every_place_is_what_counting_says() {
    let of = |n: usize, x: usize| GroupCount {
        n: n as u64,
        x: x as u64,
    };
    for seed in 0..20 {
        let world = World::new(seed);
        let logits = |of: fn(&Image) -> &Vec<f64>, n_classes| Logits {
            n_classes,
            data: world
                .old
                .iter()
                .chain(&world.new)
                .flat_map(|image| of(image).clone())
                .collect(),
        };
        let old_labels = world.old.iter().map(|(class, ..)| *class);
        let labels: Vec<usize> = old_labels.chain(world.new.iter().map(|(n, ..)| 3 + n)).collect();
        let places = Places::of(&PlacesInput {
            old: &logits(|image| &image.1, 3),
            new: &logits(|image| &image.2, 2),
            labels: &labels,
            taus: &world.taus,
            rejects: &world.rejects,
        });
        for step in -60..=60 {
            let shift = f64::from(step) * 0.137;
            let counted = world.counts(&[0.0; 2], shift);
            let expected = PlaceCounts {
                lost: counted
                    .right
                    .into_iter()
                    .zip(counted.lost)
                    .map(|(n, x)| of(n, x))
                    .collect(),
                false_new: of(120, counted.false_new),
                recalled: counted.recalled.into_iter().map(|x| of(30, x)).collect(),
            };
            assert_eq!(places.at(shift), expected, "seed {seed}, shift {shift}");
        }
    }
}
