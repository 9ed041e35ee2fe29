//! AVX2 with fused multiply-add, and AVX-512: the same operations in the same order.

#![expect(unsafe_code, reason = "loads, stores and instructions that the baseline lacks")]

use std::arch::x86_64::{
    __m256, __m512, _mm256_add_epi32, _mm256_add_ps, _mm256_castsi256_ps, _mm256_cvtps_epi32, _mm256_div_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_slli_epi32, _mm256_storeu_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_castsi512_ps, _mm512_cvtps_epi32,
    _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_slli_epi32, _mm512_storeu_ps,
};

use super::{Lanes, sweep_with};
use crate::Activation;

/// # Safety
/// As [`sweep_with`].
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn sweep_avx2(activation: Activation, values: &mut [f32]) {
    // SAFETY: passed on.
    unsafe { sweep_with::<__m256>(activation, values) }
}

/// # Safety
/// As [`sweep_with`].
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn sweep_avx512(activation: Activation, values: &mut [f32]) {
    // SAFETY: passed on.
    unsafe { sweep_with::<__m512>(activation, values) }
}

macro_rules! lanes {
    (
        $register:ty, $n:literal, $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident, $mul:ident, $div:ident,
        $max:ident, $min:ident, $int:ident, $add_int:ident, $splat_int:ident, $shift:ident, $cast:ident
    ) => {
        impl Lanes for $register {
            const N: usize = $n;

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller vouches for the numbers and the instructions.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: the caller vouches for the numbers and the instructions.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $splat(value) }
            }

            #[inline(always)]
            unsafe fn mul_add(self, b: Self, sum: Self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $fma(self, b, sum) }
            }

            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $add(self, b) }
            }

            #[inline(always)]
            unsafe fn mul(self, b: Self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $mul(self, b) }
            }

            #[inline(always)]
            unsafe fn div(self, b: Self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $div(self, b) }
            }

            #[inline(always)]
            unsafe fn min(self, b: Self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $min(self, b) }
            }

            #[inline(always)]
            unsafe fn max(self, b: Self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $max(self, b) }
            }

            #[inline(always)]
            unsafe fn exp2(self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $cast($shift::<23>($add_int($int(self), $splat_int(127)))) }
            }
        }
    };
}

lanes!(
    __m256,
    8,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    _mm256_cvtps_epi32,
    _mm256_add_epi32,
    _mm256_set1_epi32,
    _mm256_slli_epi32,
    _mm256_castsi256_ps
);
lanes!(
    __m512,
    16,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    _mm512_cvtps_epi32,
    _mm512_add_epi32,
    _mm512_set1_epi32,
    _mm512_slli_epi32,
    _mm512_castsi512_ps
);
