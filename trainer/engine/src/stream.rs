//! The forward pass of one image, in scratch memory that lives as long as the thread that owns it.
//!
//! A block runs band of rows by band of rows (expand → depthwise → project), so that the expanded map, six times as wide
//! as what goes in and out, never leaves the core's own cache.

use std::sync::Arc;

use crate::EngineError;
use crate::backbone::{Plan, PlannedBlock, PlannedStem};
use crate::kernels::{Isa, Target};
use crate::recipe::Taken;

/// Values that the expanded rows of a band may take: 256 KiB, half of a usual L2 cache.
const BAND_VALUES: usize = 64 * 1024;

/// Computes features one image after the other; one per thread.
pub struct Stream {
    plan: Arc<Plan>,
    taken: Arc<[Taken]>,
    /// Blocks that what is taken needs.
    n_blocks: usize,
    /// The normalised input with its padding, (side, side, 3).
    input: Vec<f32>,
    /// The patches of one row of the stem.
    patches: Vec<f32>,
    /// Input and output of a block, (side, side, channels).
    before: Vec<f32>,
    after: Vec<f32>,
    /// Expanded rows of a band with their padding.
    expanded: Vec<f32>,
    /// A band after its depthwise convolution.
    filtered: Vec<f32>,
}

impl Stream {
    pub(crate) fn new(plan: Arc<Plan>, taken: Arc<[Taken]>) -> Self {
        let n_blocks = taken.iter().map(|taken| taken.n_blocks).max().unwrap_or_default();
        let stem = &plan.stem;
        let stem_side = stem.padded_side();
        let mut map = stem.pad.out as usize * stem.pad.out as usize * stem.weights.n();
        let (mut expanded, mut filtered) = (0, 0);
        for block in &plan.blocks[..n_blocks] {
            let out = block.pad.out as usize;
            map = map.max(out * out * block.project.n());
            expanded = expanded.max(block.band_rows_in(block.band()) * block.row_len());
            filtered = filtered.max(block.band() * out * block.depthwise.channels);
        }
        for taken in taken.iter().filter(|taken| taken.head) {
            map = map.max(taken.side * taken.side * plan.head.n());
        }
        Self {
            n_blocks,
            taken,
            input: vec![0.0; stem_side * stem_side * 3],
            patches: vec![0.0; stem.pad.out as usize * stem.kernel * stem.kernel * 3],
            before: vec![0.0; map],
            after: vec![0.0; map],
            expanded: vec![0.0; expanded],
            filtered: vec![0.0; filtered],
            plan,
        }
    }

    /// The feature of `pixels`, (side, side, 3), u8, sRGB, as [`crate::Preprocessing::apply`] makes them, into `out` of
    /// the backbone's `dim`. Nothing past the deepest tapped map is computed, and nothing is allocated.
    ///
    /// # Errors
    /// `pixels` or `out` have another length than the backbone's.
    pub fn features(&mut self, pixels: &[u8], out: &mut [f32]) -> Result<(), EngineError> {
        let plan = Arc::clone(&self.plan);
        let length = |what, expected, got| match expected == got {
            true => Ok(()),
            false => Err(EngineError::Length { what, expected, got }),
        };
        length(
            "the input image",
            plan.stem.side_in * plan.stem.side_in * 3,
            pixels.len(),
        )?;
        let taken = Arc::clone(&self.taken);
        let dim = taken.iter().map(Taken::dim).sum();
        length("the feature's buffer", dim, out.len())?;
        self.normalise(&plan, pixels);
        self.run_stem(&plan);
        for (index, block) in plan.blocks[..self.n_blocks].iter().enumerate() {
            self.run_block(plan.isa, block);
            std::mem::swap(&mut self.before, &mut self.after);
            self.pool(&taken, |taken| !taken.head && taken.n_blocks == index + 1, out);
        }
        if let Some(last) = taken.iter().find(|taken| taken.head) {
            let m = last.side * last.side;
            let target = &mut Target::whole(&mut self.after, m, None);
            plan.head.product(plan.isa, m, &self.before, target);
            std::mem::swap(&mut self.before, &mut self.after);
            self.pool(&taken, |taken| taken.head, out);
        }
        Ok(())
    }

    /// Fills the parts of `out` that are taken from the map that is there now.
    fn pool(&self, taken: &[Taken], here: impl Fn(&Taken) -> bool, out: &mut [f32]) {
        let mut rest = out;
        for taken in taken {
            let (part, others) = rest.split_at_mut(taken.dim());
            if here(taken) {
                pool(taken, &self.before, part);
            }
            rest = others;
        }
    }

    /// Bytes to numbers; the padding around them stays zero from the start.
    fn normalise(&mut self, plan: &Plan, pixels: &[u8]) {
        let stem = &plan.stem;
        let (pad, side) = (stem.pad.before as usize, stem.padded_side());
        for (y, line) in pixels.chunks_exact(stem.side_in * 3).enumerate() {
            let row = &mut self.input[((y + pad) * side + pad) * 3..];
            for (numbers, bytes) in row.as_chunks_mut::<3>().0.iter_mut().zip(line.as_chunks::<3>().0) {
                *numbers = std::array::from_fn(|c| plan.table[usize::from(bytes[c])][c]);
            }
        }
    }

