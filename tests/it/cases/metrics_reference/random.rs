//! Worlds drawn at random, always alike for a seed.
//!
//! Owns: how logits, labels, groups and thresholds are drawn. Refuses to know: probabilities, and which worlds there are.

use domain::judge::JudgedClass;
use domain::model::ClassRole;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use super::worlds::{Images, JudgedWorld, Since, Way};

/// Thresholds that no simple share equals, so that no answer depends on a last bit.
const TAUS: [f64; 5] = [0.63, 0.31, 0.92, 0.52, 0.74];
/// Thresholds at which counts are made again.
const AGAIN: [f64; 4] = [0.06, 0.46, 0.72, 0.97];

/// What a random world is like.
pub(super) struct Shape {
    pub(super) way: Way,
    /// Classes of the baseline; of the first model without one.
    pub(super) n_old: usize,
    pub(super) n_new: usize,
    /// Sealed and calibration.
    pub(super) n_images: (usize, usize),
    pub(super) group_size: usize,
    /// Different rows there are, so that many images are tied; 0 where each has its own.
    pub(super) n_kinds: usize,
}

impl Shape {
    /// The same for the same seed.
    pub(super) fn world(&self, seed: u64) -> JudgedWorld {
        let mut draws = Draws(ChaCha8Rng::seed_from_u64(seed));
        let n_old = if self.way == Way::Root { 0 } else { self.n_old };
        let n_all = self.n_old + self.n_new;
        let class = |idx: usize| JudgedClass {
            name: format!("c{idx}").parse().unwrap(),
            role: if (idx as u64 + seed) % 5 == 1 {
                ClassRole::Reject
            } else {
                ClassRole::Accept
            },
            tau: TAUS[(idx + seed as usize) % TAUS.len()],
        };
        let kinds: Vec<Vec<f32>> = (0..self.n_kinds)
            .map(|kind| self.row(kind % n_all, &mut draws))
            .collect();
        JudgedWorld {
            name: format!(
                "{} {seed}: {n_old} + {}, {:?} images in groups of {}, {} kinds",
                self.way.name(),
                n_all - n_old,
                self.n_images,
                self.group_size,
                self.n_kinds
            ),
            way: self.way,
            n_old,
            classes: (0..n_all).map(class).collect(),
            sealed: self.images(self.n_images.0, &kinds, &mut draws),
            calibration: self.images(self.n_images.1, &kinds, &mut draws),
            since: match (self.way, seed % 4) {
                (Way::Root, _) | (_, 0) => Since::Baseline,
                (_, 1) => Since::Unmeasured,
                _ => Since::Classes((0..self.n_old).rev().step_by(2).collect()),
            },
            alpha: [0.05, 0.005, 0.01][seed as usize % 3],
            taus: AGAIN.to_vec(),
            is_exact: false,
        }
    }

    fn images(&self, n: usize, kinds: &[Vec<f32>], draws: &mut Draws) -> Images {
        let n_all = self.n_old + self.n_new;
        let mut images = Images {
            features: Vec::new(),
            labels: Vec::new(),
            groups: Vec::new(),
        };
        let mut of_group = (0, Vec::new());
        for image in 0..n {
            if image % self.group_size == 0 {
                let label = draws.below(n_all);
                of_group = (label, self.row(label, draws));
            }
            // Near-duplicates look alike and are seldom called otherwise.
            let label = if draws.below(10) == 0 {
                draws.below(n_all)
            } else {
                of_group.0
            };
            if kinds.is_empty() {
                let like = of_group.1.iter().map(|z| z + draws.between(-0.3, 0.3));
                images.features.extend(like);
            } else {
                let own = label + n_all * draws.below(kinds.len() / n_all);
                let kind = if draws.below(3) == 0 {
                    draws.below(kinds.len())
                } else {
                    own
                };
                images.features.extend(&kinds[kind]);
            }
            images.labels.push(label);
            images.groups.push(image / self.group_size);
        }
        images
    }

    /// Logits of an image with this label: its own class's is higher on the whole.
    fn row(&self, label: usize, draws: &mut Draws) -> Vec<f32> {
        let logit = |class: usize, draws: &mut Draws| {
            let low = if class < self.n_old { -2.0 } else { -4.0 };
            let more = if class == label { draws.between(0.0, 6.0) } else { 0.0 };
            draws.between(low, 2.0) + more
        };
        let mut row: Vec<f32> = (0..self.n_old + self.n_new).map(|class| logit(class, draws)).collect();
        if self.way == Way::Refit {
            let before = row[..self.n_old].iter().map(|z| z + draws.between(-2.0, 2.0));
            row = before
                .collect::<Vec<_>>()
                .into_iter()
                .chain(row.iter().copied())
                .collect();
        }
        row
    }
}

/// Random numbers from a seed.
struct Draws(ChaCha8Rng);

impl Draws {
    fn below(&mut self, n: usize) -> usize {
        self.0.next_u32() as usize % n
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }
}
