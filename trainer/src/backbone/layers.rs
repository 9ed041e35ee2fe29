//! The parts of a network. Each holds its tensors as the file has them and turns them only on the way, so that a variable
//! that a training moves is seen by the next pass.

use candle_core::{D, DType, Result, Tensor};
use engine::{Activation, Padded, Padding, Pool};

use super::weights::{LayerTensors, Layers};
use super::{BackboneError, Depthwise};

/// The first convolution.
#[derive(Clone, Debug)]
pub(super) struct Stem {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
    pad: Padded,
    activation: Activation,
}

impl Stem {
    pub(super) fn new(layers: &Layers<'_>, padding: Padding) -> std::result::Result<Self, BackboneError> {
        let LayerTensors { layer, weight, bias } = layers.take("stem")?;
        Ok(Self {
            weight,
            bias,
            stride: layer.stride as usize,
            pad: padding.apply(layer.side_in, layer.kernel, layer.stride),
            activation: layer.activation,
        })
    }

    /// (batch, side, side, 3) to (batch, row, column, channel).
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let (before, after) = (self.pad.before as usize, self.pad.after as usize);
        // Three channels: the one convolution that candle's own, channels first, is good enough for.
        let padded = images
            .permute((0, 3, 1, 2))?
            .pad_with_zeros(D::Minus1, before, after)?
            .pad_with_zeros(D::Minus2, before, after)?;
        let map = padded.contiguous()?.conv2d(&self.weight, 0, self.stride, 1, 1)?;
        let map = map.permute((0, 2, 3, 1))?.contiguous()?;
        activate(&map.broadcast_add(&self.bias)?, self.activation)
    }
}

/// A 1×1 convolution: one matrix product over all positions.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    /// (out, in, 1, 1).
    weight: Tensor,
    bias: Tensor,
    activation: Activation,
}

impl Dense {
    pub(super) fn new(of: LayerTensors<'_>) -> Self {
        Self {
            weight: of.weight,
            bias: of.bias,
            activation: of.layer.activation,
        }
    }

    pub(super) fn dtype(&self) -> DType {
        self.weight.dtype()
    }

    /// (batch, row, column, in) to (batch, row, column, out).
    pub(super) fn forward(&self, map: &Tensor) -> Result<Tensor> {
        let (batch, height, width, channels) = map.dims4()?;
        let out = self.bias.dim(0)?;
        let weight = self.weight.reshape((out, channels))?.t()?;
        let product = map.reshape((batch * height * width, channels))?.matmul(&weight)?;
        let product = activate(&product.broadcast_add(&self.bias)?, self.activation)?;
        product.reshape((batch, height, width, out))
    }
}

/// Expansion, depthwise convolution, squeeze-and-excite and projection, as far as the architecture has them.
#[derive(Clone, Debug)]
pub(super) struct Block {
    expand: Option<Dense>,
    depthwise: Depthwise,
    /// (channels, 1, kernel, kernel).
    weight: Tensor,
    bias: Tensor,
    activation: Activation,
    squeeze: Option<(Dense, Dense)>,
    project: Dense,
    residual: bool,
}

impl Block {
    pub(super) fn new(
        layers: &Layers<'_>,
        padding: Padding,
        index: usize,
        residual: bool,
    ) -> std::result::Result<Self, BackboneError> {
        let name = |part: &str| format!("blocks.{index}.{part}");
        let LayerTensors { layer, weight, bias } = layers.take(&name("dw"))?;
        let reduce = layers.find(&name("se.reduce"))?.map(Dense::new);
        let excite = layers.find(&name("se.expand"))?.map(Dense::new);
        Ok(Self {
            expand: layers.find(&name("expand"))?.map(Dense::new),
            depthwise: Depthwise {
                stride: layer.stride as usize,
                padding,
            },
            weight,
            bias,
            activation: layer.activation,
            squeeze: reduce.zip(excite),
            project: Dense::new(layers.take(&name("project"))?),
            residual,
        })
    }

    /// (batch, row, column, in) to (batch, row, column, out).
    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let expanded = match &self.expand {
            Some(expand) => expand.forward(input)?,
            None => input.clone(),
        };
        let filtered = self.depthwise.forward(&expanded, &self.weight, &self.bias)?;
        let mut map = activate(&filtered, self.activation)?;
        if let Some((reduce, excite)) = &self.squeeze {
            // The mean of a few thousand halves is taken in f32.
            let mean = map.to_dtype(DType::F32)?.mean_keepdim((1, 2))?.to_dtype(map.dtype())?;
            map = map.broadcast_mul(&excite.forward(&reduce.forward(&mean)?)?)?;
        }
        let map = self.project.forward(&map)?;
        match self.residual {
            true => map + input,
            false => Ok(map),
        }
    }
}

/// Every activation that architectures may name.
fn activate(map: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::Linear => Ok(map.clone()),
        Activation::Relu => map.relu(),
        Activation::Relu6 => map.clamp(0_f32, 6_f32),
        Activation::HardSigmoid => hard_sigmoid(map),
        Activation::HardSwish => map * hard_sigmoid(map)?,
        Activation::Sigmoid => sigmoid(map),
        Activation::Swish => map.silu(),
    }
}

fn hard_sigmoid(map: &Tensor) -> Result<Tensor> {
    // One step: x / 6 + 1 / 2, cut at 0 and 1.
    map.affine(1.0 / 6.0, 0.5)?.clamp(0_f32, 1_f32)
}

fn sigmoid(map: &Tensor) -> Result<Tensor> {
    // By the tangent, which overflows nowhere, in half precision neither.
    map.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5)
}

/// The means of a tapped map's cells: (batch, side, side, channel) to (batch, cells × cells × channels), f32, in (row,
/// column, channel) order. The recipe fits, so cells divide what the trim leaves.
pub(super) fn pool(map: &Tensor, pool: Pool) -> Result<Tensor> {
    let map = map.to_dtype(DType::F32)?;
    let (batch, side, _, channels) = map.dims4()?;
    match pool {
        Pool::Gap => map.mean((1, 2)),
        Pool::Grid { trim, cells } => {
            let (trim, cells) = (trim as usize, cells as usize);
            let inner = side - 2 * trim;
            let middle = map.narrow(1, trim, inner)?.narrow(2, trim, inner)?.contiguous()?;
            let cell = inner / cells;
            middle
                .reshape((batch, cells, cell, cells, cell * channels))?
                .mean(2)?
                .reshape((batch, cells, cells, cell, channels))?
                .mean(3)?
                .reshape((batch, cells * cells * channels))
        }
    }
}
