//! One architecture description with many readers: the planner, the cost counter, the weight loader.
//!
//! Owns: inverted-residual networks as values, with or without squeeze-and-excite. The published ones are in `published`.

mod published;

use serde::{Deserialize, Serialize};

use crate::EngineError;

/// A network: stem, inverted-residual blocks, and a last 1×1 convolution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Name, for people and for digests.
    pub name: String,
    /// Side of the square input, pixels.
    pub input_side: u32,
    /// How every convolution pads.
    pub padding: Padding,
    /// The first convolution.
    pub stem: Stem,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
    /// Channels of the last 1×1 convolution.
    pub head_channels: u32,
    /// Activation after it.
    pub head_activation: Activation,
}

/// The first convolution: from three colours, square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stem {
    /// Side of the kernel.
    pub kernel: u32,
    /// Stride.
    pub stride: u32,
    /// Channels out.
    pub out: u32,
    /// Activation.
    pub activation: Activation,
}

/// An inverted residual: 1×1 expansion (none where hidden channels are those in), depthwise convolution, squeeze-and-excite
/// (where there is one), linear 1×1 projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Side of the depthwise kernel.
    pub kernel: u32,
    /// Stride of the depthwise convolution.
    pub stride: u32,
    /// Hidden channels.
    pub expand: Expansion,
    /// Channels out.
    pub out: u32,
    /// Activation after expansion and depthwise convolution.
    pub activation: Activation,
    /// The block's input is added to its output.
    pub residual: bool,
    /// Scales every hidden channel by what the whole map says, between depthwise convolution and projection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub squeeze: Option<Squeeze>,
}

/// How many hidden channels a block has. Written as a plain number where it is a multiple of the channels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expansion {
    /// So many per channel in.
    Times(u32),
    /// This many, whatever comes in.
    To {
        /// Hidden channels.
        hidden: u32,
    },
}

impl Expansion {
    /// Hidden channels over this many in.
    #[must_use]
    pub const fn hidden(self, channels_in: u32) -> u32 {
        match self {
            Self::Times(times) => channels_in * times,
            Self::To { hidden } => hidden,
        }
    }
}

/// Squeeze-and-excite (Hu et al. 2017, <https://arxiv.org/abs/1709.01507>): the map's mean, a dense layer with `activation`, a
/// dense layer with `gate`, and every channel times its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Squeeze {
    /// Channels between the two dense layers.
    pub channels: u32,
    /// Activation after the first.
    pub activation: Activation,
    /// Activation after the second.
    pub gate: Activation,
}

/// What follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing.
    Linear,
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// min(max(x + 3, 0), 6) / 6.
    HardSigmoid,
    /// x × hard sigmoid of x.
    HardSwish,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// x × sigmoid of x; also called SiLU.
    Swish,
}

/// How a convolution pads its input with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// As TensorFlow's "same": the output is ⌈input / stride⌉ wide, the odd zero goes behind.
    TfSame,
    /// ⌊kernel / 2⌋ on both sides.
    Symmetric,
}

/// Zeros before and after, and the side of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padded {
    /// Zeros before the first position.
    pub before: u32,
    /// Zeros behind the last one.
    pub after: u32,
    /// Positions of the result.
    pub out: u32,
}

impl Padding {
    /// Of a side, under a kernel at a stride, all positive; the padded side holds the kernel.
    #[must_use]
    pub const fn apply(self, side: u32, kernel: u32, stride: u32) -> Padded {
        match self {
            Self::TfSame => {
                let out = side.div_ceil(stride);
                let total = ((out - 1) * stride + kernel).saturating_sub(side);
                let before = total / 2;
                Padded {
                    before,
                    after: total - before,
                    out,
                }
            }
            Self::Symmetric => {
                let pad = kernel / 2;
                Padded {
                    before: pad,
                    after: pad,
                    out: (side + 2 * pad - kernel) / stride + 1,
                }
            }
        }
    }
}

/// Which kind of convolution a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Every output channel reads every input channel.
    Dense,
    /// Every channel is its own.
    Depthwise,
}

/// One convolution with its bias, named as its tensors are. The dense layers of a squeeze-and-excite are convolutions of a
/// map of one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `stem`, `blocks.N.expand`, `blocks.N.dw`, `blocks.N.se.reduce`, `blocks.N.se.expand`, `blocks.N.project` or `head`.
    pub name: String,
    /// The block it is part of.
    pub block: Option<u32>,
    /// Dense or depthwise.
    pub kind: LayerKind,
    /// Side of the kernel.
    pub kernel: u32,
    /// Stride.
    pub stride: u32,
    /// Channels in.
    pub channels_in: u32,
    /// Channels out.
    pub channels_out: u32,
    /// Side of the input map.
    pub side_in: u32,
    /// Side of the output map.
    pub side_out: u32,
    /// Activation.
    pub activation: Activation,
}

impl Layer {
    /// Shape of the weight: (out, in per group, kernel, kernel).
    #[must_use]
    pub const fn weight_shape(&self) -> [usize; 4] {
        let per_group = match self.kind {
            LayerKind::Dense => self.channels_in,
            LayerKind::Depthwise => 1,
        };
        let side = self.kernel as usize;
        [self.channels_out as usize, per_group as usize, side, side]
    }
}

