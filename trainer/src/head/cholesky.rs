//! The Cholesky factor of a matrix of products, `A Aᵀ + λ`.
//!
//! Panel by panel: stored in f32, sums over a panel in f32 lanes, sums over panels and all divisions in f64.

use rayon::prelude::*;

use crate::head::lanes::{Lines, products};
use crate::head::narrow;

/// Columns of a panel.
const PANEL: usize = 64;
/// Numbers of a row that are multiplied at once, so that the rows of a tile stay in a core's first cache.
const SLICE: usize = 256;

/// L, lower triangular, with `L Lᵀ = A Aᵀ + λ`.
pub(super) struct Cholesky {
    n: usize,
    /// Each (rows from its first column on, columns), row-major. The last one may be narrower.
    panels: Vec<Panel>,
}

struct Panel {
    first: usize,
    width: usize,
    data: Vec<f32>,
}

impl Cholesky {
    /// None where rounding leaves the matrix not positive.
    pub(super) fn of(a: Lines<'_, f32>, l2: f64) -> Option<Self> {
        let n = a.data.len() / a.dim;
        let mut panels: Vec<Panel> = Vec::with_capacity(n.div_ceil(PANEL));
        for first in (0..n).step_by(PANEL) {
            let width = PANEL.min(n - first);
            let mut sums = vec![0.0; (n - first) * width];
            let above = a.between(first, first + width);
            sums.par_chunks_mut(PANEL * width)
                .enumerate()
                .for_each(|(number, sums)| {
                    let from = first + number * PANEL;
                    let to = (from + PANEL).min(n);
                    block_products(a.between(from, to), above, sums);
                    let mut product = vec![0.0; sums.len()];
                    for panel in &panels {
                        products(panel.rows(from, to), panel.rows(first, first + width), &mut product);
                        for (sum, product) in sums.iter_mut().zip(&product) {
                            *sum -= product;
                        }
                    }
                });
            for (at, row) in sums.chunks_exact_mut(width).take(width).enumerate() {
                row[at] += l2;
            }
            let (top, below) = sums.split_at_mut(width * width);
            factor(top, width)?;
            let top = &*top;
            below
                .par_chunks_exact_mut(width)
                .for_each(|row| forward(top, width, row));
            panels.push(Panel {
                first,
                width,
                data: sums.into_iter().map(narrow).collect(),
            });
        }
        Some(Self { n, panels })
    }

    /// `L Lᵀ x = by`, x in the place of `by`.
    pub(super) fn solve(&self, by: &mut [f64]) {
        for panel in &self.panels {
            let (top, below) = panel.data.split_at(panel.width * panel.width);
            let (own, rest) = by[panel.first..].split_at_mut(panel.width);
            let top: Vec<f64> = top.iter().copied().map(f64::from).collect();
            forward(&top, panel.width, own);
            for (sum, row) in rest.iter_mut().zip(below.chunks_exact(panel.width)) {
                *sum -= dot(row, own);
            }
        }
        for panel in self.panels.iter().rev() {
            let (top, below) = panel.data.split_at(panel.width * panel.width);
            let (own, rest) = by[panel.first..self.n].split_at_mut(panel.width);
            for (by, row) in rest.iter().zip(below.chunks_exact(panel.width)) {
                subtract(own, *by, row);
            }
            for at in (0..panel.width).rev() {
                let row = &top[at * panel.width..];
                own[at] /= f64::from(row[at]);
                let (before, found) = own.split_at_mut(at);
                subtract(before, found[0], row);
            }
        }
    }
}

impl Panel {
    fn rows(&self, from: usize, to: usize) -> Lines<'_, f32> {
        Lines {
            data: &self.data[(from - self.first) * self.width..(to - self.first) * self.width],
            dim: self.width,
        }
    }
}

/// Every row of `a` times every row of `b`.
fn block_products(a: Lines<'_, f32>, b: Lines<'_, f32>, sums: &mut [f64]) {
    let mut product = vec![0.0; sums.len()];
    for from in (0..a.dim).step_by(SLICE) {
        let to = (from + SLICE).min(a.dim);
        let slice = |lines: Lines<'_, f32>| -> Vec<f32> {
            lines
                .data
                .chunks_exact(lines.dim)
                .flat_map(|row| &row[from..to])
                .copied()
                .collect()
        };
        let (a, b, dim) = (slice(a), slice(b), to - from);
        products(Lines { data: &a, dim }, Lines { data: &b, dim }, &mut product);
        for (sum, product) in sums.iter_mut().zip(&product) {
            *sum += product;
        }
    }
}

/// The factor of a small symmetric matrix, (width, width), in the place of its lower half.
fn factor(a: &mut [f64], width: usize) -> Option<()> {
    for at in 0..width {
        let (above, row) = a.split_at_mut(at * width);
        forward(above, width, &mut row[..at]);
        let rest = row[at] - row[..at].iter().map(|x| x * x).sum::<f64>();
        if rest.is_nan() || rest <= 0.0 {
            return None;
        }
        row[at] = rest.sqrt();
    }
    Some(())
}

/// `L x = by`, x in the place of `by`, as far as it reaches.
fn forward(l: &[f64], width: usize, by: &mut [f64]) {
    for at in 0..by.len() {
        let row = &l[at * width..=at * width + at];
        let (found, rest) = by.split_at_mut(at);
        let known: f64 = row.iter().zip(&*found).map(|(l, x)| l * x).sum();
        rest[0] = (rest[0] - known) / row[at];
    }
}

fn dot(row: &[f32], by: &[f64]) -> f64 {
    let ((row, row_rest), (by, by_rest)) = (row.as_chunks::<8>(), by.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (row, by) in row.iter().zip(by) {
        for ((sum, row), by) in lanes.iter_mut().zip(row).zip(by) {
            *sum += f64::from(*row) * by;
        }
    }
    let rest: f64 = row_rest.iter().zip(by_rest).map(|(row, by)| f64::from(*row) * by).sum();
    lanes.iter().sum::<f64>() + rest
}

fn subtract(from: &mut [f64], times: f64, row: &[f32]) {
    for (sum, row) in from.iter_mut().zip(row) {
        *sum -= times * f64::from(*row);
    }
}
