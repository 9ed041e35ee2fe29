//! The forward pass against features that ONNX Runtime computed from the same pixels and weights.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::io::Read;

use engine::{Backbone, Pool, Preprocessing, Recipe, Spec, Tap};

const WEIGHTS: &[u8] = include_bytes!("../../assets/efficientnet_lite0.features.fp16.safetensors");
const REFERENCE: &[u8] = include_bytes!("../../../tests/data/reference.npz");

/// The data of an array inside an npz file: what follows the header of its npy entry.
fn array(name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(REFERENCE)).unwrap();
    let mut bytes = Vec::new();
    archive
        .by_name(&format!("{name}.npy"))
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "npy, version 1.0");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[10..10 + header]).into_owned();
    assert!(text.contains("'fortran_order': False"), "{text}");
    bytes.split_off(10 + header)
}

fn floats(name: &str) -> Vec<f32> {
    array(name)
        .chunks_exact(4)
        .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

fn check(recipe: Recipe, name: &str) {
    let backbone = Backbone::load(
        Spec::efficientnet_lite0(),
        recipe,
        Preprocessing::efficientnet_lite0(),
        WEIGHTS,
    )
    .unwrap();
    let (pixels, expected) = (array("pixels"), floats(name));
    let dim = backbone.dim();
    assert_eq!(expected.len(), 24 * dim);
    let mut stream = backbone.stream();
    let mut got = vec![0.0; dim];
    for (image, (pixels, expected)) in pixels
        .chunks_exact(224 * 224 * 3)
        .zip(expected.chunks_exact(dim))
        .enumerate()
    {
        stream.features(pixels, &mut got).unwrap();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let cosine = dot(&got, expected) / (dot(&got, &got) * dot(expected, expected)).sqrt();
        assert!(cosine >= 0.9999, "image {image}: cosine {cosine}");
        let scale = expected.iter().fold(0.0_f32, |scale, value| scale.max(value.abs()));
        let error = got
            .iter()
            .zip(expected)
            .fold(0.0_f32, |error, (a, b)| error.max((a - b).abs()))
            / scale;
        assert!(error <= 1e-3, "image {image}: relative error {error}");
        println!(
            "{name} {image}: 1 - cosine {:e}, relative error {error:e}",
            1.0 - cosine
        );
    }
}

#[test]
fn the_default_recipe_equals_onnx_runtime() {
    check(Recipe::default_lite0(), "grid_block10_trim1_4x4_hwc");
}

#[test]
fn the_whole_network_equals_onnx_runtime() {
    let recipe = Recipe {
        tap: Tap::Head,
        pool: Pool::Gap,
    };
    check(recipe, "gap");
}
