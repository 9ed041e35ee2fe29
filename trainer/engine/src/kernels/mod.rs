//! The loops that take the time: a packed matrix product, depthwise convolutions and gates, f32.
//!
//! Maps lie in groups of 16 channels, (group, row, column, 16): whatever a kernel reads next lies directly behind what it
//! read, at any number of channels. Each kernel is written once over [`lanes::Lanes`] and compiled for every instruction
//! set that [`Isa`] names, the best of which is chosen when a backbone is loaded. Every output is summed in one fixed order
//! whatever the size of the tile it falls in, so a feature depends on the image, the weights and [`Isa::id`] alone.
//!
//! This is the only place of the workspace with unsafe code: pointers into slices whose lengths are asserted first.

/// Repeats a block for each of these numbers, which is a constant inside. Loops over registers must be unrolled before
/// anything else, or their sums live in memory; a compiler that is left to decide does it for some shapes and not for
/// others.
macro_rules! each {
    ($name:ident in [$($value:literal)*] $body:block) => {
        {
            $({
                const $name: usize = $value;
                $body
            })*
        }
    };
}

mod depthwise;
mod gate;
mod lanes;
mod pointwise;
#[cfg(test)]
mod tests;

pub(crate) use depthwise::{Depthwise, Rows as DepthwiseRows};
pub(crate) use gate::Gate;
pub(crate) use pointwise::{Packed, Read, Write};

/// Channels that lie together: one AVX-512 register, two of AVX2.
pub(crate) const GROUP: usize = 16;

/// Which compiled copy of the kernels runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// The target's baseline: multiply, then add.
    Plain,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512; the same operations in the same order as AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// NEON with fused multiply-add; the same operations in the same order as AVX2.
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    Neon,
    /// WebAssembly's 128-bit registers; the same operations in the same order as the baseline.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

impl Isa {
    /// All that this machine has, the best one last.
    pub(crate) fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let avx2 = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        let all = [
            (Self::Plain, true),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, avx2),
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512, avx2 && std::arch::is_x86_feature_detected!("avx512f")),
            // What these targets have is known when they are compiled.
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            (Self::Neon, true),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            (Self::Simd128, true),
        ];
        // Miri knows the baseline's instructions only.
        let there = |(isa, there): &(Self, bool)| *there && (!cfg!(miri) || *isa == Self::Plain);
        all.into_iter().filter(there).map(|(isa, _)| isa).collect()
    }

    /// The best this machine has.
    pub(crate) fn detect() -> Self {
        Self::available().pop().unwrap_or(Self::Plain)
    }

    /// Names the arithmetic: copies with one name give equal bits.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Plain => "f32-mul-add-2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 => "f32-fma-2",
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Self::Neon => "f32-fma-2",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => "f32-mul-add-2",
        }
    }
}

/// How many groups these channels fill.
pub(crate) const fn groups(channels: usize) -> usize {
    channels.div_ceil(GROUP)
}
