//! Against the engine, on the bundled network and on random ones; gradients against finite differences.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};
use engine::{Backbone, Padding, Pool, Preprocessing, Recipe, Spec, Tap};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{Batches, Compute, Depthwise, Network, Shared};
use crate::bundled;

const HEAD: Recipe = Recipe {
    tap: Tap::Head,
    pool: Pool::Gap,
};

/// In [−scale, scale).
pub(super) fn random(rng: &mut ChaCha8Rng, n: usize, scale: f32) -> Vec<f32> {
    (0..n)
        .map(|_| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 * scale - scale)
        .collect()
}

/// A safetensors file of random weights, near those that keep the size of numbers from layer to layer.
pub(super) fn random_weights(spec: &Spec, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = HashMap::new();
    for layer in spec.layers().unwrap() {
        let shape = layer.weight_shape();
        let n: usize = shape.iter().product();
        // Much larger ones make a deep network chaotic: the last bit of a pixel then moves features by more than 1e-4.
        let weight = random(&mut rng, n, 2.45 / ((n / shape[0]) as f32).sqrt());
        let weight = Tensor::from_vec(weight, shape.as_slice(), &Device::Cpu).unwrap();
        let bias = Tensor::from_vec(random(&mut rng, shape[0], 0.5), shape[0], &Device::Cpu).unwrap();
        tensors.insert(format!("{}.weight", layer.name), weight);
        tensors.insert(format!("{}.bias", layer.name), bias);
    }
    safetensors::serialize(&tensors, None).unwrap()
}

/// Noise with a gradient below, so that neighbouring positions have something in common.
pub(super) fn pixels(side: u32, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = side * side * 3;
    (0..n)
        .map(|at| (at * 200 / n) as u8 + (rng.next_u32() % 56) as u8)
        .collect()
}

/// The largest difference of two rows, each number's as a share of its size and the row's mean size.
pub(super) fn relative(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let mean = expected.iter().map(|value| value.abs()).sum::<f32>() / expected.len() as f32;
    assert!(mean > 0.0, "a row of zeros says nothing");
    let pairs = got.iter().zip(expected);
    let shares = pairs.map(|(got, expected)| (got - expected).abs() / (expected.abs() + mean));
    shares.fold(
        0.0,
        |worst, share| if share > worst || share.is_nan() { share } else { worst },
    )
}

/// The engine and candle on the same weights and images.
fn agrees(backbone: &Backbone, weights: &[u8]) {
    let name = backbone.spec().name.clone();
    let batches = Batches::new(backbone.spec(), backbone.preprocessing(), weights, &Compute::cpu()).unwrap();
    let images = [0, 1].map(|seed| pixels(backbone.preprocessing().side, seed));
    let rows = batches
        .features(backbone.recipes(), &images.each_ref().map(Vec::as_slice))
        .unwrap();
    // Were the images alike to the network, so would be any two networks.
    assert!(relative(&rows[0], &rows[1]) > 1e-2, "{name}");
    let mut stream = backbone.stream();
    for (image, row) in images.iter().zip(&rows) {
        let mut expected = vec![0.0; backbone.dim()];
        stream.features(image, &mut expected).unwrap();
        let mut rest = (row.as_slice(), expected.as_slice());
        for recipe in backbone.recipes() {
            let dim = recipe.dim(backbone.spec()).unwrap();
            let (got, expected);
            ((got, rest.0), (expected, rest.1)) = (rest.0.split_at(dim), rest.1.split_at(dim));
            let worst = relative(got, expected);
            println!("{name}, {:?}, {recipe}: {worst:.1e}", backbone.spec().padding);
            assert!(worst < 1e-4, "{name}, {recipe}: {worst:e}");
        }
    }
}

