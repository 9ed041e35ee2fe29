//! What a step is bent by so that few of them suffice: the inverse of the objective's curvature at a point, nearly.
//!
//! The Hessian of a class's rows is `Σ c_i x_i x_iᵀ + λ`, c the curvature of the loss by the class's logit. Few images carry
//! it, those the class is unsure of; some of them, drawn in proportion to c, stand for all (subsampled Newton: Roosta-Khorasani,
//! Mahoney 2019, <https://doi.org/10.1007/s10107-018-1346-5>). With the drawn rows as A the inverse is
//! `(1 − Aᵀ (A Aᵀ + λ)⁻¹ A) / λ`, so only the matrix of the images' products with one another is factored. What one class's
//! logit does to another is left out, but for what moves all of them alike, and so is what a drawing misses: L-BFGS learns
//! that along its steps.
//!
//! The drawing is systematic, without a seed; sums run in fixed blocks. So the bits do not depend on how many cores there are.

use rayon::prelude::*;

use crate::head::cholesky::Cholesky;
use crate::head::lanes::{Lines, add_weighted, products};
use crate::head::passes::Features;
use crate::head::{narrow, real};

/// One image in so many is drawn for a class, within bounds: more save passes over all images, and cost more to factor.
const ONE_IN: usize = 32;
const DRAWN: std::ops::RangeInclusive<usize> = 512..=1024;
/// Of all classes together; so much is kept in memory.
const DRAWN_OF_ALL: usize = 16 * 512;
/// Fewer than these say too little.
const TOO_FEW: usize = 128;
/// With fewer numbers an image, steps cost so little that there may be many.
const NARROW: usize = 256;
/// What the bias is multiplied by. It is free, but in here has an L2 weight like all others: smaller by this squared.
const ONE: f32 = 8.0;
/// An L2 weight below this share of the whole curvature drowns in the rounding of f32.
const LEAST: f64 = 1e-7;
/// Share of the mean curvature that is taken to lie in every direction: between the drawn images there is more of it than
/// they show (shrinkage, as Ledoit, Wolf 2004, <https://doi.org/10.1016/S0047-259X(03)00096-4>).
const EVERYWHERE: f64 = 0.1;
/// Rows whose sums run in f32.
const BLOCK: usize = 64;

/// The inverse curvature of all classes, each on its own.
pub(super) struct Preconditioner {
    dim: usize,
    classes: Vec<Class>,
    /// The L2 weight, which is all the curvature there is where every class moves alike.
    alike: Option<f64>,
}

impl Preconditioner {
    /// From the curvature of every image's loss by the logit of every class, (images, classes) in f64, row-major, not negative.
    /// None where it would not pay.
    pub(super) fn new(features: &Features<'_>, curvature: &[f64], l2: f64) -> Option<Self> {
        let (n, dim) = (features.len(), features.dim());
        let k = curvature.len() / n.max(1);
        let drawn = (n / ONE_IN)
            .clamp(*DRAWN.start(), *DRAWN.end())
            .min(DRAWN_OF_ALL / k.max(1));
        if dim < NARROW || n.min(drawn) < TOO_FEW {
            return None;
        }
        let classes = (0..k).into_par_iter().map(|class| {
            let of_class: Vec<f64> = curvature.iter().skip(class).step_by(k).copied().collect();
            Class::new(features, &draw(&of_class, drawn), l2)
        });
        Some(Self {
            dim,
            classes: classes.collect::<Option<_>>()?,
            alike: None,
        })
    }

    /// Of a softmax over exactly these classes: it does not see what moves all their logits alike, so there only the L2
    /// weight counts.
    pub(super) fn of_softmax(self, l2: f64) -> Self {
        Self {
            alike: Some(l2),
            ..self
        }
    }

    /// The inverse curvature times `by`: (classes, dim) weights, then biases.
    pub(super) fn solve(&self, by: &mut [f64]) {
        let Some(l2) = self.alike else {
            return self.solve_apart(by);
        };
        let alike = self.without_mean(by);
        self.solve_apart(by);
        self.without_mean(by);
        let (rows, biases) = by.split_at_mut(self.classes.len() * self.dim);
        let (row, bias) = alike.split_at(self.dim);
        for all in rows.chunks_exact_mut(self.dim) {
            for (x, mean) in all.iter_mut().zip(row) {
                *x += mean / l2;
            }
        }
        for x in biases {
            *x += bias[0] / l2;
        }
    }

