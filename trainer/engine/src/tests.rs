//! The whole forward pass against a naive one, on small networks that have every odd thing; and weights that are wrong.

use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::kernels::Isa;
use crate::{
    Activation, Backbone, Block, EngineError, Filter, Fit, LayerKind, Padding, Pool, Preprocessing, Recipe, Spec, Stem,
    Tap,
};

type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// Odd sides, both strides, both kernels, channel counts that fill no register, blocks with and without expansion.
fn odd_spec(padding: Padding) -> Spec {
    let block = |kernel, stride, expand, out, residual| Block {
        kernel,
        stride,
        expand,
        out,
        activation: Activation::Relu6,
        residual,
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

fn preprocessing(side: u32) -> Preprocessing {
    Preprocessing {
        side,
        fit: Fit::Stretch { share: 1.0 },
        filter: Filter::Bilinear,
        mean: [127.0, 100.0, 90.0],
        std: [128.0, 60.0, 50.0],
    }
}

fn random(seed: u32, n: usize, scale: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * scale
        })
        .collect()
}

/// Random weights that keep the numbers in a range where ReLU6 does something on both sides.
fn random_tensors(spec: &Spec) -> Tensors {
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

fn file(tensors: &Tensors) -> Vec<u8> {
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
fn naive(spec: &Spec, tensors: &Tensors, recipe: Recipe, prep: &Preprocessing, pixels: &[u8]) -> Vec<f64> {
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
    for layer in spec.layers().unwrap() {
        if layer.name == "head" && recipe.tap != Tap::Head {
            break;
        }
        let opens_block = layer.block.is_some_and(|block| {
            let opener = if spec.blocks[block as usize].expand == 1 {
                "dw"
            } else {
                "expand"
            };
            layer.name.ends_with(opener)
        });
        if opens_block {
            block_input.clone_from(&map.values);
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
                    values.push(match layer.activation {
                        Activation::Relu6 => sum.clamp(0.0, 6.0),
                        Activation::Linear => sum,
                    });
                }
            }
        }
        map = Map {
            side: out,
            channels: channels_out,
            values,
        };
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

#[test]
fn every_tap_of_an_odd_network_equals_the_naive_pass() {
    for padding in [Padding::TfSame, Padding::Symmetric] {
        let spec = odd_spec(padding);
        let (tensors, prep) = (random_tensors(&spec), preprocessing(37));
        let weights = file(&tensors);
        let pixels: Vec<u8> = random(5, 37 * 37 * 3, 128.0)
            .iter()
            .map(|value| (value + 128.0) as u8)
            .collect();
        let grid = |trim, cells| Pool::Grid { trim, cells };
        for (tap, pool) in [
            (Tap::Block(0), grid(1, 1)),
            (Tap::Block(1), grid(1, 2)),
            (Tap::Block(2), grid(2, 3)),
            (Tap::Block(3), grid(0, 5)),
            (Tap::Block(4), Pool::Gap),
            (Tap::Head, Pool::Gap),
        ] {
            let recipe = Recipe { tap, pool };
            let Ok(dim) = recipe.dim(&spec) else {
                panic!("{recipe} does not fit {:?}", spec.layers().unwrap());
            };
            let expected = naive(&spec, &tensors, recipe, &prep, &pixels);
            let scale = expected.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()));
            assert!(scale > 0.1 && expected.len() == dim, "{recipe} says something");
            for isa in Isa::available() {
                let backbone = Backbone::load_for(isa, spec.clone(), recipe, prep, &weights).unwrap();
                let mut stream = backbone.stream();
                let mut got = vec![0.0; dim];
                // Twice: nothing of one image may be left for the next.
                stream.features(&vec![255; pixels.len()], &mut got).unwrap();
                stream.features(&pixels, &mut got).unwrap();
                for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    let error = (f64::from(*got) - expected).abs() / scale;
                    assert!(
                        error < 1e-5,
                        "{padding:?} {recipe} {isa:?}: value {index} is {got}, naive {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn kernels_agree_on_the_real_network() {
    let weights = include_bytes!("../../assets/efficientnet_lite0.features.fp16.safetensors");
    let pixels: Vec<u8> = random(9, 224 * 224 * 3, 128.0)
        .iter()
        .map(|value| (value + 128.0) as u8)
        .collect();
    let features: Vec<(Isa, Vec<f32>)> = Isa::available()
        .into_iter()
        .map(|isa| {
            let (spec, prep) = (Spec::efficientnet_lite0(), Preprocessing::efficientnet_lite0());
            let backbone = Backbone::load_for(isa, spec, Recipe::default_lite0(), prep, weights).unwrap();
            let mut feature = vec![0.0; backbone.dim()];
            backbone.stream().features(&pixels, &mut feature).unwrap();
            (isa, feature)
        })
        .collect();
    let (_, plain) = &features[0];
    let scale = plain.iter().fold(0.0_f32, |scale, value| scale.max(value.abs()));
    for (isa, feature) in &features {
        let error = feature
            .iter()
            .zip(plain)
            .fold(0.0_f32, |error, (a, b)| error.max((a - b).abs()))
            / scale;
        assert!(error <= 1e-4, "{isa:?}: relative error {error}");
        let twin = features
            .iter()
            .find(|(other, _)| other.id() == isa.id())
            .map(|(_, twin)| twin);
        assert!(twin == Some(feature), "{isa:?}: copies of one name give equal bits");
    }
}

#[test]
fn wrong_weights_are_named() {
    let spec = odd_spec(Padding::TfSame);
    let recipe = Recipe {
        tap: Tap::Block(2),
        pool: Pool::Gap,
    };
    let load = |bytes: &[u8]| Backbone::load(odd_spec(Padding::TfSame), recipe, preprocessing(37), bytes);
    let whole = random_tensors(&spec);
    assert!(load(&file(&whole)).is_ok());
    assert!(matches!(
        load(b"not safetensors"),
        Err(EngineError::NotSafetensors { .. })
    ));
    assert!(matches!(
        load(&file(&whole)[..500]),
        Err(EngineError::NotSafetensors { .. })
    ));

    let mut tensors = whole.clone();
    // Past the tap, and still: a backbone is whole or it is another one.
    tensors.remove("blocks.4.project.bias");
    let error = load(&file(&tensors)).unwrap_err().to_string();
    assert!(
        error.contains("blocks.4.project.bias") && error.contains("lack"),
        "{error}"
    );

    let mut tensors = whole.clone();
    tensors.get_mut("blocks.1.dw.weight").unwrap().0 = vec![36, 5, 5, 1];
    let error = load(&file(&tensors)).unwrap_err().to_string();
    assert!(
        error.contains("[36, 5, 5, 1]") && error.contains("[36, 1, 5, 5]"),
        "{error}"
    );

    for damage in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut tensors = whole.clone();
        tensors.get_mut("stem.weight").unwrap().1[7] = damage;
        let error = load(&file(&tensors)).unwrap_err();
        assert!(
            matches!(&error, EngineError::NotFinite { name, index: 7, .. } if name == "stem.weight"),
            "{error}"
        );
    }

    let bytes = vec![0; 33 * 8];
    let view = TensorView::new(Dtype::F64, vec![33], &bytes).unwrap();
    let other = safetensors::serialize([("stem.weight", view)], None).unwrap();
    assert!(matches!(load(&other), Err(EngineError::TensorShape { .. })));

    let error = Backbone::load(spec, recipe, preprocessing(36), &file(&whole)).unwrap_err();
    assert!(
        matches!(
            error,
            EngineError::InputSide {
                expected: 37,
                got: 36,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn the_digest_covers_everything_that_changes_a_feature() {
    let spec = odd_spec(Padding::TfSame);
    let recipe = Recipe {
        tap: Tap::Block(2),
        pool: Pool::Gap,
    };
    let tensors = random_tensors(&spec);
    let digest = |spec: &Spec, recipe, prep, tensors: &Tensors| {
        Backbone::load(spec.clone(), recipe, prep, &file(tensors))
            .unwrap()
            .digest()
    };
    let base = digest(&spec, recipe, preprocessing(37), &tensors);
    assert_eq!(
        digest(&spec, recipe, preprocessing(37), &tensors),
        base,
        "whatever the order in the file"
    );
    let mut other_bias = tensors.clone();
    other_bias.get_mut("blocks.1.dw.bias").unwrap().1[0] += 1e-3;
    let mut other_mean = preprocessing(37);
    other_mean.mean[2] += 1.0;
    let other_tap = Recipe {
        tap: Tap::Block(3),
        ..recipe
    };
    let mut other_activation = spec.clone();
    other_activation.blocks[0].activation = Activation::Linear;
    let others = [
        digest(&spec, recipe, preprocessing(37), &other_bias),
        digest(&spec, recipe, other_mean, &tensors),
        digest(&spec, other_tap, preprocessing(37), &tensors),
        digest(&odd_spec(Padding::Symmetric), recipe, preprocessing(37), &tensors),
        digest(&other_activation, recipe, preprocessing(37), &tensors),
    ];
    let mut all = others.to_vec();
    all.push(base);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6, "six different things have six names");
}

#[test]
fn a_write_over_frozen_numbers_shows() {
    let spec = odd_spec(Padding::TfSame);
    let recipe = Recipe {
        tap: Tap::Block(2),
        pool: Pool::Gap,
    };
    let bytes = file(&random_tensors(&spec));
    let load = || Backbone::load(spec.clone(), recipe, preprocessing(37), &bytes).unwrap();
    let clean = load();
    assert_eq!(clean.current_digest(), clean.loaded_digest());
    let mut table = load();
    table.plan_mut().table[7][1] += 1e-6;
    let mut layer = load();
    let [first, second, ..] = &mut layer.plan_mut().blocks[..] else {
        panic!("two blocks up to the tap")
    };
    std::mem::swap(&mut first.project, &mut second.project);
    // One bit of one batch norm's bias, which folding made a bias of the layer.
    let mut bias = load();
    bias.plan_mut().blocks[1].project.flip_bias_bit(3);
    for harmed in [table, layer, bias] {
        assert_eq!(harmed.loaded_digest(), clean.loaded_digest());
        assert_ne!(harmed.current_digest(), clean.loaded_digest());
    }
}

#[test]
fn buffers_of_another_length_are_refused() {
    let spec = odd_spec(Padding::TfSame);
    let recipe = Recipe {
        tap: Tap::Head,
        pool: Pool::Gap,
    };
    let backbone = Backbone::load(spec.clone(), recipe, preprocessing(37), &file(&random_tensors(&spec))).unwrap();
    let mut stream = backbone.stream();
    let error = stream.features(&[0; 37 * 37], &mut [0.0; 33]).unwrap_err().to_string();
    assert!(error.contains("1369") && error.contains("4107"), "{error}");
    assert!(stream.features(&[0; 37 * 37 * 3], &mut [0.0; 32]).is_err());
}
