//! Weights from a safetensors file, checked against the architecture before anything is computed.

use domain::ids::Digest;
use half::f16;
use half::slice::HalfFloatSliceExt;
use safetensors::{Dtype, SafeTensors};

use crate::{EngineError, Layer, Spec};

/// One layer's numbers in f32, as the file orders them.
pub(crate) struct LayerWeights {
    pub(crate) layer: Layer,
    /// (out, in per group, kernel, kernel).
    pub(crate) weight: Vec<f32>,
    /// (out).
    pub(crate) bias: Vec<f32>,
}

/// Every layer's weights and every tensor's digest.
pub(crate) struct Weights {
    pub(crate) layers: Vec<LayerWeights>,
    /// In order of their names.
    pub(crate) digests: Vec<(String, Digest)>,
}

/// Read and check every tensor of the architecture; others in the file are ignored.
pub(crate) fn read(spec: &Spec, bytes: &[u8]) -> Result<Weights, EngineError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| EngineError::NotSafetensors {
        reason: error.to_string(),
    })?;
    let mut layers = Vec::new();
    let mut digests = Vec::new();
    for layer in spec.layers()? {
        let mut take = |suffix: &str, shape: &[usize]| -> Result<Vec<f32>, EngineError> {
            let name = format!("{}.{suffix}", layer.name);
            let (values, digest) = tensor(spec, &file, &name, shape)?;
            digests.push((name, digest));
            Ok(values)
        };
        let weight = take("weight", &layer.weight_shape())?;
        let bias = take("bias", &[layer.channels_out as usize])?;
        layers.push(LayerWeights { layer, weight, bias });
    }
    digests.sort();
    Ok(Weights { layers, digests })
}

/// A tensor's values and the digest of its name, type, shape and bytes.
fn tensor(spec: &Spec, file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<(Vec<f32>, Digest), EngineError> {
    let view = file.tensor(name).map_err(|_| EngineError::MissingTensor {
        architecture: spec.name.clone(),
        name: name.to_owned(),
    })?;
    if view.shape() != shape {
        return Err(EngineError::TensorShape {
            name: name.to_owned(),
            expected: shape.to_vec(),
            got: view.shape().to_vec(),
        });
    }
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => {
            let (words, _) = view.data().as_chunks::<4>();
            words.iter().map(|word| f32::from_le_bytes(*word)).collect()
        }
        Dtype::F16 => {
            let (words, _) = view.data().as_chunks::<2>();
            let halves: Vec<f16> = words.iter().map(|word| f16::from_le_bytes(*word)).collect();
            halves.to_f32_vec()
        }
        other => {
            return Err(EngineError::TensorType {
                name: name.to_owned(),
                got: format!("{other:?}"),
            });
        }
    };
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(EngineError::NotFinite {
            name: name.to_owned(),
            index,
            value: values[index].to_string(),
        });
    }
    let identity = (name, format!("{:?}", view.dtype()), shape, Digest::of(view.data()));
    Ok((values, Digest::of_json(&identity)))
}
