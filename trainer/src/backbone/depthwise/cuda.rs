//! On a GPU: kernels in CUDA C++, compiled by NVRTC once a process and loaded once a device. f16 is stored as such and
//! summed in f32. Never run on a card so far; that the source compiles is tested.

mod launch;

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{CudaSlice, DeviceRepr, LaunchConfig, ValidAsZeroBits};
use candle_core::cuda::cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};
use candle_core::cuda::{CudaDType, CudaDevice};
use candle_core::{CudaStorage, DType, Layout, Result, bail};
use half::f16;

use super::{Geometry, within};

/// The kernels' source.
const SOURCE: &str = include_str!("depthwise.cu");
/// What the source is compiled for: the oldest that NVRTC 13 knows, and no newer instruction is used. The driver makes code
/// for the card that it finds.
const ARCHITECTURE: &str = "compute_75";
/// Channels and positions of a block of threads, as the source has them.
const CHANNELS: u32 = 32;
const LANES: u32 = 8;
/// Outputs along a row of one thread of the forward kernels.
const STRIP: usize = 4;
/// Positions that one block sums for the weight's gradient.
const PART: usize = 4096;

type Input<'a> = (&'a CudaStorage, &'a Layout);

/// (batch, height out, width out, channels) from map, weight and bias.
pub(super) fn forward(geometry: &Geometry, inputs: [Input<'_>; 3]) -> Result<CudaStorage> {
    let variant = match (geometry.kernel, geometry.stride) {
        (kernel @ (3 | 5 | 7), stride @ (1 | 2)) => format!("_k{kernel}s{stride}"),
        _ => String::new(),
    };
    let strips = geometry.width_out().div_ceil(STRIP) * geometry.height_out();
    let grid = grid(geometry, strips.div_ceil(LANES as usize), geometry.batch)?;
    let n_out = geometry.output().elem_count();
    typed(
        &Call {
            geometry,
            name: "forward",
            variant: &variant,
            grid,
            n_out,
        },
        &inputs,
    )
}

/// (batch, height, width, channels) from the result's gradient and the weight.
pub(super) fn gradient_of_map(geometry: &Geometry, inputs: [Input<'_>; 2]) -> Result<CudaStorage> {
    let positions = geometry.size.height * geometry.size.width;
    let grid = grid(geometry, positions.div_ceil(LANES as usize), geometry.batch)?;
    let n_out = geometry.input().elem_count();
    typed(
        &Call {
            geometry,
            name: "gradient_of_map",
            variant: "",
            grid,
            n_out,
        },
        &inputs,
    )
}

/// Partial sums, (parts, channels, 1, kernel, kernel), f32, from the result's gradient and the map; and how many parts.
pub(super) fn gradient_of_weight(geometry: &Geometry, inputs: [Input<'_>; 2]) -> Result<(CudaStorage, usize)> {
    let positions = geometry.batch * geometry.height_out() * geometry.width_out();
    let n_parts = positions.div_ceil(PART).max(1);
    let taps = geometry.kernel * geometry.kernel;
    let grid = grid(geometry, taps, n_parts)?;
    let n_out = n_parts * geometry.channels * taps;
    let call = Call {
        geometry,
        name: "gradient_of_weight",
        variant: "",
        grid,
        n_out,
    };
    let device = &inputs[0].0.device;
    let sums = match inputs[0].0.dtype() {
        DType::F32 => call.run::<f32, f32>(device, "f32", &inputs)?,
        DType::F16 => call.run::<f16, f32>(device, "f16", &inputs)?,
        other => bail!("a depthwise convolution on a GPU computes in f32 or f16, not in {other:?}"),
    };
    Ok((CudaStorage::wrap_cuda_slice(sums, device.clone()), n_parts))
}

/// A kernel, how many threads run it, and how many values it writes.
struct Call<'a> {
    geometry: &'a Geometry,
    name: &'a str,
    variant: &'a str,
    grid: LaunchConfig,
    n_out: usize,
}

impl Call<'_> {
    /// From tensors of `T` to values of `O`.
    fn run<T, O>(&self, device: &CudaDevice, suffix: &str, inputs: &[Input<'_>]) -> Result<CudaSlice<O>>
    where
        T: CudaDType + DeviceRepr,
        O: DeviceRepr + ValidAsZeroBits,
    {
        let mut views = Vec::with_capacity(inputs.len());
        for (storage, layout) in inputs {
            let (start, end) = within(layout)?;
            views.push(storage.as_cuda_slice::<T>()?.slice(start..end));
        }
        let Geometry {
            batch,
            channels,
            kernel,
            stride,
            size,
        } = *self.geometry;
        let numbers = [
            batch,
            size.height,
            size.width,
            channels,
            self.geometry.height_out(),
            self.geometry.width_out(),
            size.rows.before as usize,
            size.columns.before as usize,
            kernel,
            stride,
        ];
        let mut narrow = [0_i32; 10];
        for (narrow, number) in narrow.iter_mut().zip(numbers) {
            *narrow = i32::try_from(number).map_err(candle_core::Error::wrap)?;
        }
        let kernel = format!("{}_{suffix}{}", self.name, self.variant);
        let function = device.get_or_load_custom_func(&kernel, "depthwise", module()?)?;
        let function = function.into_cuda_function();
        let mut out = device.alloc_zeros::<O>(self.n_out)?;
        launch::launch(&device.cuda_stream(), &function, self.grid, &views, &mut out, &narrow)?;
        Ok(out)
    }
}

/// A call whose values are of the inputs' type.
fn typed(call: &Call<'_>, inputs: &[Input<'_>]) -> Result<CudaStorage> {
    let device = &inputs[0].0.device;
    match inputs[0].0.dtype() {
        DType::F32 => {
            let out = call.run::<f32, f32>(device, "f32", inputs)?;
            Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
        }
        DType::F16 => {
            let out = call.run::<f16, f16>(device, "f16", inputs)?;
            Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
        }
        other => bail!("a depthwise convolution on a GPU computes in f32 or f16, not in {other:?}"),
    }
}

/// Blocks of 32 channels × 8 lanes: all channels along x.
fn grid(geometry: &Geometry, y: usize, z: usize) -> Result<LaunchConfig> {
    // What the hardware counts along these axes.
    const MOST: usize = 65_535;
    if y > MOST || z > MOST {
        bail!("a depthwise convolution of {geometry:?} is larger than a GPU's grid; split the batch");
    }
    let narrow = |number: usize| u32::try_from(number).map_err(candle_core::Error::wrap);
    Ok(LaunchConfig {
        grid_dim: (narrow(geometry.channels)?.div_ceil(CHANNELS), narrow(y)?, narrow(z)?),
        block_dim: (CHANNELS, LANES, 1),
        shared_mem_bytes: 0,
    })
}

/// The compiled module, the same for all devices.
fn module() -> Result<&'static str> {
    static MODULE: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    match MODULE.get_or_init(|| kernels_ptx(ARCHITECTURE)) {
        Ok(module) => Ok(module),
        Err(reason) => bail!("cannot compile the depthwise kernels: {reason}"),
    }
}

/// The depthwise kernels as PTX for an architecture, such as `compute_80`. Needs NVRTC, and no card.
///
/// # Errors
/// The compiler's own words.
pub fn kernels_ptx(architecture: &str) -> std::result::Result<String, String> {
    let options = CompileOptions {
        options: vec![format!("--gpu-architecture={architecture}"), "--std=c++17".to_owned()],
        ..CompileOptions::default()
    };
    compile_ptx_with_opts(SOURCE, options)
        .map(|module| module.to_src())
        .map_err(|error| match error {
            CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
            other => other.to_string(),
        })
}