    /// Takes the mean over classes off, and returns it: weights, then a bias.
    fn without_mean(&self, by: &mut [f64]) -> Vec<f64> {
        let k = self.classes.len();
        let (rows, biases) = by.split_at_mut(k * self.dim);
        let mut mean = vec![0.0; self.dim];
        for row in rows.chunks_exact(self.dim) {
            for (mean, x) in mean.iter_mut().zip(row) {
                *mean += x / real(k);
            }
        }
        for row in rows.chunks_exact_mut(self.dim) {
            for (x, mean) in row.iter_mut().zip(&mean) {
                *x -= mean;
            }
        }
        let bias = biases.iter().sum::<f64>() / real(k);
        for x in biases {
            *x -= bias;
        }
        mean.push(bias);
        mean
    }

    fn solve_apart(&self, by: &mut [f64]) {
        let (rows, biases) = by.split_at_mut(self.classes.len() * self.dim);
        let rows = rows.par_chunks_exact_mut(self.dim).zip(biases);
        rows.zip(&self.classes)
            .for_each(|((row, bias), class)| class.solve(row, bias));
    }
}

/// The inverse curvature of one class.
struct Class {
    l2: f64,
    /// (drawn images, dim + 1): the roots of their curvature times features and [`ONE`].
    rows: Vec<f32>,
    dim: usize,
    factor: Cholesky,
}

impl Class {
    fn new(features: &Features<'_>, drawn: &[(usize, f64)], l2: f64) -> Option<Self> {
        let dim = features.dim() + 1;
        let mut rows = vec![0.0; drawn.len() * dim];
        rows.par_chunks_exact_mut(dim)
            .zip(drawn)
            .for_each(|(out, (image, curvature))| {
                features.read(*image, &mut out[..dim - 1]);
                out[dim - 1] = ONE;
                let root = narrow(curvature.sqrt());
                for x in out {
                    *x *= root;
                }
            });
        let of = |n: usize| &rows[n * dim..];
        let squares = (0..drawn.len()).map(|n| of(n)[..dim].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>());
        let whole = squares.sum::<f64>();
        let l2 = l2.max(LEAST * whole) + EVERYWHERE * whole / real(dim);
        let factor = Cholesky::of(Lines { data: &rows, dim }, l2)?;
        Some(Self { l2, rows, dim, factor })
    }

    fn solve(&self, row: &mut [f64], bias: &mut f64) {
        let one = f64::from(ONE);
        let mut by: Vec<f32> = row.iter().map(|g| narrow(*g)).collect();
        // As if the bias were the weight of a feature that is always ONE.
        by.push(narrow(*bias * one));
        let by = Lines {
            data: &by,
            dim: self.dim,
        };
        let mut seen = vec![0.0; self.rows.len() / self.dim];
        let blocks = self.rows.par_chunks(BLOCK * self.dim);
        blocks
            .zip(seen.par_chunks_mut(BLOCK))
            .for_each(|(data, out)| products(Lines { data, dim: self.dim }, by, out));
        self.factor.solve(&mut seen);
        let seen: Vec<f32> = seen.into_iter().map(narrow).collect();
        let mut back = vec![0.0; self.dim];
        for (data, by) in self.rows.chunks(BLOCK * self.dim).zip(seen.chunks(BLOCK)) {
            add_weighted(Lines { data, dim: self.dim }, by, &mut back);
        }
        for (g, back) in row.iter_mut().zip(&back) {
            *g = (*g - back) / self.l2;
        }
        *bias = (*bias * one - back[self.dim - 1]) / self.l2 * one;
    }
}

