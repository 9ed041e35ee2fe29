//! The one way features become logits.
//!
//! Blocks always have [`BLOCK_ROWS`] rows, the last one filled up with zeros, so that an image's logits do not depend on
//! which images stand beside it: the shape of a product decides the order its sums run in. Sums run in f64, so that no
//! answer near a threshold depends on a machine's kernel either.

use candle_core::{Device, Tensor};

use crate::head::HeadError;
use crate::head::rows::Rows;

/// Rows of one product.
pub const BLOCK_ROWS: usize = 4096;

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
    let wide: Vec<f64> = weight.iter().copied().map(f64::from).collect();
    let weight = Tensor::from_vec(wide, (n_classes, dim), &Device::Cpu)?.t()?;
    let mut data = Vec::with_capacity(features.len() * n_classes);
    for index in features.index.chunks(BLOCK_ROWS) {
        let block = Rows { index, ..*features };
        let mut values = Vec::with_capacity(BLOCK_ROWS * dim);
        block.for_each(|row| values.extend(row.iter().copied().map(f64::from)));
        values.resize(BLOCK_ROWS * dim, 0.0);
        let block = Tensor::from_vec(values, (BLOCK_ROWS, dim), &Device::Cpu)?;
        let product = block.matmul(&weight)?.flatten_all()?.to_vec1::<f64>()?;
        let rows = product.chunks_exact(n_classes).take(index.len());
        data.extend(rows.flat_map(|row| row.iter().zip(bias).map(|(z, b)| z + f64::from(*b))));
    }
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
        let n = BLOCK_ROWS + 77;
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
        let some = [4_100_usize, 3, 4_095, 17];
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