/// A network by several recipes at once, at sides of an image.
fn random_backbone(mut spec: Spec, padding: Padding, side: u32, recipes: &[Recipe]) -> (Backbone, Vec<u8>) {
    spec.padding = padding;
    spec.input_side = side;
    let weights = random_weights(&spec, 7);
    let preprocessing = Preprocessing {
        side,
        mean: [127.0, 100.0, 90.0],
        std: [128.0, 60.0, 50.0],
        ..Preprocessing::efficientnet_lite0()
    };
    let network = Backbone::load(spec, recipes[0], preprocessing, &weights).unwrap();
    (network.taking(recipes).unwrap(), weights)
}

#[test]
fn the_bundled_network_agrees_by_every_recipe() {
    agrees(bundled::backbones().lineup(), bundled::WEIGHTS);
}

#[test]
fn random_networks_agree_under_both_paddings() {
    let gap = |block| Recipe {
        tap: Tap::Block(block),
        pool: Pool::Gap,
    };
    for padding in [Padding::Symmetric, Padding::TfSame] {
        for (spec, side) in [
            (Spec::mobilenet_v2(), 96),
            (Spec::mobilenet_v2(), 75),
            // Kernels of 5 at both strides.
            (Spec::efficientnet_lite0(), 75),
            // Squeeze-and-excite, and every activation.
            (Spec::mobilenet_v3_large(), 75),
            (Spec::efficientnet_b0(), 75),
        ] {
            let (backbone, weights) = random_backbone(spec, padding, side, &[gap(2), gap(9), HEAD]);
            agrees(&backbone, &weights);
        }
    }
}

#[test]
fn the_usual_size_of_mobilenet_agrees() {
    let spec = Spec::mobilenet_v2();
    for padding in [Padding::Symmetric, Padding::TfSame] {
        let (backbone, weights) = random_backbone(spec.clone(), padding, 224, &[HEAD]);
        agrees(&backbone, &weights);
    }
}

/// Many threads ask by two recipes at once; each gets its own image's row, under the device's name.
#[test]
fn a_shared_device_answers_each_with_its_own_row() {
    let gap = Recipe {
        tap: Tap::Block(4),
        pool: Pool::Gap,
    };
    let (network, weights) = random_backbone(Spec::mobilenet_v2(), Padding::TfSame, 33, &[gap]);
    let batches = Batches::new(network.spec(), network.preprocessing(), &weights, &Compute::cpu()).unwrap();
    let shared = network.computed_by(Arc::new(Shared::start(batches).unwrap()));
    assert_eq!(shared.kernel(), "candle-f32-1");
    assert_eq!(shared.reference().kernel, "candle-f32-1");
    assert_eq!(shared.digest(), network.digest());
    std::thread::scope(|scope| {
        for seed in 0..6 {
            let recipes: &[Recipe] = if seed % 2 == 0 { &[gap] } else { &[HEAD, gap] };
            let (asking, engine) = (shared.taking(recipes).unwrap(), network.taking(recipes).unwrap());
            scope.spawn(move || {
                for image in 0..5 {
                    let pixels = pixels(33, seed * 100 + image);
                    let mut row = vec![0.0; asking.dim()];
                    asking.stream().features(&pixels, &mut row).unwrap();
                    let mut expected = vec![0.0; engine.dim()];
                    engine.stream().features(&pixels, &mut expected).unwrap();
                    assert!(relative(&row, &expected) < 1e-4);
                }
            });
        }
    });
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let spec = Spec::mobilenet_v2();
    let bytes = random_weights(&spec, 1);
    let mut tensors = super::read(&bytes, &Compute::cpu()).unwrap();
    let bias = tensors.remove("blocks.3.dw.bias").unwrap();
    let error = Network::new(spec.clone(), &tensors).unwrap_err().to_string();
    assert!(error.contains("blocks.3.dw.bias"), "{error}");
    tensors.insert("blocks.3.dw.bias".into(), bias.narrow(0, 0, 3).unwrap());
    let error = Network::new(spec, &tensors).unwrap_err().to_string();
    assert!(error.contains("blocks.3.dw.bias") && error.contains("[3]"), "{error}");
    assert!(super::read(&bytes[..100], &Compute::cpu()).is_err());
}

