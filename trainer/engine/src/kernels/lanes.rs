//! A register of numbers, so that one text of a kernel serves every instruction set.

#![expect(unsafe_code, reason = "loads, stores and instructions that the baseline lacks")]

use super::{GROUP, Isa};
use crate::Activation;

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

    /// `self × b`.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn mul(self, b: Self) -> Self;

    /// `self ÷ b`.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn div(self, b: Self) -> Self;

    /// The smaller of each; `b` where `self` is no number.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn min(self, b: Self) -> Self;

    /// The larger of each; `b` where `self` is no number.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn max(self, b: Self) -> Self;

    /// 2 to the power of `self`, which holds whole numbers from −126 to 127.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn exp2(self) -> Self;

    /// min(max(x, 0), 6).
    ///
    /// # Safety
    /// The machine has the instructions.
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { self.max(Self::splat(0.0)).min(Self::splat(6.0)) }
    }

    /// min(max(x + 3, 0), 6) / 6.
    ///
    /// # Safety
    /// The machine has the instructions.
    #[inline(always)]
    unsafe fn hard_sigmoid(self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { self.add(Self::splat(3.0)).relu6().mul(Self::splat(1.0 / 6.0)) }
    }

    /// x × hard sigmoid of x.
    ///
    /// # Safety
    /// The machine has the instructions.
    #[inline(always)]
    unsafe fn hard_swish(self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { self.mul(self.hard_sigmoid()) }
    }

    /// 1 / (1 + e⁻ˣ), to a few units in the last place: e⁻ˣ as in Cephes' `expf` (<https://netlib.org/cephes/>), the same bits on
    /// every machine, which a library's function does not promise.
    ///
    /// # Safety
    /// The machine has the instructions.
    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let x = self
                .mul(Self::splat(-1.0))
                .max(Self::splat(-87.0))
                .min(Self::splat(87.0));
            // Adding and taking away 1.5 · 2²³ rounds to a whole number.
            let magic = Self::splat(12_582_912.0);
            let n = x
                .mul_add(Self::splat(std::f32::consts::LOG2_E), magic)
                .add(Self::splat(-12_582_912.0));
            let r = n.mul_add(Self::splat(-0.693_359_4), x);
            let r = n.mul_add(Self::splat(2.121_944_4e-4), r);
            let mut sum = Self::splat(1.987_569_1e-4);
            for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
                sum = sum.mul_add(r, Self::splat(coefficient));
            }
            let one = Self::splat(1.0);
            let exp = sum.mul(r).mul_add(r, r).add(one).mul(n.exp2());
            one.div(one.add(exp))
        }
    }
}

/// Whether an activation is part of the kernels' store; the others are a [`sweep`] of their own.
pub(super) const fn fused(activation: Activation) -> bool {
    match activation {
        Activation::Linear | Activation::Relu | Activation::Relu6 | Activation::HardSwish => true,
        Activation::HardSigmoid | Activation::Sigmoid | Activation::Swish => false,
    }
}

/// Applies an activation to every number; there is a multiple of 16 of them.
pub(super) fn sweep(isa: Isa, activation: Activation, values: &mut [f32]) {
    assert!(values.len().is_multiple_of(GROUP), "numbers come in groups of 16");
    // SAFETY: the length was asserted, and `Isa::available` names only what the machine has.
    unsafe {
        match isa {
            Isa::Plain => sweep_with::<[f32; 8]>(activation, values),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::sweep_avx2(activation, values),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::sweep_avx512(activation, values),
        }
    }
}

/// # Safety
/// The machine has the instructions of `V`, whose numbers divide 16, and 16 divides the length.
#[inline(always)]
unsafe fn sweep_with<V: Lanes>(activation: Activation, values: &mut [f32]) {
    macro_rules! each_register {
        ($apply:expr) => {
            for part in values.chunks_exact_mut(V::N) {
                // SAFETY: a part is as long as a register.
                unsafe {
                    let value: V = $apply(V::load(part.as_ptr()));
                    value.store(part.as_mut_ptr());
                }
            }
        };
    }
    match activation {
        Activation::Linear => {}
        Activation::Relu => each_register!(|x: V| x.max(V::splat(0.0))),
        Activation::Relu6 => each_register!(|x: V| x.relu6()),
        Activation::HardSigmoid => each_register!(|x: V| x.hard_sigmoid()),
        Activation::HardSwish => each_register!(|x: V| x.hard_swish()),
        Activation::Sigmoid => each_register!(|x: V| x.sigmoid()),
        Activation::Swish => each_register!(|x: V| x.mul(x.sigmoid())),
    }
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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_epi32, _mm256_add_ps, _mm256_castsi256_ps, _mm256_cvtps_epi32, _mm256_div_ps,
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_set1_epi32,
        _mm256_set1_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_castsi512_ps,
        _mm512_cvtps_epi32, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_min_ps,
        _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi32, _mm512_storeu_ps,
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
}
