//! The one unsafe call: starting a kernel.

#![expect(
    unsafe_code,
    reason = "a kernel's arguments are its source's to check, not the compiler's"
)]

use candle_core::Result;
use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::driver::{CudaFunction, CudaSlice, CudaStream, CudaView, LaunchConfig, PushKernelArg};

/// Starts one of the kernels of `depthwise.cu`: the inputs, the output, then the ten numbers of its geometry.
pub(super) fn launch<T, O>(
    stream: &CudaStream,
    function: &CudaFunction,
    grid: LaunchConfig,
    inputs: &[CudaView<'_, T>],
    out: &mut CudaSlice<O>,
    numbers: &[i32; 10],
) -> Result<()> {
    let mut call = stream.launch_builder(function);
    for input in inputs {
        call.arg(input);
    }
    call.arg(out);
    for number in numbers {
        call.arg(number);
    }
    // SAFETY: every kernel takes so many tensors of these types and ten ints, in this order; the caller's geometry holds the
    // tensors' lengths, and a kernel returns where a thread lies outside of it.
    unsafe { call.launch(grid) }.w()?;
    Ok(())
}
