//! Depthwise convolution of a group of 16 channels: input rows are already padded, so no position is special.

#![expect(
    unsafe_code,
    reason = "the kernel's loads and stores, behind one assertion of lengths"
)]

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
use super::lanes::neon::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::lanes::wasm::Simd128;
use super::lanes::{Lanes, bounds, stored, sweep};
use super::{GROUP, Isa, groups};
use crate::Activation;
use crate::arena::Arena;

/// A depthwise layer's numbers.
pub(crate) struct Depthwise {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) channels: usize,
    /// Channels filled up to whole groups: (groups, kernel, kernel, 16).
    weight: Arena,
    /// (groups, 16).
    bias: Arena,
    activation: Activation,
}

/// Some rows of one group: (row, position, 16), the input's with their padding.
pub(crate) struct Rows<'a> {
    /// The first input row that the first output row reads.
    pub(crate) input: &'a [f32],
    /// From an input row to the next.
    pub(crate) row_len: usize,
    /// Positions of an output row.
    pub(crate) width: usize,
    /// Output rows, one behind the other.
    pub(crate) out: &'a mut [f32],
}

impl Depthwise {
    /// Every number, as it lies in memory.
    pub(crate) fn numbers(&self) -> [&[f32]; 2] {
        [&self.weight, &self.bias]
    }

