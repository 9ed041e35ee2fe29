//! The CUDA part: that its source compiles, that its kernels are right on an emulator, and, where there is a GPU, that it
//! computes what the engine computes. Without one the last says `skipped: no CUDA device`.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "sides and seeds of tests are small"
)]

mod emulator;
mod shapes;

use candle_core::{DType, Tensor, Var};
use engine::{Backbone, Preprocessing, Recipe, Spec};
use trainer::backbone::{Batches, Compute, ComputeDevice, kernels_ptx, on_device};

use emulator::{Call, Emulator, Type};
use shapes::{Case, difference};

const WEIGHTS: &[u8] = include_bytes!("../../assets/efficientnet_lite0.features.fp16.safetensors");

/// The first GPU, or none, which is said.
fn gpu() -> Option<Compute> {
    match ComputeDevice::Cuda(0).open() {
        Ok(compute) => Some(compute),
        Err(error) => {
            println!("skipped: no CUDA device ({error})");
            None
        }
    }
}

#[test]
fn the_source_compiles_to_ptx_with_every_kernel() {
    for architecture in ["compute_75", "compute_80", "compute_90"] {
        let module = kernels_ptx(architecture).unwrap_or_else(|log| panic!("{architecture}:\n{log}"));
        let target = architecture.replace("compute_", "sm_");
        assert!(module.contains(&format!(".target {target}")), "{architecture}");
        for suffix in ["f32", "f16"] {
            let mut names = ["forward", "gradient_of_map", "gradient_of_weight"]
                .map(|name| format!("{name}_{suffix}"))
                .to_vec();
            for kernel in [3, 5, 7] {
                names.extend([1, 2].map(|stride| format!("forward_{suffix}_k{kernel}s{stride}")));
            }
            for name in names {
                assert!(
                    module.contains(&format!(".entry {name}(")),
                    "{architecture} lacks {name}"
                );
            }
        }
        println!("NVRTC made {} bytes of PTX for {target}", module.len());
    }
}

#[test]
fn kernels_are_right_on_an_emulator() {
    let emulator = Emulator::compile();
    for shape in shapes::all() {
        let case = shape.case();
        for of in [Type::F32, Type::F16] {
            emulated(&emulator, &case, of);
        }
    }
}

fn emulated(emulator: &Emulator, case: &Case, of: Type) {
    // Half precision rounds results; the weight's gradient comes in f32.
    let allowed = match of {
        Type::F32 => 1e-6,
        Type::F16 => 1e-3,
    };
    let shape = &case.shape;
    let [height_out, width_out] = shape.sides_out();
    let across = shape.channels.div_ceil(32);
    let call = |name, variant, y: usize, z: usize| Call {
        name,
        variant,
        of,
        grid: [across, y, z],
        shape,
    };
    let sized = format!("_k{}s{}", shape.kernel, shape.stride);
    let is_sized = matches!((shape.kernel, shape.stride), (3 | 5 | 7, 1 | 2));
    let strips = (width_out.div_ceil(4) * height_out).div_ceil(8);
    let operands = [case.map.as_slice(), &case.weight, &case.bias];
    for variant in ["", &sized].into_iter().take(if is_sized { 2 } else { 1 }) {
        let got = emulator.run(
            &call("forward", variant, strips, shape.batch),
            &operands,
            case.result.len(),
        );
        let worst = difference(&got, &case.result);
        assert!(worst < allowed, "forward{variant} of {of:?}, {shape:?}: {worst:e}");
    }
    let positions = (shape.height * shape.width).div_ceil(8);
    let operands = [case.given.as_slice(), &case.weight];
    let got = emulator.run(
        &call("gradient_of_map", "", positions, shape.batch),
        &operands,
        case.map.len(),
    );
    let worst = difference(&got, &case.of_map);
    assert!(worst < allowed, "gradient of the map of {of:?}, {shape:?}: {worst:e}");

    let n_parts = (shape.batch * height_out * width_out).div_ceil(4096);
    let taps = shape.kernel * shape.kernel;
    let operands = [case.given.as_slice(), &case.map];
    let n = case.weight.len();
    let parts = emulator.run(&call("gradient_of_weight", "", taps, n_parts), &operands, n_parts * n);
    let got: Vec<f32> = (0..n).map(|at| parts.iter().skip(at).step_by(n).sum()).collect();
    let worst = difference(&got, &case.of_weight);
    assert!(worst < 1e-5, "gradient of the weight of {of:?}, {shape:?}: {worst:e}");
}

