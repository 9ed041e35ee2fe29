//! The one way features become logits.
//!
//! Sums run in f64, in fixed lanes (`lanes.rs`), so that an image's logits depend neither on which images stand beside it
//! nor on a machine's kernel: the product of two f32 is exact in f64, so it is all the same whether a machine fuses it with
//! the sum.

use rayon::prelude::*;

use crate::head::HeadError;
use crate::head::lanes::{Lines, products};
use crate::head::rows::Rows;

/// Rows that are multiplied at once: few, so that they stay in a core's cache.
const BLOCK: usize = 16;
/// Rows of a core's share.
const SHARE: usize = 512;

/// Logits, (rows, classes), row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// Columns.
    pub n_classes: usize,
    /// All values.
    pub data: Vec<f64>,
}

impl Logits {
    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.data.chunks_exact(self.n_classes)
    }

    /// One image's.
    #[must_use]
    pub fn row(&self, idx: usize) -> &[f64] {
        &self.data[idx * self.n_classes..(idx + 1) * self.n_classes]
    }

    /// Rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.data.len() / self.n_classes
    }

    /// No rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

/// `features · weightᵀ + bias`, weight (classes, dim).
///
/// # Errors
/// The features are not `dim` wide.
pub fn logits(features: &Rows<'_>, dim: usize, weight: &[f32], bias: &[f32]) -> Result<Logits, HeadError> {
    if features.dim != dim {
        return Err(HeadError::Dim {
            expected: dim,
            got: features.dim,
        });
    }
    let n_classes = bias.len();
    let mut data = vec![0.0; features.len() * n_classes];
    if n_classes == 0 {
        return Ok(Logits { n_classes, data });
    }
    let weight: Vec<f64> = weight.iter().copied().map(f64::from).collect();
    let weight = Lines { data: &weight, dim };
    let scratch = || (vec![0.0; dim], vec![0.0; BLOCK * dim]);
    let share = |(row, block): &mut (Vec<f32>, Vec<f64>), (number, out): (usize, &mut [f64])| {
        for (step, out) in out.chunks_mut(BLOCK * n_classes).enumerate() {
            let n = out.len() / n_classes;
            for (at, wide) in block.chunks_exact_mut(dim).take(n).enumerate() {
                features.read(number * SHARE + step * BLOCK + at, row);
                for (wide, x) in wide.iter_mut().zip(&*row) {
                    *wide = f64::from(*x);
                }
            }
            let x = Lines {
                data: &block[..n * dim],
                dim,
            };
            products(x, weight, out);
            for z in out.chunks_exact_mut(n_classes) {
                for (z, b) in z.iter_mut().zip(bias) {
                    *z += f64::from(*b);
                }
            }
        }
    };
    let shares = data.par_chunks_mut(SHARE * n_classes).enumerate();
    shares.for_each_init(scratch, share);
    Ok(Logits { n_classes, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Matrix;

    fn matrix(n: usize, dim: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        std::iter::repeat_with(next).take(n * dim).collect()
    }

    #[test]
    fn equals_the_dot_product() {
        let (dim, k) = (37, 3);
        let (data, weight, bias) = (matrix(50, dim, 1), matrix(k, dim, 2), matrix(1, k, 3));
        let index: Vec<usize> = (0..50).rev().collect();
        let rows = Rows {
            data: Matrix::Whole(&data),
            dim,
            index: &index,
        };
        let got = logits(&rows, dim, &weight, &bias).unwrap();
        let mut x = vec![0.0; dim];
        for (at, z) in got.iter().enumerate() {
            rows.read(at, &mut x);
            for class in 0..k {
                let w = &weight[class * dim..(class + 1) * dim];
                let dot: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                assert!((z[class] - dot - f64::from(bias[class])).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn an_image_has_the_same_bits_in_any_company() {
        let (dim, k) = (64, 5);
        let n = 4 * SHARE + 77;
        let (data, weight, bias) = (matrix(n, dim, 1), matrix(k, dim, 2), matrix(1, k, 3));
        let all: Vec<usize> = (0..n).collect();
        let whole = logits(
            &Rows {
                data: Matrix::Whole(&data),
                dim,
                index: &all,
            },
            dim,
            &weight,
            &bias,
        )
        .unwrap();
        let some = [2_100_usize, 3, 2_047, 17];
        let few = logits(
            &Rows {
                data: Matrix::Whole(&data),
                dim,
                index: &some,
            },
            dim,
            &weight,
            &bias,
        )
        .unwrap();
        for (i, row) in some.iter().enumerate() {
            let bits = |z: &[f64]| z.iter().map(|z| z.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(few.row(i)), bits(whole.row(*row)));
        }
    }

    #[test]
    fn a_wrong_width_is_named() {
        let rows = Rows {
            data: Matrix::Whole(&[0.0; 6]),
            dim: 3,
            index: &[0, 1],
        };
        let error = logits(&rows, 4, &[0.0; 4], &[0.0]).unwrap_err();
        assert_eq!(error.to_string(), "features have 3 numbers a row, the head expects 4");
    }
}
