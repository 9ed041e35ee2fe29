//! Depthwise convolution of channels-last maps, forward and backward: candle's own would be one convolution per channel.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(feature = "cuda")]
pub use cuda::kernels_ptx;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use engine::{MapSize, Padding};

/// A depthwise convolution; its numbers come with each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// Stride.
    pub stride: usize,
    /// How the map is padded with zeros.
    pub padding: Padding,
}

impl Depthwise {
    /// `map`, (batch, height, width, channels), under `weight`, (channels, 1, kernel, kernel), plus `bias`, (channels): all of
    /// one type, f32, or on a GPU also f16, whose sums are taken in f32. Has gradients for all three.
    ///
    /// # Errors
    /// Shapes, types or devices do not fit.
    pub fn forward(&self, map: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        map.contiguous()?
            .apply_op3(&weight.contiguous()?, &bias.contiguous()?, *self)
    }
}

/// Everything about one call that is not a number of a tensor.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    batch: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    size: MapSize,
}

impl Geometry {
    fn new(op: Depthwise, map: &Shape, weight: &Shape) -> Result<Self> {
        let (batch, height, width, channels) = map.dims4()?;
        let (of, one, kernel, across) = weight.dims4()?;
        if (of, one) != (channels, 1) || kernel != across || kernel == 0 || op.stride == 0 {
            bail!(
                "a depthwise weight of shape {weight:?} at stride {} does not fit a map of {map:?}",
                op.stride
            );
        }
        let zeros = |side: usize| {
            let narrow = |number: usize| u32::try_from(number).map_err(candle_core::Error::wrap);
            let smallest = match op.padding {
                Padding::TfSame => 1,
                Padding::Symmetric => kernel - kernel / 2 * 2,
            };
            if side < smallest.max(1) {
                bail!("a map of shape {map:?} is too small for a kernel of {kernel}");
            }
            Ok(op.padding.apply(narrow(side)?, narrow(kernel)?, narrow(op.stride)?))
        };
        Ok(Self {
            batch,
            channels,
            kernel,
            stride: op.stride,
            size: MapSize {
                height,
                width,
                rows: zeros(height)?,
                columns: zeros(width)?,
            },
        })
    }

    const fn height_out(&self) -> usize {
        self.size.rows.out as usize
    }

    const fn width_out(&self) -> usize {
        self.size.columns.out as usize
    }

    fn input(&self) -> Shape {
        (self.batch, self.size.height, self.size.width, self.channels).into()
    }

    fn output(&self) -> Shape {
        (self.batch, self.height_out(), self.width_out(), self.channels).into()
    }

    fn expect(&self, what: &str, expected: &Shape, got: &Shape) -> Result<()> {
        if expected != got {
            bail!("{what} of a depthwise convolution has shape {got:?}, expected {expected:?}");
        }
        Ok(())
    }
}

impl CustomOp3 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn cpu_fwd(
        &self,
        map: &CpuStorage,
        map_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let geometry = Geometry::new(*self, map_layout.shape(), weight_layout.shape())?;
        geometry.expect("the bias", &geometry.channels.into(), bias_layout.shape())?;
        let (weight, bias) = (floats(weight, weight_layout)?, floats(bias, bias_layout)?);
        let out = cpu::forward(&geometry, floats(map, map_layout)?, weight, bias)?;
        Ok((CpuStorage::F32(out), geometry.output()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        map: &CudaStorage,
        map_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let geometry = Geometry::new(*self, map_layout.shape(), weight_layout.shape())?;
        geometry.expect("the bias", &geometry.channels.into(), bias_layout.shape())?;
        let inputs = [(map, map_layout), (weight, weight_layout), (bias, bias_layout)];
        Ok((cuda::forward(&geometry, inputs)?, geometry.output()))
    }

    fn bwd(
        &self,
        map: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let geometry = Geometry::new(*self, map.shape(), weight.shape())?;
        geometry.expect("the gradient", &geometry.output(), gradient.shape())?;
        let gradient = gradient.contiguous()?;
        let of_map = gradient.apply_op2_no_bwd(weight, &OfMap(geometry))?;
        // Partial sums come in f32, whatever the type, and are added in a fixed order.
        let of_weight = gradient.apply_op2_no_bwd(map, &OfWeight(geometry))?.sum(0)?;
        let of_bias = gradient.to_dtype(DType::F32)?.sum((0, 1, 2))?;
        Ok((
            Some(of_map),
            Some(of_weight.to_dtype(weight.dtype())?),
            Some(of_bias.to_dtype(bias.dtype())?),
        ))
    }
}

/// From the result's gradient and the weight to the map's gradient.
struct OfMap(Geometry);

impl CustomOp2 for OfMap {
    fn name(&self) -> &'static str {
        "depthwise gradient of the map"
    }

    fn cpu_fwd(
        &self,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gradient, weight) = (floats(gradient, gradient_layout)?, floats(weight, weight_layout)?);
        let out = cpu::gradient_of_map(&self.0, gradient, weight);
        Ok((CpuStorage::F32(out), self.0.input()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        gradient: &CudaStorage,
        gradient_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let inputs = [(gradient, gradient_layout), (weight, weight_layout)];
        Ok((cuda::gradient_of_map(&self.0, inputs)?, self.0.input()))
    }
}

/// From the result's gradient and the map to partial sums of the weight's gradient, (parts, channels, 1, kernel, kernel), f32.
struct OfWeight(Geometry);

impl CustomOp2 for OfWeight {
    fn name(&self) -> &'static str {
        "depthwise gradient of the weight"
    }

    fn cpu_fwd(
        &self,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        map: &CpuStorage,
        map_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gradient, map) = (floats(gradient, gradient_layout)?, floats(map, map_layout)?);
        let out = cpu::gradient_of_weight(&self.0, gradient, map);
        Ok((CpuStorage::F32(out), self.parts(1)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        gradient: &CudaStorage,
        gradient_layout: &Layout,
        map: &CudaStorage,
        map_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let inputs = [(gradient, gradient_layout), (map, map_layout)];
        let (out, n_parts) = cuda::gradient_of_weight(&self.0, inputs)?;
        Ok((out, self.parts(n_parts)))
    }
}

impl OfWeight {
    fn parts(&self, n: usize) -> Shape {
        let Geometry { channels, kernel, .. } = self.0;
        (n, channels, 1, kernel, kernel).into()
    }
}

/// The values of a contiguous f32 tensor.
fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else {
        bail!("a depthwise convolution on the CPU computes in f32 only");
    };
    let (start, end) = within(layout)?;
    Ok(&values[start..end])
}

/// Where a contiguous tensor's values lie.
fn within(layout: &Layout) -> Result<(usize, usize)> {
    match layout.contiguous_offsets() {
        Some(offsets) => Ok(offsets),
        None => bail!("a depthwise convolution reads contiguous tensors only"),
    }
}
