//! The loops that take the time: a packed matrix product and depthwise convolutions, f32, channels last.
//!
//! Each is written once in plain Rust and compiled twice on x86-64: for the baseline, and for AVX2 with FMA, chosen when a
//! backbone is loaded. Every output is summed in one fixed order whatever the size of the tile it falls in, so a feature
//! depends on the image, the weights and the [`Isa`] alone.

mod depthwise;
mod pointwise;

pub(crate) use depthwise::{Depthwise, depthwise_row};
pub(crate) use pointwise::{Packed, Target, product};

/// Values per lane group: two AVX registers, four of NEON, SSE or wasm.
pub(crate) const LANES: usize = 16;

/// Which compiled copy of the kernels runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// The target's baseline: multiply, then add.
    Plain,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Fma,
}

impl Isa {
    /// The best this machine has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return Self::Fma;
        }
        Self::Plain
    }

    /// Names the arithmetic: copies with one name give equal bits.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Plain => "f32-mul-add-1",
            #[cfg(target_arch = "x86_64")]
            Self::Fma => "f32-fma-1",
        }
    }
}

/// `acc + a × b`, fused or not.
#[inline(always)]
fn mul_add<const FUSED: bool>(a: f32, b: f32, acc: f32) -> f32 {
    if FUSED { a.mul_add(b, acc) } else { acc + a * b }
}

/// min(max(x, 0), 6); never a NaN, since weights are finite and so is every sum of them.
#[inline(always)]
fn relu6(x: f32) -> f32 {
    x.clamp(0.0, 6.0)
}
