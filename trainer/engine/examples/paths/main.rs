//! Every way to a feature, compared: `paths cases DIR` writes what is to be computed and the answers by the definition in
//! f64, `paths run DIR [PREFIX]` the answer of every kernel of this machine, `paths table DIR` compares all answers that
//! are there, whoever wrote them. `cargo xtask paths` does all of it.
#![expect(clippy::unwrap_used, reason = "a program for developers ends at its first surprise")]

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use engine::{
    Activation, Block, Expansion, Filter, Fit, Kernel, LayerKind, Padding, Pool, Preprocessing, Recipe, Spec, Squeeze,
    Stem, Tap,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

mod case;
#[path = "../../src/tests/naive.rs"]
#[expect(dead_code, reason = "the tests' small networks are not compared here")]
mod naive;
mod table;

const LITE0: &[u8] = include_bytes!("../../../assets/efficientnet_lite0.features.fp16.safetensors");
const PHOTOS: &[u8] = include_bytes!("../../../../tests/data/reference.npz");

/// Bytes of an image.
const IMAGE_BYTES: usize = 224 * 224 * 3;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["cases", dir] => write_cases(Path::new(dir)),
        ["run", dir] => run(Path::new(dir), ""),
        ["run", dir, prefix] => run(Path::new(dir), prefix),
        ["table", dir] => return table::print(Path::new(dir)),
        _ => {
            eprintln!("paths cases DIR | run DIR [PREFIX] | table DIR");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Answers every case with every kernel.
fn run(dir: &Path, prefix: &str) {
    for kernel in Kernel::available() {
        for (name, case) in table::files(dir, "case") {
            let path = format!("{prefix}{}", kernel.name());
            std::fs::write(table::file(dir, &name, &path), case::answer(kernel, &case)).unwrap();
            println!("{name}: {path}");
        }
    }
}

fn write_cases(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let gap = Recipe {
        tap: Tap::Head,
        pool: Pool::Gap,
    };
    let bundled = bundled_tensors();
    let made: Vec<Vec<u8>> = (1..5).map(made_image).collect();
    let photos = photos();
    let few = [made[0].clone(), photos[0].clone()];
    let all = [made, photos].concat();
    write_case(
        dir,
        "lite0 block10",
        &Spec::efficientnet_lite0(),
        Recipe::default_lite0(),
        &bundled,
        &all,
    );
    write_case(dir, "lite0 head", &Spec::efficientnet_lite0(), gap, &bundled, &few);
    for (name, spec) in [
        ("mobilenet v2", Spec::mobilenet_v2()),
        ("mobilenet v3 small", Spec::mobilenet_v3_small()),
    ] {
        write_case(dir, name, &spec, gap, &random_tensors(&spec), &few);
    }
}

/// A case, and its answer by the definition.
fn write_case(dir: &Path, name: &str, spec: &Spec, recipe: Recipe, tensors: &naive::Tensors, images: &[Vec<u8>]) {
    let prep = Preprocessing::efficientnet_lite0();
    let json = |value: Result<String, serde_json::Error>| value.unwrap();
    let about = [
        ("spec", json(serde_json::to_string(spec))),
        ("recipe", json(serde_json::to_string(&recipe))),
        ("preprocessing", json(serde_json::to_string(&prep))),
    ];
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let raw: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| (name.clone(), shape.clone(), bytes(values)))
        .collect();
    let pixels = images.concat();
    let mut views: Vec<(String, TensorView<'_>)> = raw
        .iter()
        .map(|(name, shape, data)| (name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap()))
        .collect();
    let shape = vec![images.len(), 224, 224, 3];
    views.push(("pixels".to_owned(), TensorView::new(Dtype::U8, shape, &pixels).unwrap()));
    let about = about.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
    let file = safetensors::serialize(views, Some(about)).unwrap();
    std::fs::write(table::file(dir, name, "case"), file).unwrap();

    let features: Vec<Vec<f64>> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for image in images {
            threads.push(scope.spawn(|| naive::naive(spec, tensors, recipe, &prep, image)));
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    #[expect(clippy::cast_possible_truncation, reason = "an answer is f32")]
    let features: Vec<f32> = features.concat().into_iter().map(|value| value as f32).collect();
    let answer = case::written("f64", images.len(), &features);
    std::fs::write(table::file(dir, name, table::REFERENCE), answer).unwrap();
    println!("{name}: {} images", images.len());
}

/// Two photos of those that ONNX Runtime's reference was computed from.
fn photos() -> Vec<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(PHOTOS)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name("pixels.npy").unwrap().read_to_end(&mut bytes).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[header..]
        .chunks_exact(IMAGE_BYTES)
        .take(2)
        .map(<[u8]>::to_vec)
        .collect()
}

/// Noise, black, white, and a wave: what photos do not have.
fn made_image(which: u32) -> Vec<u8> {
    let byte = |i: u32| match which {
        1 => (i.wrapping_mul(2_654_435_761) >> 24) as u8,
        2 => 0,
        3 => 255,
        _ => ((i / 3 % 224) * (i / 672) / 196) as u8,
    };
    (0..IMAGE_BYTES as u32).map(byte).collect()
}

fn bundled_tensors() -> naive::Tensors {
    let file = SafeTensors::deserialize(LITE0).unwrap();
    let tensor = |(name, view): (String, TensorView<'_>)| {
        assert_eq!(view.dtype(), Dtype::F16, "{name}");
        let (words, _) = view.data().as_chunks::<2>();
        let values = words
            .iter()
            .map(|word| half::f16::from_le_bytes(*word).to_f32())
            .collect();
        (name, (view.shape().to_vec(), values))
    };
    file.tensors().into_iter().map(tensor).collect()
}

/// Weights under which the numbers neither vanish nor grow through many layers (He et al. 2015).
fn random_tensors(spec: &Spec) -> naive::Tensors {
    let mut tensors = naive::Tensors::new();
    for (seed, layer) in (1_u32..).zip(spec.layers().unwrap()) {
        let shape = layer.weight_shape();
        let n: usize = shape.iter().product();
        let gain: f32 = if layer.activation == Activation::Linear {
            3.0
        } else {
            6.0
        };
        let scale = (gain * shape[0] as f32 / n as f32).sqrt();
        tensors.insert(
            format!("{}.weight", layer.name),
            (shape.to_vec(), naive::random(seed, n, scale)),
        );
        let bias = naive::random(seed + 1000, shape[0], 0.1);
        tensors.insert(format!("{}.bias", layer.name), (vec![shape[0]], bias));
    }
    tensors
}
