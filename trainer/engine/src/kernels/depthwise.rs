//! Depthwise convolution of one output row: input rows are already padded, so no position is special.

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

/// A depthwise layer's numbers.
pub(crate) struct Depthwise {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) channels: usize,
    /// Channels filled up to whole groups: (groups, kernel, kernel, 16).
    weight: Vec<f32>,
    /// (groups, 16).
    bias: Vec<f32>,
    activation: Activation,
}

impl Depthwise {
    /// Every number, as it lies in memory.
    pub(crate) fn numbers(&self) -> [&[f32]; 2] {
        [&self.weight, &self.bias]
    }

    /// From `weight`, (channels, 1, kernel, kernel).
    pub(crate) fn new(kernel: usize, stride: usize, weight: &[f32], bias: &[f32], activation: Activation) -> Self {
        let (channels, taps) = (bias.len(), kernel * kernel);
        let n_groups = channels.div_ceil(GROUP);
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
            weight: grouped,
            bias,
            activation,
        }
    }

    /// One row of (width, channels) from `kernel` rows of `row_len` values each, side padding included.
    pub(crate) fn row(&self, isa: Isa, rows: &[f32], row_len: usize, out: &mut [f32]) {
        let width = out.len() / self.channels;
        if width == 0 {
            return;
        }
        // Everything that the kernels read or write lies inside these.
        let reach = ((width - 1) * self.stride + self.kernel) * self.channels;
        assert!(
            row_len >= reach,
            "{width} positions read {reach} values of a row of {row_len}"
        );
        assert!(
            rows.len() >= (self.kernel - 1) * row_len + reach,
            "a kernel reads {} rows",
            self.kernel
        );
        assert!(
            self.weight.len() == self.bias.len() * self.kernel * self.kernel,
            "weights and bias fit"
        );
        assert!(self.bias.len() >= self.channels, "every channel has a bias");
        // SAFETY: the lengths were asserted, and `Isa::available` names only what the machine has.
        unsafe {
            match isa {
                Isa::Plain => self.groups::<[f32; 8], 2>(rows, row_len, out, width),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => self.groups_avx2(rows, row_len, out, width),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => self.groups_avx512(rows, row_len, out, width),
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn groups_avx2(&self, rows: &[f32], row_len: usize, out: &mut [f32], width: usize) {
        // SAFETY: the machine has AVX2 and FMA, and `row` asserted the lengths.
        unsafe { self.groups::<std::arch::x86_64::__m256, 2>(rows, row_len, out, width) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn groups_avx512(&self, rows: &[f32], row_len: usize, out: &mut [f32], width: usize) {
        // SAFETY: the machine has AVX-512, and `row` asserted the lengths.
        unsafe { self.groups::<std::arch::x86_64::__m512, 1>(rows, row_len, out, width) }
    }

    /// # Safety
    /// As [`Self::row`] asserts; the machine has the instructions of `V`; W registers of `V` are a group.
    #[inline(always)]
    unsafe fn groups<V: Lanes, const W: usize>(&self, rows: &[f32], row_len: usize, out: &mut [f32], width: usize) {
        // SAFETY: passed on.
        unsafe {
            match (self.kernel, self.stride) {
                (3, 1) => self.sized::<V, W, 3, 1>(rows, row_len, out, width),
                (3, 2) => self.sized::<V, W, 3, 2>(rows, row_len, out, width),
                (5, 1) => self.sized::<V, W, 5, 1>(rows, row_len, out, width),
                (5, 2) => self.sized::<V, W, 5, 2>(rows, row_len, out, width),
                _ => self.single(rows, row_len, out, 0),
            }
        }
    }

    /// Groups of 16 channels, four positions at a time; then what is left of the channels one by one.
    ///
    /// # Safety
    /// As [`Self::groups`]; K and S are this layer's kernel and stride.
    #[inline(always)]
    unsafe fn sized<V: Lanes, const W: usize, const K: usize, const S: usize>(
        &self,
        rows: &[f32],
        row_len: usize,
        out: &mut [f32],
        width: usize,
    ) {
        let n_groups = self.channels / GROUP;
        for group in 0..n_groups {
            let mut x = 0;
            // SAFETY: positions below `width` of whole groups, which `row` asserted to lie inside.
            unsafe {
                while x + 4 <= width {
                    self.positions::<V, W, K, S, 4>(rows, row_len, out, group, x);
                    x += 4;
                }
                while x + 2 <= width {
                    self.positions::<V, W, K, S, 2>(rows, row_len, out, group, x);
                    x += 2;
                }
                while x < width {
                    self.positions::<V, W, K, S, 1>(rows, row_len, out, group, x);
                    x += 1;
                }
            }
        }
        self.single(rows, row_len, out, n_groups * GROUP);
    }

    /// P positions of a group, summed over the kernel's rows, then its columns.
    ///
    /// # Safety
    /// As [`Self::sized`]; the group is whole and the positions are below the row's width.
    #[inline(always)]
    unsafe fn positions<V: Lanes, const W: usize, const K: usize, const S: usize, const P: usize>(
        &self,
        rows: &[f32],
        row_len: usize,
        out: &mut [f32],
        group: usize,
        x: usize,
    ) {
        const { assert!(V::N * W == GROUP) };
        let c = self.channels;
        // SAFETY: the caller vouches for positions and group, `row` asserted the lengths they are inside of.
        unsafe {
            let mut weight = self.weight.as_ptr().add(group * K * K * GROUP);
            let bias = self.bias.as_ptr().add(group * GROUP);
            let mut input = rows.as_ptr().add(x * S * c + group * GROUP);
            let mut sums = [[V::splat(0.0); W]; P];
            for sum in &mut sums {
                for w in 0..W {
                    sum[w] = V::load(bias.add(w * V::N));
                }
            }
            for _ in 0..K {
                for kx in 0..K {
                    for w in 0..W {
                        let tap = V::load(weight.add(kx * GROUP + w * V::N));
                        for p in 0..P {
                            let value = V::load(input.add((p * S + kx) * c + w * V::N));
                            sums[p][w] = value.mul_add(tap, sums[p][w]);
                        }
                    }
                }
                input = input.wrapping_add(row_len);
                weight = weight.wrapping_add(K * GROUP);
            }
            let place = out.as_mut_ptr().add(x * c + group * GROUP);
            for p in 0..P {
                for w in 0..W {
                    let sum = match self.activation {
                        Activation::Relu6 => sums[p][w].relu6(),
                        Activation::Linear => sums[p][w],
                    };
                    sum.store(place.add(p * c + w * V::N));
                }
            }
        }
    }

    /// Channels from `first` on, one by one: odd channel counts and odd kernels.
    fn single(&self, rows: &[f32], row_len: usize, out: &mut [f32], first: usize) {
        let (c, kernel) = (self.channels, self.kernel);
        for (x, position) in out.chunks_exact_mut(c).enumerate() {
            for channel in first..c {
                let group = &self.weight[channel / GROUP * kernel * kernel * GROUP..];
                let mut sum = self.bias[channel];
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let input = rows[ky * row_len + (x * self.stride + kx) * c + channel];
                        sum += input * group[(ky * kernel + kx) * GROUP + channel % GROUP];
                    }
                }
                position[channel] = match self.activation {
                    Activation::Relu6 => sum.clamp(0.0, 6.0),
                    Activation::Linear => sum,
                };
            }
        }
    }
}