    /// From `weight`, (channels, 1, kernel, kernel).
    pub(crate) fn new(kernel: usize, stride: usize, weight: &[f32], bias: &[f32], activation: Activation) -> Self {
        let (channels, taps) = (bias.len(), kernel * kernel);
        let n_groups = groups(channels);
        let mut grouped = vec![0.0; n_groups * taps * GROUP];
        for (channel, kernel) in weight.chunks_exact(taps).enumerate() {
            let group = &mut grouped[channel / GROUP * taps * GROUP..][..taps * GROUP];
            for (slot, value) in group.chunks_exact_mut(GROUP).zip(kernel) {
                slot[channel % GROUP] = *value;
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(n_groups * GROUP, 0.0);
        Self {
            kernel,
            stride,
            channels,
            weight: Arena::holding(&grouped),
            bias: Arena::holding(&bias),
            activation,
        }
    }

    /// Groups of 16 channels.
    pub(crate) const fn n_groups(&self) -> usize {
        groups(self.channels)
    }

    /// All rows of `rows.out` of this group.
    pub(crate) fn rows(&self, isa: Isa, group: usize, rows: &mut Rows<'_>) {
        let line = rows.width * GROUP;
        if line == 0 || rows.out.is_empty() {
            return;
        }
        // Everything that the kernels read or write lies inside these.
        assert!(rows.out.len().is_multiple_of(line), "output rows are whole");
        assert!(group < self.n_groups(), "there are as many groups");
        let n_rows = rows.out.len() / line;
        let reach = ((rows.width - 1) * self.stride + self.kernel) * GROUP;
        assert!(
            rows.row_len >= reach,
            "{} positions read {reach} values of a row of {}",
            rows.width,
            rows.row_len
        );
        let last = (n_rows - 1) * self.stride + self.kernel - 1;
        assert!(
            rows.input.len() >= last * rows.row_len + reach,
            "a kernel of {} reads {} rows",
            self.kernel,
            last + 1
        );
        assert!(
            self.weight.len() == self.bias.len() * self.kernel * self.kernel,
            "weights and bias fit"
        );
        assert!(self.bias.len() == self.n_groups() * GROUP, "every channel has a bias");
        // SAFETY: the lengths were asserted, and `Isa::available` names only what the machine has.
        unsafe {
            match isa {
                Isa::Plain => self.registers::<[f32; 8], 4, 2>(group, rows),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => self.registers_avx2(group, rows),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => self.registers_avx512(group, rows),
                #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
                Isa::Neon => self.registers::<Neon, 7, 4>(group, rows),
                #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
                Isa::Simd128 => self.registers::<Simd128, 4, 2>(group, rows),
            }
        }
        if bounds(self.activation).is_none() {
            sweep(isa, self.activation, rows.out);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn registers_avx2(&self, group: usize, rows: &mut Rows<'_>) {
        // SAFETY: the machine has AVX2 and FMA, and `rows` asserted the lengths.
        unsafe { self.registers::<std::arch::x86_64::__m256, 7, 4>(group, rows) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn registers_avx512(&self, group: usize, rows: &mut Rows<'_>) {
        // SAFETY: the machine has AVX-512, and `rows` asserted the lengths.
        unsafe { self.registers::<std::arch::x86_64::__m512, 14, 7>(group, rows) }
    }

    /// Register by register of the group, P positions at a time, then M, then one.
    ///
    /// # Safety
    /// As [`Self::rows`] asserts; the machine has the instructions of `V`, whose numbers divide a group.
    #[inline(always)]
    unsafe fn registers<V: Lanes, const P: usize, const M: usize>(&self, group: usize, rows: &mut Rows<'_>) {
        const { assert!(GROUP.is_multiple_of(V::N) && P <= 14) };
        let mut at = 0;
        while at < GROUP {
            // SAFETY: passed on.
            unsafe {
                match (self.kernel, self.stride) {
                    (3, 1) => self.sized::<V, 3, 1, P, M>(group, at, rows),
                    (3, 2) => self.sized::<V, 3, 2, P, M>(group, at, rows),
                    (5, 1) => self.sized::<V, 5, 1, P, M>(group, at, rows),
                    (5, 2) => self.sized::<V, 5, 2, P, M>(group, at, rows),
                    (7, 1) => self.sized::<V, 7, 1, P, M>(group, at, rows),
                    (7, 2) => self.sized::<V, 7, 2, P, M>(group, at, rows),
                    _ => self.any::<V>(group, at, rows),
                }
            }
            at += V::N;
        }
    }

    /// # Safety
    /// As [`Self::registers`]; K and S are this layer's kernel and stride, and the register begins `at` numbers into the
    /// group.
    #[inline(always)]
    unsafe fn sized<V: Lanes, const K: usize, const S: usize, const P: usize, const M: usize>(
        &self,
        group: usize,
        at: usize,
        rows: &mut Rows<'_>,
    ) {
        let (width, row_len) = (rows.width, rows.row_len);
        for (y, out) in rows.out.chunks_exact_mut(width * GROUP).enumerate() {
            let mut x = 0;
            // SAFETY: positions below `width` of rows that `rows` asserted to be there.
            unsafe {
                let input = rows.input.as_ptr().add(y * S * row_len + at);
                let out = out.as_mut_ptr().add(at);
                while x + P <= width {
                    self.positions::<V, K, S, P>(group, at, input, row_len, out, x);
                    x += P;
                }
                while x + M <= width {
                    self.positions::<V, K, S, M>(group, at, input, row_len, out, x);
                    x += M;
                }
                while x < width {
                    self.positions::<V, K, S, 1>(group, at, input, row_len, out, x);
                    x += 1;
                }
            }
        }
    }

    /// P positions from `x` on, summed over the kernel's rows, then its columns. Every input is read once and goes to all
    /// the positions that see it.
    ///
    /// # Safety
    /// As [`Self::sized`]; the positions are below the row's width, and both pointers are at the row's first position.
    #[inline(always)]
    unsafe fn positions<V: Lanes, const K: usize, const S: usize, const P: usize>(
        &self,
        group: usize,
        at: usize,
        input: *const f32,
        row_len: usize,
        out: *mut f32,
        x: usize,
    ) {
        // SAFETY: the caller vouches for positions and group, `rows` asserted the lengths they are inside of.
        unsafe {
            let mut weight = self.weight.as_ptr().add(group * K * K * GROUP + at);
            let start = V::load(self.bias.as_ptr().add(group * GROUP + at));
            let mut sums = [start; P];
            let mut input = input.add(x * S * GROUP);
            for row in 0..K {
                let mut taps = [start; K];
                each!(KX in [0 1 2 3 4 5 6] { if KX < K {
                    taps[KX] = V::load(weight.add(KX * GROUP));
                }});
                each!(X in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32] {
                    if X < (P - 1) * S + K {
                        let value = V::load(input.add(X * GROUP));
                        each!(KX in [0 1 2 3 4 5 6] {
                            const OFF: usize = X.wrapping_sub(KX);
                            // Before the position's first input this is a huge number.
                            if KX < K && OFF.is_multiple_of(S) && OFF / S < P {
                                sums[OFF / S] = value.mul_add(taps[KX], sums[OFF / S]);
                            }
                        });
                    }
                });
                if row + 1 < K {
                    input = input.add(row_len);
                    weight = weight.add(K * GROUP);
                }
            }
            let place = out.add(x * GROUP);
            let (low, high) = stored(self.activation);
            let (low, high) = (V::splat(low), V::splat(high));
            each!(POS in [0 1 2 3 4 5 6 7 8 9 10 11 12 13] { if POS < P {
                sums[POS].max(low).min(high).store(place.add(POS * GROUP));
            }});
        }
    }

    /// Any kernel and stride, position by position.
    ///
    /// # Safety
    /// As [`Self::registers`]; the register begins `at` numbers into the group.
    #[inline(always)]
    unsafe fn any<V: Lanes>(&self, group: usize, at: usize, rows: &mut Rows<'_>) {
        let (k, width) = (self.kernel, rows.width);
        for (index, out) in rows.out.chunks_exact_mut(GROUP).enumerate() {
            let (y, x) = (index / width * self.stride, index % width * self.stride);
            // SAFETY: a position of a row that `rows` asserted to be there.
            unsafe {
                let mut sum = V::load(self.bias.as_ptr().add(group * GROUP + at));
                for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                    let place = (y + ky) * rows.row_len + (x + kx) * GROUP + at;
                    let value = V::load(rows.input.as_ptr().add(place));
                    let weight = ((group * k + ky) * k + kx) * GROUP + at;
                    sum = value.mul_add(V::load(self.weight.as_ptr().add(weight)), sum);
                }
                let (low, high) = stored(self.activation);
                let value = sum.max(V::splat(low)).min(V::splat(high));
                value.store(out.as_mut_ptr().add(at));
            }
        }
    }
}