    fn run_stem(&mut self, plan: &Plan) {
        let stem = &plan.stem;
        let (side, out, channels) = (stem.padded_side(), stem.pad.out as usize, stem.weights.n());
        let line = stem.kernel * 3;
        for y in 0..out {
            let rows = &self.input[y * stem.stride * side * 3..];
            for (x, patch) in self.patches.chunks_exact_mut(stem.kernel * line).enumerate() {
                for (ky, part) in patch.chunks_exact_mut(line).enumerate() {
                    part.copy_from_slice(&rows[(ky * side + x * stem.stride) * 3..][..line]);
                }
            }
            let target = &mut Target::whole(&mut self.before[y * out * channels..], out, None);
            stem.weights.product(plan.isa, out, &self.patches, target);
        }
    }

    fn run_block(&mut self, isa: Isa, block: &PlannedBlock) {
        let (side, out) = (block.side_in, block.pad.out as usize);
        let (row_len, stride) = (block.row_len(), block.depthwise.stride);
        let (hidden, channels) = (block.depthwise.channels, block.project.n());
        let mut done = 0;
        // Padded input rows `kept` of `expanded`, from `first` on.
        let (mut first, mut kept) = (0_usize, 0_usize);
        while done < out {
            let band = block.band().min(out - done);
            let begin = done * stride;
            let rows_in = block.band_rows_in(band);
            // Rows that the last band left and this one needs move to the front.
            let shared = (first + kept).saturating_sub(begin);
            let drop = kept - shared;
            self.expanded.copy_within(drop * row_len..kept * row_len, 0);
            (first, kept) = (begin, rows_in);
            expand(
                isa,
                block,
                &self.before,
                &mut self.expanded,
                first + shared..first + rows_in,
                first,
            );
            for row in 0..band {
                let rows = &self.expanded[row * stride * row_len..][..block.depthwise.kernel * row_len];
                let result = &mut self.filtered[row * out * hidden..][..out * hidden];
                block.depthwise.row(isa, rows, row_len, result);
            }
            let place = done * out * channels;
            let residual = block.residual.then(|| &self.before[place..]);
            let m = band * out;
            let target = &mut Target::whole(&mut self.after[place..], m, residual);
            block.project.product(isa, m, &self.filtered, target);
            done += band;
        }
        debug_assert!(side > 0);
    }
}

/// Padded rows `wanted` (counted from the padding's first) of the expanded map, into `expanded`, which begins at row
/// `first`.
fn expand(
    isa: Isa,
    block: &PlannedBlock,
    before: &[f32],
    expanded: &mut [f32],
    wanted: std::ops::Range<usize>,
    first: usize,
) {
    let (side, pad) = (block.side_in, block.pad.before as usize);
    let (row_len, hidden) = (block.row_len(), block.depthwise.channels);
    let real = wanted.start.max(pad)..wanted.end.min(pad + side);
    for row in wanted {
        let line = &mut expanded[(row - first) * row_len..][..row_len];
        if real.contains(&row) {
            line[..pad * hidden].fill(0.0);
            line[(pad + side) * hidden..].fill(0.0);
        } else {
            line.fill(0.0);
        }
    }
    if real.is_empty() {
        return;
    }
    let channels = block.channels_in;
    let source = &before[(real.start - pad) * side * channels..][..real.len() * side * channels];
    let place = (real.start - first) * row_len + pad * hidden;
    match &block.expand {
        Some(weights) => {
            let target = &mut Target {
                out: &mut expanded[place..],
                width: side,
                stride: row_len,
                residual: None,
            };
            weights.product(isa, real.len() * side, source, target);
        }
        None => {
            for (row, line) in source.chunks_exact(side * channels).enumerate() {
                expanded[place + row * row_len..][..side * channels].copy_from_slice(line);
            }
        }
    }
}

/// The mean of every cell, flattened in (row, column, channel) order.
fn pool(taken: &Taken, map: &[f32], out: &mut [f32]) {
    let (channels, cell) = (taken.channels, taken.cell_side);
    #[expect(clippy::cast_precision_loss, reason = "a cell has a few hundred positions")]
    let scale = 1.0 / (cell * cell) as f32;
    for (index, sums) in out.chunks_exact_mut(channels).enumerate() {
        let top = taken.trim + index / taken.cells * cell;
        let left = taken.trim + index % taken.cells * cell;
        sums.fill(0.0);
        for y in top..top + cell {
            for position in map[(y * taken.side + left) * channels..][..cell * channels].chunks_exact(channels) {
                for (sum, value) in sums.iter_mut().zip(position) {
                    *sum += value;
                }
            }
        }
        for sum in sums {
            *sum *= scale;
        }
    }
}

impl PlannedStem {
    fn padded_side(&self) -> usize {
        self.side_in + (self.pad.before + self.pad.after) as usize
    }
}

impl PlannedBlock {
    /// Values of an expanded row with its padding.
    fn row_len(&self) -> usize {
        (self.side_in + (self.pad.before + self.pad.after) as usize) * self.depthwise.channels
    }

    /// Padded input rows that this many output rows read.
    fn band_rows_in(&self, band: usize) -> usize {
        (band - 1) * self.depthwise.stride + self.depthwise.kernel
    }

    /// Output rows of a band.
    fn band(&self) -> usize {
        let rows = BAND_VALUES / self.row_len();
        let fits = rows.saturating_sub(self.depthwise.kernel) / self.depthwise.stride + 1;
        fits.min(self.pad.out as usize)
    }
}

impl<'a> Target<'a> {
    /// Rows of a result directly behind one another.
    fn whole(out: &'a mut [f32], m: usize, residual: Option<&'a [f32]>) -> Self {
        Self {
            out,
            width: m,
            stride: 0,
            residual,
        }
    }
}
