//! The path through WebAssembly, without bindings: whoever runs it writes a case into memory and reads an answer from it.
//! Built for `wasm32-unknown-unknown`, with and without `simd128`, and run by `xtask/src/paths.mjs`.
#![expect(
    unsafe_code,
    reason = "names that the other side finds; there is no unsafe operation"
)]

use std::sync::{Mutex, PoisonError};

use engine::Kernel;

#[path = "../paths/case.rs"]
mod case;

/// The case, then its answer.
static BYTES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Where a case of so many bytes is to be written.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub extern "C" fn case_of(len: usize) -> *mut u8 {
    let mut bytes = BYTES.lock().unwrap_or_else(PoisonError::into_inner);
    *bytes = vec![0; len];
    bytes.as_mut_ptr()
}

/// Computes the answer to what was written; its length in bytes.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> usize {
    let mut bytes = BYTES.lock().unwrap_or_else(PoisonError::into_inner);
    *bytes = case::answer(Kernel::best(), &bytes);
    bytes.len()
}

/// Where the answer lies.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub extern "C" fn answer_at() -> *const u8 {
    BYTES.lock().unwrap_or_else(PoisonError::into_inner).as_ptr()
}
