//! Worlds to evaluate: images as logits, labels and groups; at random, and at the edges of every definition.
//!
//! Owns: which there are, and what makes an edge of an ordinary one. Refuses to know: heads, probabilities and metrics.

use domain::judge::JudgedClass;
use domain::model::ClassRole;

use super::random::Shape;

/// Further from any other than an f64's exponential reaches.
const SATURATED: f32 = 1e4;

/// How the candidate came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It has no baseline.
    Root,
    /// Its old logits are the baseline's.
    Append,
    /// All its logits are its own.
    Refit,
}

impl Way {
    const ALL: [Self; 3] = [Self::Root, Self::Append, Self::Refit];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Append => "append",
            Self::Refit => "refit",
        }
    }
}

/// What losses add up from.
pub(super) enum Since {
    Baseline,
    /// A model with some of the candidate's classes, in an order of its own, and the candidate's logits of them.
    Classes(Vec<usize>),
    Unmeasured,
}

/// Images of a split.
pub(super) struct Images {
    /// (images, dim), row-major.
    pub(super) features: Vec<f32>,
    pub(super) labels: Vec<usize>,
    pub(super) groups: Vec<usize>,
}

/// What is evaluated.
pub(super) struct JudgedWorld {
    pub(super) name: String,
    pub(super) way: Way,
    /// Classes of the baseline, 0 without one.
    pub(super) n_old: usize,
    pub(super) classes: Vec<JudgedClass>,
    pub(super) sealed: Images,
    pub(super) calibration: Images,
    pub(super) since: Since,
    /// Level of the bootstrap's bounds.
    pub(super) alpha: f64,
    /// Thresholds for all classes at which counts are made again.
    pub(super) taus: Vec<f64>,
    /// Probabilities stand at their thresholds on purpose.
    pub(super) is_exact: bool,
}

impl JudgedWorld {
    /// Numbers of a feature row: the candidate's logits; before them the baseline's, where they are others.
    pub(super) fn dim(&self) -> usize {
        match self.way {
            Way::Root | Way::Append => self.classes.len(),
            Way::Refit => self.n_old + self.classes.len(),
        }
    }

    fn both(&mut self, change: impl Fn(&mut Images)) {
        change(&mut self.sealed);
        change(&mut self.calibration);
    }
}

impl Images {
    fn relabel(&mut self, new: impl Fn(usize) -> usize) {
        for label in &mut self.labels {
            *label = new(*label);
        }
    }

    fn rescale(&mut self, new: impl Fn(f32) -> f32) {
        for value in &mut self.features {
            *value = new(*value);
        }
    }

    fn truncate(&mut self, n: usize, dim: usize) {
        self.features.truncate(n * dim);
        self.labels.truncate(n);
        self.groups.truncate(n);
    }
}

/// Every world, one after the other.
pub(super) fn all() -> impl Iterator<Item = JudgedWorld> {
    let random = (0..36).map(|idx: usize| {
        let way = Way::ALL[idx % 3];
        let turn = idx / 3;
        let shape = Shape {
            way,
            n_old: [1, 2, 3, 5, 8, 12][turn % 6],
            n_new: (turn + turn / 6) % 4,
            n_images: [(30, 50), (140, 90), (400, 250)][turn % 3],
            group_size: [1, 4, 11][(turn / 2) % 3],
            n_kinds: [0, 0, 40, 15][turn % 4],
        };
        shape.world(idx as u64)
    });
    let edges = Way::ALL.into_iter().flat_map(|way| {
        EDGES.iter().map(move |(name, change)| {
            let shape = Shape {
                way,
                n_old: 3,
                n_new: 1,
                n_images: (60, 40),
                group_size: 3,
                n_kinds: 0,
            };
            let mut world = shape.world(1_000);
            world.name = format!("{}: {name}", way.name());
            change(&mut world);
            world
        })
    });
    let half = [0.5_f64.next_down(), 0.5, 0.5_f64.next_up()];
    let exact = Way::ALL
        .into_iter()
        .flat_map(move |way| half.map(|tau| at_threshold(way, tau)));
    let large = Way::ALL.into_iter().map(|way| {
        let shape = Shape {
            way,
            n_old: 3,
            n_new: 1,
            n_images: (100_000, 20_000),
            group_size: 5,
            n_kinds: if way == Way::Refit { 300 } else { 0 },
        };
        shape.world(2_000)
    });
    random.chain(edges).chain(exact).chain(large)
}

