//! Two registers side by side, for machines whose registers are short: kernels then count in eights everywhere.

#![expect(unsafe_code, reason = "passes on what its registers ask for")]

use super::Lanes;

/// The first half of the numbers, and the second.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Pair<V>(V, V);

impl<V: Lanes> Lanes for Pair<V> {
    const N: usize = 2 * V::N;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for twice as many numbers, and for the instructions.
        unsafe { Self(V::load(from), V::load(from.add(V::N))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for twice as many numbers, and for the instructions.
        unsafe {
            self.0.store(to);
            self.1.store(to.add(V::N));
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller vouches for the instructions.
        let one = unsafe { V::splat(value) };
        Self(one, one)
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, sum: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Self(self.0.mul_add(b.0, sum.0), self.1.mul_add(b.1, sum.1)) }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Self(self.0.add(b.0), self.1.add(b.1)) }
    }

    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Self(self.0.mul(b.0), self.1.mul(b.1)) }
    }

    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Self(self.0.div(b.0), self.1.div(b.1)) }
    }

    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Self(self.0.min(b.0), self.1.min(b.1)) }
    }

    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Self(self.0.max(b.0), self.1.max(b.1)) }
    }

    #[inline(always)]
    unsafe fn exp2(self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Self(self.0.exp2(), self.1.exp2()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lanes, Pair};

    #[test]
    fn a_pair_is_its_halves() {
        let numbers: [f32; 16] = std::array::from_fn(|i| i as f32 - 7.5);
        let mut out = [0.0; 16];
        // SAFETY: as many numbers as are read and written; the baseline's instructions.
        unsafe {
            let x = Pair::<[f32; 8]>::load(numbers.as_ptr());
            let two = Pair::splat(2.0);
            x.mul_add(two, two)
                .mul(x)
                .add(x)
                .div(two)
                .max(x)
                .min(two)
                .store(out.as_mut_ptr());
        }
        let expected = numbers.map(|x| (((x * 2.0 + 2.0) * x + x) / 2.0).max(x).min(2.0));
        assert_eq!(out, expected);
    }
}
