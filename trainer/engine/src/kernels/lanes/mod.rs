//! A register of numbers, so that one text of a kernel serves every instruction set.

#![expect(unsafe_code, reason = "loads, stores and instructions that the baseline lacks")]

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
pub(super) mod neon;
#[cfg(any(
    all(target_arch = "aarch64", target_feature = "neon"),
    all(target_arch = "wasm32", target_feature = "simd128"),
    test
))]
mod pair;
mod plain;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

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

/// The bounds between which an activation holds a number, where that is all it does: such ones are part of the kernels' store,
/// the others are a [`sweep`] of their own.
pub(super) const fn bounds(activation: Activation) -> Option<(f32, f32)> {
    match activation {
        Activation::Linear => Some((f32::NEG_INFINITY, f32::INFINITY)),
        Activation::Relu => Some((0.0, f32::INFINITY)),
        Activation::Relu6 => Some((0.0, 6.0)),
        Activation::HardSigmoid | Activation::HardSwish | Activation::Sigmoid | Activation::Swish => None,
    }
}

/// The bounds of what a kernel stores: none where the activation comes afterwards.
pub(super) fn stored(activation: Activation) -> (f32, f32) {
    bounds(activation).unwrap_or((f32::NEG_INFINITY, f32::INFINITY))
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
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Isa::Neon => sweep_with::<neon::Neon>(activation, values),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => sweep_with::<wasm::Simd128>(activation, values),
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
