//! Small networks that have every odd thing, and their features by the definition of every layer.

use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::{
    Activation, Block, Expansion, Filter, Fit, LayerKind, Padding, Pool, Preprocessing, Recipe, Spec, Squeeze, Stem,
    Tap,
};

pub(super) type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// Odd sides, both strides, both kernels, channel counts that fill no register, blocks with and without expansion.
pub(super) fn odd_spec(padding: Padding) -> Spec {
    let block = |kernel, stride, expand, out, residual| Block {
        kernel,
        stride,
        expand: Expansion::Times(expand),
        out,
        activation: Activation::Relu6,
        residual,
        squeeze: None,
    };
    Spec {
        name: "odd".into(),
        input_side: 37,
        padding,
        stem: Stem {
            kernel: 3,
            stride: 2,
            out: 12,
            activation: Activation::Relu6,
        },
        blocks: vec![
            block(3, 1, 1, 12, true),
            block(5, 2, 3, 20, false),
            block(5, 1, 2, 20, true),
            block(3, 2, 4, 24, false),
            block(3, 1, 6, 24, true),
        ],
        head_channels: 33,
        head_activation: Activation::Relu6,
    }
}

pub(super) fn preprocessing(side: u32) -> Preprocessing {
    Preprocessing {
        side,
        fit: Fit::Stretch { share: 1.0 },
        filter: Filter::Bilinear,
        mean: [127.0, 100.0, 90.0],
        std: [128.0, 60.0, 50.0],
    }
}

pub(super) fn random(seed: u32, n: usize, scale: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * scale
        })
        .collect()
}

/// The same with gates, every activation, and hidden channels that are no multiple of those in.
pub(super) fn gated_spec(padding: Padding) -> Spec {
    let mut spec = odd_spec(padding);
    spec.name = "gated".into();
    spec.stem.activation = Activation::HardSwish;
    spec.head_activation = Activation::Swish;
    let activations = [
        Activation::Relu,
        Activation::HardSwish,
        Activation::Swish,
        Activation::Linear,
        Activation::Relu6,
    ];
    for (index, (block, activation)) in spec.blocks.iter_mut().zip(activations).enumerate() {
        block.activation = activation;
        block.kernel = [3, 7, 5, 7, 4][index];
        if index > 0 {
            block.expand = Expansion::To {
                hidden: 40 + 9 * index as u32,
            };
        }
        block.residual &= index != 4;
        block.squeeze = (index != 3).then_some(Squeeze {
            channels: 3 + index as u32,
            activation: [Activation::Relu, Activation::Swish][index % 2],
            gate: [Activation::Sigmoid, Activation::HardSigmoid][index % 2],
        });
    }
    spec
}

/// Random weights that keep the numbers in a range where ReLU6 does something on both sides.
pub(super) fn random_tensors(spec: &Spec) -> Tensors {
    let mut tensors = Tensors::new();
    for (seed, layer) in (1_u32..).zip(spec.layers().unwrap()) {
        let shape = layer.weight_shape();
        let n: usize = shape.iter().product();
        let fan_in = (n / shape[0]) as f32;
        let weight = random(seed, n, 3.0 / fan_in.sqrt());
        tensors.insert(format!("{}.weight", layer.name), (shape.to_vec(), weight));
        tensors.insert(
            format!("{}.bias", layer.name),
            (vec![shape[0]], random(seed + 1000, shape[0], 0.5)),
        );
    }
    tensors
}

pub(super) fn file(tensors: &Tensors) -> Vec<u8> {
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let raw: Vec<_> = tensors
        .iter()
        .map(|(name, (shape, values))| (name, shape.clone(), bytes(values)))
        .collect();
    let views = raw.iter().map(|(name, shape, data)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), data).unwrap();
        ((*name).clone(), view)
    });
    safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
}

/// A (side, side, channels) map in f64.
struct Map {
    side: i64,
    channels: usize,
    values: Vec<f64>,
}

