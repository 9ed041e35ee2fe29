//! On the CPU, all cores: forward by the engine's kernels, backward in plain loops over channels. f32.

use candle_core::Result;
use engine::DepthwiseMap;
use rayon::prelude::*;

use super::Geometry;

/// Rows of a result that a thread computes at once: enough to share the copies of padded rows between them.
const BAND: usize = 8;

/// (batch, height out, width out, channels).
pub(super) fn forward(geometry: &Geometry, map: &[f32], weight: &[f32], bias: &[f32]) -> Result<Vec<f32>> {
    let Geometry { batch, channels, .. } = *geometry;
    let layer = DepthwiseMap::new(geometry.kernel, geometry.stride, weight, bias).map_err(candle_core::Error::wrap)?;
    let (height_out, line) = (geometry.height_out(), geometry.width_out() * channels);
    let image_in = geometry.size.height * geometry.size.width * channels;
    let mut out = vec![0.0; batch * height_out * line];
    let images = out
        .par_chunks_exact_mut(height_out * line)
        .zip(map.par_chunks_exact(image_in));
    images
        .flat_map(|(result, image)| {
            let bands = result.par_chunks_mut(BAND * line).enumerate();
            bands.map(move |(band, result)| (image, band * BAND, result))
        })
        .try_for_each(|(image, first, result)| {
            let rows = first..first + result.len() / line;
            layer.rows(image, &geometry.size, rows, result)
        })
        .map_err(candle_core::Error::wrap)?;
    Ok(out)
}

/// (batch, height, width, channels), from the result's gradient. Each row gathers what it gave, so none waits for another.
pub(super) fn gradient_of_map(geometry: &Geometry, gradient: &[f32], weight: &[f32]) -> Vec<f32> {
    let Geometry {
        channels,
        kernel,
        stride,
        size,
        ..
    } = *geometry;
    let taps = by_tap(weight, channels, kernel);
    let line_out = geometry.width_out() * channels;
    let mut out = vec![0.0; geometry.batch * size.height * size.width * channels];
    out.par_chunks_exact_mut(size.width * channels)
        .enumerate()
        .for_each(|(line, row)| {
            let (image, y) = (line / size.height, line % size.height);
            for ky in 0..kernel {
                let Some(from) = (y + size.rows.before as usize).checked_sub(ky) else {
                    continue;
                };
                if !from.is_multiple_of(stride) || from / stride >= geometry.height_out() {
                    continue;
                }
                let given = &gradient[(image * geometry.height_out() + from / stride) * line_out..][..line_out];
                for kx in 0..kernel {
                    let tap = &taps[(ky * kernel + kx) * channels..][..channels];
                    for (x, given) in columns(geometry, kx).zip_given(given, channels) {
                        let place = &mut row[x * channels..][..channels];
                        for ((sum, given), tap) in place.iter_mut().zip(given).zip(tap) {
                            *sum += given * tap;
                        }
                    }
                }
            }
        });
    out
}

/// (channels, 1, kernel, kernel), from the result's gradient and the map. Summed in f32 along a row and in f64 over rows, in
/// an order that does not depend on the threads.
pub(super) fn gradient_of_weight(geometry: &Geometry, gradient: &[f32], map: &[f32]) -> Vec<f32> {
    let Geometry {
        batch,
        channels,
        kernel,
        stride,
        size,
    } = *geometry;
    let (line_in, line_out) = (size.width * channels, geometry.width_out() * channels);
    let of_image = |image: usize| {
        let mut sums = vec![0.0_f64; kernel * kernel * channels];
        let mut along = vec![0.0_f32; channels];
        for row in 0..geometry.height_out() {
            let given = &gradient[(image * geometry.height_out() + row) * line_out..][..line_out];
            for ky in 0..kernel {
                let above = (row * stride + ky).checked_sub(size.rows.before as usize);
                let Some(y) = above.filter(|y| *y < size.height) else {
                    continue;
                };
                let values = &map[(image * size.height + y) * line_in..][..line_in];
                for kx in 0..kernel {
                    along.fill(0.0);
                    for (x, given) in columns(geometry, kx).zip_given(given, channels) {
                        let values = &values[x * channels..][..channels];
                        for ((sum, given), value) in along.iter_mut().zip(given).zip(values) {
                            *sum += given * value;
                        }
                    }
                    let tap = &mut sums[(ky * kernel + kx) * channels..][..channels];
                    for (sum, along) in tap.iter_mut().zip(&along) {
                        *sum += f64::from(*along);
                    }
                }
            }
        }
        sums
    };
    let images: Vec<Vec<f64>> = (0..batch).into_par_iter().map(of_image).collect();
    let mut out = Vec::with_capacity(channels * kernel * kernel);
    for channel in 0..channels {
        for tap in 0..kernel * kernel {
            let sum: f64 = images.iter().map(|sums| sums[tap * channels + channel]).sum();
            #[expect(clippy::cast_possible_truncation, reason = "a gradient is kept in f32")]
            out.push(sum as f32);
        }
    }
    out
}

/// The weight as (kernel, kernel, channels), so that loops run along channels.
fn by_tap(weight: &[f32], channels: usize, kernel: usize) -> Vec<f32> {
    let taps = kernel * kernel;
    let mut turned = vec![0.0; weight.len()];
    for (channel, own) in weight.chunks_exact(taps).enumerate() {
        for (tap, value) in own.iter().enumerate() {
            turned[tap * channels + channel] = *value;
        }
    }
    turned
}

/// Which positions of a row meet under one column of the kernel.
#[derive(Clone, Copy)]
struct Columns {
    /// The first position of the result whose input lies inside the map.
    first_out: usize,
    /// That input's position.
    first_in: usize,
    n: usize,
    stride: usize,
}

fn columns(geometry: &Geometry, kx: usize) -> Columns {
    let (left, stride) = (geometry.size.columns.before as usize, geometry.stride);
    let first_out = left.saturating_sub(kx).div_ceil(stride);
    let first_in = first_out * stride + kx - left;
    let inside = geometry.size.width.saturating_sub(first_in).div_ceil(stride);
    Columns {
        first_out,
        first_in,
        n: inside.min(geometry.width_out().saturating_sub(first_out)),
        stride,
    }
}

impl Columns {
    /// Each input position with the values of the result's position above it.
    fn zip_given(self, row_out: &[f32], channels: usize) -> impl Iterator<Item = (usize, &[f32])> {
        let given = row_out.chunks_exact(channels).skip(self.first_out).take(self.n);
        (0..self.n).map(move |at| self.first_in + at * self.stride).zip(given)
    }
}
