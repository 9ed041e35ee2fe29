//! Squeeze-and-excite: the mean of every channel through two small dense layers, and every channel times what comes out.

use super::{GROUP, Isa, Packed, Read, Write, groups};

/// The two dense layers of a squeeze-and-excite.
pub(crate) struct Gate {
    /// (channels, squeezed).
    pub(crate) reduce: Packed,
    /// (squeezed, channels).
    pub(crate) expand: Packed,
}

impl Gate {
    /// Numbers of scratch memory that [`Self::apply`] needs.
    pub(crate) const fn scratch_len(&self) -> usize {
        (2 * self.expand.n_panels() + self.reduce.n_panels()) * GROUP
    }

    /// Scale a map of (group, position, 16) in place.
    pub(crate) fn apply(&self, isa: Isa, map: &mut [f32], positions: usize, scratch: &mut [f32]) {
        let n = groups(self.expand.n()) * GROUP;
        let (means, rest) = scratch.split_at_mut(n);
        let (small, gates) = rest.split_at_mut(self.reduce.n_panels() * GROUP);
        #[expect(clippy::cast_precision_loss, reason = "a map has a few thousand positions")]
        let scale = 1.0 / positions as f32;
        let slots = means.as_chunks_mut::<GROUP>().0;
        for (mean, group) in slots.iter_mut().zip(map.chunks_exact(positions * GROUP)) {
            let mut sums = [0.0_f32; GROUP];
            for position in group.as_chunks::<GROUP>().0 {
                for (sum, value) in sums.iter_mut().zip(position) {
                    *sum += value;
                }
            }
            *mean = sums.map(|sum| sum * scale);
        }
        let one = |layer: &Packed, from: &[f32], to: &mut [f32]| {
            let to = &mut Write::map(to, 0, 1, 1, None);
            layer.product(isa, 0..layer.n_panels(), 1, &Read::map(from, 0, 1), to);
        };
        one(&self.reduce, means, small);
        one(&self.expand, small, gates);
        for (gate, group) in gates
            .as_chunks::<GROUP>()
            .0
            .iter()
            .zip(map.chunks_exact_mut(positions * GROUP))
        {
            for position in group.as_chunks_mut::<GROUP>().0 {
                for (value, gate) in position.iter_mut().zip(gate) {
                    *value *= gate;
                }
            }
        }
    }
}