/// The feature by the definition of every layer, in f64 and without any cleverness.
pub(super) fn naive(spec: &Spec, tensors: &Tensors, recipe: Recipe, prep: &Preprocessing, pixels: &[u8]) -> Vec<f64> {
    let normalised = pixels
        .iter()
        .enumerate()
        .map(|(i, value)| (f64::from(*value) - f64::from(prep.mean[i % 3])) / f64::from(prep.std[i % 3]));
    let mut map = Map {
        side: i64::from(spec.input_side),
        channels: 3,
        values: normalised.collect(),
    };
    let mut block_input = Vec::new();
    let mut block = None;
    let mut ungated: Option<Map> = None;
    for layer in spec.layers().unwrap() {
        if layer.name == "head" && recipe.tap != Tap::Head {
            break;
        }
        if layer.block != block {
            block_input.clone_from(&map.values);
            block = layer.block;
        }
        if layer.name.ends_with("se.reduce") {
            let positions = map.values.len() / map.channels;
            let mut means = vec![0.0; map.channels];
            for position in map.values.chunks_exact(map.channels) {
                for (mean, value) in means.iter_mut().zip(position) {
                    *mean += value / positions as f64;
                }
            }
            let channels = map.channels;
            ungated = Some(std::mem::replace(
                &mut map,
                Map {
                    side: 1,
                    channels,
                    values: means,
                },
            ));
        }
        let (weight, bias) = (
            &tensors[&format!("{}.weight", layer.name)].1,
            &tensors[&format!("{}.bias", layer.name)].1,
        );
        let (kernel, stride, out) = (
            i64::from(layer.kernel),
            i64::from(layer.stride),
            i64::from(layer.side_out),
        );
        // Zeros before the first position, from the definition of each rule.
        let before = match spec.padding {
            Padding::TfSame => ((out - 1) * stride + kernel - map.side).max(0) / 2,
            Padding::Symmetric => kernel / 2,
        };
        let channels_out = layer.channels_out as usize;
        let mut values = Vec::new();
        for y in 0..out {
            for x in 0..out {
                for o in 0..channels_out {
                    let mut sum = f64::from(bias[o]);
                    for ky in 0..kernel {
                        for kx in 0..kernel {
                            let (iy, ix) = (y * stride + ky - before, x * stride + kx - before);
                            if iy < 0 || ix < 0 || iy >= map.side || ix >= map.side {
                                continue;
                            }
                            let position = (iy * map.side + ix) as usize * map.channels;
                            let tap = (ky * kernel + kx) as usize;
                            let taps = (kernel * kernel) as usize;
                            if layer.kind == LayerKind::Depthwise {
                                sum += map.values[position + o] * f64::from(weight[o * taps + tap]);
                            } else {
                                for i in 0..map.channels {
                                    let weight = weight[(o * map.channels + i) * taps + tap];
                                    sum += map.values[position + i] * f64::from(weight);
                                }
                            }
                        }
                    }
                    values.push(activate(layer.activation, sum));
                }
            }
        }
        map = Map {
            side: out,
            channels: channels_out,
            values,
        };
        if layer.name.ends_with("se.expand")
            && let Some(mut scaled) = ungated.take()
        {
            for position in scaled.values.chunks_exact_mut(scaled.channels) {
                for (value, gate) in position.iter_mut().zip(&map.values) {
                    *value *= gate;
                }
            }
            map = scaled;
        }
        if layer.name.ends_with("project") {
            let block = layer.block.unwrap();
            if spec.blocks[block as usize].residual {
                map.values
                    .iter_mut()
                    .zip(&block_input)
                    .for_each(|(value, input)| *value += input);
            }
            if recipe.tap == Tap::Block(block) {
                break;
            }
        }
    }
    let (trim, cells) = match recipe.pool {
        Pool::Gap => (0, 1),
        Pool::Grid { trim, cells } => (trim as usize, cells as usize),
    };
    let side = map.side as usize;
    let cell = (side - 2 * trim) / cells;
    let mut feature = vec![0.0; cells * cells * map.channels];
    for y in trim..side - trim {
        for x in trim..side - trim {
            let place = ((y - trim) / cell * cells + (x - trim) / cell) * map.channels;
            for channel in 0..map.channels {
                feature[place + channel] += map.values[(y * side + x) * map.channels + channel] / (cell * cell) as f64;
            }
        }
    }
    feature
}

/// By the definition.
pub(crate) fn activate(activation: Activation, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    let hard_sigmoid = (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::HardSigmoid => hard_sigmoid,
        Activation::HardSwish => x * hard_sigmoid,
        Activation::Sigmoid => sigmoid,
        Activation::Swish => x * sigmoid,
    }
}
