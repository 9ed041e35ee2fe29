//! The depthwise kernels for whole maps of any size: what training computes with, outside of a [`crate::Stream`].

use std::ops::Range;

use crate::EngineError;
use crate::kernels::{Depthwise, DepthwiseRows, GROUP, Isa};
use crate::spec::{Activation, Padded};

/// A depthwise convolution with its numbers, laid out for the kernels. Cheap enough to be made for each use.
pub struct DepthwiseMap {
    isa: Isa,
    layer: Depthwise,
}

/// A map's size and the zeros around it. Sides need not be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSize {
    /// Rows.
    pub height: usize,
    /// Positions of a row.
    pub width: usize,
    /// Zeros above and below, and the result's rows.
    pub rows: Padded,
    /// Zeros left and right, and the positions of the result's rows.
    pub columns: Padded,
}

impl DepthwiseMap {
    /// From `weight`, (channels, 1, kernel, kernel), and `bias`, (channels).
    ///
    /// # Errors
    /// The lengths do not fit, or kernel or stride are zero.
    pub fn new(kernel: usize, stride: usize, weight: &[f32], bias: &[f32]) -> Result<Self, EngineError> {
        positive("a depthwise kernel", kernel)?;
        positive("a depthwise stride", stride)?;
        positive("a depthwise bias", bias.len())?;
        length("a depthwise weight", bias.len() * kernel * kernel, weight.len())?;
        Ok(Self {
            isa: Isa::detect(),
            layer: Depthwise::new(kernel, stride, weight, bias, Activation::Linear),
        })
    }

    /// These rows of the result, (rows, width, channels), into `out`, from all of `input`, (height, width, channels); f32.
    /// Whatever rows are asked for together, each is equal to the bit.
    ///
    /// # Errors
    /// A length does not fit the size, or the size not the kernel.
    pub fn rows(&self, input: &[f32], size: &MapSize, rows: Range<usize>, out: &mut [f32]) -> Result<(), EngineError> {
        let (channels, kernel, stride) = (self.layer.channels, self.layer.kernel, self.layer.stride);
        length("a map", size.height * size.width * channels, input.len())?;
        let width_out = size.columns.out as usize;
        length("rows of a result", rows.len() * width_out * channels, out.len())?;
        let fits = |side: usize, zeros: Padded, last: usize| {
            let padded = side + (zeros.before + zeros.after) as usize;
            let reach = last.saturating_sub(1) * stride + kernel;
            match last <= zeros.out as usize && reach <= padded {
                true => Ok(padded),
                false => Err(EngineError::Length {
                    what: "a padded side that a kernel reads",
                    expected: reach,
                    got: padded,
                }),
            }
        };
        if rows.is_empty() || width_out == 0 {
            return Ok(());
        }
        fits(size.height, size.rows, rows.end)?;
        let row_len = fits(size.width, size.columns, width_out)? * GROUP;
        // Group by group, the rows that are read and their zeros lie as the kernel wants them.
        let first = rows.start * stride;
        let n_read = (rows.len() - 1) * stride + kernel;
        let mut read = vec![0.0; n_read * row_len];
        let mut written = vec![0.0; rows.len() * width_out * GROUP];
        for group in 0..self.layer.n_groups() {
            let own = group * GROUP..channels.min((group + 1) * GROUP);
            for (row, line) in read.chunks_exact_mut(row_len).enumerate() {
                let source = (first + row).checked_sub(size.rows.before as usize);
                let Some(y) = source.filter(|y| *y < size.height) else {
                    continue;
                };
                let inside = line
                    .as_chunks_mut::<GROUP>()
                    .0
                    .iter_mut()
                    .skip(size.columns.before as usize);
                let values = &input[y * size.width * channels..][..size.width * channels];
                for (slots, position) in inside.zip(values.chunks_exact(channels)) {
                    slots[..own.len()].copy_from_slice(&position[own.clone()]);
                    slots[own.len()..].fill(0.0);
                }
            }
            let kernel_rows = &mut DepthwiseRows {
                input: &read,
                row_len,
                width: width_out,
                out: &mut written,
            };
            self.layer.rows(self.isa, group, kernel_rows);
            for (position, slots) in out.chunks_exact_mut(channels).zip(written.as_chunks::<GROUP>().0) {
                position[own.clone()].copy_from_slice(&slots[..own.len()]);
            }
        }
        Ok(())
    }
}

fn length(what: &'static str, expected: usize, got: usize) -> Result<(), EngineError> {
    match expected == got {
        true => Ok(()),
        false => Err(EngineError::Length { what, expected, got }),
    }
}

fn positive(what: &'static str, got: usize) -> Result<(), EngineError> {
    match got {
        0 => Err(EngineError::Length { what, expected: 1, got }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Padding;

    fn size(height: u32, width: u32, kernel: u32, stride: u32, padding: Padding) -> MapSize {
        MapSize {
            height: height as usize,
            width: width as usize,
            rows: padding.apply(height, kernel, stride),
            columns: padding.apply(width, kernel, stride),
        }
    }

    #[test]
    fn rows_are_equal_however_they_are_grouped() {
        let (kernel, stride, channels) = (3_u32, 2, 19);
        let size = size(9, 6, kernel, stride, Padding::TfSame);
        let numbers = |n: usize, step: usize| (0..n).map(|i| (i * step % 29) as f32 - 14.0).collect::<Vec<f32>>();
        let layer = DepthwiseMap::new(3, 2, &numbers(channels * 9, 7), &numbers(channels, 5)).unwrap();
        let input = numbers(9 * 6 * channels, 11);
        let line = size.columns.out as usize * channels;
        let mut whole = vec![0.0; size.rows.out as usize * line];
        layer
            .rows(&input, &size, 0..size.rows.out as usize, &mut whole)
            .unwrap();
        for (row, expected) in whole.chunks_exact(line).enumerate() {
            let mut alone = vec![f32::NAN; line];
            layer.rows(&input, &size, row..row + 1, &mut alone).unwrap();
            assert_eq!(alone, expected);
        }
        // By hand: one row of zeros above, none on the left, so the kernel's first row reads nothing.
        assert_eq!((size.rows.before, size.columns.before), (1, 0));
        let tap = |ky: usize, kx: usize| ((ky * 3 + kx) * 7 % 29) as f32 - 14.0;
        let position = |y: usize, x: usize| input[(y * 6 + x) * channels];
        let sum: f32 = (0..6)
            .map(|at| position(at / 3, at % 3) * tap(at / 3 + 1, at % 3))
            .sum();
        assert_eq!(whole[0], sum - 14.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(DepthwiseMap::new(3, 1, &[0.0; 8], &[0.0]).is_err());
        assert!(DepthwiseMap::new(0, 1, &[], &[0.0]).is_err());
        let layer = DepthwiseMap::new(3, 1, &[0.0; 9], &[0.0]).unwrap();
        let size = size(4, 4, 3, 1, Padding::Symmetric);
        let mut out = [0.0; 16];
        assert!(layer.rows(&[0.0; 15], &size, 0..4, &mut out).is_err());
        assert!(layer.rows(&[0.0; 16], &size, 1..5, &mut out).is_err());
        assert!(layer.rows(&[0.0; 16], &size, 0..4, &mut out).is_ok());
    }
}