impl Spec {
    /// Every layer with weights, in the order they are computed.
    ///
    /// # Errors
    /// The architecture contradicts itself: a zero somewhere, or a residual between different shapes.
    pub fn layers(&self) -> Result<Vec<Layer>, EngineError> {
        let invalid = |reason: String| EngineError::Spec {
            architecture: self.name.clone(),
            reason,
        };
        let mut layers: Vec<Layer> = Vec::new();
        let mut push =
            |name: String, block: Option<u32>, kind, at: At, kernel: u32, stride: u32, out: u32, activation| {
                if at.side == 0 || kernel == 0 || stride == 0 || out == 0 || at.channels == 0 {
                    return Err(invalid(format!(
                        "{name} has a side, kernel, stride or channel count of zero"
                    )));
                }
                if self.padding == Padding::Symmetric && at.side + 2 * (kernel / 2) < kernel {
                    return Err(invalid(format!(
                        "{name}: a kernel of {kernel} is larger than its input of {}",
                        at.side
                    )));
                }
                let side_out = self.padding.apply(at.side, kernel, stride).out;
                layers.push(Layer {
                    name,
                    block,
                    kind,
                    kernel,
                    stride,
                    channels_in: at.channels,
                    channels_out: out,
                    side_in: at.side,
                    side_out,
                    activation,
                });
                Ok(At {
                    side: side_out,
                    channels: out,
                })
            };
        let dense = LayerKind::Dense;
        let stem = self.stem;
        let input = At {
            side: self.input_side,
            channels: 3,
        };
        let mut before = push(
            "stem".into(),
            None,
            dense,
            input,
            stem.kernel,
            stem.stride,
            stem.out,
            stem.activation,
        )?;
        for (index, block) in (0_u32..).zip(&self.blocks) {
            let name = |part: &str| format!("blocks.{index}.{part}");
            let of = Some(index);
            let hidden = block.expand.hidden(before.channels);
            let mut at = before;
            if hidden != before.channels {
                at = push(name("expand"), of, dense, at, 1, 1, hidden, block.activation)?;
            }
            let depthwise = LayerKind::Depthwise;
            at = push(
                name("dw"),
                of,
                depthwise,
                at,
                block.kernel,
                block.stride,
                hidden,
                block.activation,
            )?;
            if let Some(squeeze) = block.squeeze {
                let mean = At { side: 1, ..at };
                let small = push(
                    name("se.reduce"),
                    of,
                    dense,
                    mean,
                    1,
                    1,
                    squeeze.channels,
                    squeeze.activation,
                )?;
                push(name("se.expand"), of, dense, small, 1, 1, hidden, squeeze.gate)?;
            }
            let after = push(name("project"), of, dense, at, 1, 1, block.out, Activation::Linear)?;
            if block.residual && before != after {
                return Err(invalid(format!(
                    "block {index} adds its input of side {} and {} channels to an output of side {} and {}",
                    before.side, before.channels, after.side, after.channels
                )));
            }
            before = after;
        }
        push(
            "head".into(),
            None,
            dense,
            before,
            1,
            1,
            self.head_channels,
            self.head_activation,
        )?;
        Ok(layers)
    }
}

/// A map's side and channels.
#[derive(Clone, Copy, PartialEq, Eq)]
struct At {
    side: u32,
    channels: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_follows_both_rules() {
        let same = |side, kernel, stride| {
            let padded = Padding::TfSame.apply(side, kernel, stride);
            (padded.before, padded.after, padded.out)
        };
        assert_eq!(same(224, 3, 2), (0, 1, 112));
        assert_eq!(same(56, 5, 2), (1, 2, 28));
        assert_eq!(same(14, 5, 1), (2, 2, 14));
        assert_eq!(same(7, 3, 2), (1, 1, 4));
        let symmetric = Padding::Symmetric.apply(224, 3, 2);
        assert_eq!((symmetric.before, symmetric.after, symmetric.out), (1, 1, 112));
    }

    #[test]
    fn maps_have_the_published_sides() {
        let layers = Spec::efficientnet_lite0().layers().unwrap();
        let of = |name: &str| layers.iter().find(|layer| layer.name == name).unwrap();
        assert_eq!(of("stem").side_out, 112);
        assert_eq!(
            (of("blocks.10.project").side_out, of("blocks.10.project").channels_out),
            (14, 112)
        );
        assert_eq!((of("head").side_out, of("head").channels_out), (7, 1280));
        assert_eq!(layers.len(), 49, "98 tensors of the published file");
    }

    #[test]
    fn a_residual_between_different_shapes_is_refused() {
        let mut spec = Spec::mobilenet_v2();
        spec.blocks[1].residual = true;
        let error = spec.layers().unwrap_err().to_string();
        assert!(error.contains("block 1"), "{error}");
        spec.blocks[1].residual = false;
        spec.blocks[3].stride = 0;
        assert!(spec.layers().unwrap_err().to_string().contains("zero"));
    }
}
