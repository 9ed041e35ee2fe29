//! Published networks at 224 × 224.
//!
//! EfficientNet: <https://arxiv.org/abs/1905.11946>; its Lite form:
//! <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>; MobileNetV2:
//! <https://arxiv.org/abs/1801.04381>; MobileNetV3: <https://arxiv.org/abs/1905.02244>; all but Lite in torchvision's form.

use super::{Activation, Block, Expansion, Padding, Spec, Squeeze, Stem};

/// Blocks of one kind: kernel, stride of the first, expansion, channels out, how many.
type Group = (u32, u32, u32, u32, u32);

/// A block of MobileNetV3: kernel, hidden channels, channels out, squeeze-and-excite, activation, stride.
type Row = (u32, u32, u32, bool, Activation, u32);

const EFFICIENTNET_B0: [Group; 7] = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
];

const MOBILENET_V2: [Group; 7] = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (3, 2, 6, 32, 3),
    (3, 2, 6, 64, 4),
    (3, 1, 6, 96, 3),
    (3, 2, 6, 160, 3),
    (3, 1, 6, 320, 1),
];

const RE: Activation = Activation::Relu;
const HS: Activation = Activation::HardSwish;

const MOBILENET_V3_LARGE: [Row; 15] = [
    (3, 16, 16, false, RE, 1),
    (3, 64, 24, false, RE, 2),
    (3, 72, 24, false, RE, 1),
    (5, 72, 40, true, RE, 2),
    (5, 120, 40, true, RE, 1),
    (5, 120, 40, true, RE, 1),
    (3, 240, 80, false, HS, 2),
    (3, 200, 80, false, HS, 1),
    (3, 184, 80, false, HS, 1),
    (3, 184, 80, false, HS, 1),
    (3, 480, 112, true, HS, 1),
    (3, 672, 112, true, HS, 1),
    (5, 672, 160, true, HS, 2),
    (5, 960, 160, true, HS, 1),
    (5, 960, 160, true, HS, 1),
];

const MOBILENET_V3_SMALL: [Row; 11] = [
    (3, 16, 16, true, RE, 2),
    (3, 72, 24, false, RE, 2),
    (3, 88, 24, false, RE, 1),
    (5, 96, 40, true, HS, 2),
    (5, 240, 40, true, HS, 1),
    (5, 240, 40, true, HS, 1),
    (5, 120, 48, true, HS, 1),
    (5, 144, 48, true, HS, 1),
    (5, 288, 96, true, HS, 2),
    (5, 576, 96, true, HS, 1),
    (5, 576, 96, true, HS, 1),
];

impl Spec {
    /// EfficientNet-Lite0.
    #[must_use]
    pub fn efficientnet_lite0() -> Self {
        Self::groups(
            "efficientnet-lite0",
            Padding::TfSame,
            Activation::Relu6,
            &EFFICIENTNET_B0,
            false,
        )
    }

    /// EfficientNet-B0: squeeze-and-excite of a quarter of each block's channels in, and swish throughout.
    #[must_use]
    pub fn efficientnet_b0() -> Self {
        Self::groups(
            "efficientnet-b0",
            Padding::Symmetric,
            Activation::Swish,
            &EFFICIENTNET_B0,
            true,
        )
    }

    /// MobileNetV2 of width 1.0.
    #[must_use]
    pub fn mobilenet_v2() -> Self {
        Self::groups(
            "mobilenet-v2",
            Padding::Symmetric,
            Activation::Relu6,
            &MOBILENET_V2,
            false,
        )
    }

    /// MobileNetV3-Large of width 1.0, up to its last convolution.
    #[must_use]
    pub fn mobilenet_v3_large() -> Self {
        Self::rows("mobilenet-v3-large", &MOBILENET_V3_LARGE, 960)
    }

    /// MobileNetV3-Small of width 1.0, up to its last convolution.
    #[must_use]
    pub fn mobilenet_v3_small() -> Self {
        Self::rows("mobilenet-v3-small", &MOBILENET_V3_SMALL, 576)
    }

    /// One activation throughout; residual wherever shapes agree.
    fn groups(name: &str, padding: Padding, activation: Activation, groups: &[Group], squeezes: bool) -> Self {
        let stem = Stem {
            kernel: 3,
            stride: 2,
            out: 32,
            activation,
        };
        let mut blocks = Vec::new();
        let mut channels = stem.out;
        for &(kernel, first_stride, expand, out, n) in groups {
            for i in 0..n {
                let stride = if i == 0 { first_stride } else { 1 };
                blocks.push(Block {
                    kernel,
                    stride,
                    expand: Expansion::Times(expand),
                    out,
                    activation,
                    residual: stride == 1 && channels == out,
                    squeeze: squeezes.then_some(Squeeze {
                        channels: channels / 4,
                        activation,
                        gate: Activation::Sigmoid,
                    }),
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
            head_activation: activation,
        }
    }

    /// MobileNetV3: a row a block.
    fn rows(name: &str, rows: &[Row], head_channels: u32) -> Self {
        let stem = Stem {
            kernel: 3,
            stride: 2,
            out: 16,
            activation: HS,
        };
        let mut channels = stem.out;
        let blocks = rows.iter().map(|&(kernel, hidden, out, squeezes, activation, stride)| {
            let block = Block {
                kernel,
                stride,
                expand: Expansion::To { hidden },
                out,
                activation,
                residual: stride == 1 && channels == out,
                squeeze: squeezes.then_some(Squeeze {
                    channels: multiple_of_8(hidden / 4),
                    activation: RE,
                    gate: Activation::HardSigmoid,
                }),
            };
            channels = out;
            block
        });
        let blocks = blocks.collect();
        Self {
            name: name.to_owned(),
            input_side: 224,
            padding: Padding::Symmetric,
            stem,
            blocks,
            head_channels,
            head_activation: HS,
        }
    }
}

/// The nearest multiple of 8, not more than a tenth below.
const fn multiple_of_8(channels: u32) -> u32 {
    let nearest = (channels + 4) / 8 * 8;
    let nearest = if nearest < 8 { 8 } else { nearest };
    if nearest * 10 < channels * 9 {
        nearest + 8
    } else {
        nearest
    }
}