/// Which images stand for all, and the curvature each stands for. Those with the most stand for themselves; of the rest each
/// is drawn in proportion to its own, at even steps through their sum.
fn draw(curvature: &[f64], n_drawn: usize) -> Vec<(usize, f64)> {
    if curvature.len() <= n_drawn {
        return curvature.iter().copied().enumerate().collect();
    }
    let mut falling: Vec<f64> = curvature.to_vec();
    falling.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut rest: f64 = falling.iter().rev().sum();
    let mut whole = 0;
    // Whoever has more than a step's share is taken whole; without them the step is smaller.
    while whole < n_drawn && falling[whole] * real(n_drawn - whole) >= rest {
        rest -= falling[whole];
        whole += 1;
    }
    if whole == n_drawn || rest <= 0.0 {
        let mut order: Vec<usize> = (0..curvature.len()).collect();
        order.sort_by(|a, b| curvature[*b].total_cmp(&curvature[*a]));
        order.truncate(n_drawn);
        order.sort_unstable();
        return order.into_iter().map(|image| (image, curvature[image])).collect();
    }
    let least = whole.checked_sub(1).map_or(f64::INFINITY, |last| falling[last]);
    let step = rest / real(n_drawn - whole);
    let mut drawn = Vec::with_capacity(n_drawn + 1);
    let mut until = 0.5 * step;
    for (image, curvature) in curvature.iter().enumerate() {
        if *curvature >= least {
            drawn.push((image, *curvature));
            continue;
        }
        until -= curvature;
        if until < 0.0 {
            until += step;
            drawn.push((image, step));
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

    use super::*;
    use crate::head::cold::regularised;
    use crate::head::minimise::{Curvature, minimise};
    use crate::head::passes::Precision;
    use crate::head::{ColdInput, Matrix, Rows, Standard, fit_cold};

    const DIM: usize = NARROW + 7;

    fn features(n: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut next = || rng.next_u32() as f32 / u32::MAX as f32 - 0.5;
        (0..n)
            .flat_map(|_| {
                let shared = next();
                (0..DIM).map(|_| shared + next()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// `matrix · x = by` by elimination with pivots.
    fn eliminate(mut matrix: Vec<Vec<f64>>, mut by: Vec<f64>) -> Vec<f64> {
        let n = by.len();
        for at in 0..n {
            let pivot = (at..n)
                .max_by(|a, b| matrix[*a][at].abs().total_cmp(&matrix[*b][at].abs()))
                .unwrap();
            matrix.swap(at, pivot);
            by.swap(at, pivot);
            let row = matrix[at].clone();
            for below in at + 1..n {
                let times = matrix[below][at] / row[at];
                for (x, r) in matrix[below].iter_mut().zip(&row) {
                    *x -= times * r;
                }
                by[below] -= times * by[at];
            }
        }
        for at in (0..n).rev() {
            let known: f64 = (at + 1..n).map(|j| matrix[at][j] * by[j]).sum();
            by[at] = (by[at] - known) / matrix[at][at];
        }
        by
    }

    #[test]
    fn solves_what_elimination_solves() {
        let n = 3 * BLOCK + 9;
        let data = features(n);
        let index: Vec<usize> = (0..n).rev().collect();
        let rows = Rows {
            data: Matrix::Whole(&data),
            dim: DIM,
            index: &index,
        };
        let features = Features::new(rows, &Standard::of(&rows));
        let curvature: Vec<f64> = (0..2 * n).map(|i| real(1 + i % 5) / real(20 * n)).collect();
        let l2 = 1e-2;
        let preconditioner = Preconditioner::new(&features, &curvature, l2).unwrap();
        let by: Vec<f64> = (0..2 * (DIM + 1)).map(|i| real(i * 7 % 13) - 6.0).collect();
        let mut got = by.clone();
        preconditioner.solve(&mut got);
        for class in 0..2 {
            let mut hessian = vec![vec![0.0; DIM + 1]; DIM + 1];
            let mut x = vec![1.0; DIM + 1];
            let mut whole = 0.0;
            for image in 0..n {
                features.read(image, &mut x[..DIM]);
                let c = curvature[image * 2 + class];
                whole += c * (x[..DIM].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() + f64::from(ONE).powi(2));
                for (row, a) in hessian.iter_mut().zip(&x) {
                    for (h, b) in row.iter_mut().zip(&x) {
                        *h += c * f64::from(*a) * f64::from(*b);
                    }
                }
            }
            let l2 = l2 + EVERYWHERE * whole / real(DIM + 1);
            for (j, row) in hessian.iter_mut().enumerate() {
                row[j] += if j < DIM { l2 } else { l2 / f64::from(ONE).powi(2) };
            }
            let of = |all: &[f64]| -> Vec<f64> {
                let mut own = all[class * DIM..(class + 1) * DIM].to_vec();
                own.push(all[2 * DIM + class]);
                own
            };
            let expected = eliminate(hessian, of(&by));
            let largest = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            for (got, expected) in of(&got).iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-4 * largest, "{got} {expected}");
            }
        }
    }

    #[test]
    fn a_bent_descent_ends_where_a_plain_one_does_and_sooner() {
        let n = 700;
        let data = features(n);
        let index: Vec<usize> = (0..n).collect();
        let rows = Rows {
            data: Matrix::Whole(&data),
            dim: DIM,
            index: &index,
        };
        let features = Features::new(rows, &Standard::of(&rows));
        let l2 = 1e-3;
        // Two logits of their own, each says yes to every so manieth image.
        let yes = |image: usize, class: usize| if image.is_multiple_of(class + 2) { 1.0 } else { 0.0 };
        let p = |z: f64| 1.0 / (1.0 + (-z).exp());
        let objective = |point: &[f64], precision| {
            let (rows, biases) = point.split_at(2 * DIM);
            let loss = |image: usize, z: &mut [f64]| {
                let mut value = 0.0;
                for (class, z) in z.iter_mut().enumerate() {
                    value += (z.exp().ln_1p() - yes(image, class) * *z) / real(n);
                    *z = (p(*z) - yes(image, class)) / real(n);
                }
                value
            };
            Ok(regularised(features.pass(rows, biases, precision, &loss), rows, l2))
        };
        let curvature = |point: &[f64]| {
            let (rows, biases) = point.split_at(2 * DIM);
            let loss = |_: usize, z: &mut [f64]| {
                for z in z.iter_mut() {
                    *z = p(*z) * (1.0 - p(*z)) / real(n);
                }
                0.0
            };
            Preconditioner::new(&features, &features.by_logits(rows, biases, &loss), l2)
        };
        let start = vec![0.0; 2 * (DIM + 1)];
        let descend = |curvature: &Curvature<'_>| {
            minimise(&objective, curvature, start.clone(), 1e-7, Precision::Double, &|| true).unwrap()
        };
        let (plain, bent) = (descend(&|_| None), descend(&curvature));
        assert!(plain.converged && bent.converged, "{plain:?} {bent:?}");
        assert!(
            bent.n_iterations * 2 < plain.n_iterations,
            "{} {}",
            bent.n_iterations,
            plain.n_iterations
        );
        for (plain, bent) in plain.point.iter().zip(&bent.point) {
            // Each within the norm over the L2 weight of the minimum.
            assert!((plain - bent).abs() < 2e-4, "{plain} {bent}");
        }
    }

    #[test]
    fn what_a_softmax_does_not_see_is_bent_by_the_l2_weight_alone() {
        let n = 300;
        let data = features(n);
        let index: Vec<usize> = (0..n).collect();
        let rows = Rows {
            data: Matrix::Whole(&data),
            dim: DIM,
            index: &index,
        };
        let features = Features::new(rows, &Standard::of(&rows));
        let curvature: Vec<f64> = (0..3 * n).map(|i| real(1 + i % 7) / real(20 * n)).collect();
        let preconditioner = Preconditioner::new(&features, &curvature, 0.5).unwrap().of_softmax(0.5);
        let alike = |at: usize| real(at % 5) - 2.0;
        let mut by: Vec<f64> = (0..3 * DIM).map(|at| alike(at % DIM)).collect();
        by.extend([0.0; 3]);
        preconditioner.solve(&mut by);
        for (at, x) in by[..3 * DIM].iter().enumerate() {
            assert!((x - 2.0 * alike(at % DIM)).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn the_drawn_stand_for_all() {
        let curvature: Vec<f64> = (0..1_000)
            .map(|i| if i % 100 == 7 { 5.0 } else { 1e-3 * real(i % 10) })
            .collect();
        let drawn = draw(&curvature, 100);
        assert!((95..=101).contains(&drawn.len()), "{}", drawn.len());
        let kept = |image: usize| drawn.contains(&(image, 5.0));
        assert!((7..1_000).step_by(100).all(kept), "the largest stand for themselves");
        let (of_drawn, of_all): (f64, f64) = (drawn.iter().map(|(_, c)| c).sum(), curvature.iter().sum());
        assert!((of_drawn / of_all - 1.0).abs() < 1e-2, "{of_drawn} {of_all}");
        assert_eq!(draw(&[0.5, 0.0, 0.25], 3), [(0, 0.5), (1, 0.0), (2, 0.25)]);
        assert_eq!(draw(&[0.0, 1.0, 0.0], 2).len(), 2);
    }

    #[test]
    fn a_fit_has_the_same_bits_on_any_number_of_cores() {
        let n = 3 * 600;
        let mut data = features(n);
        let labels: Vec<usize> = (0..n).map(|image| image % 3).collect();
        for (row, label) in data.chunks_exact_mut(DIM).zip(&labels) {
            row[*label] += 0.8;
        }
        let index: Vec<usize> = (0..n).collect();
        let rows = Rows {
            data: Matrix::Whole(&data),
            dim: DIM,
            index: &index,
        };
        let fit = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let input = ColdInput {
                train: rows,
                train_labels: &labels,
                calibration: rows,
                calibration_labels: &labels,
                n_classes: 3,
                l2_grid: &[1e-2, 1e-4],
            };
            pool.install(|| fit_cold(&input, &|| true)).unwrap()
        };
        let (one, two) = (fit(1), fit(2));
        assert!(one.trials.iter().all(|trial| trial.converged), "{:?}", one.trials);
        assert_eq!(one.head, two.head);
    }
}
