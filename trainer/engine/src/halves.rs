//! Halves widened to f32 a row at a time: whoever reads cached features does little else so often.

use half::f16;
use half::slice::HalfFloatSliceExt as _;

/// Writes the same numbers to `out`.
///
/// # Panics
/// The two are not of one length.
pub fn widen(halves: &[f16], out: &mut [f32]) {
    assert_eq!(halves.len(), out.len(), "as many numbers as there is room for");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx") && is_x86_feature_detected!("f16c") {
        #[expect(unsafe_code, reason = "the only way to a machine's own conversion")]
        // SAFETY: the machine has what the function is compiled for.
        unsafe {
            x86::widen(halves, out);
        }
        return;
    }
    halves.convert_to_f32_slice(out);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};

    use half::f16;

    #[target_feature(enable = "avx,f16c")]
    pub(super) fn widen(halves: &[f16], out: &mut [f32]) {
        let (eights, rest) = halves.as_chunks::<8>();
        let (wide, wide_rest) = out.as_chunks_mut::<8>();
        for (eight, wide) in eights.iter().zip(wide) {
            #[expect(unsafe_code, reason = "vectors are loaded and stored through pointers")]
            // SAFETY: eight halves are 16 bytes to read, eight f32 are 32 bytes to write; no alignment is asked for.
            unsafe {
                _mm256_storeu_ps(
                    wide.as_mut_ptr(),
                    _mm256_cvtph_ps(_mm_loadu_si128(eight.as_ptr().cast())),
                );
            }
        }
        for (half, wide) in rest.iter().zip(wide_rest) {
            *wide = half.to_f32();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_the_same_number() {
        let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).chain([f16::ONE; 3]).collect();
        let mut out = vec![0.0; halves.len()];
        widen(&halves, &mut out);
        for (half, wide) in halves.iter().zip(&out) {
            assert!(half.to_f32().to_bits() == wide.to_bits() || (half.is_nan() && wide.is_nan()));
        }
    }
}
