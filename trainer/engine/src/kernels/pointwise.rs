//! A matrix product with the weights packed once, and bias, activation and residual in its store.

#![expect(
    clippy::needless_range_loop,
    reason = "an index walks several register arrays at once, of constant length"
)]
#![expect(
    unsafe_code,
    reason = "the kernel's loads and stores, behind one assertion of lengths"
)]

use super::lanes::Lanes;
use super::{GROUP, Isa};
use crate::Activation;

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

impl Packed {
    /// Turns the lowest bit of a channel's bias over.
    #[cfg(test)]
    pub(crate) fn flip_bias_bit(&mut self, channel: usize) {
        self.bias[channel] = f32::from_bits(self.bias[channel].to_bits() ^ 1);
    }

    /// Every number, as it lies in memory.
    pub(crate) fn numbers(&self) -> [&[f32]; 2] {
        [&self.panels, &self.bias]
    }

    /// Pack `weight`, (n, k) row by row.
    pub(crate) fn new(k: usize, n: usize, weight: &[f32], bias: &[f32], activation: Activation) -> Self {
        let n_panels = n.div_ceil(GROUP);
        let mut panels = vec![0.0; n_panels * k * GROUP];
        for (column, row) in weight.chunks_exact(k).enumerate() {
            let panel = &mut panels[column / GROUP * k * GROUP..][..k * GROUP];
            for (slot, value) in panel.chunks_exact_mut(GROUP).zip(row) {
                slot[column % GROUP] = *value;
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(n_panels * GROUP, 0.0);
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

    /// out = activation(a · self + bias) + residual, with `a` (m, k) row by row.
    pub(crate) fn product(&self, isa: Isa, m: usize, a: &[f32], target: &mut Target<'_>) {
        if m == 0 {
            return;
        }
        // Everything that the kernels read or write lies inside these.
        assert!(a.len() >= m * self.k, "a product reads {m} rows of {}", self.k);
        assert!(
            m <= target.width || target.stride >= target.width * self.n,
            "lines do not overlap"
        );
        let last = m - 1;
        let end = last / target.width * target.stride + (last % target.width + 1) * self.n;
        assert!(target.out.len() >= end, "a product writes {m} rows of {}", self.n);
        assert!(
            target.residual.is_none_or(|residual| residual.len() >= end),
            "a residual is as long as its result"
        );
        assert!(
            self.panels.len() == self.bias.len() * self.k,
            "panels and bias have the same columns"
        );
        // SAFETY: the lengths were asserted, and `Isa::available` names only what the machine has.
        unsafe {
            match isa {
                Isa::Plain => self.rows::<[f32; 8], 2, 4>(m, a, target),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => self.rows_avx2(m, a, target),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => self.rows_avx512(m, a, target),
            }
        }
    }

    /// Six rows by two registers: twelve of sixteen registers hold sums.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn rows_avx2(&self, m: usize, a: &[f32], target: &mut Target<'_>) {
        // SAFETY: the machine has AVX2 and FMA, and `product` asserted the lengths.
        unsafe { self.rows::<std::arch::x86_64::__m256, 2, 6>(m, a, target) }
    }

    /// Fourteen rows by one register, so that a row of 14 positions is one tile.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn rows_avx512(&self, m: usize, a: &[f32], target: &mut Target<'_>) {
        // SAFETY: the machine has AVX-512, and `product` asserted the lengths.
        unsafe { self.rows::<std::arch::x86_64::__m512, 1, 14>(m, a, target) }
    }

    /// Tiles of R rows, then smaller ones.
    ///
    /// # Safety
    /// As [`Self::tile`], for all m rows.
    #[inline(always)]
    unsafe fn rows<V: Lanes, const W: usize, const R: usize>(&self, m: usize, a: &[f32], target: &mut Target<'_>) {
        let mut at = Place { line: 0, x: 0 };
        let mut row = 0;
        // SAFETY: rows below m, as the caller vouches.
        unsafe {
            while row + R <= m {
                self.tile::<V, W, R>(row, a, &mut at, target);
                row += R;
            }
            while row + 4 <= m {
                self.tile::<V, W, 4>(row, a, &mut at, target);
                row += 4;
            }
            while row < m {
                self.tile::<V, W, 1>(row, a, &mut at, target);
                row += 1;
            }
        }
    }

    /// Rows `first..first + R`, all columns.
    ///
    /// # Safety
    /// `a` holds these rows, `target.out` (and the residual) their places; the machine has the instructions of `V`; W
    /// registers of `V` are a panel's width.
    #[inline(always)]
    unsafe fn tile<V: Lanes, const W: usize, const R: usize>(
        &self,
        first: usize,
        a: &[f32],
        at: &mut Place,
        target: &mut Target<'_>,
    ) {
        const { assert!(V::N * W == GROUP) };
        let k = self.k;
        let mut places = [0; R];
        for place in &mut places {
            *place = at.line + at.x * self.n;
            at.x += 1;
            if at.x == target.width {
                *at = Place {
                    line: at.line + target.stride,
                    x: 0,
                };
            }
        }
        let out = target.out.as_mut_ptr();
        let residual = target.residual.map(<[f32]>::as_ptr);
        let relu6 = self.activation == Activation::Relu6;
        let mut panel = self.panels.as_ptr();
        let mut column = 0;
        while column < self.n {
            // SAFETY: `product` asserted that rows, panels, bias, result and residual are as long as read here.
            unsafe {
                let rows = a.as_ptr().add(first * k);
                let mut sums = [[V::splat(0.0); W]; R];
                for p in 0..k {
                    let mut weights = [V::splat(0.0); W];
                    for w in 0..W {
                        weights[w] = V::load(panel.add(w * V::N));
                    }
                    for r in 0..R {
                        let x = V::splat(*rows.add(r * k + p));
                        for w in 0..W {
                            sums[r][w] = x.mul_add(weights[w], sums[r][w]);
                        }
                    }
                    panel = panel.add(GROUP);
                }
                for r in 0..R {
                    for w in 0..W {
                        let from = column + w * V::N;
                        let mut value = sums[r][w].add(V::load(self.bias.as_ptr().add(from)));
                        if relu6 {
                            value = value.relu6();
                        }
                        let place = places[r] + from;
                        if from + V::N <= self.n {
                            if let Some(residual) = residual {
                                value = value.add(V::load(residual.add(place)));
                            }
                            value.store(out.add(place));
                        } else if from < self.n {
                            let mut part = [0.0_f32; GROUP];
                            value.store(part.as_mut_ptr());
                            for i in 0..self.n - from {
                                let residual = residual.map_or(0.0, |residual| *residual.add(place + i));
                                *out.add(place + i) = part[i] + residual;
                            }
                        }
                    }
                }
            }
            column += GROUP;
        }
    }
}

/// Where the next row goes.
struct Place {
    /// Start of its line.
    line: usize,
    /// Rows before it in the line.
    x: usize,
}
