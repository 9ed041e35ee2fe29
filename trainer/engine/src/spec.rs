//! One architecture description with many readers: the planner, the cost counter, the weight loader.
//!
//! Owns: inverted-residual networks as values. EfficientNet-Lite: <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>;
//! MobileNetV2: <https://arxiv.org/abs/1801.04381>, in torchvision's form.

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

/// An inverted residual: 1×1 expansion (none where `expand` is 1), depthwise convolution, linear 1×1 projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Side of the depthwise kernel.
    pub kernel: u32,
    /// Stride of the depthwise convolution.
    pub stride: u32,
    /// Hidden channels per channel in.
    pub expand: u32,
    /// Channels out.
    pub out: u32,
    /// Activation after expansion and depthwise convolution.
    pub activation: Activation,
    /// The block's input is added to its output.
    pub residual: bool,
}

/// What follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing.
    Linear,
    /// min(max(x, 0), 6).
    Relu6,
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
pub(crate) struct Padded {
    pub(crate) before: u32,
    pub(crate) after: u32,
    pub(crate) out: u32,
}

impl Padding {
    pub(crate) const fn apply(self, side: u32, kernel: u32, stride: u32) -> Padded {
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

/// One convolution with its bias, named as its tensors are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `stem`, `blocks.N.expand`, `blocks.N.dw`, `blocks.N.project` or `head`.
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
    /// EfficientNet-Lite0 at 224 × 224.
    #[must_use]
    pub fn efficientnet_lite0() -> Self {
        let groups = [
            (3, 1, 1, 16, 1),
            (3, 2, 6, 24, 2),
            (5, 2, 6, 40, 2),
            (3, 2, 6, 80, 3),
            (5, 1, 6, 112, 3),
            (5, 2, 6, 192, 4),
            (3, 1, 6, 320, 1),
        ];
        Self::inverted_residuals("efficientnet-lite0", Padding::TfSame, &groups)
    }

    /// MobileNetV2 of width 1.0 at 224 × 224.
    #[must_use]
    pub fn mobilenet_v2() -> Self {
        let groups = [
            (3, 1, 1, 16, 1),
            (3, 2, 6, 24, 2),
            (3, 2, 6, 32, 3),
            (3, 2, 6, 64, 4),
            (3, 1, 6, 96, 3),
            (3, 2, 6, 160, 3),
            (3, 1, 6, 320, 1),
        ];
        Self::inverted_residuals("mobilenet-v2", Padding::Symmetric, &groups)
    }

    /// Groups of (kernel, stride of the first block, expand, out, blocks): residual wherever shapes agree.
    fn inverted_residuals(name: &str, padding: Padding, groups: &[(u32, u32, u32, u32, u32)]) -> Self {
        let stem = Stem {
            kernel: 3,
            stride: 2,
            out: 32,
            activation: Activation::Relu6,
        };
        let mut blocks = Vec::new();
        let mut channels = stem.out;
        for &(kernel, first_stride, expand, out, n) in groups {
            for i in 0..n {
                let stride = if i == 0 { first_stride } else { 1 };
                blocks.push(Block {
                    kernel,
                    stride,
                    expand,
                    out,
                    activation: Activation::Relu6,
                    residual: stride == 1 && channels == out,
                });
                channels = out;
            }
        }
        Self {
            name: name.to_owned(),
            input_side: 224,
            padding,
            stem,
            blocks,
            head_channels: 1280,
            head_activation: Activation::Relu6,
        }
    }

    /// Every convolution, in the order they are computed.
    ///
    /// # Errors
    /// The architecture contradicts itself: a zero somewhere, or a residual between different shapes.
    pub fn layers(&self) -> Result<Vec<Layer>, EngineError> {
        let invalid = |reason: String| EngineError::Spec {
            architecture: self.name.clone(),
            reason,
        };
        let mut layers = Vec::new();
        let mut side = self.input_side;
        let mut channels = 3;
        let mut push = |name: String, block: Option<u32>, kind, kernel: u32, stride: u32, out: u32, activation| {
            if side == 0 || kernel == 0 || stride == 0 || out == 0 {
                return Err(invalid(format!(
                    "{name} has a side, kernel, stride or channel count of zero"
                )));
            }
            if self.padding == Padding::Symmetric && side + 2 * (kernel / 2) < kernel {
                return Err(invalid(format!(
                    "{name}: a kernel of {kernel} is larger than its input of {side}"
                )));
            }
            let side_out = self.padding.apply(side, kernel, stride).out;
            layers.push(Layer {
                name,
                block,
                kind,
                kernel,
                stride,
                channels_in: channels,
                channels_out: out,
                side_in: side,
                side_out,
                activation,
            });
            (side, channels) = (side_out, out);
            Ok((side, channels))
        };
        let stem = self.stem;
        let mut before = push(
            "stem".into(),
            None,
            LayerKind::Dense,
            stem.kernel,
            stem.stride,
            stem.out,
            stem.activation,
        )?;
        for (index, block) in (0_u32..).zip(&self.blocks) {
            let name = |part: &str| format!("blocks.{index}.{part}");
            let of = Some(index);
            let hidden = before.1 * block.expand;
            if block.expand != 1 {
                push(name("expand"), of, LayerKind::Dense, 1, 1, hidden, block.activation)?;
            }
            push(
                name("dw"),
                of,
                LayerKind::Depthwise,
                block.kernel,
                block.stride,
                hidden,
                block.activation,
            )?;
            let after = push(
                name("project"),
                of,
                LayerKind::Dense,
                1,
                1,
                block.out,
                Activation::Linear,
            )?;
            if block.residual && before != after {
                return Err(invalid(format!(
                    "block {index} adds its input of side {} and {} channels to an output of side {} and {}",
                    before.0, before.1, after.0, after.1
                )));
            }
            before = after;
        }
        push(
            "head".into(),
            None,
            LayerKind::Dense,
            1,
            1,
            self.head_channels,
            self.head_activation,
        )?;
        Ok(layers)
    }
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
