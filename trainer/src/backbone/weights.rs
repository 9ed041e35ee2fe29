//! Tensors by the names and shapes that the architecture says.

use std::collections::HashMap;

use candle_core::Tensor;
use engine::{EngineError, Layer, Spec};

use super::error::Doing;
use super::{BackboneError, Compute};

/// Tensors by name.
pub(super) type Tensors = HashMap<String, Tensor>;

/// The tensors of a safetensors file, in the device's memory and type.
///
/// # Errors
/// It is not such a file, or the device has no room for it.
pub fn read(safetensors: &[u8], compute: &Compute) -> Result<HashMap<String, Tensor>, BackboneError> {
    let read = candle_core::safetensors::load_buffer(safetensors, &compute.device);
    let mut tensors = read.doing("read the weights")?;
    for (name, tensor) in &mut tensors {
        let cast = tensor.to_dtype(compute.dtype);
        *tensor = cast.doing_with(|| format!("make {name} {:?}", compute.dtype))?;
    }
    Ok(tensors)
}

/// The architecture's layers, to be taken by name.
pub(super) struct Layers<'a> {
    architecture: &'a str,
    layers: Vec<Layer>,
    tensors: &'a Tensors,
}

/// A layer with its numbers.
pub(super) struct LayerTensors<'a> {
    pub(super) layer: &'a Layer,
    /// (out, in per group, kernel, kernel).
    pub(super) weight: Tensor,
    /// (out).
    pub(super) bias: Tensor,
}

impl<'a> Layers<'a> {
    pub(super) fn new(spec: &'a Spec, tensors: &'a Tensors) -> Result<Self, BackboneError> {
        Ok(Self {
            architecture: &spec.name,
            layers: spec.layers()?,
            tensors,
        })
    }

    /// A layer that every network has.
    pub(super) fn take(&self, name: &str) -> Result<LayerTensors<'_>, BackboneError> {
        self.find(name)?.ok_or_else(|| self.missing(name))
    }

    /// A layer that this architecture may have.
    pub(super) fn find(&self, name: &str) -> Result<Option<LayerTensors<'_>>, BackboneError> {
        let Some(layer) = self.layers.iter().find(|layer| layer.name == name) else {
            return Ok(None);
        };
        Ok(Some(LayerTensors {
            weight: self.tensor(&format!("{name}.weight"), &layer.weight_shape())?,
            bias: self.tensor(&format!("{name}.bias"), &[layer.channels_out as usize])?,
            layer,
        }))
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, BackboneError> {
        let tensor = self.tensors.get(name).ok_or_else(|| self.missing(name))?;
        if tensor.dims() != shape {
            return Err(EngineError::TensorShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                got: tensor.dims().to_vec(),
            }
            .into());
        }
        Ok(tensor.clone())
    }

    fn missing(&self, name: &str) -> BackboneError {
        BackboneError::Engine(EngineError::MissingTensor {
            architecture: self.architecture.to_owned(),
            name: name.to_owned(),
        })
    }
}
