//! The forward pass of one image, in scratch memory that lives as long as the thread that owns it.
//!
//! A block runs group of 16 hidden channels by group: their expansion fills a few padded rows that stay in the core's own
//! cache, the depthwise convolution reads them there, and the projection then reads what it left. Large maps are cut into
//! bands of rows, so that this lies in that cache as well.

use std::sync::Arc;

use crate::arena::Arena;
use crate::backbone::{Plan, PlannedBlock, PlannedStem};
use crate::kernels::{DepthwiseRows, GROUP, Gate, Isa, Read, Write, groups};
use crate::recipe::Taken;
use crate::{Elsewhere, EngineError, Recipe};

/// Numbers that a band may take: 768 KiB. What does not fit into the core's own cache costs a little, and less than
/// computing the rows that two bands share twice.
const BAND_VALUES: usize = 192 * 1024;

/// Computes features one image after the other; one per thread.
pub struct Stream {
    plan: Arc<Plan>,
    taken: Arc<[Taken]>,
    /// Who computes in this one's place, by which recipes.
    elsewhere: Option<(Arc<dyn Elsewhere>, Vec<Recipe>)>,
    /// Blocks that what is taken needs.
    n_blocks: usize,
    /// The input's bytes as numbers with its padding, (side, side, 3).
    input: Arena,
    /// Input and output of a block, (group, position, 16).
    before: Arena,
    after: Arena,
    /// Padded rows of one group of a band.
    expanded: Arena,
    /// A band after its depthwise convolution, (group, position, 16).
    filtered: Arena,
    /// For the gates of squeeze-and-excite.
    gates: Arena,
}

impl Stream {
    pub(crate) fn new(
        plan: Arc<Plan>,
        taken: Arc<[Taken]>,
        elsewhere: Option<(Arc<dyn Elsewhere>, Vec<Recipe>)>,
    ) -> Self {
        let n_blocks = taken.iter().map(|taken| taken.n_blocks).max().unwrap_or_default();
        let stem = &plan.stem;
        let side = stem.padded_side();
        let mut input = vec![0.0; side * side * 3];
        for colours in input.as_chunks_mut::<3>().0 {
            *colours = plan.zero;
        }
        let out = stem.pad.out as usize;
        let mut map = out * out * groups(stem.weights.n()) * GROUP;
        let (mut expanded, mut filtered, mut gates) = (0, 0, 0);
        for block in &plan.blocks[..n_blocks] {
            let out = block.pad.out as usize;
            map = map.max(out * out * groups(block.project.n()) * GROUP);
            expanded = expanded.max(block.band_rows_in(block.band()) * block.row_len());
            filtered = filtered.max(block.band() * out * block.depthwise.n_groups() * GROUP);
            gates = gates.max(block.gate.as_ref().map_or(0, Gate::scratch_len));
        }
        for taken in taken.iter().filter(|taken| taken.head) {
            map = map.max(taken.side * taken.side * groups(plan.head.n()) * GROUP);
        }
        Self {
            n_blocks,
            taken,
            elsewhere,
            input: Arena::holding(&input),
            before: Arena::zeros(map),
            after: Arena::zeros(map),
            expanded: Arena::zeros(expanded),
            filtered: Arena::zeros(filtered),
            gates: Arena::zeros(gates),
            plan,
        }
    }

