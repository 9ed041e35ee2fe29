//! One pass over standardised features: logits, whatever a loss makes of them, and the gradient by the weights.
//!
//! Features stand in f64, in blocks small enough to stay in the cache between the two products that a pass needs. Blocks
//! are shared between cores and their sums are added in the blocks' order, so the result does not depend on how many cores
//! there are.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::head::rows::Rows;
use crate::head::{HeadError, Standard};

const ROWS: usize = 64;

/// Standardised features.
pub(super) struct Features {
    blocks: Vec<Tensor>,
    dim: usize,
}

/// Value and gradients of a loss, summed over images.
pub(super) struct Pass {
    pub(super) value: f64,
    /// (classes, dim), row-major.
    pub(super) by_weight: Vec<f64>,
    /// One per class.
    pub(super) by_bias: Vec<f64>,
}

impl Features {
    pub(super) fn new(rows: &Rows<'_>, standard: &Standard) -> Result<Self, HeadError> {
        let block = |index: &[usize]| {
            let values = standard.apply(&Rows { index, ..*rows });
            Tensor::from_vec(values, (index.len(), rows.dim), &Device::Cpu)
        };
        let blocks = rows.index.par_chunks(ROWS).map(block).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { blocks, dim: rows.dim })
    }

    /// Logits of all images, (images, classes), row-major.
    pub(super) fn logits(&self, weight: &[f64], bias: &[f64]) -> Result<Vec<f64>, HeadError> {
        let weight = Tensor::from_slice(weight, (bias.len(), self.dim), &Device::Cpu)?;
        let blocks = self.blocks.par_iter().map(|block| logits(block, &weight, bias));
        Ok(blocks.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// `loss` gets the number of an image and its logits, leaves the loss's gradient by the logits in their place, and
    /// returns the loss.
    pub(super) fn pass(
        &self,
        weight: &[f64],
        bias: &[f64],
        loss: &(dyn Fn(usize, &mut [f64]) -> f64 + Sync),
    ) -> Result<Pass, HeadError> {
        let k = bias.len();
        let weight = Tensor::from_slice(weight, (k, self.dim), &Device::Cpu)?;
        let of_block = |(number, block): (usize, &Tensor)| -> Result<Pass, HeadError> {
            let mut values = logits(block, &weight, bias)?;
            let (mut value, mut by_bias) = (0.0, vec![0.0; k]);
            for (row, z) in values.chunks_exact_mut(k).enumerate() {
                value += loss(number * ROWS + row, z);
                for (sum, g) in by_bias.iter_mut().zip(z.iter()) {
                    *sum += g;
                }
            }
            let n_rows = values.len() / k;
            let by_logits = Tensor::from_vec(values, (n_rows, k), &Device::Cpu)?;
            let by_weight = by_logits.t()?.matmul(block)?.flatten_all()?.to_vec1()?;
            Ok(Pass {
                value,
                by_weight,
                by_bias,
            })
        };
        let blocks = self.blocks.par_iter().enumerate().map(of_block);
        let mut total = Pass {
            value: 0.0,
            by_weight: vec![0.0; k * self.dim],
            by_bias: vec![0.0; k],
        };
        for block in blocks.collect::<Result<Vec<_>, _>>()? {
            total.value += block.value;
            add(&mut total.by_weight, &block.by_weight);
            add(&mut total.by_bias, &block.by_bias);
        }
        Ok(total)
    }
}

fn logits(block: &Tensor, weight: &Tensor, bias: &[f64]) -> Result<Vec<f64>, HeadError> {
    let mut values = block.matmul(&weight.t()?)?.flatten_all()?.to_vec1::<f64>()?;
    for row in values.chunks_exact_mut(bias.len()) {
        add(row, bias);
    }
    Ok(values)
}

fn add(total: &mut [f64], more: &[f64]) {
    for (sum, value) in total.iter_mut().zip(more) {
        *sum += value;
    }
}