/// What makes an ordinary world an edge.
type Edge = (&'static str, fn(&mut JudgedWorld));

const EDGES: [Edge; 20] = [
    ("no sealed image of the first class", |world| {
        world.sealed.relabel(|label| label.max(1));
    }),
    ("no sealed image of the last class", |world| {
        world.sealed.relabel(|label| label.min(2));
    }),
    ("no calibration image of two classes", |world| {
        world.calibration.relabel(|label| label.min(1));
    }),
    ("the first class only", |world| {
        world.both(|images| images.relabel(|_| 0));
    }),
    ("the last class only", |world| {
        world.both(|images| images.relabel(|_| 3));
    }),
    ("all scores tied", |world| world.both(|images| images.rescale(|_| 0.0))),
    ("no sealed image", |world| world.sealed.truncate(0, 1)),
    ("no calibration image", |world| world.calibration.truncate(0, 1)),
    ("no image at all", |world| world.both(|images| images.truncate(0, 1))),
    ("one image", |world| {
        let dim = world.dim();
        world.both(|images| images.truncate(1, dim));
    }),
    ("two images of a group", |world| {
        let dim = world.dim();
        world.both(|images| images.truncate(2, dim));
    }),
    ("one group", |world| world.sealed.groups.fill(0)),
    ("every image a group", |world| {
        world.sealed.groups = (0..60).rev().collect();
    }),
    ("every label wrong", |world| {
        world.both(|images| images.relabel(|label| (label + 1) % 4));
    }),
    ("nothing accepted", |world| {
        world.both(|images| images.rescale(|z| z * 0.1));
        world.classes.iter_mut().for_each(|class| class.tau = 0.95);
    }),
    ("everything accepted", |world| {
        world.classes.iter_mut().for_each(|class| class.tau = 1e-9);
    }),
    ("every class rejects", |world| {
        world
            .classes
            .iter_mut()
            .for_each(|class| class.role = ClassRole::Reject);
    }),
    ("logits of ±10,000", |world| {
        world.both(|images| images.rescale(|z| if z > 0.0 { SATURATED } else { -SATURATED }));
    }),
    ("some logits of ±10,000", |world| {
        world.both(|images| images.rescale(|z| if z.abs() < 1.7 { z } else { z.signum() * SATURATED }));
    }),
    ("accepted at a probability of 1 only", |world| {
        world.both(|images| images.rescale(|z| if z > 3.0 { SATURATED } else { z - SATURATED }));
        world.classes.iter_mut().for_each(|class| class.tau = 1.0);
        (world.taus, world.is_exact) = (vec![1.0, 1.0_f64.next_down()], true);
    }),
];

/// Two logits are equal and all others far below, in every pair of columns: both have a probability of a half exactly.
fn at_threshold(way: Way, tau: f64) -> JudgedWorld {
    let shape = Shape {
        way,
        n_old: 3,
        n_new: 1,
        n_images: (96, 48),
        group_size: 1,
        n_kinds: 0,
    };
    let mut world = shape.world(3_000);
    let (dim, first) = (world.dim(), if way == Way::Refit { 3 } else { 0 });
    world.both(|images| {
        for (image, row) in images.features.chunks_exact_mut(dim).enumerate() {
            row.fill(-SATURATED);
            // Four columns have six pairs, three have three.
            let (a, b) = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)][image % 6];
            (row[first + a], row[first + b]) = (0.0, 0.0);
            if first > 0 {
                let (a, b) = [(0, 1), (0, 2), (1, 2)][image / 2 % 3];
                (row[a], row[b]) = (0.0, 0.0);
            }
        }
    });
    world.classes.iter_mut().for_each(|class| class.tau = tau);
    world.name = format!("{}: probabilities of 0.5 at a threshold of {tau}", way.name());
    (world.taus, world.is_exact) = (vec![0.5_f64.next_down(), 0.5, 0.5_f64.next_up(), 0.9], true);
    world
}
