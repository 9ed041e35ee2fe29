//! One pass over standardised features: logits, whatever a loss makes of them, and the gradient by the weights.
//!
//! Features stay where they lie. A pass reads them in blocks small enough to stay in the cache between the two products
//! that it needs, and standardises a block as it is read. Some blocks make a share; shares are spread over cores and their
//! sums are added in the shares' order, so the result does not depend on how many cores there are.

use rayon::prelude::*;

use crate::head::lanes::{Lines, Number, add_weighted, products, standardise};
use crate::head::rows::Rows;
use crate::head::{Standard, narrow};

/// Rows of a block. Sums in f32 are no longer than this.
const BLOCK: usize = 64;
/// Rows of a share.
const SHARE: usize = 512;
/// Up to so many features a pass runs in f64: it costs nothing, and the smallest problems are the least forgiving.
const FEW: usize = 1 << 20;

/// Standardised features.
pub(super) struct Features<'a> {
    rows: Rows<'a>,
    mean: Vec<f32>,
    scale: Vec<f64>,
}

/// What a pass multiplies in. Logits, losses and sums over blocks are f64 in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Single,
    Double,
}

/// Value and gradients of a loss, summed over images.
pub(super) struct Pass {
    pub(super) value: f64,
    /// (classes, dim), row-major.
    pub(super) by_weight: Vec<f64>,
    /// One per class.
    pub(super) by_bias: Vec<f64>,
}

/// Gets the number of an image and its logits, leaves the loss's gradient by the logits in their place, and returns the
/// loss.
pub(super) type Loss<'a> = dyn Fn(usize, &mut [f64]) -> f64 + Sync + 'a;

impl<'a> Features<'a> {
    pub(super) fn new(rows: Rows<'a>, standard: &Standard) -> Self {
        Self {
            rows,
            mean: standard.mean.clone(),
            scale: standard.std.iter().map(|std| 1.0 / f64::from(*std)).collect(),
        }
    }

    /// Numbers per image.
    pub(super) const fn dim(&self) -> usize {
        self.rows.dim
    }

    /// Images.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// The features of one image, standardised.
    pub(super) fn read(&self, image: usize, out: &mut [f32]) {
        self.rows.read(image, out);
        for ((x, mean), scale) in out.iter_mut().zip(&self.mean).zip(&self.scale) {
            *x = (*x - mean) * narrow(*scale);
        }
    }

    /// What `loss` leaves in the place of every image's logits: (images, classes), row-major.
    pub(super) fn by_logits(&self, weight: &[f64], bias: &[f64], loss: &Loss<'_>) -> Vec<f64> {
        let k = bias.len();
        let shares = self.shares(
            weight,
            bias,
            |first: usize, _: Lines<'_, f32>, z: &mut [f64], out: &mut Vec<f64>| {
                for (row, z) in z.chunks_exact_mut(k).enumerate() {
                    loss(first + row, z);
                }
                out.extend_from_slice(z);
            },
        );
        shares.concat()
    }

    /// What a pass may begin in.
    pub(super) const fn precision(&self) -> Precision {
        if self.rows.len() * self.rows.dim <= FEW {
            Precision::Double
        } else {
            Precision::Single
        }
    }

    /// Logits of all images in f64, (images, classes), row-major.
    pub(super) fn logits(&self, weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let shares = self.shares(
            weight,
            bias,
            |_: usize, _: Lines<'_, f64>, z: &mut [f64], out: &mut Vec<f64>| {
                out.extend_from_slice(z);
            },
        );
        shares.concat()
    }

    /// Value and gradient of the sum of `loss` over all images.
    pub(super) fn pass(&self, weight: &[f64], bias: &[f64], precision: Precision, loss: &Loss<'_>) -> Pass {
        match precision {
            Precision::Single => self.pass_in::<f32>(weight, bias, loss),
            Precision::Double => self.pass_in::<f64>(weight, bias, loss),
        }
    }

    fn pass_in<T: Number>(&self, weight: &[f64], bias: &[f64], loss: &Loss<'_>) -> Pass {
        let k = bias.len();
        let empty = || Pass {
            value: 0.0,
            by_weight: vec![0.0; k * self.dim()],
            by_bias: vec![0.0; k],
        };
        let see = |first: usize, x: Lines<'_, T>, z: &mut [f64], sums: &mut Option<Pass>| {
            let sums = sums.get_or_insert_with(empty);
            for (row, z) in z.chunks_exact_mut(k).enumerate() {
                sums.value += loss(first + row, z);
                add(&mut sums.by_bias, z);
            }
            let by_logits: Vec<T> = z.iter().map(|z| T::of(*z)).collect();
            add_weighted(x, &by_logits, &mut sums.by_weight);
        };
        let mut total = empty();
        for share in self.shares(weight, bias, see).into_iter().flatten() {
            total.value += share.value;
            add(&mut total.by_weight, &share.by_weight);
            add(&mut total.by_bias, &share.by_bias);
        }
        total
    }

    /// What `see` makes of each share, in order. It gets the number of a block's first image, the block and its logits.
    fn shares<T: Number, S: Default + Send>(
        &self,
        weight: &[f64],
        bias: &[f64],
        see: impl Fn(usize, Lines<'_, T>, &mut [f64], &mut S) + Sync,
    ) -> Vec<S> {
        let (dim, k) = (self.dim(), bias.len());
        let weight: Vec<T> = weight.iter().map(|w| T::of(*w)).collect();
        let weight = Lines { data: &weight, dim };
        let scale: Vec<T> = self.scale.iter().map(|scale| T::of(*scale)).collect();
        let scratch = || (vec![0.0; dim], vec![T::default(); BLOCK * dim], vec![0.0; BLOCK * k]);
        let share = |(row, block, logits): &mut (Vec<f32>, Vec<T>, Vec<f64>), number: usize| {
            let mut seen = S::default();
            let end = ((number + 1) * SHARE).min(self.rows.len());
            for first in (number * SHARE..end).step_by(BLOCK) {
                let n = BLOCK.min(end - first);
                for (at, out) in block.chunks_exact_mut(dim).take(n).enumerate() {
                    self.rows.read(first + at, row);
                    standardise(row, &self.mean, &scale, out);
                }
                let x = Lines {
                    data: &block[..n * dim],
                    dim,
                };
                let z = &mut logits[..n * k];
                products(x, weight, z);
                for z in z.chunks_exact_mut(k) {
                    add(z, bias);
                }
                see(first, x, z, &mut seen);
            }
            seen
        };
        let n_shares = self.rows.len().div_ceil(SHARE);
        (0..n_shares).into_par_iter().map_init(scratch, share).collect()
    }
}

fn add(total: &mut [f64], more: &[f64]) {
    for (sum, value) in total.iter_mut().zip(more) {
        *sum += value;
    }
}
