//! Depthwise convolution of one output row: input rows are already padded, so no position is special.

use super::{Isa, LANES, mul_add, relu6};
use crate::Activation;

/// A depthwise layer's numbers.
pub(crate) struct Depthwise {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) channels: usize,
    /// (kernel, kernel, channels).
    weight: Vec<f32>,
    bias: Vec<f32>,
    activation: Activation,
}

impl Depthwise {
    /// From `weight`, (channels, 1, kernel, kernel).
    pub(crate) fn new(kernel: usize, stride: usize, weight: &[f32], bias: &[f32], activation: Activation) -> Self {
        let (channels, taps) = (bias.len(), kernel * kernel);
        let mut by_tap = vec![0.0; weight.len()];
        for (channel, kernel) in weight.chunks_exact(taps).enumerate() {
            for (tap, value) in kernel.iter().enumerate() {
                by_tap[tap * channels + channel] = *value;
            }
        }
        Self {
            kernel,
            stride,
            channels,
            weight: by_tap,
            bias: bias.to_vec(),
            activation,
        }
    }
}

/// One row of (width, channels) from `kernel` rows of `row_len` values each, side padding included.
pub(crate) fn depthwise_row(isa: Isa, layer: &Depthwise, rows: &[f32], row_len: usize, out: &mut [f32]) {
    match isa {
        Isa::Plain => any::<false>(layer, rows, row_len, out),
        #[cfg(target_arch = "x86_64")]
        Isa::Fma => {
            #[expect(unsafe_code, reason = "a kernel for instructions that the baseline lacks")]
            // SAFETY: `Isa::Fma` is only made by `Isa::detect` where the machine has AVX2 and FMA.
            unsafe {
                any_fma(layer, rows, row_len, out);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn any_fma(layer: &Depthwise, rows: &[f32], row_len: usize, out: &mut [f32]) {
    any::<true>(layer, rows, row_len, out);
}

#[inline(always)]
fn any<const FUSED: bool>(layer: &Depthwise, rows: &[f32], row_len: usize, out: &mut [f32]) {
    match (layer.kernel, layer.stride) {
        (3, 1) => chunks::<FUSED, 3, 1>(layer, rows, row_len, out),
        (3, 2) => chunks::<FUSED, 3, 2>(layer, rows, row_len, out),
        (5, 1) => chunks::<FUSED, 5, 1>(layer, rows, row_len, out),
        (5, 2) => chunks::<FUSED, 5, 2>(layer, rows, row_len, out),
        _ => general::<FUSED>(layer, rows, row_len, out),
    }
}

/// 16 channels at a time, then what is left one by one.
#[inline(always)]
fn chunks<const FUSED: bool, const K: usize, const S: usize>(
    layer: &Depthwise,
    rows: &[f32],
    row_len: usize,
    out: &mut [f32],
) {
    let c = layer.channels;
    let width = out.len() / c;
    let mut channel = 0;
    while channel + LANES <= c {
        let mut x = 0;
        while x + 4 <= width {
            positions::<FUSED, K, S, 4>(layer, rows, row_len, out, channel, x);
            x += 4;
        }
        while x < width {
            positions::<FUSED, K, S, 1>(layer, rows, row_len, out, channel, x);
            x += 1;
        }
        channel += LANES;
    }
    single::<FUSED>(layer, rows, row_len, out, channel);
}

#[inline(always)]
fn general<const FUSED: bool>(layer: &Depthwise, rows: &[f32], row_len: usize, out: &mut [f32]) {
    single::<FUSED>(layer, rows, row_len, out, 0);
}

/// N positions of 16 channels, summed over the kernel's rows, then its columns.
#[inline(always)]
fn positions<const FUSED: bool, const K: usize, const S: usize, const N: usize>(
    layer: &Depthwise,
    rows: &[f32],
    row_len: usize,
    out: &mut [f32],
    channel: usize,
    x: usize,
) {
    let c = layer.channels;
    let bias: &[f32; LANES] = lanes(&layer.bias, channel);
    let mut sums = [*bias; N];
    for ky in 0..K {
        let row = &rows[ky * row_len + x * S * c + channel..];
        for kx in 0..K {
            let weight = lanes(&layer.weight, (ky * K + kx) * c + channel);
            for n in 0..N {
                let input = lanes(row, (n * S + kx) * c);
                for j in 0..LANES {
                    sums[n][j] = mul_add::<FUSED>(input[j], weight[j], sums[n][j]);
                }
            }
        }
    }
    for n in 0..N {
        if layer.activation == Activation::Relu6 {
            sums[n] = sums[n].map(relu6);
        }
        out[(x + n) * c + channel..][..LANES].copy_from_slice(&sums[n]);
    }
}

/// Channels from `first` on, one by one.
#[inline(always)]
fn single<const FUSED: bool>(layer: &Depthwise, rows: &[f32], row_len: usize, out: &mut [f32], first: usize) {
    let (c, kernel) = (layer.channels, layer.kernel);
    for (x, position) in out.chunks_exact_mut(c).enumerate() {
        for channel in first..c {
            let mut sum = layer.bias[channel];
            for ky in 0..kernel {
                for kx in 0..kernel {
                    let input = rows[ky * row_len + (x * layer.stride + kx) * c + channel];
                    sum = mul_add::<FUSED>(input, layer.weight[(ky * kernel + kx) * c + channel], sum);
                }
            }
            position[channel] = match layer.activation {
                Activation::Relu6 => relu6(sum),
                Activation::Linear => sum,
            };
        }
    }
}

#[inline(always)]
fn lanes(values: &[f32], start: usize) -> &[f32; LANES] {
    values[start..]
        .first_chunk()
        .expect("channels come in whole lane groups here")
}