    /// The feature of `pixels`, (side, side, 3), u8, sRGB, as [`crate::Preprocessing::apply`] makes them, into `out` of
    /// the backbone's `dim`. Nothing past the deepest tapped map is computed, and nothing is allocated.
    ///
    /// # Errors
    /// `pixels` or `out` have another length than the backbone's, or the device that computes elsewhere failed.
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
        if let Some((elsewhere, recipes)) = &self.elsewhere {
            return elsewhere.features(recipes, pixels, out);
        }
        self.run_stem(&plan, pixels);
        for (index, block) in plan.blocks[..self.n_blocks].iter().enumerate() {
            self.run_block(plan.isa, block);
            std::mem::swap(&mut self.before, &mut self.after);
            self.pool(&taken, |taken| !taken.head && taken.n_blocks == index + 1, out);
        }
        if let Some(last) = taken.iter().find(|taken| taken.head) {
            let m = last.side * last.side;
            let to = &mut Write::map(&mut self.after, 0, m, m, None);
            let from = Read::map(&self.before, 0, m);
            plan.head.product(plan.isa, 0..plan.head.n_panels(), m, &from, to);
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

    /// A row of patches is a matrix whose rows overlap, so the product reads it where the bytes lie.
    fn run_stem(&mut self, plan: &Plan, pixels: &[u8]) {
        let stem = &plan.stem;
        let (pad, side, out) = (stem.pad.before as usize, stem.padded_side(), stem.pad.out as usize);
        for (y, line) in pixels.chunks_exact(stem.side_in * 3).enumerate() {
            let row = &mut self.input[((y + pad) * side + pad) * 3..];
            for (number, byte) in row.iter_mut().zip(line) {
                *number = f32::from(*byte);
            }
        }
        for y in 0..out {
            let from = Read {
                values: &self.input,
                from: y * stem.stride * side * 3,
                row_step: stem.stride * 3,
                part: stem.kernel * 3,
                part_step: side * 3,
            };
            let to = &mut Write::map(&mut self.before, y * out * GROUP, out, out * out, None);
            stem.weights
                .product(plan.isa, 0..stem.weights.n_panels(), out, &from, to);
        }
    }

    fn run_block(&mut self, isa: Isa, block: &PlannedBlock) {
        let out = block.pad.out as usize;
        let (row_len, stride) = (block.row_len(), block.depthwise.stride);
        let mut done = 0;
        while done < out {
            let band = block.band().min(out - done);
            let padded = done * stride..done * stride + block.band_rows_in(band);
            // The padding around what the groups will overwrite.
            self.expanded[..padded.len() * row_len].fill(0.0);
            let m = band * out;
            for group in 0..block.depthwise.n_groups() {
                expand(isa, block, group, &self.before, &mut self.expanded, &padded);
                let rows = &mut DepthwiseRows {
                    input: &self.expanded,
                    row_len,
                    width: out,
                    out: &mut self.filtered[group * m * GROUP..][..m * GROUP],
                };
                block.depthwise.rows(isa, group, rows);
            }
            if let Some(gate) = &block.gate {
                let n = block.depthwise.n_groups() * m * GROUP;
                gate.apply(isa, &mut self.filtered[..n], m, &mut self.gates);
            }
            let place = done * out * GROUP;
            let residual = block.residual.then_some(&self.before[..]);
            let from = Read::map(&self.filtered, 0, m);
            let to = &mut Write::map(&mut self.after, place, m, out * out, residual);
            block.project.product(isa, 0..block.project.n_panels(), m, &from, to);
            done += band;
        }
    }
}

/// The rows `padded` (counted from the padding's first) of one group of the expanded map; their padding stays as it is.
fn expand(
    isa: Isa,
    block: &PlannedBlock,
    group: usize,
    before: &[f32],
    expanded: &mut [f32],
    padded: &std::ops::Range<usize>,
) {
    let (side, pad, row_len) = (block.side_in, block.pad.before as usize, block.row_len());
    let real = padded.start.max(pad)..padded.end.min(pad + side);
    if real.is_empty() {
        return;
    }
    let (first, m) = ((real.start - pad) * side * GROUP, real.len() * side);
    let place = (real.start - padded.start) * row_len + pad * GROUP;
    match &block.expand {
        Some(weights) => {
            let from = Read::map(before, first, side * side);
            let to = &mut Write {
                out: expanded,
                from: place,
                width: side,
                line_step: row_len,
                panel_step: 0,
                residual: None,
            };
            weights.product(isa, group..group + 1, m, &from, to);
        }
        None => {
            let lines = before[group * side * side * GROUP + first..][..m * GROUP].chunks_exact(side * GROUP);
            for (row, line) in lines.enumerate() {
                expanded[place + row * row_len..][..line.len()].copy_from_slice(line);
            }
        }
    }
}

/// The mean of every cell, flattened in (row, column, channel) order.
fn pool(taken: &Taken, map: &[f32], out: &mut [f32]) {
    let (channels, cell) = (taken.channels, taken.cell_side);
    let positions = taken.side * taken.side;
    #[expect(clippy::cast_precision_loss, reason = "a cell has a few hundred positions")]
    let scale = 1.0 / (cell * cell) as f32;
    for (index, means) in out.chunks_exact_mut(channels).enumerate() {
        let top = taken.trim + index / taken.cells * cell;
        let left = taken.trim + index % taken.cells * cell;
        for (means, group) in means.chunks_mut(GROUP).zip(map.chunks_exact(positions * GROUP)) {
            let mut sums = [0.0_f32; GROUP];
            for y in top..top + cell {
                for position in group[(y * taken.side + left) * GROUP..][..cell * GROUP]
                    .as_chunks::<GROUP>()
                    .0
                {
                    for (sum, value) in sums.iter_mut().zip(position) {
                        *sum += value;
                    }
                }
            }
            for (mean, sum) in means.iter_mut().zip(sums) {
                *mean = sum * scale;
            }
        }
    }
}

impl PlannedStem {
    fn padded_side(&self) -> usize {
        self.side_in + (self.pad.before + self.pad.after) as usize
    }
}

impl PlannedBlock {
    /// Numbers of a padded row of one group.
    const fn row_len(&self) -> usize {
        (self.side_in + (self.pad.before + self.pad.after) as usize) * GROUP
    }

    /// Padded input rows that this many output rows read.
    const fn band_rows_in(&self, band: usize) -> usize {
        (band - 1) * self.depthwise.stride + self.depthwise.kernel
    }

    /// Output rows of a band: all of them where they fit, or where a gate must see the whole map; else as few bands as
    /// fit, all about as high.
    fn band(&self) -> usize {
        let out = self.pad.out as usize;
        if self.gate.is_some() {
            return out;
        }
        let filtered = self.depthwise.n_groups() * out * GROUP;
        let values = |band: usize| self.band_rows_in(band) * self.row_len() + band * filtered;
        let n_bands = (1..=out).find(|n| values(out.div_ceil(*n)) <= BAND_VALUES);
        out.div_ceil(n_bands.unwrap_or(out))
    }
}
