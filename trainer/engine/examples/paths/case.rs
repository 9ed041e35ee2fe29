//! What every path computes, and how it says so. Both are safetensors files, so that any program can be a path.
//!
//! A case, `CASE.case.safetensors`: the network's tensors by the names of its architecture, `pixels` (images, side, side,
//! 3), u8, sRGB, and as metadata in JSON `spec`, `recipe` and `preprocessing`.
//!
//! A path's answer, `CASE.PATH.safetensors`: `features` (images, dim), f32, and as metadata `kernel`, which names the
//! arithmetic: paths with one name must agree to the bit.

use std::collections::HashMap;

use engine::{Backbone, Kernel};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// The answer of a kernel to a case.
pub(crate) fn answer(kernel: Kernel, case: &[u8]) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(case).expect("a case is a safetensors file");
    let about = header.metadata().clone().expect("a case has metadata");
    let tensors = SafeTensors::deserialize(case).expect("a case is a safetensors file");
    let backbone = Backbone::load_with(
        kernel,
        serde_json::from_str(&about["spec"]).expect("an architecture"),
        serde_json::from_str(&about["recipe"]).expect("a recipe"),
        serde_json::from_str(&about["preprocessing"]).expect("preprocessing"),
        case,
    )
    .expect("a case fits together");
    let pixels = tensors.tensor("pixels").expect("a case has pixels");
    let (n, dim) = (pixels.shape()[0], backbone.dim());
    let mut stream = backbone.stream();
    let mut features = vec![0.0; n * dim];
    for (image, feature) in pixels
        .data()
        .chunks_exact(pixels.data().len() / n)
        .zip(features.chunks_exact_mut(dim))
    {
        stream
            .features(image, feature)
            .expect("images and buffers have their lengths");
    }
    written(kernel.id(), n, &features)
}

/// An answer's file.
pub(crate) fn written(kernel: &str, n_images: usize, features: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = features.iter().flat_map(|value| value.to_le_bytes()).collect();
    let shape = vec![n_images, features.len() / n_images];
    let view = TensorView::new(Dtype::F32, shape, &bytes).expect("as many numbers as the shape says");
    let about = HashMap::from([("kernel".to_owned(), kernel.to_owned())]);
    safetensors::serialize([("features", view)], Some(about)).expect("one tensor is written")
}
