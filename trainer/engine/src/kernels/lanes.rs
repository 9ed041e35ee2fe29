//! A register of numbers, so that one text of a kernel serves every instruction set.

#![expect(unsafe_code, reason = "loads, stores and instructions that the baseline lacks")]

/// A register's worth of f32.
///
/// Methods of all but the baseline's must only be called where the machine has the instructions: from a function with the
/// matching `target_feature`, into which they are inlined.
pub(super) trait Lanes: Copy {
    /// Numbers in it.
    const N: usize;

    /// Read N numbers.
    ///
    /// # Safety
    /// `from` is valid for reading N numbers, and the machine has the instructions.
    unsafe fn load(from: *const f32) -> Self;

    /// Write N numbers.
    ///
    /// # Safety
    /// `to` is valid for writing N numbers, and the machine has the instructions.
    unsafe fn store(self, to: *mut f32);

    /// N times the same number.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn splat(value: f32) -> Self;

    /// `self × b + sum`.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn mul_add(self, b: Self, sum: Self) -> Self;

    /// `self + b`.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn add(self, b: Self) -> Self;

    /// min(max(x, 0), 6).
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn relu6(self) -> Self;
}

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
    unsafe fn relu6(mut self) -> Self {
        for value in &mut self {
            *value = value.clamp(0.0, 6.0);
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_set1_ps,
        _mm256_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_min_ps,
        _mm512_set1_ps, _mm512_storeu_ps,
    };

    use super::Lanes;

    macro_rules! lanes {
        ($register:ty, $n:literal, $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident, $max:ident, $min:ident) => {
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
                unsafe fn relu6(self) -> Self {
                    // SAFETY: the caller vouches for the instructions.
                    unsafe { $min($max(self, $splat(0.0)), $splat(6.0)) }
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
        _mm256_max_ps,
        _mm256_min_ps
    );
    lanes!(
        __m512,
        16,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_max_ps,
        _mm512_min_ps
    );
}
