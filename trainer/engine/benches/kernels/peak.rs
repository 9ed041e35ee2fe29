//! The most that a core can do: fused multiply-adds on numbers that stay in registers.
//!
//! Owns: the figure that shares of the peak are shares of. Refuses to know: kernels, networks.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Instant;

/// Rounds of the loop that is timed, a few milliseconds each time.
const TURNS: u32 = 1_000_000;
/// The quickest of so many counts: whatever else runs makes it slower, never quicker.
const TRIES: u32 = 5;

/// Operations on f32 a second of the core that this runs on, a fused multiply-add counted as two; none where the machine has
/// no such instruction that is known here.
pub(crate) fn flop_per_s() -> Option<f64> {
    let turn = loops()?;
    let rate = || {
        let start = Instant::now();
        let flop = turn(black_box(TURNS));
        flop / start.elapsed().as_secs_f64()
    };
    Some((0..TRIES).map(|_| rate()).fold(0.0, f64::max))
}

/// Runs so many turns; returns the operations that they were.
type Loop = fn(u32) -> f64;

#[cfg(target_arch = "x86_64")]
fn loops() -> Option<Loop> {
    if std::arch::is_x86_feature_detected!("avx512f") {
        Some(x86::wide)
    } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        Some(x86::narrow)
    } else {
        None
    }
}

#[cfg(not(target_arch = "x86_64"))]
const fn loops() -> Option<Loop> {
    None
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };
    use std::hint::black_box;

    /// Sums that do not wait for one another: more than an addition takes cycles, times two of them a cycle.
    const SUMS: usize = 12;

    #[expect(unsafe_code, reason = "instructions that not every machine has")]
    pub(super) fn narrow(turns: u32) -> f64 {
        #[target_feature(enable = "avx2,fma")]
        fn run(turns: u32) {
            let factor = _mm256_set1_ps(black_box(0.5));
            let mut sums = [_mm256_set1_ps(black_box(1.0)); SUMS];
            for _ in 0..turns {
                for sum in &mut sums {
                    *sum = _mm256_fmadd_ps(*sum, factor, factor);
                }
            }
            for sum in sums {
                let mut kept = [0.0_f32; 8];
                // SAFETY: `kept` has room for the eight numbers of a register.
                unsafe { _mm256_storeu_ps(kept.as_mut_ptr(), sum) };
                black_box(kept);
            }
        }
        // SAFETY: this is chosen only where the machine has AVX2 and FMA.
        unsafe { run(turns) };
        f64::from(turns) * SUMS as f64 * 8.0 * 2.0
    }

    #[expect(unsafe_code, reason = "instructions that not every machine has")]
    pub(super) fn wide(turns: u32) -> f64 {
        #[target_feature(enable = "avx512f")]
        fn run(turns: u32) {
            let factor = _mm512_set1_ps(black_box(0.5));
            let mut sums = [_mm512_set1_ps(black_box(1.0)); SUMS];
            for _ in 0..turns {
                for sum in &mut sums {
                    *sum = _mm512_fmadd_ps(*sum, factor, factor);
                }
            }
            for sum in sums {
                let mut kept = [0.0_f32; 16];
                // SAFETY: `kept` has room for the sixteen numbers of a register.
                unsafe { _mm512_storeu_ps(kept.as_mut_ptr(), sum) };
                black_box(kept);
            }
        }
        // SAFETY: this is chosen only where the machine has AVX-512.
        unsafe { run(turns) };
        f64::from(turns) * SUMS as f64 * 16.0 * 2.0
    }
}
