//! The compiled copies of the kernels, to be chosen by name: a job pins the arithmetic of its features, a comparison runs
//! all of them.

use std::fmt;

use crate::kernels::Isa;

/// A copy of the kernels that this machine can run; there is no other way to have one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Isa);

impl Kernel {
    /// All that this machine can run, the fastest one last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Isa::available().into_iter().map(Self).collect()
    }

    /// The fastest one.
    #[must_use]
    pub fn best() -> Self {
        Self(Isa::detect())
    }

    /// The fastest one with this arithmetic, an [`Self::id`]; none where this machine cannot compute it.
    #[must_use]
    pub fn with_id(id: &str) -> Option<Self> {
        Self::available().into_iter().rfind(|kernel| kernel.id() == id)
    }

    /// Names the instructions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Isa::Plain => "plain",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Isa::Neon => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => "simd128",
        }
    }

    /// Names the arithmetic: features of one id are equal to the bit, whatever the instructions.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.0.id()
    }

    pub(crate) const fn isa(self) -> Isa {
        self.0
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernel({}, {})", self.name(), self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::Kernel;

    #[test]
    fn a_kernel_is_found_by_its_arithmetic() {
        for kernel in Kernel::available() {
            let found = Kernel::with_id(kernel.id()).unwrap();
            assert_eq!(found.id(), kernel.id());
        }
        assert_eq!(Kernel::available().last(), Some(&Kernel::best()));
        assert_eq!(Kernel::with_id("f32-of-tomorrow"), None);
        assert_eq!(Kernel::available()[0].name(), "plain");
    }
}
