//! Rows of features, read where they lie.
//!
//! Features are whole matrices in memory or rows of mapped files; whoever reads a row gets its numbers in a place of their
//! own, so that nothing is copied but what is being looked at.

use engine::widen;
use half::f16;

/// Where the rows of a feature matrix lie.
#[derive(Clone, Copy, Debug)]
pub enum Matrix<'a> {
    /// (rows, dim), row-major.
    Whole(&'a [f32]),
    /// Each row where it is: (rows) of (dim).
    Halves(&'a [&'a [f16]]),
}

/// Some rows of a feature matrix, in an order of one's own.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The whole matrix.
    pub data: Matrix<'a>,
    /// Numbers per row.
    pub dim: usize,
    /// The rows meant.
    pub index: &'a [usize],
}

impl Rows<'_> {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.index.len()
    }

    /// None at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The row at this place of the index, its `dim` numbers written to `out`.
    ///
    /// # Panics
    /// `out` is not `dim` long, or there is no such row.
    pub fn read(&self, at: usize, out: &mut [f32]) {
        let row = self.index[at];
        match self.data {
            Matrix::Whole(data) => out.copy_from_slice(&data[row * self.dim..(row + 1) * self.dim]),
            Matrix::Halves(rows) => widen(rows[row], out),
        }
    }

    /// One after the other, in the order of the index.
    pub fn for_each(&self, mut see: impl FnMut(&[f32])) {
        let mut row = vec![0.0; self.dim];
        for at in 0..self.len() {
            self.read(at, &mut row);
            see(&row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_numbers_wherever_they_lie() {
        let data: Vec<f32> = (0_u8..15).map(|i| f32::from(i) * 0.25 - 1.0).collect();
        let halves: Vec<Vec<f16>> = data
            .chunks_exact(5)
            .map(|row| row.iter().copied().map(f16::from_f32).collect())
            .collect();
        let halves: Vec<&[f16]> = halves.iter().map(Vec::as_slice).collect();
        let seen = |data| {
            let mut seen = Vec::new();
            let rows = Rows {
                data,
                dim: 5,
                index: &[2, 0],
            };
            rows.for_each(|row| seen.push(row.to_vec()));
            seen
        };
        let expected = [data[10..].to_vec(), data[..5].to_vec()];
        assert_eq!(seen(Matrix::Whole(&data)), expected);
        assert_eq!(seen(Matrix::Halves(&halves)), expected);
    }
}