/// Every variable of a network gets a gradient: one that silently got none would never be trained.
#[test]
fn every_weight_gets_a_gradient() {
    let mut spec = Spec::mobilenet_v2();
    spec.input_side = 33;
    let tensors = super::read(&random_weights(&spec, 3), &Compute::cpu()).unwrap();
    let vars: HashMap<String, Var> = tensors
        .into_iter()
        .map(|(name, tensor)| (name, Var::from_tensor(&tensor).unwrap()))
        .collect();
    let tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone()));
    let network = Network::new(spec, &tensors.collect()).unwrap();
    let images = random(&mut ChaCha8Rng::seed_from_u64(4), 2 * 33 * 33 * 3, 1.0);
    let images = Tensor::from_vec(images, (2, 33, 33, 3), &Device::Cpu).unwrap();
    let rows = network.features(&images, &[HEAD]).unwrap();
    let gradients = rows[0].sqr().unwrap().mean_all().unwrap().backward().unwrap();
    for (name, var) in &vars {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
        let largest = gradient.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(largest.is_finite() && largest > 0.0, "{name}: {largest}");
    }
}

/// One depthwise convolution: kernel, stride, height, width, channels.
pub(super) const SHAPES: [(usize, usize, usize, usize, usize); 9] = [
    (3, 1, 7, 7, 5),
    (3, 2, 7, 6, 13),
    (5, 1, 6, 9, 19),
    (5, 2, 9, 8, 3),
    (7, 1, 8, 5, 7),
    (7, 2, 11, 9, 17),
    (3, 2, 1, 1, 1),
    (1, 1, 4, 3, 2),
    (3, 3, 8, 7, 9),
];

/// Map, weight and bias for a shape.
pub(super) fn operands(shape: (usize, usize, usize, usize, usize), batch: usize) -> [Tensor; 3] {
    let (kernel, _, height, width, channels) = shape;
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut tensor = |dims: &[usize]| {
        let values = random(&mut rng, dims.iter().product(), 1.0);
        Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
    };
    [
        tensor(&[batch, height, width, channels]),
        tensor(&[channels, 1, kernel, kernel]),
        tensor(&[channels]),
    ]
}

/// The definition, in f64: a twin without any cleverness.
fn naive(op: Depthwise, map: &Tensor, weight: &Tensor, bias: &Tensor) -> Vec<f64> {
    let (batch, height, width, channels) = map.dims4().unwrap();
    let kernel = weight.dim(2).unwrap();
    let numbers = |tensor: &Tensor| {
        tensor
            .to_dtype(DType::F64)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap()
    };
    let (map, weight, bias) = (numbers(map), numbers(weight), numbers(bias));
    let (stride, k) = (op.stride as i64, kernel as i64);
    let axis = |side: usize| {
        let side = side as i64;
        match op.padding {
            Padding::TfSame => {
                let out = (side + stride - 1) / stride;
                (((out - 1) * stride + k - side).max(0) / 2, out)
            }
            Padding::Symmetric => (k / 2, (side + 2 * (k / 2) - k) / stride + 1),
        }
    };
    let ((above, rows), (left, columns)) = (axis(height), axis(width));
    let mut out = Vec::new();
    for image in 0..batch {
        for row in 0..rows {
            for column in 0..columns {
                for channel in 0..channels {
                    let mut sum = bias[channel];
                    for ky in 0..k {
                        for kx in 0..k {
                            let (y, x) = (row * stride + ky - above, column * stride + kx - left);
                            if y < 0 || x < 0 || y >= height as i64 || x >= width as i64 {
                                continue;
                            }
                            let at = ((image * height + y as usize) * width + x as usize) * channels + channel;
                            sum += map[at] * weight[(channel * kernel + ky as usize) * kernel + kx as usize];
                        }
                    }
                    out.push(sum);
                }
            }
        }
    }
    out
}

