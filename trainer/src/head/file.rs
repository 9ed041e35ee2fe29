//! A head's file: `weight` (classes, dim), `bias` (classes), `standardise.mean` (dim), `standardise.std` (dim), all f32.

use bytes::Bytes;
use domain::ids::Digest;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::head::Head;

const WEIGHT: &str = "weight";
const BIAS: &str = "bias";
const MEAN: &str = "standardise.mean";
const STD: &str = "standardise.std";

/// The bytes are not a head.
#[derive(Debug, thiserror::Error)]
pub enum HeadFormatError {
    /// Not the container, or a tensor is missing.
    #[error("a head is a safetensors file with {WEIGHT}, {BIAS}, {MEAN}, {STD}: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    /// A tensor of another type or shape.
    #[error("tensor {name} must be f32 of shape {expected:?}, got {got:?} of {dtype}")]
    Tensor {
        /// Its name.
        name: &'static str,
        /// The shape it must have.
        expected: Vec<usize>,
        /// Its shape.
        got: Vec<usize>,
        /// Its type.
        dtype: String,
    },
    /// Something else than a matrix.
    #[error("tensor {WEIGHT} must have two dimensions, got shape {got:?}")]
    Rank {
        /// Its shape.
        got: Vec<usize>,
    },
    /// A number that is none, or a deviation of zero or less.
    #[error("tensor {name} holds a value that no head can have")]
    Value {
        /// The tensor.
        name: &'static str,
    },
}

impl Head {
    /// The bytes of head.safetensors: the same head, the same bytes.
    ///
    /// # Errors
    /// Never for a head whose vectors have the lengths they say.
    pub fn to_safetensors(&self) -> Result<Bytes, HeadFormatError> {
        let (k, dim) = (self.n_classes(), self.dim);
        let tensors = [
            (WEIGHT, vec![k, dim], bytes_of(&self.weight)),
            (BIAS, vec![k], bytes_of(&self.bias)),
            (MEAN, vec![dim], bytes_of(&self.mean)),
            (STD, vec![dim], bytes_of(&self.std)),
        ];
        let mut views = Vec::with_capacity(tensors.len());
        for (name, shape, data) in &tensors {
            views.push((*name, TensorView::new(Dtype::F32, shape.clone(), data)?));
        }
        Ok(safetensors::serialize(views, None)?.into())
    }

    /// Reads what [`Head::to_safetensors`] wrote.
    ///
    /// # Errors
    /// The bytes are not a head; says which tensor is wrong.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, HeadFormatError> {
        let file = SafeTensors::deserialize(bytes)?;
        let shape = file.tensor(WEIGHT)?.shape().to_vec();
        let [k, dim] = shape[..] else {
            return Err(HeadFormatError::Rank { got: shape });
        };
        let head = Self {
            dim,
            weight: read(&file, WEIGHT, &[k, dim])?,
            bias: read(&file, BIAS, &[k])?,
            mean: read(&file, MEAN, &[dim])?,
            std: read(&file, STD, &[dim])?,
        };
        if head.std.iter().any(|std| *std <= 0.0) {
            return Err(HeadFormatError::Value { name: STD });
        }
        Ok(head)
    }

    /// Digest of a class's row: weights then bias, little-endian f32.
    #[must_use]
    pub fn row_digest(&self, class_idx: usize) -> Digest {
        let mut bytes = bytes_of(self.row(class_idx));
        bytes.extend(self.bias[class_idx].to_le_bytes());
        Digest::of(&bytes)
    }

    /// Names the head wherever its dial stands: all weights, and how its new classes are aligned to each other. Biases are
    /// left out, since the dial moves those of all new classes alike.
    #[must_use]
    pub fn dialless_digest(&self, alignment: &[f64]) -> Digest {
        let mut bytes = bytes_of(&self.weight);
        bytes.extend(alignment.iter().flat_map(|shift| shift.to_le_bytes()));
        Digest::of(&bytes)
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn read(file: &SafeTensors<'_>, name: &'static str, expected: &[usize]) -> Result<Vec<f32>, HeadFormatError> {
    let tensor = file.tensor(name)?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != expected {
        return Err(HeadFormatError::Tensor {
            name,
            expected: expected.to_vec(),
            got: tensor.shape().to_vec(),
            dtype: format!("{:?}", tensor.dtype()),
        });
    }
    let mut values = Vec::with_capacity(tensor.data().len() / 4);
    for bytes in tensor.data().chunks_exact(4) {
        let mut four = [0; 4];
        four.copy_from_slice(bytes);
        values.push(f32::from_le_bytes(four));
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(HeadFormatError::Value { name });
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            dim: 3,
            weight: vec![1.0, -2.0, 3.0, 0.5, 0.25, -0.0],
            bias: vec![0.1, -0.2],
            mean: vec![0.0, 1.0, 2.0],
            std: vec![1.0, 2.0, 1e-3],
        }
    }

    #[test]
    fn what_is_written_is_read_and_written_again_bit_by_bit() {
        let bytes = head().to_safetensors().unwrap();
        let read = Head::from_safetensors(&bytes).unwrap();
        assert_eq!(read, head());
        assert_eq!(read.to_safetensors().unwrap(), bytes);
        assert_eq!(read.row_digest(1), head().row_digest(1));
        assert_ne!(head().row_digest(0), head().row_digest(1));
    }

    #[test]
    fn damage_is_named() {
        let bytes = head().to_safetensors().unwrap();
        for cut in [0, 7, 60, bytes.len() - 1] {
            assert!(Head::from_safetensors(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let short = Head {
            mean: vec![0.0; 2],
            ..head()
        };
        let error = Head::from_safetensors(&short.to_safetensors().unwrap_or_default()).unwrap_err();
        assert!(
            error.to_string().contains("safetensors") || error.to_string().contains("mean"),
            "{error}"
        );
        let nan = Head {
            bias: vec![f32::NAN, 0.0],
            ..head()
        };
        let error = Head::from_safetensors(&nan.to_safetensors().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "tensor bias holds a value that no head can have");
        let flat = Head {
            std: vec![1.0, 0.0, 1.0],
            ..head()
        };
        let error = Head::from_safetensors(&flat.to_safetensors().unwrap()).unwrap_err();
        assert!(error.to_string().contains("standardise.std"), "{error}");
    }
}
