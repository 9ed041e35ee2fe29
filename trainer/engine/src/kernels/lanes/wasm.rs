//! WebAssembly's 128-bit registers: multiply, then add, as the baseline does, and so the same bits.

#![expect(unsafe_code, reason = "loads and stores through pointers that callers vouch for")]

use std::arch::wasm32::{
    f32x4_add, f32x4_div, f32x4_mul, f32x4_pmax, f32x4_pmin, f32x4_splat, i32x4_add, i32x4_shl, i32x4_splat,
    i32x4_trunc_sat_f32x4, v128, v128_load, v128_store,
};

use super::Lanes;
use super::pair::Pair;

/// What kernels count in.
pub(in crate::kernels) type Simd128 = Pair<v128>;

impl Lanes for v128 {
    const N: usize = 4;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for four readable numbers; no alignment is asked for.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for four writable numbers; no alignment is asked for.
        unsafe { v128_store(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        f32x4_splat(value)
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, sum: Self) -> Self {
        f32x4_add(f32x4_mul(self, b), sum)
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        f32x4_add(self, b)
    }

    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        f32x4_mul(self, b)
    }

    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        f32x4_div(self, b)
    }

    // "Pseudo" minimum and maximum choose their first operand where the comparison is false.
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        f32x4_pmin(b, self)
    }

    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        f32x4_pmax(b, self)
    }

    #[inline(always)]
    unsafe fn exp2(self) -> Self {
        i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(self), i32x4_splat(127)), 23)
    }
}