#[test]
fn a_gpu_computes_depthwise_as_the_cpu_does() {
    let Some(compute) = gpu() else { return };
    for case in shapes::all().into_iter().map(shapes::Shape::case) {
        for (dtype, allowed) in [(DType::F32, 1e-5), (DType::F16, 2e-3)] {
            let shape = case.shape;
            let tensor = |values: &[f32], dims: &[usize]| {
                let tensor = Tensor::from_slice(values, dims, &compute.device).unwrap();
                Var::from_tensor(&tensor.to_dtype(dtype).unwrap()).unwrap()
            };
            let vars = [
                tensor(&case.map, &[shape.batch, shape.height, shape.width, shape.channels]),
                tensor(&case.weight, &[shape.channels, 1, shape.kernel, shape.kernel]),
                tensor(&case.bias, &[shape.channels]),
            ];
            let result = shape.op().forward(&vars[0], &vars[1], &vars[2]).unwrap();
            let given = tensor(&case.given, result.dims());
            let gradients = (&result * given.as_tensor())
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap();
            let numbers = |tensor: &Tensor| {
                let wide = tensor.to_dtype(DType::F32).unwrap();
                wide.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            };
            let [of_map, of_weight, of_bias] = vars.each_ref().map(|var| numbers(gradients.get(var).unwrap()));
            for (what, got, expected) in [
                ("result", numbers(&result), &case.result),
                ("gradient of the map", of_map, &case.of_map),
                ("gradient of the weight", of_weight, &case.of_weight),
                ("gradient of the bias", of_bias, &case.of_bias),
            ] {
                let worst = difference(&got, expected);
                assert!(worst < allowed, "{what} of {dtype:?}, {shape:?}: {worst:e}");
            }
        }
    }
}

#[test]
fn a_gpu_computes_the_features_of_the_engine() {
    let Some(half) = gpu() else { return };
    let recipes = Recipe::lineup_lite0();
    let backbone = Backbone::load(
        Spec::efficientnet_lite0(),
        recipes[0],
        Preprocessing::efficientnet_lite0(),
        WEIGHTS,
    );
    let backbone = backbone.unwrap().taking(&recipes).unwrap();
    let side = backbone.preprocessing().side;
    let image = |seed: u32| -> Vec<u8> {
        let value = |at: u32| ((at.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 26) + at / 800 % 192) as u8;
        (0..side * side * 3).map(value).collect()
    };
    let images: Vec<Vec<u8>> = (0..3).map(image).collect();
    let mut stream = backbone.stream();
    let expected: Vec<Vec<f32>> = images
        .iter()
        .map(|image| {
            let mut row = vec![0.0; backbone.dim()];
            stream.features(image, &mut row).unwrap();
            row
        })
        .collect();
    let full = Compute {
        dtype: DType::F32,
        ..half.clone()
    };
    for (compute, allowed) in [(full, 1e-4), (half, 0.02)] {
        let batches = Batches::new(backbone.spec(), backbone.preprocessing(), WEIGHTS, &compute).unwrap();
        let views: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
        let rows = batches.features(&recipes, &views).unwrap();
        for (row, expected) in rows.iter().zip(&expected) {
            let worst = difference(row, expected);
            println!("{}: {worst:.1e}", compute.kernel());
            assert!(worst < allowed, "{}: {worst:e}", compute.kernel());
        }
        // Alone or among others, to the bit.
        assert_eq!(batches.features(&recipes, &views[1..2]).unwrap()[0], rows[1]);
    }
    let on_gpu = on_device(&backbone, WEIGHTS, ComputeDevice::Cuda(0)).unwrap();
    assert_eq!(on_gpu.kernel(), "cuda-f16-1");
}
