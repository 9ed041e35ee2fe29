//! The baseline's registers: what any target compiles, multiply then add.

#![expect(unsafe_code, reason = "loads and stores through pointers that callers vouch for")]

use super::Lanes;

impl Lanes for [f32; 8] {
    const N: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for eight readable numbers; an array of them needs no other alignment.
        unsafe { from.cast::<Self>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for eight writable numbers.
        unsafe { to.cast::<Self>().write(self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; 8]
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, mut sum: Self) -> Self {
        for i in 0..8 {
            sum[i] += self[i] * b[i];
        }
        sum
    }

    #[inline(always)]
    unsafe fn add(mut self, b: Self) -> Self {
        for i in 0..8 {
            self[i] += b[i];
        }
        self
    }

    #[inline(always)]
    unsafe fn mul(mut self, b: Self) -> Self {
        for i in 0..8 {
            self[i] *= b[i];
        }
        self
    }

    #[inline(always)]
    unsafe fn div(mut self, b: Self) -> Self {
        for i in 0..8 {
            self[i] /= b[i];
        }
        self
    }

    #[inline(always)]
    unsafe fn min(mut self, b: Self) -> Self {
        for i in 0..8 {
            self[i] = if self[i] < b[i] { self[i] } else { b[i] };
        }
        self
    }

    #[inline(always)]
    unsafe fn max(mut self, b: Self) -> Self {
        for i in 0..8 {
            self[i] = if self[i] > b[i] { self[i] } else { b[i] };
        }
        self
    }

    #[inline(always)]
    unsafe fn exp2(self) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers from -126 to 127")]
        self.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
}
