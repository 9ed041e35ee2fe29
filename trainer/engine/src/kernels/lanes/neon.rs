//! NEON with fused multiply-add: operation by operation what AVX2 does, and so the same bits.

#![expect(unsafe_code, reason = "loads, stores and instructions that the baseline lacks")]

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vaddq_s32, vbslq_f32, vcgtq_f32, vcltq_f32, vcvtq_s32_f32, vdivq_f32, vdupq_n_f32,
    vdupq_n_s32, vfmaq_f32, vld1q_f32, vmulq_f32, vreinterpretq_f32_s32, vshlq_n_s32, vst1q_f32,
};

use super::Lanes;
use super::pair::Pair;

/// What kernels count in.
pub(in crate::kernels) type Neon = Pair<float32x4_t>;

impl Lanes for float32x4_t {
    const N: usize = 4;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for four readable numbers.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for four writable numbers.
        unsafe { vst1q_f32(to, self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: every target of this module has the instructions.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, sum: Self) -> Self {
        // SAFETY: every target of this module has the instructions.
        unsafe { vfmaq_f32(sum, self, b) }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: every target of this module has the instructions.
        unsafe { vaddq_f32(self, b) }
    }

    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        // SAFETY: every target of this module has the instructions.
        unsafe { vmulq_f32(self, b) }
    }

    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        // SAFETY: every target of this module has the instructions.
        unsafe { vdivq_f32(self, b) }
    }

    // A comparison and a choice: the instruction for a minimum treats zeros' signs and what is no number in its own way.
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        // SAFETY: every target of this module has the instructions.
        unsafe { vbslq_f32(vcltq_f32(self, b), self, b) }
    }

    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        // SAFETY: every target of this module has the instructions.
        unsafe { vbslq_f32(vcgtq_f32(self, b), self, b) }
    }

    #[inline(always)]
    unsafe fn exp2(self) -> Self {
        // SAFETY: every target of this module has the instructions.
        unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(self), vdupq_n_s32(127)))) }
    }
}
