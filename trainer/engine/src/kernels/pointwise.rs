//! A matrix product with the weights packed once, and bias, activation and residual in its store.

#![expect(
    unsafe_code,
    reason = "the kernel's loads and stores, behind one assertion of lengths"
)]

use std::ops::Range;

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
use super::lanes::neon::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::lanes::wasm::Simd128;
use super::lanes::{Lanes, bounds, stored, sweep};
use super::{GROUP, Isa, groups};
use crate::Activation;
use crate::arena::Arena;

/// Most rows of a tile: what AVX-512 has registers for, and a divisor of the usual maps' sides.
const MOST_ROWS: usize = 14;

/// A (k, n) matrix in panels of 16 columns, with its bias.
pub(crate) struct Packed {
    k: usize,
    n: usize,
    /// Panel by panel, (k, 16) each, missing columns zero.
    panels: Arena,
    /// Filled up with zeros to whole panels.
    bias: Arena,
    activation: Activation,
}

/// Where the left matrix lies: rows at a fixed distance, the k numbers of a row in parts at a fixed distance.
#[derive(Clone, Copy)]
pub(crate) struct Read<'a> {
    pub(crate) values: &'a [f32],
    /// The first number of the first row.
    pub(crate) from: usize,
    /// From a row to the next.
    pub(crate) row_step: usize,
    /// Numbers of a part; the last one may be shorter.
    pub(crate) part: usize,
    /// From a part to the next.
    pub(crate) part_step: usize,
}

/// Where the result goes: lines of `width` rows, each row 16 numbers of its panel.
pub(crate) struct Write<'a> {
    pub(crate) out: &'a mut [f32],
    /// The first row of the first panel.
    pub(crate) from: usize,
    /// Rows before the next line begins.
    pub(crate) width: usize,
    /// From line to line.
    pub(crate) line_step: usize,
    /// From panel to panel.
    pub(crate) panel_step: usize,
    /// Added to a product without activation; laid out as `out`.
    pub(crate) residual: Option<&'a [f32]>,
}

impl<'a> Read<'a> {
    /// Positions from `from` on of a map of groups of 16 channels, `positions` positions each.
    pub(crate) const fn map(values: &'a [f32], from: usize, positions: usize) -> Self {
        Self {
            values,
            from,
            row_step: GROUP,
            part: GROUP,
            part_step: positions * GROUP,
        }
    }
}

