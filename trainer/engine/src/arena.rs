//! Scratch memory that begins where a cache line begins, so that a register's worth of numbers never lies on two.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Numbers, allocated once.
pub(crate) struct Arena {
    values: Vec<f32>,
    from: usize,
    len: usize,
}

impl Arena {
    pub(crate) fn zeros(len: usize) -> Self {
        let values = vec![0.0; len + LINE_BYTES / size_of::<f32>()];
        // An offset that cannot be told costs speed, no more.
        let from = values.as_ptr().align_offset(LINE_BYTES).min(values.len() - len);
        Self { values, from, len }
    }

    pub(crate) fn holding(values: &[f32]) -> Self {
        let mut arena = Self::zeros(values.len());
        arena.copy_from_slice(values);
        arena
    }
}

impl Deref for Arena {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.from..][..self.len]
    }
}

impl DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.from..][..self.len]
    }
}
