//! A matrix product with the weights packed once, and bias, activation and residual in its store.

use super::{Isa, LANES, mul_add, relu6};
use crate::Activation;

/// Rows of a tile: with 16 columns, twelve accumulators of eight lanes stay in registers.
const ROWS: usize = 6;

/// A (k, n) matrix in panels of 16 columns, with its bias.
pub(crate) struct Packed {
    k: usize,
    n: usize,
    /// Panel by panel, (k, 16) each, missing columns zero.
    panels: Vec<f32>,
    /// Filled up with zeros to whole panels.
    bias: Vec<f32>,
    activation: Activation,
}

impl Packed {
    /// Pack `weight`, (n, k) row by row.
    pub(crate) fn new(k: usize, n: usize, weight: &[f32], bias: &[f32], activation: Activation) -> Self {
        let n_panels = n.div_ceil(LANES);
        let mut panels = vec![0.0; n_panels * k * LANES];
        for (column, row) in weight.chunks_exact(k).enumerate() {
            let panel = &mut panels[column / LANES * k * LANES..][..k * LANES];
            for (slot, value) in panel.chunks_exact_mut(LANES).zip(row) {
                slot[column % LANES] = *value;
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(n_panels * LANES, 0.0);
        Self {
            k,
            n,
            panels,
            bias,
            activation,
        }
    }

    /// Columns of the result.
    pub(crate) const fn n(&self) -> usize {
        self.n
    }
}

/// Where a product's rows go: `width` rows of n values behind one another, then on at the next multiple of `stride`.
pub(crate) struct Target<'a> {
    pub(crate) out: &'a mut [f32],
    /// Rows before the next line begins.
    pub(crate) width: usize,
    /// Values from line to line.
    pub(crate) stride: usize,
    /// Added after the activation; laid out as `out`.
    pub(crate) residual: Option<&'a [f32]>,
}

/// out = activation(a · b + bias) + residual, with a (m, k) row by row.
pub(crate) fn product(isa: Isa, m: usize, a: &[f32], b: &Packed, target: &mut Target<'_>) {
    match isa {
        Isa::Plain => rows::<false>(m, a, b, target),
        #[cfg(target_arch = "x86_64")]
        Isa::Fma => {
            #[expect(unsafe_code, reason = "a kernel for instructions that the baseline lacks")]
            // SAFETY: `Isa::Fma` is only made by `Isa::detect` where the machine has AVX2 and FMA.
            unsafe {
                rows_fma(m, a, b, target);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn rows_fma(m: usize, a: &[f32], b: &Packed, target: &mut Target<'_>) {
    rows::<true>(m, a, b, target);
}

#[inline(always)]
fn rows<const FUSED: bool>(m: usize, a: &[f32], b: &Packed, target: &mut Target<'_>) {
    let mut row = 0;
    while row + ROWS <= m {
        panels::<FUSED, ROWS>(row, a, b, target);
        row += ROWS;
    }
    match m - row {
        1 => panels::<FUSED, 1>(row, a, b, target),
        2 => panels::<FUSED, 2>(row, a, b, target),
        3 => panels::<FUSED, 3>(row, a, b, target),
        4 => panels::<FUSED, 4>(row, a, b, target),
        5 => panels::<FUSED, 5>(row, a, b, target),
        _ => {}
    }
}

#[inline(always)]
fn panels<const FUSED: bool, const R: usize>(first: usize, a: &[f32], b: &Packed, target: &mut Target<'_>) {
    let k = b.k;
    let lines: [&[f32]; R] = std::array::from_fn(|r| &a[(first + r) * k..][..k]);
    let places: [usize; R] = std::array::from_fn(|r| {
        let row = first + r;
        row / target.width * target.stride + row % target.width * b.n
    });
    let weights = b.panels.chunks_exact(k * LANES);
    let (biases, _) = b.bias.as_chunks::<LANES>();
    for (index, (panel, bias)) in weights.zip(biases).enumerate() {
        let sums = tile::<FUSED, R>(&lines, panel);
        let column = index * LANES;
        let width = LANES.min(b.n - column);
        for r in 0..R {
            let mut values = sums[r];
            for j in 0..LANES {
                values[j] += bias[j];
            }
            if b.activation == Activation::Relu6 {
                values = values.map(relu6);
            }
            let place = places[r] + column;
            if let Some(residual) = target.residual {
                for (value, x) in values.iter_mut().zip(&residual[place..place + width]) {
                    *value += x;
                }
            }
            if let Some(full) = target.out[place..place + width].as_mut_array::<LANES>() {
                *full = values;
            } else {
                target.out[place..place + width].copy_from_slice(&values[..width]);
            }
        }
    }
}

/// R rows by 16 columns, summed over k in order.
#[inline(always)]
fn tile<const FUSED: bool, const R: usize>(lines: &[&[f32]; R], panel: &[f32]) -> [[f32; LANES]; R] {
    let mut sums = [[0.0_f32; LANES]; R];
    let (steps, _) = panel.as_chunks::<LANES>();
    for (p, step) in steps.iter().enumerate() {
        for r in 0..R {
            let x = lines[r][p];
            for j in 0..LANES {
                sums[r][j] = mul_add::<FUSED>(x, step[j], sums[r][j]);
            }
        }
    }
    sums
}
