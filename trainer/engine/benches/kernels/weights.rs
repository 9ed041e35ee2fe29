//! Weights of an architecture that nobody trained: as large as trained ones, and the same on every machine.

use engine::{EngineError, Spec};
use safetensors::tensor::{Dtype, TensorView};

/// A safetensors file of f32 weights that keep the size of what goes through them.
///
/// # Errors
/// The architecture contradicts itself.
pub(crate) fn seeded(spec: &Spec) -> Result<Vec<u8>, EngineError> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    // SplitMix64; three draws together are nearly normal.
    let mut unit = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for layer in spec.layers()? {
        let shape = layer.weight_shape();
        let fan_in: usize = shape[1..].iter().product();
        let mut draw = |n: usize, scale: f32| -> Vec<u8> {
            let values = (0..n).map(|_| scale * (unit() + unit() + unit()));
            values.flat_map(f32::to_le_bytes).collect()
        };
        let weight = draw(shape.iter().product(), (2.0 / fan_in as f32).sqrt());
        let bias = draw(shape[0], 0.1);
        tensors.push((format!("{}.weight", layer.name), shape.to_vec(), weight));
        tensors.push((format!("{}.bias", layer.name), vec![shape[0]], bias));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("as many bytes as the shape says");
        (name, view)
    });
    Ok(safetensors::serialize(views, None).expect("names and shapes can be written as JSON"))
}