#[test]
fn depthwise_equals_its_definition() {
    for shape in SHAPES {
        for padding in [Padding::Symmetric, Padding::TfSame] {
            let [map, weight, bias] = operands(shape, 2);
            let op = Depthwise {
                stride: shape.1,
                padding,
            };
            let got = op.forward(&map, &weight, &bias).unwrap();
            let got: Vec<f32> = got.flatten_all().unwrap().to_vec1().unwrap();
            let expected: Vec<f32> = naive(op, &map, &weight, &bias)
                .iter()
                .map(|value| *value as f32)
                .collect();
            let worst = relative(&got, &expected);
            assert!(worst < 1e-5, "{shape:?} {padding:?}: {worst:e}");
        }
    }
}

/// The gradient of a weighted sum of the result, against central differences of the definition. Both are linear in each
/// number, so that a wide step costs nothing.
#[test]
fn depthwise_gradients_equal_finite_differences() {
    const STEP: f64 = 0.5;
    for shape in SHAPES {
        for padding in [Padding::Symmetric, Padding::TfSame] {
            let op = Depthwise {
                stride: shape.1,
                padding,
            };
            let operands = operands(shape, 2);
            let vars = operands.each_ref().map(|tensor| Var::from_tensor(tensor).unwrap());
            let result = op.forward(&vars[0], &vars[1], &vars[2]).unwrap();
            let given = random(&mut ChaCha8Rng::seed_from_u64(5), result.elem_count(), 1.0);
            let weighted = Tensor::from_slice(&given, result.dims(), &Device::Cpu).unwrap();
            let gradients = (&result * &weighted).unwrap().sum_all().unwrap().backward().unwrap();
            let value = |operands: &[Tensor; 3]| -> f64 {
                let out = naive(op, &operands[0], &operands[1], &operands[2]);
                out.iter().zip(&given).map(|(out, given)| out * f64::from(*given)).sum()
            };
            for (place, what) in ["map", "weight", "bias"].into_iter().enumerate() {
                let numbers: Vec<f32> = operands[place].flatten_all().unwrap().to_vec1().unwrap();
                let gradient = gradients.get(&vars[place]).unwrap();
                assert_eq!(gradient.dims(), operands[place].dims());
                let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
                // About sixty of them, spread over the tensor.
                for at in (0..numbers.len()).step_by(numbers.len().div_ceil(60)) {
                    let moved = |by: f64| {
                        let mut numbers = numbers.clone();
                        numbers[at] += by as f32;
                        let mut operands = operands.clone();
                        operands[place] = Tensor::from_vec(numbers, operands[place].dims(), &Device::Cpu).unwrap();
                        value(&operands)
                    };
                    let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                    let difference = (f64::from(gradient[at]) - expected).abs();
                    assert!(
                        difference < 1e-5 * (1.0 + expected.abs()),
                        "{shape:?} {padding:?}, {what}[{at}]: {} for {expected}",
                        gradient[at]
                    );
                }
            }
        }
    }
}

#[test]
fn depthwise_refuses_what_does_not_fit() {
    let op = Depthwise {
        stride: 1,
        padding: Padding::Symmetric,
    };
    let [map, weight, bias] = operands((3, 1, 4, 4, 6), 1);
    assert!(op.forward(&map, &weight.narrow(0, 0, 5).unwrap(), &bias).is_err());
    assert!(op.forward(&map, &weight, &bias.narrow(0, 0, 5).unwrap()).is_err());
    assert!(op.forward(&map.narrow(1, 0, 0).unwrap(), &weight, &bias).is_err());
    assert!(Depthwise { stride: 0, ..op }.forward(&map, &weight, &bias).is_err());
    let half = map.to_dtype(DType::F16).unwrap();
    let error = op.forward(&half, &weight, &bias).unwrap_err().to_string();
    assert!(error.contains("f32"), "{error}");
    // A view with an offset is read where it lies.
    let two = Tensor::cat(&[&map, &map], 0).unwrap();
    let second = op.forward(&two.narrow(0, 1, 1).unwrap(), &weight, &bias).unwrap();
    let alone = op.forward(&map, &weight, &bias).unwrap();
    let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(numbers(&second), numbers(&alone));
}