impl<'a> Write<'a> {
    /// A whole map of `positions` positions a group, or `m` of them from one on.
    pub(crate) const fn map(
        out: &'a mut [f32],
        from: usize,
        m: usize,
        positions: usize,
        residual: Option<&'a [f32]>,
    ) -> Self {
        Self {
            out,
            from,
            width: m,
            line_step: 0,
            panel_step: positions * GROUP,
            residual,
        }
    }
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
        let n_panels = groups(n);
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
            panels: Arena::holding(&panels),
            bias: Arena::holding(&bias),
            activation,
        }
    }

    /// Columns of the result.
    pub(crate) const fn n(&self) -> usize {
        self.n
    }

    /// Panels of 16 columns.
    pub(crate) const fn n_panels(&self) -> usize {
        groups(self.n)
    }

    /// out = activation(a · self + bias), or that plus a residual, for these panels and m rows of `a`. What of a row's last 16 numbers is
    /// no column is left as it was or set to anything finite.
    pub(crate) fn product(&self, isa: Isa, panels: Range<usize>, m: usize, a: &Read<'_>, to: &mut Write<'_>) {
        if m == 0 || panels.is_empty() || self.k == 0 {
            return;
        }
        self.check(&panels, m, a, to);
        // SAFETY: the lengths were asserted, and `Isa::available` names only what the machine has.
        unsafe {
            match isa {
                Isa::Plain => self.panels::<[f32; 8], [f32; 8], 2, 4, 2, 4>(panels.clone(), m, a, to),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => self.panels_avx2(panels.clone(), m, a, to),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => self.panels_avx512(panels.clone(), m, a, to),
                // Six rows by four registers: 24 of 32 hold sums.
                #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
                Isa::Neon => self.panels::<Neon, Neon, 2, 6, 4, 12>(panels.clone(), m, a, to),
                #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
                Isa::Simd128 => self.panels::<Simd128, Simd128, 2, 2, 1, 4>(panels.clone(), m, a, to),
            }
        }
        if bounds(self.activation).is_none() {
            let first = panels.start;
            for panel in panels {
                let mut done = 0;
                while done < m {
                    let rows = to.width.min(m - done);
                    let place = to.from + (panel - first) * to.panel_step + done / to.width * to.line_step;
                    sweep(isa, self.activation, &mut to.out[place..][..rows * GROUP]);
                    done += rows;
                }
            }
        }
    }

    /// Everything that the kernels read or write lies inside their slices.
    fn check(&self, panels: &Range<usize>, m: usize, a: &Read<'_>, to: &Write<'_>) {
        assert!(a.part > 0 && to.width > 0, "a part and a line have a length");
        let (last_row, last_part) = (m - 1, (self.k - 1) / a.part);
        let read = a.from + last_row * a.row_step + last_part * a.part_step + (self.k - last_part * a.part);
        assert!(a.values.len() >= read, "a product reads {m} rows of {}", self.k);
        assert!(
            m <= to.width || to.line_step >= to.width * GROUP,
            "lines do not overlap"
        );
        assert!(panels.end <= self.n_panels(), "there are as many panels");
        let end = to.from
            + (panels.len() - 1) * to.panel_step
            + last_row / to.width * to.line_step
            + (last_row % to.width + 1) * GROUP;
        assert!(to.out.len() >= end, "a product writes {m} rows of {}", self.n);
        assert!(
            to.residual.is_none_or(|residual| residual.len() >= end),
            "a residual is as long as its result"
        );
        assert!(
            to.residual.is_none() || self.activation == Activation::Linear,
            "a residual is added to what has no activation"
        );
        assert!(
            self.panels.len() == self.bias.len() * self.k && self.bias.len() == self.n_panels() * GROUP,
            "panels and bias have the same columns"
        );
    }

    /// Six rows by two registers: twelve of sixteen registers hold sums.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn panels_avx2(&self, panels: Range<usize>, m: usize, a: &Read<'_>, to: &mut Write<'_>) {
        use std::arch::x86_64::__m256;
        // SAFETY: the machine has AVX2 and FMA, and `product` asserted the lengths.
        unsafe { self.panels::<__m256, __m256, 2, 6, 4, 12>(panels, m, a, to) }
    }

    /// Fourteen rows by one register: enough sums under way, and a row of 14 positions is one tile.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,fma")]
    fn panels_avx512(&self, panels: Range<usize>, m: usize, a: &Read<'_>, to: &mut Write<'_>) {
        use std::arch::x86_64::{__m256, __m512};
        // SAFETY: the machine has AVX-512, and `product` asserted the lengths.
        unsafe { self.panels::<__m512, __m256, 1, 14, 7, 14>(panels, m, a, to) }
    }

    /// Panels of W registers of `V`, R rows at a time and M of what is left; one of at most 8 columns is a register of `H`, T
    /// rows at a time.
    ///
    /// # Safety
    /// As [`Self::check`] asserts; the machine has the instructions of `V` and `H`.
    #[inline(always)]
    unsafe fn panels<V: Lanes, H: Lanes, const W: usize, const R: usize, const M: usize, const T: usize>(
        &self,
        panels: Range<usize>,
        m: usize,
        a: &Read<'_>,
        to: &mut Write<'_>,
    ) {
        const { assert!(V::N * W == GROUP && H::N == GROUP / 2) };
        for (slot, panel) in panels.enumerate() {
            let at = Panel {
                panel,
                place: to.from + slot * to.panel_step,
            };
            // SAFETY: passed on.
            unsafe {
                if self.n - panel * GROUP <= H::N {
                    self.steps::<H, 1, T, M>(at, m, a, to);
                } else {
                    self.steps::<V, W, R, M>(at, m, a, to);
                }
            }
        }
    }

    /// The distance of rows is a constant in a map, so that it needs no register.
    ///
    /// # Safety
    /// As [`Self::panels`].
    #[inline(always)]
    unsafe fn steps<V: Lanes, const W: usize, const R: usize, const M: usize>(
        &self,
        at: Panel,
        m: usize,
        a: &Read<'_>,
        to: &mut Write<'_>,
    ) {
        // SAFETY: passed on.
        unsafe {
            match a.row_step {
                GROUP => self.rows::<V, W, R, M>(at, m, a, GROUP, to),
                step => self.rows::<V, W, R, M>(at, m, a, step, to),
            }
        }
    }

    /// Tiles of R rows, then of M, then of one.
    ///
    /// # Safety
    /// As [`Self::panels`].
    #[inline(always)]
    unsafe fn rows<V: Lanes, const W: usize, const R: usize, const M: usize>(
        &self,
        at: Panel,
        m: usize,
        a: &Read<'_>,
        step: usize,
        to: &mut Write<'_>,
    ) {
        let mut row = 0;
        // SAFETY: rows below m, as the caller vouches.
        unsafe {
            while row + R <= m {
                self.tile::<V, W, R>(at, row, a, step, to);
                row += R;
            }
            while row + M <= m {
                self.tile::<V, W, M>(at, row, a, step, to);
                row += M;
            }
            while row < m {
                self.tile::<V, W, 1>(at, row, a, step, to);
                row += 1;
            }
        }
    }

    /// Rows `first..first + R` of a panel.
    ///
    /// # Safety
    /// As [`Self::panels`]; the rows are below m.
    #[inline(always)]
    unsafe fn tile<V: Lanes, const W: usize, const R: usize>(
        &self,
        at: Panel,
        first: usize,
        a: &Read<'_>,
        step: usize,
        to: &mut Write<'_>,
    ) {
        const { assert!(R <= MOST_ROWS && W <= 4) };
        let mut places = [0; R];
        let (line, mut x) = (first / to.width, first % to.width);
        let mut line = at.place + line * to.line_step;
        for place in &mut places {
            *place = line + x * GROUP;
            x += 1;
            if x == to.width {
                (line, x) = (line + to.line_step, 0);
            }
        }
        // SAFETY: `check` asserted that rows, panels, bias, result and residual are as long as read here.
        unsafe {
            let bias = self.bias.as_ptr().add(at.panel * GROUP);
            let mut weights = self.panels.as_ptr().add(at.panel * self.k * GROUP);
            let mut sums = [[V::splat(0.0); W]; R];
            each!(COL in [0 1 2 3] { if COL < W {
                let start = V::load(bias.add(COL * V::N));
                each!(ROW in [0 1 2 3 4 5 6 7 8 9 10 11 12 13] { if ROW < R {
                    sums[ROW][COL] = start;
                }});
            }});
            let mut rows = a.values.as_ptr().add(a.from + first * step);
            let mut left = self.k;
            loop {
                let part = left.min(a.part);
                for p in 0..part {
                    let x = rows.add(p);
                    let mut taps = [V::splat(0.0); W];
                    each!(COL in [0 1 2 3] { if COL < W {
                        taps[COL] = V::load(weights.add(COL * V::N));
                    }});
                    each!(ROW in [0 1 2 3 4 5 6 7 8 9 10 11 12 13] { if ROW < R {
                        let x = V::splat(*x.add(ROW * step));
                        each!(COL in [0 1 2 3] { if COL < W {
                            sums[ROW][COL] = x.mul_add(taps[COL], sums[ROW][COL]);
                        }});
                    }});
                    weights = weights.add(GROUP);
                }
                left -= part;
                if left == 0 {
                    break;
                }
                rows = rows.add(a.part_step);
            }
            let out = to.out.as_mut_ptr();
            let (low, high) = stored(self.activation);
            let (low, high) = (V::splat(low), V::splat(high));
            match to.residual.map(<[f32]>::as_ptr) {
                None => each!(ROW in [0 1 2 3 4 5 6 7 8 9 10 11 12 13] { if ROW < R {
                    each!(COL in [0 1 2 3] { if COL < W {
                        let value = sums[ROW][COL].max(low).min(high);
                        value.store(out.add(places[ROW] + COL * V::N));
                    }});
                }}),
                Some(residual) => each!(ROW in [0 1 2 3 4 5 6 7 8 9 10 11 12 13] { if ROW < R {
                    each!(COL in [0 1 2 3] { if COL < W {
                        let place = places[ROW] + COL * V::N;
                        sums[ROW][COL].add(V::load(residual.add(place))).store(out.add(place));
                    }});
                }}),
            }
        }
    }
}

/// A panel, and where its first row goes.
#[derive(Clone, Copy)]
struct Panel {
    panel: usize,
    place: usize,
}
